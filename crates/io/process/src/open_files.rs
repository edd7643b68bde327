//! How many files and sockets a process may have open.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the number to what is allowed at most, and says what that is. A container often starts with 1,024, and programs
/// that wait with select(2) may need so few; this one does not.
///
/// # Errors
/// When the kernel refuses; then the number stays as it is.
pub fn allow_open_files() -> io::Result<u64> {
    let (now, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if now < most {
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    }
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_raised_to_the_most_that_is_allowed() {
        let (before, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, before.min(200), most).unwrap();
        for _ in 0..2 {
            assert_eq!(allow_open_files().unwrap(), most);
            assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (most, most));
        }
    }
}

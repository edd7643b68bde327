//! The file: read with distrust, replaced as a whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use metallb_announce::{Saved, SavedError};
use nix::libc::O_NOFOLLOW;
use nix::unistd::geteuid;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Ten times what ten thousand Services take: nothing larger is read.
const LARGEST: u64 = 64 * 1024 * 1024;
/// Nobody else needs to read it.
const MODE: u32 = 0o600;
/// Who may write it besides its owner: nobody.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Where the file is and how long it counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SnapshotSettings {
    /// The file.
    pub path: PathBuf,
    /// Beyond this age it is not used.
    pub max_age: Duration,
}

/// The file is not used.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// It can't be read.
    #[error("it can't be read")]
    Read(#[source] io::Error),
    /// It is a folder, a device or the like.
    #[error("it is no regular file")]
    NoFile,
    /// Somebody else made it, or could have changed it.
    #[error("it belongs to user {owner} with mode {mode:o}: it must be this user's alone")]
    NotOurs {
        /// The owner's number.
        owner: u32,
        /// The permissions.
        mode: u32,
    },
    /// It is too old.
    #[error("it is {}s old, more than --snapshot-max-age", .0.as_secs())]
    Old(Duration),
    /// It is larger than any snapshot.
    #[error("it holds {0} bytes, too many for a snapshot")]
    Large(u64),
    /// It holds something else.
    #[error(transparent)]
    Content(#[from] SavedError),
}

/// What the file holds; None if there is no file.
pub(crate) fn read(settings: &SnapshotSettings, node: &str) -> Result<Option<Saved>, ReadError> {
    let opened = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW).open(&settings.path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(ReadError::Read)?,
    };
    check(&file, settings.max_age)?;
    let mut text = Vec::new();
    file.take(LARGEST).read_to_end(&mut text).map_err(ReadError::Read)?;
    Ok(Some(Saved::decode(&text, node)?))
}

fn check(file: &File, max_age: Duration) -> Result<(), ReadError> {
    let metadata = file.metadata().map_err(ReadError::Read)?;
    if !metadata.is_file() {
        return Err(ReadError::NoFile);
    }
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != geteuid().as_raw() || mode & WRITABLE_BY_OTHERS != 0 {
        return Err(ReadError::NotOurs { owner, mode });
    }
    if metadata.len() > LARGEST {
        return Err(ReadError::Large(metadata.len()));
    }
    // A file of the future: the clock was set back, and how old it is nobody knows.
    let written = metadata.modified().map_err(ReadError::Read)?;
    match SystemTime::now().duration_since(written) {
        Ok(age) if age > max_age => Err(ReadError::Old(age)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Replaces the file: whoever reads it finds the old text or the new one. Not forced onto the disk, since it need not
/// outlive the machine.
pub(super) fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let written = write_anew(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, path));
    if written.is_err() {
        // Half a file would take room on a disk that may be full.
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

fn write_anew(path: &Path, text: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    file.write_all(text)
}

/// Says that the text is still what is so.
pub(super) fn touch(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).custom_flags(O_NOFOLLOW).open(path)?.set_modified(SystemTime::now())
}

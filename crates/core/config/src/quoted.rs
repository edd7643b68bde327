//! Lists as the contract's messages print them.

use std::fmt;

/// Prints a list as `["192.0.2.1" "2001:db8::1"]`.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a, T>(pub &'a [T]);

impl<T: fmt::Display> fmt::Display for Quoted<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, item) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{:?}", item.to_string())?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_quoted_and_separated_by_blanks() {
        assert_eq!(Quoted(&["1.2.3.4", "1000::"]).to_string(), r#"["1.2.3.4" "1000::"]"#);
        assert_eq!(Quoted::<String>(&[]).to_string(), "[]");
    }
}

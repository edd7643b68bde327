//! Texts of which each object has one, and that mostly are numbers: as numbers they take a third of the room.

use std::fmt;

/// Where a UUID has hyphens, counted in its digits.
const HYPHENS: [usize; 4] = [8, 12, 16, 20];

/// A `uid`; empty if there is none. Prints as it was read.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Uid {
    /// A UUID in its usual form.
    Uuid([u8; 16]),
    /// Anything else.
    Other(Box<str>),
}

/// A `resourceVersion`; empty if there is none. Prints as it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Revision {
    /// A number, as all API servers give them.
    Number(u64),
    /// Anything else.
    Other(Box<str>),
}

impl Uid {
    pub(crate) fn of(text: &str) -> Self {
        let digits: String = text.chars().filter(|letter| *letter != '-').collect();
        let uuid = u128::from_str_radix(&digits, 16).map(|number| Self::Uuid(number.to_be_bytes()));
        uuid.ok().filter(|uuid| uuid.to_string() == text).unwrap_or_else(|| Self::Other(text.into()))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(bytes) => {
                for (at, digit) in format!("{:032x}", u128::from_be_bytes(*bytes)).chars().enumerate() {
                    let hyphen = if HYPHENS.contains(&at) { "-" } else { "" };
                    write!(f, "{hyphen}{digit}")?;
                }
                Ok(())
            }
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl Revision {
    pub(crate) fn of(text: &str) -> Self {
        let number = text.parse().map(Self::Number);
        number.ok().filter(|number| number.to_string() == text).unwrap_or_else(|| Self::Other(text.into()))
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Other(text) if text.is_empty())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_the_same_afterwards() {
        for (text, is_number) in [
            ("0b1e9d3e-1111-4c2f-8f7e-2f1d3c4b5a69", true),
            ("00000000-0000-0000-0000-000000000001", true),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", true),
            ("0B1E9D3E-1111-4C2F-8F7E-2F1D3C4B5A69", false),
            ("0b1e9d3e11114c2f8f7e2f1d3c4b5a69", false),
            ("0b1e9d3e-1111-4c2f-8f7e-2f1d3c4b5a6", false),
            ("+b1e9d3e-1111-4c2f-8f7e-2f1d3c4b5a69", false),
            ("uid-of-web", false),
            ("", false),
        ] {
            let uid = Uid::of(text);
            assert_eq!((uid.to_string().as_str(), matches!(uid, Uid::Uuid(_))), (text, is_number));
        }
    }

    #[test]
    fn a_revision_is_the_same_afterwards() {
        for (text, is_number) in [
            ("0", true),
            ("81234", true),
            ("18446744073709551615", true),
            ("18446744073709551616", false),
            ("007", false),
            ("+7", false),
            ("1a", false),
            ("", false),
        ] {
            let revision = Revision::of(text);
            let is_empty = text.is_empty();
            assert_eq!((revision.to_string().as_str(), revision.is_empty()), (text, is_empty));
            assert_eq!(matches!(revision, Revision::Number(_)), is_number, "{text}");
        }
    }
}

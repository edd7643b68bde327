//! BGP communities.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A BGP community. Prints as `65000:1`, or `65000:1:2` when large; a legacy one is ordered as the large one with
/// its 32 bits in front and zeros behind.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Community {
    /// RFC 1997.
    Legacy {
        /// The first half, by custom an AS number.
        high: u16,
        /// The second half.
        low: u16,
    },
    /// RFC 8092.
    Large {
        /// The AS number that gives the rest its meaning.
        administrator: u32,
        /// Its first part.
        data1: u32,
        /// Its second part.
        data2: u32,
    },
}

/// The text is no community.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CommunityError {
    /// It has not the form of one; it may be an alias.
    #[error("invalid community format: {text}")]
    Format {
        /// The text.
        text: String,
    },
    /// It has four fields, but the first is not `large`.
    #[error(
        "invalid community value: invalid marker for large community, expected community to be of format \
         large:<uint32>:<uint32>:<uint32> but got {text:?} instead"
    )]
    Marker {
        /// The text.
        text: String,
    },
    /// One of its fields is no number, or too large.
    #[error(
        "invalid community value: invalid section {section:?} of community {text:?}, \
         err: strconv.ParseUint: parsing {section:?}: {fault}"
    )]
    Section {
        /// The field.
        section: String,
        /// The text.
        text: String,
        /// What is wrong with the field, in Go's words.
        fault: &'static str,
    },
}

impl Community {
    /// Whether it is one of RFC 8092.
    #[must_use]
    pub fn is_large(self) -> bool {
        matches!(self, Self::Large { .. })
    }

    fn sort_key(self) -> [u32; 3] {
        match self {
            Self::Legacy { high, low } => [u32::from(high) << 16 | u32::from(low), 0, 0],
            Self::Large { administrator, data1, data2 } => [administrator, data1, data2],
        }
    }
}

impl FromStr for Community {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        let fields: Vec<&str> = text.split(':').collect();
        match fields.as_slice() {
            [high, low] => Ok(Self::Legacy { high: parse(high, text)?, low: parse(low, text)? }),
            ["large", administrator, data1, data2] => Ok(Self::Large {
                administrator: parse(administrator, text)?,
                data1: parse(data1, text)?,
                data2: parse(data2, text)?,
            }),
            [_, _, _, _] => Err(CommunityError::Marker { text: text.to_owned() }),
            _ => Err(CommunityError::Format { text: text.to_owned() }),
        }
    }
}

fn parse<N: FromStr>(section: &str, text: &str) -> Result<N, CommunityError> {
    let error = |fault| CommunityError::Section { section: section.to_owned(), text: text.to_owned(), fault };
    // `str::parse` takes a leading plus sign, which Go does not.
    if section.is_empty() || !section.bytes().all(|b| b.is_ascii_digit()) {
        return Err(error("invalid syntax"));
    }
    section.parse().map_err(|_| error("value out of range"))
}

impl Ord for Community {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort_key().cmp(&other.sort_key()).then(self.is_large().cmp(&other.is_large()))
    }
}

impl PartialOrd for Community {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Legacy { high, low } => write!(f, "{high}:{low}"),
            Self::Large { administrator, data1, data2 } => write!(f, "{administrator}:{data1}:{data2}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contract 01 §3.3 rule 4.
    #[test]
    fn communities_are_two_numbers_or_large_and_three() {
        let table = [
            ("65000:1", Ok("65000:1")),
            ("0:0", Ok("0:0")),
            ("65535:65535", Ok("65535:65535")),
            ("large:4294967295:0:7", Ok("4294967295:0:7")),
            (
                "65536:1",
                Err(
                    r#"invalid community value: invalid section "65536" of community "65536:1", err: strconv.ParseUint: parsing "65536": value out of range"#,
                ),
            ),
            (
                "+1:1",
                Err(
                    r#"invalid community value: invalid section "+1" of community "+1:1", err: strconv.ParseUint: parsing "+1": invalid syntax"#,
                ),
            ),
            (
                "large:1:4294967296:1",
                Err(
                    r#"invalid community value: invalid section "4294967296" of community "large:1:4294967296:1", err: strconv.ParseUint: parsing "4294967296": value out of range"#,
                ),
            ),
            (
                "1:",
                Err(
                    r#"invalid community value: invalid section "" of community "1:", err: strconv.ParseUint: parsing "": invalid syntax"#,
                ),
            ),
            (
                "small:1:2:3",
                Err(
                    r#"invalid community value: invalid marker for large community, expected community to be of format large:<uint32>:<uint32>:<uint32> but got "small:1:2:3" instead"#,
                ),
            ),
            ("1", Err("invalid community format: 1")),
            ("1:2:3", Err("invalid community format: 1:2:3")),
            ("large:1:2:3:4", Err("invalid community format: large:1:2:3:4")),
            ("", Err("invalid community format: ")),
        ];
        for (text, expected) in table {
            let parsed = text.parse::<Community>().map(|c| c.to_string()).map_err(|e| e.to_string());
            assert_eq!(parsed, expected.map(str::to_owned).map_err(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn a_legacy_community_is_ordered_by_its_32_bits() {
        let mut all = ["1:0", "large:65536:0:1", "0:9", "large:65536:0:0", "large:1:9:9"]
            .map(|text| text.parse::<Community>().unwrap());
        all.sort();
        let all = all.map(|community| community.to_string());
        assert_eq!(all, ["1:9:9", "0:9", "1:0", "65536:0:0", "65536:0:1"]);
    }
}

//! Hardware addresses.

use std::fmt;
use std::str::FromStr;

/// An Ethernet hardware address. Prints and parses as `02:00:5e:00:53:01`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Every station on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The six bytes, in the order of the wire.
    #[must_use]
    pub fn octets(self) -> [u8; 6] {
        self.0
    }
}

/// A text is no hardware address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid hardware address {text:?}: six two-digit hexadecimal bytes separated by ':' are needed")]
pub struct MacError {
    text: String,
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for MacAddr {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let bytes: Option<Vec<u8>> = text.split(':').map(parse_byte).collect();
        bytes
            .and_then(|bytes| <[u8; 6]>::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| MacError { text: text.to_owned() })
    }
}

fn parse_byte(text: &str) -> Option<u8> {
    let two_digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_hexdigit());
    two_digits.then(|| u8::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_prints_as_it_parses() {
        let text = "02:00:5e:00:53:fa";
        let mac: MacAddr = text.parse().unwrap();
        assert_eq!(mac, MacAddr([0x02, 0, 0x5e, 0, 0x53, 0xfa]));
        assert_eq!(mac.to_string(), text);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "02:00:5e:00:53",
            "02:00:5e:00:53:fa:00",
            "2:0:5e:0:53:fa",
            "+2:00:5e:00:53:fa",
            "zz:00:5e:00:53:fa",
        ] {
            assert!(text.parse::<MacAddr>().is_err(), "{text:?} parsed");
        }
    }
}

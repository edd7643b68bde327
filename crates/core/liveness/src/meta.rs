//! What a member says of itself in memberlist's metadata: that it speaks this layer, where, and which life it is.
//!
//! Layout: `MLB`, version, port, boot (big-endian). Longer data is read all the same, so that later versions can add.

/// Recognises our metadata among others'.
const MAGIC: &[u8; 3] = b"MLB";

/// The version written here.
pub const VERSION: u8 = 1;

/// What a member announces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Announced {
    /// What it speaks at most; every version can be spoken to in version 1.
    pub version: u8,
    /// The UDP port where it takes heartbeats, at its memberlist address.
    pub port: u16,
    /// Chosen at random when its process started: what it signed before is void.
    pub boot: u64,
}

/// The metadata of a member that listens at this port.
#[must_use]
pub fn encode(port: u16, boot: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    bytes.extend(port.to_be_bytes());
    bytes.extend(boot.to_be_bytes());
    bytes
}

/// What metadata announces; nothing if it is somebody else's.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Announced> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (&[version], rest) = rest.split_first_chunk()?;
    let (port, rest) = rest.split_first_chunk()?;
    let (boot, _) = rest.split_first_chunk()?;
    let (port, boot) = (u16::from_be_bytes(*port), u64::from_be_bytes(*boot));
    (version > 0 && port > 0).then_some(Announced { version, port, boot })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_member_says_port_and_boot() {
        let bytes = encode(7947, 0x0102_0304_0506_0708);
        assert_eq!(bytes, b"MLB\x01\x1f\x0b\x01\x02\x03\x04\x05\x06\x07\x08");
        assert_eq!(decode(&bytes), Some(Announced { version: 1, port: 7947, boot: 0x0102_0304_0506_0708 }));
    }

    #[test]
    fn what_others_say_is_not_ours() {
        for foreign in [&b""[..], b"M", b"MLB", b"MLB\x01\x1f", b"MLC\x01\x1f\x0b12345678", b"{\"a\":1}"] {
            assert_eq!(decode(foreign), None, "{foreign:?}");
        }
        assert_eq!(decode(b"MLB\x01\0\x0012345678"), None, "no port");
        assert_eq!(decode(b"MLB\x00\x1f\x0b12345678"), None, "no version");
    }

    #[test]
    fn later_versions_may_say_more() {
        let later = [&b"MLB\x02"[..], &encode(1, 2)[4..], b"more"].concat();
        assert_eq!(decode(&later), Some(Announced { version: 2, port: 1, boot: 2 }));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(port in 1u16.., boot in any::<u64>(), more in any::<Vec<u8>>()) {
            let bytes = [encode(port, boot), more].concat();
            prop_assert_eq!(decode(&bytes), Some(Announced { version: VERSION, port, boot }));
        }
    }
}

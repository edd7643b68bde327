//! What a member says of itself in memberlist's metadata: that it speaks this layer, where, which life it is, and
//! whether it answers yet.
//!
//! Layout: `MLB`, version, port, boot (big-endian), flags. Speakers of before end with the boot: no flag is set then.
//! [Parts](subnets) may follow. Longer data is read all the same, so that later versions can add.

mod subnets;

pub use subnets::{subnets, with_subnets};

/// Recognises our metadata among others'.
const MAGIC: &[u8; 3] = b"MLB";

/// The flag of a member whose process was just started: it answers for nothing yet.
const STARTING: u8 = 1;
/// The flag of one that knows the elections advertisements may ask for.
const TERMS: u8 = 2;

/// The bytes of what is always written: parts follow.
const LENGTH: usize = 15;

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
    /// Whether it does not answer yet.
    pub is_starting: bool,
    /// Whether it knows the elections that advertisements may ask for besides the contract's.
    pub knows_terms: bool,
}

/// The metadata that announces this.
#[must_use]
pub fn encode(announced: &Announced) -> Vec<u8> {
    let Announced { version, port, boot, is_starting, knows_terms } = *announced;
    let mut bytes = MAGIC.to_vec();
    bytes.push(version);
    bytes.extend(port.to_be_bytes());
    bytes.extend(boot.to_be_bytes());
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    bytes.push(flag(is_starting, STARTING) | flag(knows_terms, TERMS));
    bytes
}

/// What metadata announces; nothing if it is somebody else's.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Announced> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (&[version], rest) = rest.split_first_chunk()?;
    let (port, rest) = rest.split_first_chunk()?;
    let (boot, rest) = rest.split_first_chunk()?;
    let (port, boot) = (u16::from_be_bytes(*port), u64::from_be_bytes(*boot));
    let flags = rest.first().copied().unwrap_or(0);
    let (is_starting, knows_terms) = (flags & STARTING != 0, flags & TERMS != 0);
    (version > 0 && port > 0).then_some(Announced { version, port, boot, is_starting, knows_terms })
}

#[cfg(test)]
mod oracle;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const READY: Announced = Announced {
        version: VERSION,
        port: 7947,
        boot: 0x0102_0304_0506_0708,
        is_starting: false,
        knows_terms: false,
    };

    #[test]
    fn a_member_says_port_and_boot_and_whether_it_answers_yet_and_knows_terms() {
        for (is_starting, knows_terms, flags) in
            [(false, false, 0), (true, false, 1), (false, true, 2), (true, true, 3)]
        {
            let announced = Announced { is_starting, knows_terms, ..READY };
            let bytes = encode(&announced);
            assert_eq!(bytes, [b"MLB\x01\x1f\x0b\x01\x02\x03\x04\x05\x06\x07\x08", &[flags][..]].concat());
            assert_eq!(decode(&bytes), Some(announced));
        }
    }

    #[test]
    fn a_speaker_that_knows_no_flags_answers_and_unknown_flags_mean_nothing() {
        let bytes = encode(&READY);
        let (_, earlier) = bytes.split_last().unwrap();
        for (flags, is_starting) in [(&[][..], false), (&[0b100], false), (&[0b101], true)] {
            let announced = decode(&[earlier, flags].concat());
            assert_eq!(announced, Some(Announced { is_starting, ..READY }), "{flags:?}");
        }
    }

    #[test]
    fn what_others_say_is_not_ours() {
        for foreign in [&b""[..], b"M", b"MLB", b"MLB\x01\x1f", b"MLC\x01\x1f\x0b12345678", b"{\"a\":1}"] {
            assert_eq!(decode(foreign), None, "{foreign:?}");
        }
        assert_eq!(decode(b"MLB\x01\0\x0012345678"), None, "no port");
        assert_eq!(decode(b"MLB\x00\x1f\x0b12345678"), None, "no version");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_later_versions_may_say_more(
            version in 1u8..,
            port in 1u16..,
            boot in any::<u64>(),
            is_starting in any::<bool>(),
            knows_terms in any::<bool>(),
            more in any::<Vec<u8>>(),
        ) {
            let announced = Announced { version, port, boot, is_starting, knows_terms };
            let bytes = [encode(&announced), more].concat();
            prop_assert_eq!(decode(&bytes), Some(announced));
        }
    }
}

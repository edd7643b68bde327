//! A second reader of the same datagrams, by the places that `docs/additions.md` ("Ports") gives, and another HMAC.

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;

/// The number of some bytes, each worth 256 times the one behind it.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum * 256 + u64::from(*byte))
}

/// Version, kind, three numbers, and what the kind says: flags and a number, or two numbers and a reason.
fn read_by_place(bytes: &[u8]) -> Option<Datagram> {
    let body = match (bytes.len(), *bytes.first()?, *bytes.get(1)?) {
        (35, 1, 0) => Body::Heartbeat { flags: Flags(bytes[26]), echo: number(&bytes[27..35]) },
        (43, 1, kind @ 1..=4) => Body::Claim(Claim {
            verdict: [Verdict::Suspect, Verdict::Down, Verdict::Alive, Verdict::Ask][usize::from(kind) - 1],
            about: number(&bytes[26..34]),
            beat: number(&bytes[34..42]),
            evidence: *[Evidence::Silent, Evidence::Refused].get(usize::from(bytes[42]))?,
        }),
        _ => return None,
    };
    let [from, to, sequence] = [2, 10, 18].map(|at| number(&bytes[at..at + 8]));
    Some(Datagram { from, to, sequence, body })
}

/// RFC 2104, over SHA-256 of another library than the one that signs.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

fn tag(secret: &[u8], text: &[u8]) -> Vec<u8> {
    let key = hmac(&secret[..secret.len().min(32)], b"metallb liveness 1");
    hmac(&key, text)[..16].to_vec()
}

#[test]
fn the_other_hmac_is_that_of_rfc_4231() {
    let hex: String =
        hmac(b"Jefe", b"what do ya want for nothing?").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

/// Bytes that are nearly one: kinds, lengths and reasons in and about what there is.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![Just(35_usize), Just(43), 0..60_usize];
    let bytes = prop::collection::vec(any::<u8>(), 60);
    (bytes, length, 0..3_u8, 0..6_u8, 0..3_u8).prop_map(|(mut bytes, length, version, kind, reason)| {
        (bytes[0], bytes[1], bytes[42]) = (version.clamp(1, 2), kind, reason);
        bytes.truncate(length);
        bytes
    })
}

proptest! {
    #[test]
    fn any_bytes_are_the_same_to_both_readers(bytes in nearly()) {
        prop_assert_eq!(decode(&bytes, &Keys::plain()).ok(), read_by_place(&bytes));
    }

    #[test]
    fn a_tag_is_what_the_other_hmac_makes_of_secret_and_datagram(
        bytes in nearly(),
        secret in prop::collection::vec(any::<u8>(), 1..70),
        bit in 0..128_usize,
    ) {
        let keys = Keys::derive([&secret[..]]);
        let mut signed = [&bytes[..], &tag(&secret, &bytes)].concat();
        prop_assert_eq!(decode(&signed, &keys).ok(), read_by_place(&bytes));
        if let Some(datagram) = read_by_place(&bytes) {
            prop_assert_eq!(&encode(&datagram, &keys), &signed);
        }
        signed[bytes.len() + bit / 8] ^= 1 << (bit % 8);
        prop_assert!(decode(&signed, &keys).is_err());
    }
}

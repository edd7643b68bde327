//! Datagrams there and back, damaged, forged and oversized.

use crate::wire::message::{Accusation, Message};
use crate::wire::packet::{
    COMPOUND_OVERHEAD, ENCRYPTION_OVERHEAD, MOST_PARTS, PART_OVERHEAD, PacketError, Sealing, encode, open,
    seal,
};
use crate::wire::{CompressionError, EncryptionError};
use crate::{Keyring, Settings};
use proptest::prelude::*;
use weezl::BitOrder;

use super::messages::{SECRET, keyring, message, surroundings};

fn sealing<'a>(keyring: &'a Keyring, settings: &'a Settings) -> Sealing<'a> {
    Sealing { keyring, settings, with_checksum: false, nonce: [9; 12] }
}

fn uncompressed() -> Settings {
    Settings { enable_compression: false, ..Settings::lan() }
}

fn open_plain(bytes: &[u8]) -> Result<Vec<Message>, PacketError> {
    open(bytes, &Keyring::plain(), &Settings::lan())
}

fn suspect(node: &str) -> Message {
    Message::Suspect(Accusation { incarnation: 1, node: node.to_owned(), from: "b".to_owned() })
}

/// Messages in one datagram, as lengths and parts.
fn compound(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![7, u8::try_from(parts.len()).unwrap()];
    parts.iter().for_each(|part| bytes.extend(u16::try_from(part.len()).unwrap().to_be_bytes()));
    parts.iter().for_each(|part| bytes.extend(*part));
    bytes
}

/// The envelope of something compressed.
fn compressed(bytes: &[u8]) -> Vec<u8> {
    let lzw = weezl::encode::Encoder::new(BitOrder::Lsb, 8).encode(bytes).unwrap();
    envelope(0, &lzw)
}

fn envelope(algorithm: u8, lzw: &[u8]) -> Vec<u8> {
    let length = u32::try_from(lzw.len()).unwrap().to_be_bytes();
    [b"\x09\x82\xa4Algo", &[algorithm][..], b"\xa3Buf\xdb", &length, lzw].concat()
}

fn checked(bytes: &[u8]) -> Vec<u8> {
    [&[12][..], &crc32fast::hash(bytes).to_be_bytes(), bytes].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_opens_to_the_same_messages(messages in prop::collection::vec(message(), 0..8),
        with_checksum: bool, nonce: [u8; 12])
    {
        let bodies: Vec<_> = messages.iter().map(encode).collect();
        for (keyring, settings) in surroundings() {
            let sealing = Sealing { keyring: &keyring, settings: &settings, with_checksum, nonce };
            prop_assert_eq!(open(&seal(&bodies, &sealing), &keyring, &settings), Ok(messages.clone()));
        }
    }
}

proptest! {
    // Every length, in all surroundings.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_beginning_of_a_datagram_says_what_was_not_said(messages in prop::collection::vec(message(), 1..4),
        with_checksum: bool)
    {
        let bodies: Vec<_> = messages.iter().map(encode).collect();
        for (keyring, settings) in surroundings() {
            let sealing = Sealing { keyring: &keyring, settings: &settings, with_checksum, nonce: [3; 12] };
            let sealed = seal(&bodies, &sealing);
            let is_authenticated = !keyring.is_plain() && settings.gossip_verify_incoming;
            for length in 0..sealed.len() {
                match open(&sealed[..length], &keyring, &settings) {
                    Err(_) => {}
                    Ok(_) if is_authenticated => prop_assert!(false, "{length} of {} bytes", sealed.len()),
                    // Parts that are whole were said, and what has no structure has no end either. A ciphertext may
                    // look like anything where plain packets are taken as well.
                    Ok(opened) if keyring.is_plain() => prop_assert!(opened.iter().all(|one| {
                        matches!(one, Message::User(_)) || messages.contains(one)
                    }), "{opened:?}"),
                    Ok(_) => {}
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_bit_of_an_encrypted_datagram_counts(message in message(), at: prop::sample::Index, bit in 0..8_u32) {
        let settings = Settings::lan();
        let mut sealed = seal(&[encode(&message)], &sealing(&keyring(), &settings));
        // The version in front is not authenticated, here or in the original.
        *at.get_mut(&mut sealed[1..]) ^= 1_u8 << bit;
        let outcome = open(&sealed, &keyring(), &settings);
        prop_assert_eq!(outcome, Err(PacketError::Encryption(EncryptionError::NoKeyFits)));
    }

    #[test]
    fn any_bytes_are_opened_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), first in 0..14_u8) {
        for (keyring, settings) in surroundings() {
            let _ = open(&bytes, &keyring, &settings);
            let _ = open(&[&[first][..], &bytes].concat(), &keyring, &settings);
            let inside = [&[first][..], &bytes].concat();
            let _ = open(&seal(&[inside], &sealing(&keyring, &settings)), &keyring, &settings);
        }
    }
}

#[test]
fn one_bad_part_does_not_hide_the_others() {
    let (good, late) = (encode(&suspect("a")), encode(&suspect("c")));
    let bomb = compressed(&vec![8; 1 << 17]);
    let mut bent = good.clone();
    bent[1] = 0xc1;
    for (name, bad) in [
        ("nothing", &[][..]),
        ("an unknown kind", &[200]),
        ("a kind that belongs to streams", &[6, 0x80]),
        ("a truncated message", &good[..good.len() - 1]),
        ("no map", &bent),
        ("a number that is too large", b"\x0b\x81\xa5SeqNo\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
        ("a name that is no text", b"\x05\x81\xa4Node\xa1\xff"),
        ("an address of five bytes", b"\x04\x82\xa4Node\xa1a\xa4Addr\xa5abcde"),
        ("an alive without a name", b"\x04\x81\xa4Addr\xa4abcd"),
        ("a source of five bytes", b"\x00\x82\xaaSourceAddr\xa5abcde\xaaSourcePort\x01"),
        ("no LZW", &envelope(0, b"\xff\xff\xff")),
        ("an unknown compression", &envelope(1, b"")),
        ("a compression bomb", &bomb),
        ("a compound that ends early", &compound(&[&good])[..3]),
        ("a checksum, which belongs in front of all", &compound(&[&checked(&good)])),
    ] {
        assert!(open_plain(bad).is_err(), "{name}");
        let opened = open_plain(&compound(&[&good, bad, &late]));
        assert_eq!(opened, Ok(vec![suspect("a"), suspect("c")]), "{name}");
    }
}

#[test]
fn parts_before_the_end_of_a_truncated_datagram_count() {
    let (first, second) = (encode(&suspect("a")), encode(&suspect("c")));
    let whole = compound(&[&first, &second]);
    assert_eq!(open_plain(&whole[..whole.len() - 1]), Ok(vec![suspect("a")]));
    assert_eq!(open_plain(&whole[..6 + first.len() - 1]), Err(PacketError::Parts));
    assert_eq!(open_plain(&whole[..5]), Err(PacketError::Lengths));
    assert_eq!(open_plain(&whole[..1]), Err(PacketError::Lengths));
    assert_eq!(open_plain(&[7, 0]), Ok(vec![]));
}

#[test]
fn wraps_within_wraps_are_read_up_to_a_depth() {
    let mut inner = encode(&suspect("a"));
    for depth in 1..=8 {
        inner = if depth % 2 == 0 { compound(&[&inner]) } else { compressed(&inner) };
        assert_eq!(open_plain(&inner), Ok(vec![suspect("a")]), "{depth}");
    }
    assert_eq!(open_plain(&compound(&[&inner])), Err(PacketError::Nested));
    // A wrap costs four bytes, so that a datagram has room for thousands.
    let mut deep = vec![8];
    for _ in 0..15_000 {
        deep = compound(&[&deep]);
    }
    assert_eq!(open_plain(&deep), Err(PacketError::Nested));
}

#[test]
fn decompression_is_bounded_for_the_whole_datagram() {
    let too_large = Err(PacketError::Compression(CompressionError::TooLarge));
    let user = |length: usize| [&[8][..], &vec![b'x'; length - 1]].concat();
    assert_eq!(open_plain(&compressed(&user(1 << 16))).map(|messages| messages.len()), Ok(1));
    assert_eq!(open_plain(&compressed(&user((1 << 16) + 1))), too_large);
    // Bombs in a bomb, and many bombs side by side, share one bound.
    let bomb = compressed(&user(1 << 26));
    assert!(bomb.len() < 1 << 16, "it fits into a datagram");
    assert_eq!(open_plain(&bomb), too_large);
    let half = compressed(&user(1 << 15));
    assert_eq!(open_plain(&compressed(&half)).map(|messages| messages.len()), Ok(1));
    let many = vec![half.as_slice(); 255];
    assert_eq!(open_plain(&compound(&many)).map(|messages| messages.len()), Ok(2));
}

#[test]
fn only_a_few_things_are_decompressed_in_one_datagram() {
    // Thousands of envelopes have room in a datagram, and each costs the memory of a decoder.
    let envelope = compressed(&encode(&suspect("a")));
    let nothing = vec![b"\x09\x82\xa4Algo\x00\xa3Buf\xa0".as_slice(); 250];
    assert_eq!(open_plain(&compound(&[envelope.as_slice(); 10])), Ok(vec![suspect("a"); 4]));
    let hidden = compound(&[nothing.clone(), vec![envelope.as_slice(), &encode(&suspect("b"))]].concat());
    assert_eq!(open_plain(&hidden), Ok(vec![suspect("b")]));
}

#[test]
fn lzw_that_ends_early_or_goes_on_forever_is_refused() {
    let message = encode(&suspect("a"));
    let lzw = weezl::encode::Encoder::new(BitOrder::Lsb, 8).encode(&message).unwrap();
    assert_eq!(open_plain(&envelope(0, &lzw)), Ok(vec![suspect("a")]));
    for length in 0..lzw.len() {
        assert!(open_plain(&envelope(0, &lzw[..length])).is_err(), "{length} of {} bytes", lzw.len());
    }
    let behind = [&lzw[..], b"behind the end"].concat();
    assert_eq!(open_plain(&envelope(0, &behind)), Ok(vec![suspect("a")]));
    // Nothing but "start over": 256, in nine bits each.
    let clears: Vec<u8> = (0..60_000_usize)
        .map(|byte| (0..8).fold(0, |sum, bit| sum | u8::from((byte * 8 + bit) % 9 == 8) << bit))
        .collect();
    assert!(open_plain(&envelope(0, &clears)).is_err());
}

#[test]
fn a_checksum_that_is_wrong_or_cut_off_is_refused() {
    let message = encode(&suspect("a"));
    let good = checked(&message);
    assert_eq!(open_plain(&good), Ok(vec![suspect("a")]));
    for at in 1..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(open_plain(&bad), Err(PacketError::Checksum), "byte {at}");
    }
    for length in 1..good.len() {
        assert!(open_plain(&good[..length]).is_err(), "{length}");
    }
}

#[test]
fn labelled_packets_belong_to_another_ring() {
    let message = encode(&suspect("a"));
    let settings = Settings { gossip_verify_incoming: false, ..Settings::lan() };
    for label in [&b""[..], b"x", b"ring"] {
        let labelled = [&[244, u8::try_from(label.len()).unwrap()][..], label, &message].concat();
        for keyring in [Keyring::plain(), keyring()] {
            assert_eq!(open(&labelled, &keyring, &settings), Err(PacketError::Label));
        }
    }
}

#[test]
fn a_ring_changes_its_secret_without_losing_a_packet() {
    let settings = Settings::lan();
    let (old, new) = (Keyring::from_secret(b"old"), Keyring::from_secret(b"new"));
    let steps = [
        old.clone(),
        Keyring::from_secret(b"old").with_accepted(b"new"),
        Keyring::from_secret(b"new").with_accepted(b"old"),
        new.clone(),
    ];
    let bodies = [encode(&suspect("a"))];
    let understands = |receiver: &Keyring, sender: &Keyring| {
        open(&seal(&bodies, &sealing(sender, &settings)), receiver, &settings) == Ok(vec![suspect("a")])
    };
    // Any two members at most one step apart understand each other, in both directions.
    for pair in steps.windows(2) {
        assert!(understands(&pair[0], &pair[1]) && understands(&pair[1], &pair[0]));
    }
    // Who has the new key as the first one sends with it.
    assert!(understands(&new, &steps[2]) && !understands(&old, &steps[2]));
    assert!(!understands(&new, &old) && !understands(&old, &new));
}

#[test]
fn what_no_key_fits_is_refused_unless_plain_packets_are_taken_too() {
    let lax = Settings { gossip_verify_incoming: false, gossip_verify_outgoing: false, ..Settings::lan() };
    let bodies = [encode(&suspect("a"))];
    let plain = seal(&bodies, &sealing(&Keyring::plain(), &lax));
    let sealed = seal(&bodies, &sealing(&keyring(), &Settings::lan()));
    let other = Keyring::from_secret(b"another");
    let no_key = Err(PacketError::Encryption(EncryptionError::NoKeyFits));
    assert_eq!(open(&sealed, &other, &Settings::lan()), no_key);
    assert!(open(&sealed, &other, &lax).is_err());
    assert!(open(&sealed, &Keyring::plain(), &Settings::lan()).is_err());
    assert!(open(&plain, &keyring(), &Settings::lan()).is_err());
    assert_eq!(open(&plain, &keyring(), &lax), Ok(vec![suspect("a")]));
    assert_eq!(open(&sealed, &keyring(), &lax), Ok(vec![suspect("a")]));
    // With `GossipVerifyOutgoing` off a key only opens.
    assert_eq!(seal(&bodies, &sealing(&keyring(), &lax)), plain);
}

#[test]
fn forged_encryption_is_refused_with_the_reason() {
    let refusal = |bytes: &[u8]| match open(bytes, &keyring(), &Settings::lan()) {
        Err(PacketError::Encryption(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(&[]), EncryptionError::TooShort);
    assert_eq!(refusal(&[1; 28]), EncryptionError::TooShort);
    assert_eq!(refusal(&[1; 29]), EncryptionError::NoKeyFits);
    assert_eq!(refusal(&[0; 29]), EncryptionError::NoKeyFits);
    assert_eq!(refusal(&[2; 40]), EncryptionError::Version(2));
    // Version 0 says there is padding. Whoever has the key can lie about it; the version is not authenticated.
    for (last, expected) in [(0, false), (1, true), (16, true), (17, false), (255, false)] {
        let mut body = encode(&Message::User(vec![b'x'; 40]));
        body.push(last);
        let mut sealed = seal(&[body], &sealing(&keyring(), &uncompressed()));
        sealed[0] = 0;
        let opened = open(&sealed, &keyring(), &Settings::lan());
        match expected {
            true => assert!(matches!(&opened.unwrap()[..], [Message::User(_)])),
            false => assert_eq!(opened, Err(PacketError::Encryption(EncryptionError::Padding)), "{last}"),
        }
    }
    // An empty plaintext is no message.
    assert!(
        open(&seal(&[vec![]], &sealing(&keyring(), &uncompressed())), &keyring(), &Settings::lan()).is_err()
    );
}

#[test]
fn a_secret_makes_an_aes_256_key_and_16_bytes_of_it_an_aes_128_key() {
    let settings = uncompressed();
    let bodies = [encode(&suspect("a"))];
    let old = Keyring::from_keys(&[&SECRET[..16]]).unwrap();
    let sealed = seal(&bodies, &sealing(&old, &settings));
    assert!(open(&sealed, &keyring(), &settings).is_err());
    assert_eq!(open(&sealed, &old, &settings), Ok(vec![suspect("a")]));
    for length in [0, 15, 17, 24, 31, 33] {
        assert!(Keyring::from_keys(&[&vec![1; length]]).is_none(), "{length}");
    }
}

#[test]
fn the_overheads_are_what_is_added() {
    let settings = uncompressed();
    let bodies = vec![encode(&suspect("a")), encode(&suspect("c"))];
    let content: usize = bodies.iter().map(Vec::len).sum();
    let sealed = seal(&bodies, &sealing(&keyring(), &settings));
    assert_eq!(sealed.len(), content + COMPOUND_OVERHEAD + 2 * PART_OVERHEAD + ENCRYPTION_OVERHEAD);
    let alone = seal(&bodies[..1], &sealing(&Keyring::plain(), &settings));
    assert_eq!(alone, bodies[0]);
}

#[test]
fn what_does_not_fit_into_a_datagram_is_left_out() {
    let settings = uncompressed();
    let many = vec![encode(&suspect("a")); MOST_PARTS + 1];
    let opened = open_plain(&seal(&many, &sealing(&Keyring::plain(), &settings))).unwrap();
    assert_eq!(opened.len(), MOST_PARTS);
    let long = [vec![8; 1 << 16], encode(&suspect("a"))];
    assert_eq!(open_plain(&seal(&long, &sealing(&Keyring::plain(), &settings))), Ok(vec![suspect("a")]));
}

#[test]
fn compression_is_used_only_when_it_helps() {
    let short = vec![encode(&Message::Nack { sequence: 1 })];
    let long = vec![encode(&suspect("a")); 8];
    for (bodies, first) in [(&short, 11), (&long, 9)] {
        let sealed = seal(bodies, &sealing(&Keyring::plain(), &Settings::lan()));
        assert_eq!(sealed[0], first);
        assert!(sealed.len() <= seal(bodies, &sealing(&Keyring::plain(), &uncompressed())).len());
    }
}

#[test]
fn fields_nobody_knows_yet_are_passed_over_and_missing_ones_are_empty() {
    let later = b"\x0b\x83\xa5SeqNo\x05\xa5Later\x93\x01\xc0\x81\xa1x\xd4\x05\x00\xa5SeqNo\x07 and more";
    assert_eq!(open_plain(later), Ok(vec![Message::Nack { sequence: 7 }]));
    assert_eq!(open_plain(b"\x0b\x80"), Ok(vec![Message::Nack { sequence: 0 }]));
    assert_eq!(open_plain(b"\x0b\xc0"), Ok(vec![Message::Nack { sequence: 0 }]));
    assert_eq!(open_plain(b"\x0b\x81\xa5SeqNo\xc0"), Ok(vec![Message::Nack { sequence: 0 }]));
}

#[test]
fn a_replayed_packet_reads_as_it_did_the_first_time() {
    // Harmless: incarnations and sequence numbers decide whether a message still counts, and that is not the wire's part.
    let sealed = seal(&[encode(&suspect("a"))], &sealing(&keyring(), &Settings::lan()));
    let first = open(&sealed, &keyring(), &Settings::lan());
    assert_eq!(first, Ok(vec![suspect("a")]));
    assert_eq!(open(&sealed, &keyring(), &Settings::lan()), first);
}

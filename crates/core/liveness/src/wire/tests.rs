use proptest::prelude::*;

use super::*;

fn keys() -> Keys {
    Keys::derive([&b"secret"[..]])
}

fn body() -> impl Strategy<Value = Body> {
    let verdict = prop::sample::select(vec![Verdict::Suspect, Verdict::Down, Verdict::Alive, Verdict::Ask]);
    let evidence = prop_oneof![Just(Evidence::Silent), Just(Evidence::Refused)];
    let claim = (verdict, any::<u64>(), any::<u64>(), evidence)
        .prop_map(|(verdict, about, beat, evidence)| Body::Claim(Claim { verdict, about, beat, evidence }));
    let heartbeat = |(flags, echo)| Body::Heartbeat { flags: Flags(flags), echo };
    prop_oneof![(any::<u8>(), any::<u64>()).prop_map(heartbeat), claim]
}

fn datagram() -> impl Strategy<Value = Datagram> {
    (any::<[u64; 3]>(), body()).prop_map(|([from, to, sequence], body)| Datagram { from, to, sequence, body })
}

#[test]
fn a_heartbeat_is_these_bytes() {
    let body = Body::Heartbeat { flags: Flags::WANT.with(Flags::PROMPT, true), echo: 4 };
    let bytes = encode(&Datagram { from: 1, to: 2, sequence: 3, body }, &Keys::plain());
    let expected = [
        &[1, 0][..],
        &[0, 0, 0, 0, 0, 0, 0, 1],
        &[0, 0, 0, 0, 0, 0, 0, 2],
        &[0, 0, 0, 0, 0, 0, 0, 3],
        &[9, 0, 0, 0, 0, 0, 0, 0, 4],
    ]
    .concat();
    assert_eq!(bytes, expected);
}

#[test]
fn what_is_no_datagram_is_refused() {
    let body = Body::Claim(Claim { verdict: Verdict::Down, about: 1, beat: 2, evidence: Evidence::Silent });
    let good = encode(&Datagram { from: 1, to: 2, sequence: 3, body }, &Keys::plain());
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    for (what, bytes) in [
        ("empty", vec![]),
        ("another version", with(0, 2)),
        ("an unknown kind", with(1, 5)),
        ("unknown evidence", with(good.len() - 1, 2)),
        ("cut off", good[..good.len() - 1].to_vec()),
        ("a byte more", [&good[..], &[0]].concat()),
        ("oversized", [1; MAX_LENGTH + 1].to_vec()),
    ] {
        assert_eq!(decode(&bytes, &Keys::plain()), Err(WireError::Malformed), "{what}");
    }
    assert_eq!(decode(&good, &keys()), Err(WireError::Forged), "no tag where there are keys");
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_small(datagram in datagram()) {
        for keys in [Keys::plain(), keys()] {
            let bytes = encode(&datagram, &keys);
            prop_assert!(bytes.len() <= MAX_LENGTH);
            prop_assert_eq!(decode(&bytes, &keys), Ok(datagram));
        }
    }

    #[test]
    fn bytes_are_read_one_way_only(bytes in prop::collection::vec(any::<u8>(), 0..60), kind in 0u8..4) {
        let bytes = [&[1, kind], &bytes[..]].concat();
        if let Ok(datagram) = decode(&bytes, &Keys::plain()) {
            prop_assert_eq!(encode(&datagram, &Keys::plain()), bytes);
        }
    }
}

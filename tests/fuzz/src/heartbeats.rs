//! Heartbeats and metadata of fast liveness.

use std::collections::BTreeSet;
use std::time::Duration;

use metallb_liveness::wire::{self, MAX_LENGTH};
use metallb_liveness::{Keys, Liveness, Member, Settings, meta};
use metallb_net::Prefix;

use crate::binary;

pub(crate) const SEEDS: &[&str] = &[
    // A heartbeat; a suspicion, a verdict, a contradiction, a question.
    "x010000000000000000020000000000000001000000000000000709000000000000000a",
    "x01010000000000000002000000000000000100000000000000070000000000000003000000000000000900",
    "x01020000000000000002000000000000000100000000000000070000000000000003000000000000000901",
    "x01030000000000000002000000000000000100000000000000070000000000000003000000000000000900",
    "x01040000000000000002000000000000000100000000000000070000000000000003000000000000000900",
    // One's own death.
    "x01020000000000000002000000000000000100000000000000080000000000000001000000000000000900",
    // What a member says of itself.
    "x4d4c42011f0b0102030405060708",
    "x4d4c42011f0b010203040506070801",
    // The same with subnets, behind what nobody knows; with none.
    "x4d4c42011f0b01020304050607080009000178010010090a8018c000026120010db800000001",
    "x4d4c42011f0b010203040506070800010000",
    "x01",
];

/// A datagram: read and written it is the same, with a tag no other key accepts it, and a member takes it.
pub fn heartbeats(data: &[u8]) {
    let bytes = binary::of(data);
    if let Some(announced) = meta::decode(&bytes) {
        assert_eq!(meta::decode(&meta::encode(&announced)), Some(announced));
        write_again(meta::encode(&announced), meta::subnets(&bytes));
    }
    take(&bytes);
    let Ok(datagram) = wire::decode(&bytes, &Keys::plain()) else { return };
    assert_eq!(wire::encode(&datagram, &Keys::plain()), *bytes, "{datagram:?}");
    let [ours, others] = [b"ours", b"them"].map(|secret| Keys::derive([&secret[..]]));
    let signed = wire::encode(&datagram, &ours);
    assert!(signed.len() <= MAX_LENGTH);
    assert_eq!(wire::decode(&signed, &ours), Ok(datagram));
    assert!(wire::decode(&signed, &others).is_err());
}

/// Subnets that were read, written behind this and read again: the same, but for those that others cover.
fn write_again(meta: Vec<u8>, subnets: Option<Vec<Prefix>>) {
    let Some(subnets) = subnets else { return };
    let subnets: BTreeSet<Prefix> = subnets.into_iter().collect();
    let written = meta::with_subnets(meta.clone(), &subnets);
    assert!(written.len() <= 512);
    let Some(again) = meta::subnets(&written) else { return assert_eq!(written, meta) };
    let covers = |wide: &Prefix, subnet: &Prefix| {
        wide.length() <= subnet.length() && Prefix::new(subnet.base(), wide.length()).as_ref() == Ok(wide)
    };
    assert!(again.iter().all(|wide| subnets.contains(wide)));
    assert!(
        subnets.iter().all(|subnet| again.iter().any(|wide| covers(wide, subnet))),
        "{subnets:?}: {again:?}"
    );
}

/// Hands it to a member of a ring of three without keys, and lets a second pass.
fn take(bytes: &[u8]) {
    let mut now = Duration::from_secs(1);
    let mut machine = Liveness::new("a", 1, Keys::plain(), Settings::default(), now);
    let member = |name: &str, boot: u64| Member {
        name: name.to_owned(),
        address: ([127, 0, 0, 1], 7000 + u16::try_from(boot).unwrap_or(0)).into(),
        boot,
        is_starting: false,
    };
    let other = member("b", 2);
    let from = other.address;
    machine.peers([other, member("c", 3)], now);
    machine.datagram(from, bytes, now);
    for _ in 0..20 {
        now = now.max(machine.next_deadline());
        machine.tick(now);
        while machine.poll().is_some() {}
    }
}

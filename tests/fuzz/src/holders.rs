//! What speakers tell each other of the addresses they hold.

use std::net::IpAddr;
use std::time::Duration;

use metallb_announce::{Tenure, letters};

use crate::binary;

pub(crate) const SEEDS: &[&str] = &[
    // Tell me everything; my last change; a change of two, one of them gone.
    "x4d4c42680100000000000000010000000000000002",
    "x4d4c426802000000000000000100000000000000020000000000000003",
    "x4d4c426803000000000000000100000000000000020000000000000001040a00000100000007062001\
0db800000000000000000000000100000000",
    // Everything, in one part and in the second of three; in doubt, and just claimed.
    "x4d4c42680400000000000000010000000000000002000000000000000900000001040a00000180000001",
    "x4d4c42680400000000000000010000000000000002000000000000000900010003040a00000240000001",
    "x4d4c4268",
];

/// A message: written again it is the same, and a speaker takes it.
pub fn holders(data: &[u8]) {
    let bytes = binary::of(data);
    if let Some(letter) = letters::decode(&bytes) {
        let again = letters::encode((letter.sender, letter.receiver), &letter.word);
        assert!(bytes.starts_with(&again), "{letter:?}");
        assert_eq!(letters::decode(&again), Some(letter));
    }
    take(&bytes);
    let mut for_it = bytes.into_owned();
    if let Some(boots) = for_it.get_mut(5..21) {
        boots.copy_from_slice(&[1_u64.to_be_bytes(), 2_u64.to_be_bytes()].concat());
        take(&for_it);
    }
}

/// Hands it to the second of three speakers, who holds something, and lets two seconds pass.
fn take(bytes: &[u8]) {
    let mut now = Duration::from_secs(100);
    let mut tenure = Tenure::new("b", Duration::ZERO);
    tenure.set_wanted(true);
    tenure.set_peers([("a", 1), ("b", 2), ("c", 3)], now);
    let address = IpAddr::from([10, 0, 0, 1]);
    tenure.claim(address);
    for _ in 0..2 {
        tenure.receive("a", bytes, now);
        tenure.claim(address);
        tenure.tell(now);
        for _ in 0..40 {
            tenure.tick(now);
            let mut count = 0;
            while let Some(letter) = tenure.poll() {
                count += 1;
                assert!(letter.bytes.len() <= 1300 && letters::decode(&letter.bytes).is_some());
            }
            assert!(count < 10, "{count} letters at once");
            now += Duration::from_millis(50);
        }
        let all = [("a", 0), ("b", 0), ("c", 0)];
        assert!(tenure.holder(address, &[address], all).is_some(), "it claims it itself");
        for address in tenure.take_news() {
            tenure.forget(address);
        }
        tenure.doubt(now);
        tenure.trust();
    }
}

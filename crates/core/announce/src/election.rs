//! Who announces: the election every speaker holds for itself, with the same outcome everywhere.
//!
//! Bit-exact with the original (contract 02 §2.2, rule 8), so that both may run in one cluster.

use std::cmp::Reverse;
use std::net::IpAddr;

use metallb_net::canonical;
use sha2::{Digest, Sha256};

/// What candidates are ordered by; equal for no two nodes.
pub type Ballot = (Reverse<u64>, [u8; 32]);

/// A candidate's rank for an address: the higher score first, then the lower hash.
#[must_use]
pub fn ballot(node: &str, score: u64, address: IpAddr) -> Ballot {
    let mut hash = Sha256::new();
    hash.update(node.as_bytes());
    hash.update(b"#");
    hash.update(canonical(address).to_string().as_bytes());
    (Reverse(score), hash.finalize().into())
}

/// The candidate that announces the address; none without candidates.
#[must_use]
pub fn elect<'a>(candidates: impl IntoIterator<Item = (&'a str, u64)>, address: IpAddr) -> Option<&'a str> {
    candidates.into_iter().min_by_key(|(node, score)| ballot(node, *score, address)).map(|(node, _)| node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start_of_hash(node: &str, address: &str) -> String {
        let (_, hash) = ballot(node, 0, address.parse().unwrap());
        hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    fn winner<'a>(nodes: &[&'a str], address: &str) -> Option<&'a str> {
        elect(nodes.iter().map(|node| (*node, 0)), address.parse().unwrap())
    }

    #[test]
    fn hashes_are_those_of_the_contract() {
        for (node, address, expected) in [
            ("iris1", "10.20.30.1", "e42ad61a4159fa2d"),
            ("iris2", "10.20.30.1", "af6cb4e7605814d2"),
            ("iris1", "10.20.30.2", "610c5b6d22f60ca5"),
            ("iris2", "10.20.30.2", "6429fb4c07eeae89"),
            ("node-b", "10.0.0.1", "2acae885"),
            ("node-a", "10.0.0.1", "dd41591f"),
            ("node-c", "10.0.0.1", "f949561f"),
            ("node-b", "10.0.0.2", "48a0dc88"),
            ("node-c", "10.0.0.2", "c71d9fee"),
            ("node-a", "10.0.0.2", "d12599e5"),
            ("kind-worker2", "2001:db8::1", "3fcd27d1786d27bc"),
            ("kind-worker", "2001:db8::1", "69cb1ab6"),
            ("kind-control-plane", "2001:db8::1", "6eca208a"),
        ] {
            let hash = start_of_hash(node, address);
            assert!(hash.starts_with(expected), "{node}#{address}: {hash}, not {expected}");
        }
    }

    #[test]
    fn winners_are_those_of_the_contract() {
        for (nodes, address, expected) in [
            (&["iris1", "iris2"][..], "10.20.30.1", "iris2"),
            (&["iris1", "iris2"], "10.20.30.2", "iris1"),
            (&["node-a", "node-b", "node-c"], "10.0.0.1", "node-b"),
            (&["node-a", "node-b", "node-c"], "10.0.0.2", "node-b"),
            (&["node-a", "node-c"], "10.0.0.2", "node-c"),
            (&["kind-control-plane", "kind-worker", "kind-worker2"], "2001:db8::1", "kind-worker2"),
        ] {
            assert_eq!(winner(nodes, address), Some(expected), "{address}");
        }
        assert_eq!(winner(&[], "10.0.0.1"), None);
    }

    #[test]
    fn an_address_counts_the_same_however_it_is_written() {
        assert_eq!(start_of_hash("n", "::ffff:10.20.30.1"), start_of_hash("n", "10.20.30.1"));
        assert_eq!(start_of_hash("n", "2001:DB8:0:0::1"), start_of_hash("n", "2001:db8::1"));
    }

    #[test]
    fn the_score_comes_before_the_hash() {
        let address = "10.20.30.1".parse().unwrap();
        assert_eq!(elect([("iris1", 1), ("iris2", 0)], address), Some("iris1"));
        assert_eq!(elect([("iris1", 1), ("iris2", 1)], address), Some("iris2"));
    }
}

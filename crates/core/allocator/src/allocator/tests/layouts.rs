//! Pools of many shapes, and what is added to them: for histories that no list of configurations foresees.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::*;

/// Who has which addresses, and on what terms.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The pool of each of the chunks; a number beyond the pools is nobody.
    owners: Vec<usize>,
    terms: Vec<Terms>,
    /// Whether the addresses of a pool are declared from the last to the first.
    backwards: bool,
}

#[derive(Clone, Debug)]
struct Terms {
    auto_assign: bool,
    avoid_buggy_ips: bool,
    allocation: Option<Value>,
    is_wrong: bool,
}

const CHUNKS: [&str; 7] = [
    "10.0.0.0/31",
    "10.0.0.2/31",
    "10.0.1.0/31",
    "10.0.2.254-10.0.3.1",
    "2001:db8::/127",
    "2001:db8::2/127",
    "10.9.9.8/30",
];
const POOLS: [&str; 4] = ["a", "b", "c", "nowhere"];

fn terms() -> impl Strategy<Value = Terms> {
    let allocation = prop_oneof![
        4 => Just(None),
        1 => Just(Some(json!({"priority": 3, "serviceSelectors": [{"matchLabels": {"tier": "x"}}]}))),
        1 => Just(Some(json!({"namespaces": ["other"]}))),
    ];
    (prop::bool::weighted(0.75), prop::bool::weighted(0.25), allocation, prop::bool::weighted(0.15)).prop_map(
        |(auto_assign, avoid_buggy_ips, allocation, is_wrong)| Terms {
            auto_assign,
            avoid_buggy_ips,
            allocation,
            is_wrong,
        },
    )
}

pub(super) fn layout() -> impl Strategy<Value = Layout> {
    let owners = prop::collection::vec(0..POOLS.len() + 2, CHUNKS.len());
    let terms = prop::collection::vec(terms(), POOLS.len());
    (owners, terms, any::<bool>()).prop_map(|(owners, terms, backwards)| Layout { owners, terms, backwards })
}

/// A chunk and the pool that gets it.
pub(super) fn addition() -> impl Strategy<Value = (usize, usize)> {
    (0..CHUNKS.len(), 0..POOLS.len())
}

impl Layout {
    pub(super) fn pools(&self) -> Vec<Value> {
        POOLS.iter().enumerate().filter_map(|(pool, name)| self.pool(pool, name)).collect()
    }

    fn pool(&self, number: usize, name: &str) -> Option<Value> {
        let Terms { auto_assign, avoid_buggy_ips, allocation, is_wrong } = &self.terms[number];
        let chunks = CHUNKS.iter().zip(&self.owners).filter(|(_, owner)| **owner == number);
        let mut addresses: Vec<&str> = chunks.map(|(chunk, _)| *chunk).collect();
        if self.backwards {
            addresses.reverse();
        }
        if *is_wrong {
            addresses.push("10.0.0.0/99");
        }
        let spec = json!({
            "addresses": addresses, "autoAssign": auto_assign, "avoidBuggyIPs": avoid_buggy_ips,
            "serviceAllocation": allocation,
        });
        (!addresses.is_empty()).then(|| pool(name, spec))
    }

    /// The pool gets the chunk, if nobody has it.
    pub(super) fn grow(&mut self, (chunk, owner): (usize, usize)) {
        if self.owners[chunk] >= POOLS.len() {
            self.owners[chunk] = owner;
        }
    }
}

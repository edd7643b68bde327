use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::election::elect;

fn nodes(names: impl IntoIterator<Item = usize>) -> Candidates {
    let mut nodes: Vec<_> = names.into_iter().map(|number| (format!("n{number}"), 0)).collect();
    nodes.sort();
    nodes.into()
}

fn address(number: usize) -> IpAddr {
    let [.., a, b] = number.to_be_bytes();
    [10, 0, a, b].into()
}

fn settled(candidates: &Candidates, addresses: impl IntoIterator<Item = usize>) -> Shares {
    let mut shares = Shares::over(candidates.clone());
    addresses.into_iter().for_each(|number| shares.insert(address(number)));
    shares.settle();
    shares
}

fn owners(shares: &Shares) -> BTreeMap<IpAddr, String> {
    let owner = |address: &IpAddr| (*address, shares.owner(*address).unwrap().to_owned());
    shares.entries.keys().map(owner).collect()
}

fn loads(shares: &Shares) -> BTreeMap<String, usize> {
    owners(shares).into_values().fold(BTreeMap::new(), |mut loads, owner| {
        *loads.entry(owner).or_default() += 1;
        loads
    })
}

#[test]
fn a_candidate_gets_a_quarter_more_than_its_share_at_most() {
    for (addresses, candidates, expected) in
        [(0, 3, 0), (1, 3, 1), (3, 3, 2), (10, 3, 5), (4, 4, 2), (100, 10, 13), (10_000, 3, 4167)]
    {
        assert_eq!(most(addresses, candidates), expected, "{addresses} over {candidates}");
    }
}

#[test]
fn where_nobody_has_too_much_the_contract_elects() {
    let candidates = nodes(0..3);
    let shares = settled(&candidates, 0..2000);
    for (address, owner) in owners(&shares) {
        let elected = elect(candidates.iter().map(|(node, score)| (node.as_str(), *score)), address);
        assert_eq!(Some(owner.as_str()), elected, "{address}");
    }
}

#[test]
fn a_higher_score_gets_its_share_before_a_lower_one() {
    let candidates: Candidates = [("a".to_owned(), 0), ("b".to_owned(), 7)].into();
    assert_eq!(loads(&settled(&candidates, 0..8)), [("a".to_owned(), 3), ("b".to_owned(), 5)].into());
}

#[test]
fn without_candidates_nobody_owns_anything() {
    let mut shares = Shares::over(nodes([]));
    shares.insert(address(1));
    assert_eq!((shares.settle(), shares.owner(address(1))), (vec![], None));
}

#[test]
fn ten_thousand_addresses_take_one_more_without_ranking_all_again() {
    let mut shares = settled(&nodes(0..100), 0..10_000);
    let ranked = |shares: &Shares| shares.entries.values().filter(|entry| entry.order.is_some()).count();
    let before = ranked(&shares);
    shares.insert(address(20_000));
    shares.settle();
    assert!(before < 300 && ranked(&shares) <= before + 3, "{before}, {}", ranked(&shares));
}

proptest! {
    #[test]
    fn the_same_addresses_come_to_the_same_in_any_order_and_none_has_too_many(
        candidates in 1usize..12,
        first in prop::collection::vec(0usize..5000, 0..80),
        steps in prop::collection::vec((any::<bool>(), 0usize..5000), 0..40),
    ) {
        let candidates = nodes(0..candidates);
        let mut kept = first.iter().copied().collect::<BTreeSet<_>>();
        let mut grown = settled(&candidates, first);
        for (is_new, number) in steps {
            let before = owners(&grown);
            if is_new {
                kept.insert(number);
                grown.insert(address(number));
            } else {
                kept.remove(&number);
                grown.remove(address(number));
            }
            let changed: BTreeSet<IpAddr> = grown.settle().into_iter().collect();
            let now = owners(&grown);
            let moved = now.iter().filter(|(address, owner)| before.get(*address) != Some(*owner));
            prop_assert_eq!(changed, moved.map(|(address, _)| *address).collect());
        }
        let most = most(kept.len(), candidates.len());
        prop_assert!(loads(&grown).values().all(|load| *load <= most), "{:?}", loads(&grown));
        let at_once = settled(&candidates, kept.iter().rev().copied());
        prop_assert_eq!(owners(&at_once), owners(&grown));
        prop_assert_eq!(owners(&grown).len(), kept.len());
    }
}

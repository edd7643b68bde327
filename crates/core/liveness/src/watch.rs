//! Who watches whom: members stand on a ring, in an order everybody computes alike; each is watched by its nearest.
//!
//! The order is that of hashed names, so neighbours on the ring are not neighbours in a rack. Watching is mutual, and a
//! member that comes or goes moves a handful of edges.

use sha2::{Digest, Sha256};

/// A place on the ring; the boot tells members with the same hash apart.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Place {
    hash: u64,
    /// The member that stands here.
    pub(crate) boot: u64,
}

impl Place {
    pub(crate) fn of(name: &str, boot: u64) -> Self {
        let hash = Sha256::digest(name);
        let hash = hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        Self { hash, boot }
    }
}

/// All members, this one included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ring(Vec<Place>);

impl Ring {
    pub(crate) fn new(places: impl IntoIterator<Item = Place>) -> Self {
        let mut places: Vec<Place> = places.into_iter().collect();
        places.sort_unstable();
        Self(places)
    }

    /// The nearest to `center` that count: half of them on each side, all of them while they are few.
    pub(crate) fn around(&self, center: Place, watchers: usize, counts: impl Fn(u64) -> bool) -> Vec<u64> {
        let at = self.0.partition_point(|place| *place < center);
        let (before, after) = self.0.split_at_checked(at).unwrap_or_default();
        let half = watchers.div_ceil(2);
        let members = |place: &&Place| place.boot != center.boot && counts(place.boot);
        let mut found: Vec<u64> =
            after.iter().chain(before).filter(members).take(half).map(|place| place.boot).collect();
        let back = before.iter().rev().chain(after.iter().rev()).filter(members).map(|place| place.boot);
        let behind: Vec<u64> = back.filter(|boot| !found.contains(boot)).take(half).collect();
        found.extend(behind);
        found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn graph(members: u64, watchers: usize, down: &[u64]) -> BTreeMap<u64, Vec<u64>> {
        let places: Vec<Place> = (0..members).map(|boot| Place::of(&format!("node-{boot}"), boot)).collect();
        let ring = Ring::new(places.clone());
        let watch = |place: &Place| (place.boot, ring.around(*place, watchers, |boot| !down.contains(&boot)));
        places.iter().map(watch).collect()
    }

    #[test]
    fn few_members_all_watch_each_other() {
        for members in 1..=5 {
            for (member, watchers) in graph(members, 4, &[]) {
                assert_eq!(watchers.len() as u64, members - 1, "{member} of {members}");
            }
        }
    }

    #[test]
    fn the_price_per_member_is_the_same_in_any_ring() {
        for members in [6, 10, 100, 1_000] {
            assert!(graph(members, 4, &[]).values().all(|watchers| watchers.len() == 4), "{members}");
            assert!(graph(members, 3, &[]).values().all(|watchers| watchers.len() == 4), "odd: {members}");
        }
    }

    #[test]
    fn those_who_are_down_are_stepped_over() {
        let down = [0, 1, 2, 3, 4];
        for (member, watchers) in graph(10, 4, &down) {
            assert_eq!(watchers.len(), 4, "{member}");
            assert!(watchers.iter().all(|watcher| !down.contains(watcher) && *watcher != member));
        }
    }

    proptest! {
        #[test]
        fn watching_is_mutual(members in 1u64..40, watchers in 1usize..9) {
            let graph = graph(members, watchers, &[]);
            for (member, around) in &graph {
                for watcher in around {
                    prop_assert!(graph[watcher].contains(member), "{} and {}", member, watcher);
                }
            }
        }

        #[test]
        fn one_member_more_moves_a_handful_of_edges(members in 6u64..200) {
            let (before, after) = (graph(members, 4, &[]), graph(members + 1, 4, &[]));
            let moved = before.iter().filter(|(member, around)| after[member] != **around).count();
            prop_assert!(moved <= 4, "{}", moved);
        }
    }
}

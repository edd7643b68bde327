//! Whether a change of the configuration can take anything away from anybody.

use metallb_config::{Config, Pool};
use metallb_net::IpRange;

use crate::options::UnknownPool;

/// Whether all that the pools had stays theirs, for the same Services: at most ranges and pools are new. Then who has
/// all it wants keeps it, and only the others need to be looked at.
pub(crate) fn only_adds(before: &Config, after: &Config, unknown_pool: UnknownPool) -> bool {
    let no_new_names = || before.pools.len() == after.pools.len();
    // A name that no pool had may have counted for nothing until now.
    let same_requests = unknown_pool == UnknownPool::Pending || no_new_names();
    let stays = |pool: &Pool| after.pools.get(&pool.name).is_some_and(|after| is_part_of(pool, after));
    same_requests && before.refused_pools == after.refused_pools && before.pools.values().all(stays)
}

fn is_part_of(before: &Pool, after: &Pool) -> bool {
    let same_terms = before.auto_assign == after.auto_assign
        && before.avoid_buggy_ips == after.avoid_buggy_ips
        && before.allocation == after.allocation;
    same_terms && (before.ranges == after.ranges || are_covered(&before.ranges, &after.ranges))
}

fn are_covered(before: &[IpRange], after: &[IpRange]) -> bool {
    let mut sorted = after.to_vec();
    sorted.sort_unstable_by_key(IpRange::first);
    before.iter().all(|range| {
        let place = sorted.partition_point(|other| other.first() <= range.first());
        let other = place.checked_sub(1).and_then(|place| sorted.get(place));
        other.is_some_and(|other| other.contains(range.first()) && other.contains(range.last()))
    })
}

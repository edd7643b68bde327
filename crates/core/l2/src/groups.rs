//! Which multicast groups a link must be in, so that solicitations for announced addresses arrive.
//!
//! Nothing is counted: membership follows from the table each time, so a link that appears late joins what the
//! others joined, and an address that leaves takes no group away from one that stays (contract 02 §2.7).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use crate::table::AnnouncedTable;

#[cfg(test)]
mod tests;

/// A step that brings a link's memberships in line with the table.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum GroupChange {
    /// Join this group.
    Join(Ipv6Addr),
    /// Leave this group.
    Leave(Ipv6Addr),
}

/// The group that solicitations for an address are sent to (RFC 4291 §2.7.1).
#[must_use]
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    const PREFIX: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000;
    const LOW_24_BITS: u128 = 0xff_ffff;
    Ipv6Addr::from_bits(PREFIX | (address.to_bits() & LOW_24_BITS))
}

/// What a link of this name, member of `joined`, has to join and leave. For links that are new or in doubt.
#[must_use]
pub fn group_changes(table: &AnnouncedTable, name: &str, joined: &BTreeSet<Ipv6Addr>) -> Vec<GroupChange> {
    let leave = joined
        .iter()
        .filter(|group| !table.needs_group(**group, name))
        .map(|group| GroupChange::Leave(*group));
    let join = table
        .groups()
        .filter(|group| !joined.contains(group) && table.needs_group(*group, name))
        .map(GroupChange::Join);
    leave.chain(join).collect()
}

/// The same, looking only at what a change of this one address may have altered.
#[must_use]
pub fn group_changes_of(
    address: IpAddr,
    table: &AnnouncedTable,
    name: &str,
    joined: &BTreeSet<Ipv6Addr>,
) -> Option<GroupChange> {
    let IpAddr::V6(v6) = address else { return None };
    let group = solicited_node(v6);
    match (joined.contains(&group), table.needs_group(group, name)) {
        (false, true) => Some(GroupChange::Join(group)),
        (true, false) => Some(GroupChange::Leave(group)),
        (true, true) | (false, false) => None,
    }
}

//! The free addresses of one pool and family, as intervals.

use std::collections::BTreeMap;
use std::net::IpAddr;

use metallb_net::{IpFamily, IpRange, to_bits};

/// Where an address comes in the order of giving out: ranges as declared, ascending within a range.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Position {
    range: usize,
    bits: u128,
}

/// Free intervals in the order of giving out, so that the next free address is found without a search, however many
/// are taken (D22). Every operation is O(log n) in the number of intervals.
#[derive(Clone, Debug, Default)]
pub(crate) struct FreeSet {
    ranges: Vec<IpRange>,
    /// First address of each range, to find the range of an address.
    starts: BTreeMap<u128, usize>,
    /// Start of each free interval, with its last address.
    gaps: BTreeMap<Position, u128>,
}

impl FreeSet {
    /// Everything in the ranges of this family is free. The ranges do not overlap.
    pub(crate) fn new(ranges: &[IpRange], family: IpFamily) -> Self {
        let ranges: Vec<IpRange> = ranges.iter().filter(|range| range.family() == family).copied().collect();
        let starts = ranges.iter().enumerate().map(|(index, range)| (range.bounds().0, index)).collect();
        let gap = |(index, range): (usize, &IpRange)| {
            let (first, last) = range.bounds();
            (Position { range: index, bits: first }, last)
        };
        let gaps = ranges.iter().enumerate().map(gap).collect();
        Self { ranges, starts, gaps }
    }

    /// Where the address comes in the order; None if it is in no range.
    pub(crate) fn position(&self, address: IpAddr) -> Option<Position> {
        self.ranges.first().filter(|range| range.family() == IpFamily::of(address))?;
        let (_, index) = self.starts.range(..=to_bits(address)).next_back()?;
        let bits = self.ranges.get(*index)?.position(address)?;
        Some(Position { range: *index, bits })
    }

    /// The address at a position.
    pub(crate) fn address(&self, position: Position) -> Option<IpAddr> {
        self.ranges.get(position.range).map(|range| range.address(position.bits))
    }

    /// The address is not free any more.
    pub(crate) fn take(&mut self, address: IpAddr) {
        let Some(position) = self.position(address) else { return };
        let Some((start, last)) = self.gap_around(position) else { return };
        self.gaps.remove(&start);
        if start.bits < position.bits {
            self.gaps.insert(start, position.bits - 1);
        }
        if position.bits < last {
            self.gaps.insert(Position { bits: position.bits + 1, ..position }, last);
        }
    }

    /// The address is free again.
    pub(crate) fn give_back(&mut self, address: IpAddr) {
        let Some(position) = self.position(address) else { return };
        if self.gap_around(position).is_some() {
            return;
        }
        let before =
            position.bits.checked_sub(1).and_then(|bits| self.gap_around(Position { bits, ..position }));
        let after = position.bits.checked_add(1).map(|bits| Position { bits, ..position });
        let last = after.and_then(|after| self.gaps.remove(&after)).unwrap_or(position.bits);
        let start = before.map_or(position, |(start, _)| start);
        self.gaps.insert(start, last);
    }

    /// The first free address that is `usable`. Addresses that are not are dropped for good on the way: the answer
    /// must not change during the life of this set.
    pub(crate) fn first(&mut self, usable: impl Fn(IpAddr) -> bool) -> Option<(Position, IpAddr)> {
        loop {
            let (&position, _) = self.gaps.first_key_value()?;
            let address = self.address(position)?;
            if usable(address) {
                return Some((position, address));
            }
            self.take(address);
        }
    }

    /// The free interval that holds the position: its start and last address.
    fn gap_around(&self, position: Position) -> Option<(Position, u128)> {
        let (&start, &last) = self.gaps.range(..=position).next_back()?;
        (start.range == position.range && position.bits <= last).then_some((start, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(entries: &[&str]) -> FreeSet {
        let ranges: Vec<IpRange> = entries.iter().map(|entry| entry.parse().unwrap()).collect();
        FreeSet::new(&ranges, ranges[0].family())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn drain(set: &mut FreeSet, count: usize) -> Vec<String> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let Some((_, address)) = set.first(|_| true) else { break };
            set.take(address);
            taken.push(address.to_string());
        }
        taken
    }

    #[test]
    fn addresses_come_in_declared_order_and_then_there_are_no_more() {
        let mut set = set(&["10.0.0.8/31", "10.0.0.2-10.0.0.3"]);
        assert_eq!(drain(&mut set, 9), ["10.0.0.8", "10.0.0.9", "10.0.0.2", "10.0.0.3"]);
    }

    #[test]
    fn what_is_given_back_is_next_and_intervals_close_again() {
        let mut set = set(&["10.0.0.0/29"]);
        drain(&mut set, 8);
        for text in ["10.0.0.5", "10.0.0.3", "10.0.0.4", "10.0.0.4"] {
            set.give_back(ip(text));
        }
        assert_eq!(set.gaps.len(), 1);
        assert_eq!(drain(&mut set, 9), ["10.0.0.3", "10.0.0.4", "10.0.0.5"]);
    }

    #[test]
    fn neighbouring_ranges_stay_apart() {
        let mut set = set(&["10.0.0.2-10.0.0.3", "10.0.0.0-10.0.0.1"]);
        drain(&mut set, 4);
        for text in ["10.0.0.1", "10.0.0.2", "10.0.0.0", "10.0.0.3"] {
            set.give_back(ip(text));
        }
        assert_eq!(drain(&mut set, 9), ["10.0.0.2", "10.0.0.3", "10.0.0.0", "10.0.0.1"]);
    }

    #[test]
    fn both_ends_of_the_number_space_work() {
        for (entry, last) in
            [("0.0.0.0/0", "255.255.255.255"), ("::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]
        {
            let mut set = set(&[entry]);
            set.take(ip(last));
            assert_eq!(set.gaps.len(), 1);
            let first = set.first(|_| true).unwrap().1;
            set.take(first);
            set.give_back(first);
            set.give_back(ip(last));
            assert_eq!(set.gaps.len(), 1);
            assert_eq!(set.first(|_| true).unwrap().1, first);
        }
    }

    #[test]
    fn unusable_addresses_are_skipped_and_strangers_ignored() {
        let mut set = set(&["10.0.0.254-10.0.1.1"]);
        set.take(ip("10.9.9.9"));
        set.give_back(ip("2001:db8::1"));
        set.take(ip("10.0.0.254"));
        let usable =
            |address: IpAddr| !matches!(address, IpAddr::V4(v4) if matches!(v4.octets()[3], 0 | 255));
        assert_eq!(set.first(usable).unwrap().1, ip("10.0.1.1"));
    }
}

//! The free addresses of one pool and family, as intervals.

use std::net::IpAddr;

use metallb_net::{Intervals, IpFamily, IpRange, to_bits};

/// Where an address comes in the order of giving out: ranges as declared, ascending within a range.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position(u128);

/// Free addresses by their position, so that the next free one is found without a search, however many are taken (D22).
/// Every operation is O(log n) in the number of ranges and of intervals between taken addresses.
#[derive(Clone, Debug, Default)]
pub struct FreeSet {
    /// The ranges in declared order, each with the position of its first address.
    ranges: Vec<(u128, IpRange)>,
    /// The first address of each range with its place in `ranges`, ascending.
    starts: Vec<(u128, usize)>,
    free: Intervals,
}

impl FreeSet {
    /// Everything in the ranges of this family is free. The ranges do not overlap.
    #[must_use]
    pub fn new(ranges: &[IpRange], family: IpFamily) -> Self {
        let ours = ranges.iter().filter(|range| range.family() == family).copied();
        // Disjoint ranges of one family have at most 2^128 addresses: the last position fits.
        let mut last: Option<u128> = None;
        let place = |range: IpRange| {
            let (low, high) = range.bounds();
            let begin = last.map_or(0, |last| last.wrapping_add(1));
            last = Some(begin.wrapping_add(high - low));
            (begin, range)
        };
        let ranges: Vec<(u128, IpRange)> = ours.map(place).collect();
        let start = |(index, (_, range)): (usize, &(u128, IpRange))| (range.bounds().0, index);
        let mut starts: Vec<(u128, usize)> = ranges.iter().enumerate().map(start).collect();
        starts.sort_unstable();
        Self { ranges, starts, free: Intervals::up_to(last) }
    }

    /// Where the address comes in the order; None if it is in no range.
    #[must_use]
    pub fn position(&self, address: IpAddr) -> Option<Position> {
        let bits = to_bits(address);
        let before = self.starts.partition_point(|(start, _)| *start <= bits).checked_sub(1)?;
        let (begin, range) = self.ranges.get(self.starts.get(before)?.1)?;
        let offset = range.position(address)? - range.bounds().0;
        Some(Position(begin.wrapping_add(offset)))
    }

    /// The address at a position.
    #[must_use]
    pub fn address(&self, position: Position) -> Option<IpAddr> {
        let before = self.ranges.partition_point(|(begin, _)| *begin <= position.0).checked_sub(1)?;
        let (begin, range) = self.ranges.get(before)?;
        range.nth(position.0 - begin)
    }

    /// The address is not free any more.
    pub fn take(&mut self, address: IpAddr) {
        if let Some(position) = self.position(address) {
            self.free.remove(position.0);
        }
    }

    /// The address is free again.
    pub fn give_back(&mut self, address: IpAddr) {
        if let Some(position) = self.position(address) {
            self.free.insert(position.0);
        }
    }

    /// The n-th free address in the order of giving out, counted from zero.
    #[must_use]
    pub fn nth(&self, n: u128) -> Option<IpAddr> {
        self.address(Position(self.free.nth(n)?))
    }

    /// The first free address that is `usable`. Addresses that are not are dropped for good on the way: the answer
    /// must not change during the life of this set.
    pub fn first(&mut self, usable: impl Fn(IpAddr) -> bool) -> Option<(Position, IpAddr)> {
        loop {
            let position = Position(self.free.first()?);
            let address = self.address(position)?;
            if usable(address) {
                return Some((position, address));
            }
            self.free.remove(position.0);
        }
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
        assert_eq!(set.free.fragments(), 1);
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
            assert_eq!(set.free.fragments(), 1);
            let first = set.first(|_| true).unwrap().1;
            set.take(first);
            set.give_back(first);
            set.give_back(ip(last));
            assert_eq!(set.free.fragments(), 1);
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

    #[test]
    fn the_n_th_free_address_is_found_across_ranges() {
        let mut set = set(&["10.0.0.8/30", "10.0.0.0/30"]);
        set.take(ip("10.0.0.9"));
        let all: Vec<String> = (0..).map_while(|n| set.nth(n)).map(|address| address.to_string()).collect();
        assert_eq!(
            all,
            ["10.0.0.8", "10.0.0.10", "10.0.0.11", "10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3"]
        );
    }
}

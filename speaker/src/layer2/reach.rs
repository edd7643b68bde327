//! Which addresses the kernel lets frames through for: all that are announced, and as few others as it has room for.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use metallb_l2::{AnnouncedTable, Cover, ShareLimits, Shares};
use metallb_linux::{Protocol, Targets};
use tokio::time::Instant;

/// Frames about addresses that were withdrawn are let through this long: a thousand withdrawals are one change.
const TIDY_AFTER: Duration = Duration::from_secs(1);

/// Sockets of one protocol on one link, each with a filter of its own. The kernel shows every frame to each of them:
/// together they tell some 5,700 scattered ranges apart, and cost a frame nobody wants less than a microsecond.
const MOST_SOCKETS: usize = 8;
/// Where the kernel has no room even for so few ranges, something else is wrong.
const FEWEST_RANGES: usize = 16;

/// The filters in force, and whether they still fit.
#[derive(Debug)]
pub(super) struct Reach {
    arp: Filters,
    ndp: Filters,
    limits: ShareLimits,
    /// An announced address is not covered.
    is_short: bool,
    /// When to leave out what was withdrawn.
    tidy_at: Option<Instant>,
}

/// What the sockets of one protocol let through.
#[derive(Debug)]
struct Filters {
    cover: Cover,
    shares: Shares,
    /// One for each socket. A filter that did not change is the same as before.
    targets: Vec<Arc<Targets>>,
}

impl Default for Reach {
    fn default() -> Self {
        let limits = ShareLimits { shares: MOST_SOCKETS, ranges: Targets::MOST_RANGES };
        Self { arp: Filters::default(), ndp: Filters::default(), limits, is_short: false, tidy_at: None }
    }
}

impl Default for Filters {
    fn default() -> Self {
        Self { cover: Cover::default(), shares: Shares::default(), targets: vec![Arc::default()] }
    }
}

impl Reach {
    /// An address was announced.
    pub(super) fn announced(&mut self, address: IpAddr) {
        let filters = match address {
            IpAddr::V4(_) => &self.arp,
            IpAddr::V6(_) => &self.ndp,
        };
        self.is_short |= !filters.cover.contains(address);
    }

    /// An address was withdrawn.
    pub(super) fn withdrawn(&mut self, now: Instant) {
        self.tidy_at.get_or_insert(now + TIDY_AFTER);
    }

    /// Makes the filters fit; whether sockets have to follow.
    pub(super) fn refresh(&mut self, table: &AnnouncedTable, now: Instant) -> bool {
        if !self.is_short && self.tidy_at.is_none_or(|at| now < at) {
            return false;
        }
        (self.is_short, self.tidy_at) = (false, None);
        // A quarter is left free: where shares fill up unevenly, one address more must not move the bounds of all.
        let at_most = self.limits.shares * self.limits.ranges / 4 * 3;
        let arp = self.arp.follow(Cover::of_v4(table, at_most), self.limits);
        self.ndp.follow(Cover::of_v6(table, at_most), self.limits) || arp
    }

    /// The kernel has no room for filters so long: [`Self::refresh`] makes shorter ones. False when they are short.
    pub(super) fn shorten(&mut self) -> bool {
        let ranges = self.limits.ranges / 2;
        if ranges < FEWEST_RANGES {
            return false;
        }
        tracing::debug!(ranges, "the kernel has little room for filters");
        self.limits.ranges = ranges;
        self.is_short = true;
        true
    }

    /// When [`Self::refresh`] is wanted though nothing happened.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.tidy_at
    }

    /// What the sockets of a protocol let through, one after the other. To be put in force from the last to the
    /// first: no address is then without a filter meanwhile.
    pub(super) fn targets(&self, protocol: Protocol) -> &[Arc<Targets>] {
        match protocol {
            Protocol::Arp => &self.arp.targets,
            Protocol::Ndp => &self.ndp.targets,
        }
    }
}

impl Filters {
    /// Whether anything changed.
    fn follow(&mut self, cover: Cover, limits: ShareLimits) -> bool {
        let shares = self.shares.divide(&cover.last, limits);
        let targets = shares.into_iter().zip(0..).map(|(last, number)| self.filter(number, &cover, last));
        let targets: Vec<Arc<Targets>> = targets.collect();
        self.cover = cover;
        let is_changed = targets != self.targets;
        self.targets = targets;
        is_changed
    }

    fn filter(&self, number: usize, cover: &Cover, last: Vec<RangeInclusive<u32>>) -> Arc<Targets> {
        let new = Targets { leading: cover.leading.clone(), last };
        match self.targets.get(number) {
            Some(old) if **old == new => old.clone(),
            Some(_) | None => Arc::new(new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metallb_l2::Interfaces;

    #[test]
    fn an_address_is_let_through_at_once_and_forgotten_later() {
        let (mut reach, mut table) = (Reach::default(), AnnouncedTable::default());
        let now = Instant::now();
        let refresh = |reach: &mut Reach, table: &AnnouncedTable, after| reach.refresh(table, now + after);
        for address in ["192.0.2.1", "192.0.2.3", "2001:db8::1"] {
            let address: IpAddr = address.parse().unwrap();
            table.set(address, Interfaces::All);
            reach.announced(address);
        }
        assert!(refresh(&mut reach, &table, Duration::ZERO));
        assert!(!refresh(&mut reach, &table, Duration::ZERO), "the same again");
        reach.announced("192.0.2.1".parse().unwrap());
        assert!(!refresh(&mut reach, &table, Duration::ZERO), "announced again");
        table.remove("192.0.2.3".parse().unwrap());
        reach.withdrawn(now);
        assert_eq!(reach.next_deadline(), Some(now + TIDY_AFTER));
        assert!(!refresh(&mut reach, &table, Duration::ZERO));
        assert!(refresh(&mut reach, &table, TIDY_AFTER));
        let [only] = reach.targets(Protocol::Arp) else { panic!("{reach:?}") };
        assert_eq!(only.last, [0xc000_0201..=0xc000_0201]);
        assert_eq!(reach.next_deadline(), None);
    }

    #[test]
    fn filters_that_the_kernel_has_no_room_for_become_shorter_and_more() {
        let (mut reach, mut table) = (Reach::default(), AnnouncedTable::default());
        let now = Instant::now();
        for number in 0..400 {
            let address = IpAddr::V4((0x0a00_0000 + number * 16).into());
            table.set(address, Interfaces::All);
            reach.announced(address);
        }
        assert!(reach.refresh(&table, now));
        let lengths = |reach: &Reach| {
            let targets = reach.targets(Protocol::Arp).iter();
            targets.map(|targets| targets.last.len()).collect::<Vec<usize>>()
        };
        assert_eq!(lengths(&reach), [400]);
        assert!(reach.shorten() && reach.shorten());
        assert!(reach.refresh(&table, now));
        assert_eq!(lengths(&reach), [200, 200]);
        let first = reach.targets(Protocol::Arp).first().cloned().unwrap();
        let address: IpAddr = "10.255.0.1".parse().unwrap();
        table.set(address, Interfaces::All);
        reach.announced(address);
        assert!(reach.refresh(&table, now));
        assert!(Arc::ptr_eq(&first, &reach.targets(Protocol::Arp)[0]), "this one did not change");
        while reach.shorten() {}
        reach.refresh(&table, now);
        let lengths = lengths(&reach);
        assert!(lengths.len() <= MOST_SOCKETS && lengths.iter().all(|length| *length < 2 * FEWEST_RANGES));
    }
}

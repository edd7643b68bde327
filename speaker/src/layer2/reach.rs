//! Which addresses the kernel lets frames through for: all that are announced, and as few others as it has room for.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use metallb_l2::{AnnouncedTable, Cover, Filters, ShareLimits};
use metallb_linux::{Protocol, Targets};
use tokio::time::Instant;

/// Nothing announced and nothing withdrawn for so long is calm: filters are tidied then, and a thousand withdrawals are
/// one change.
const CALM: Duration = Duration::from_secs(1);
/// Where it never is calm, they are after this.
const LONGEST: Duration = Duration::from_secs(10);

/// Sockets of one protocol on one link with long filters, beside a first one with a short one. The kernel shows every frame
/// to each of them: together they tell some 5,700 scattered ranges apart, and cost a frame nobody wants less than a
/// microsecond.
const MOST_SOCKETS: usize = 8;
/// Where the kernel has no room even for so few ranges, something else is wrong.
const FEWEST_RANGES: usize = 16;

/// The filters in force, and whether they still fit.
#[derive(Debug)]
pub(super) struct Reach {
    arp: Filters,
    ndp: Filters,
    limits: ShareLimits,
    /// The first and the last change since filters were tidied, if there is something to tidy.
    changes: Option<(Instant, Instant)>,
}

impl Default for Reach {
    fn default() -> Self {
        let limits = ShareLimits { shares: MOST_SOCKETS, ranges: Targets::MOST_RANGES };
        Self { arp: Filters::v4(limits), ndp: Filters::v6(limits), limits, changes: None }
    }
}

impl Reach {
    /// An address was announced.
    pub(super) fn announced(&mut self, address: IpAddr, now: Instant) {
        self.of(address).announced(address);
        self.note(now);
    }

    /// An address was withdrawn.
    pub(super) fn withdrawn(&mut self, address: IpAddr, now: Instant) {
        self.of(address).withdrawn();
        self.note(now);
    }

    /// Has the next [`Self::refresh`] tidy the filters if it is time. Not to be called between a command and its packets.
    pub(super) fn tidy(&mut self, now: Instant) {
        if self.next_deadline().is_some_and(|at| at <= now) {
            self.changes = None;
            self.arp.tidy();
            self.ndp.tidy();
        }
    }

    /// Makes the filters fit; whether sockets have to follow. To be called until they need not.
    pub(super) fn refresh(&mut self, table: &AnnouncedTable, now: Instant) -> bool {
        // Each once, whatever the other says.
        let is_changed = [self.arp.follow(table), self.ndp.follow(table)].contains(&true);
        if is_changed && self.changes.is_none() {
            self.note(now);
        }
        is_changed
    }

    /// The kernel has no room for filters so long: [`Self::refresh`] makes shorter ones. False when they are short.
    pub(super) fn shorten(&mut self) -> bool {
        let ranges = self.limits.ranges / 2;
        if ranges < FEWEST_RANGES {
            return false;
        }
        tracing::debug!(ranges, "the kernel has little room for filters");
        self.limits.ranges = ranges;
        self.arp.limit(self.limits);
        self.ndp.limit(self.limits);
        true
    }

    /// When [`Self::tidy`] is wanted though nothing happened.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.changes.map(|(first, last)| (last + CALM).min(first + LONGEST))
    }

    /// What the sockets of a protocol let through, one after the other. To be put in force from the last to the
    /// first: no address is then without a filter meanwhile.
    pub(super) fn filters(&self, protocol: Protocol) -> &[Arc<Cover>] {
        match protocol {
            Protocol::Arp => self.arp.row(),
            Protocol::Ndp => self.ndp.row(),
        }
    }

    fn of(&mut self, address: IpAddr) -> &mut Filters {
        match address {
            IpAddr::V4(_) => &mut self.arp,
            IpAddr::V6(_) => &mut self.ndp,
        }
    }

    fn note(&mut self, now: Instant) {
        self.changes = match self.changes {
            Some((first, _)) => Some((first, now)),
            None if self.arp.is_untidy() || self.ndp.is_untidy() => Some((now, now)),
            None => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metallb_l2::Interfaces;

    fn until_settled(reach: &mut Reach, table: &AnnouncedTable, now: Instant) -> bool {
        reach.tidy(now);
        let changes = std::iter::from_fn(|| reach.refresh(table, now).then_some(()));
        changes.count() > 0
    }

    #[test]
    fn an_address_is_let_through_at_once_and_forgotten_when_it_is_calm() {
        let (mut reach, mut table) = (Reach::default(), AnnouncedTable::default());
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        for address in ["192.0.2.1", "192.0.2.3", "2001:db8::1"] {
            let address: IpAddr = address.parse().unwrap();
            table.set(address, Interfaces::All);
            reach.announced(address, start);
        }
        assert!(until_settled(&mut reach, &table, start));
        assert!(!until_settled(&mut reach, &table, start), "the same again");
        assert_eq!(reach.next_deadline(), None, "there is nothing to tidy");
        let [kept, gone]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.3"].map(|address| address.parse().unwrap());
        table.remove(gone);
        reach.withdrawn(gone, start);
        assert_eq!(reach.next_deadline(), Some(at(1000)));
        reach.announced(kept, at(700));
        assert!(!until_settled(&mut reach, &table, at(1000)), "announced again, and it is not calm");
        assert!(until_settled(&mut reach, &table, at(1700)));
        let [only] = reach.filters(Protocol::Arp) else { panic!("{reach:?}") };
        assert_eq!(only.last, [0xc000_0201..=0xc000_0201]);
        assert_eq!(reach.next_deadline(), None);
    }

    #[test]
    fn where_it_never_is_calm_filters_are_tidied_all_the_same() {
        let mut reach = Reach::default();
        let start = Instant::now();
        for second in (0..20).map(|half| Duration::from_millis(half * 500)) {
            reach.withdrawn([192, 0, 2, 1].into(), start + second);
        }
        assert_eq!(reach.next_deadline(), Some(start + LONGEST));
    }

    #[test]
    fn filters_that_the_kernel_has_no_room_for_become_shorter_and_more() {
        let (mut reach, mut table) = (Reach::default(), AnnouncedTable::default());
        let now = Instant::now();
        for number in 0..400 {
            let address = IpAddr::V4((0x0a00_0000 + number * 16).into());
            table.set(address, Interfaces::All);
            reach.announced(address, now);
        }
        assert!(until_settled(&mut reach, &table, now));
        let lengths = |reach: &Reach| {
            let filters = reach.filters(Protocol::Arp).iter();
            filters.map(|cover| cover.last.len()).collect::<Vec<usize>>()
        };
        assert_eq!(lengths(&reach), [0, 400]);
        assert!(reach.shorten() && reach.shorten());
        assert!(until_settled(&mut reach, &table, now));
        assert_eq!(lengths(&reach), [0, 200, 200]);
        let others = reach.filters(Protocol::Arp)[1..].to_vec();
        let address: IpAddr = "10.255.0.1".parse().unwrap();
        table.set(address, Interfaces::All);
        reach.announced(address, now);
        assert!(until_settled(&mut reach, &table, now));
        let is_same = |(old, new): (&Arc<Cover>, &Arc<Cover>)| Arc::ptr_eq(old, new);
        assert_eq!(lengths(&reach), [1, 200, 200]);
        assert!(others.iter().zip(&reach.filters(Protocol::Arp)[1..]).all(is_same), "these did not change");
        while reach.shorten() {}
        until_settled(&mut reach, &table, now);
        let lengths = lengths(&reach);
        assert!(
            lengths.len() <= MOST_SOCKETS + 1 && lengths.iter().all(|length| *length < 2 * FEWEST_RANGES)
        );
    }
}

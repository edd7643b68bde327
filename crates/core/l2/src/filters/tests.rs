use super::*;
use crate::table::Interfaces;
use proptest::prelude::*;

const LIMITS: ShareLimits = ShareLimits { shares: 8, ranges: 960 };

/// Filters, the table they follow and the sockets they are in force on.
struct Bed {
    filters: Filters,
    table: AnnouncedTable,
    sockets: Vec<Arc<Cover>>,
    /// How often the kernel was given a filter.
    attached: usize,
}

impl Bed {
    fn new(filters: Filters) -> Self {
        let sockets = filters.row().to_vec();
        Self { filters, table: AnnouncedTable::default(), sockets, attached: 0 }
    }

    fn holding(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let mut bed = Self::new(Filters::v4(LIMITS));
        addresses.into_iter().for_each(|address| bed.announce(address));
        bed.follow(&[]);
        bed.calm();
        bed.attached = 0;
        bed
    }

    fn announce(&mut self, address: IpAddr) {
        self.table.set(address, Interfaces::All);
        self.filters.announced(address);
    }

    fn withdraw(&mut self, address: IpAddr) {
        self.table.remove(address);
        self.filters.withdrawn();
    }

    /// Until nothing is left to tidy.
    fn calm(&mut self) {
        for round in 0.. {
            assert!(round < 3, "never tidy");
            if !self.filters.is_untidy() {
                return;
            }
            self.filters.tidy();
            let kept: Vec<IpAddr> = self.table.addresses().collect();
            self.follow(&kept);
        }
    }

    /// As a port does it: from the last to the first, one at a time. Those that are kept are never without a filter.
    fn follow(&mut self, kept: &[IpAddr]) {
        while self.filters.follow(&self.table) {
            let row = self.filters.row().to_vec();
            // A socket is closed only when it has let nothing through for a while.
            assert!(self.sockets.iter().skip(row.len()).all(|socket| socket.last.is_empty()));
            self.sockets.resize(row.len().max(self.sockets.len()), Arc::default());
            for (number, filter) in row.iter().enumerate().rev() {
                if !Arc::ptr_eq(&self.sockets[number], filter) {
                    self.sockets[number] = filter.clone();
                    self.attached += 1;
                }
                let lost = kept.iter().find(|address| self.passes(**address) == 0);
                assert_eq!(lost, None, "after filter {number} of {row:?}");
            }
            self.sockets.truncate(row.len());
        }
    }

    /// How many sockets an address's frames come through.
    fn passes(&self, address: IpAddr) -> usize {
        self.sockets.iter().filter(|socket| socket.contains(address)).count()
    }
}

fn v4(bits: u32) -> IpAddr {
    IpAddr::V4(bits.into())
}

fn scattered(number: u32) -> IpAddr {
    v4(0x0a00_0000 + number * 16)
}

#[test]
fn an_address_more_is_one_short_filter_however_many_are_held() {
    let contiguous = |number| v4(0x0a00_0000 + number);
    for (held, new) in [
        ((0..5000).map(scattered).collect::<Vec<_>>(), scattered as fn(u32) -> IpAddr),
        ((0..10_000).map(scattered).collect(), scattered),
        ((0..10_000).map(contiguous).collect(), contiguous),
        (vec![], scattered),
    ] {
        let mut bed = Bed::holding(held);
        for number in 20_000..20_032 {
            let before = bed.attached;
            bed.announce(new(number));
            bed.follow(&[]);
            assert_eq!((bed.passes(new(number)), bed.attached - before), (1, 1), "{number}");
            assert!(bed.sockets[0].last.len() <= FIRST);
            bed.announce(new(number));
            bed.follow(&[]);
            assert_eq!(bed.attached - before, 1, "announced again");
        }
    }
}

#[test]
fn a_withdrawal_changes_no_filter_before_it_is_calm() {
    let mut bed = Bed::holding((0..5000).map(scattered));
    bed.withdraw(scattered(7));
    assert!(!bed.filters.follow(&bed.table));
    bed.announce(scattered(6000));
    bed.follow(&[]);
    assert_eq!((bed.attached, bed.passes(scattered(7))), (1, 1));
    bed.calm();
    assert_eq!((bed.passes(scattered(7)), bed.passes(scattered(6000))), (0, 1));
    bed.calm();
    assert!(!bed.filters.follow(&bed.table), "nothing is left to do");
}

#[test]
fn what_was_announced_last_goes_over_to_the_other_filters_when_it_is_calm() {
    let mut bed = Bed::holding((0..5000).map(scattered));
    assert!(bed.sockets[0].last.is_empty());
    for number in 6000..6040 {
        bed.announce(scattered(number));
        bed.follow(&[]);
    }
    assert_eq!(bed.sockets[0].last.len(), 40);
    bed.calm();
    assert!(bed.sockets[0].last.is_empty());
    assert!((6000..6040).all(|number| bed.passes(scattered(number)) == 1));
}

#[test]
fn few_addresses_take_one_filter_again() {
    let mut bed = Bed::holding((0..5000).map(scattered));
    assert!(bed.sockets.len() > 2);
    (3..5000).for_each(|number| bed.withdraw(scattered(number)));
    bed.calm();
    assert_eq!((bed.sockets.len(), bed.sockets[0].last.len()), (1, 3));
}

#[test]
fn an_ipv6_address_of_another_network_is_let_through_at_once() {
    let mut bed = Bed::new(Filters::v6(LIMITS));
    for (address, foreign) in
        [("fd00:1::5", "fd00:2::5"), ("fd00:1::6", "fd00:1::7"), ("fd00:3::9", "fd00:4::9")]
    {
        bed.announce(address.parse().unwrap());
        bed.follow(&[]);
        assert_eq!(bed.passes(address.parse().unwrap()), 1, "{address}");
        assert_eq!(bed.passes(foreign.parse().unwrap()), 0, "{foreign}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Announce(Vec<u32>),
    Withdraw(Vec<u32>),
    Calm,
    Room(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let some = || prop::collection::vec(0u32..400, 1..40);
    prop_oneof![
        4 => some().prop_map(Step::Announce),
        3 => some().prop_map(Step::Withdraw),
        1 => Just(Step::Calm),
        1 => prop_oneof![Just(16), Just(32), Just(64)].prop_map(Step::Room),
    ]
}

proptest! {
    /// `follow` sees to it that no address that stays is without a filter at any moment.
    #[test]
    fn announced_addresses_pass_at_every_moment_and_others_not_once_it_is_calm(
        steps in prop::collection::vec(step(), 1..30),
        is_v6 in any::<bool>(),
    ) {
        let ip = |bits: u32| match is_v6 {
            true => IpAddr::from([0xfd00, u16::from(bits >= 350), 0, 0, 0, 0, 0, u16::try_from(bits * 2).unwrap()]),
            false => v4(bits * 2),
        };
        let mut limits = ShareLimits { shares: 4, ranges: 64 };
        let mut bed = Bed::new(if is_v6 { Filters::v6(limits) } else { Filters::v4(limits) });
        for step in steps {
            let before: Vec<IpAddr> = bed.table.addresses().collect();
            match step {
                Step::Announce(some) => some.into_iter().for_each(|bits| bed.announce(ip(bits))),
                Step::Withdraw(some) => some.into_iter().for_each(|bits| bed.withdraw(ip(bits))),
                Step::Calm => bed.calm(),
                Step::Room(ranges) => {
                    limits.ranges = ranges;
                    bed.filters.limit(limits);
                }
            }
            let kept: Vec<IpAddr> =
                before.into_iter().filter(|address| bed.table.interfaces(*address).is_some()).collect();
            bed.follow(&kept);
            prop_assert!(bed.table.addresses().all(|address| bed.passes(address) > 0));
            prop_assert!(bed.sockets.len() <= limits.shares + 1 || bed.filters.is_untidy());
            prop_assert!(bed.sockets.iter().all(|socket| socket.last.len() <= limits.ranges));
        }
        bed.calm();
        let tight = (bed.filters.cover)(&bed.table, bed.filters.most_in_others());
        for address in (0..400).map(ip) {
            let is_due = bed.table.interfaces(address).is_some();
            prop_assert!(!is_due || bed.passes(address) == 1, "{address} passes {}", bed.passes(address));
            prop_assert!(is_due || tight.contains(address) || bed.passes(address) == 0, "{address}");
        }
    }
}

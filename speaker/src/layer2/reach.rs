//! Which addresses the kernel lets frames through for: all that are announced, and as few others as it has room for.

use std::net::IpAddr;
use std::time::Duration;

use metallb_l2::{AnnouncedTable, Cover};
use metallb_linux::{Protocol, Targets};
use tokio::time::Instant;

/// Frames about addresses that were withdrawn are let through this long: a thousand withdrawals are one change.
const TIDY_AFTER: Duration = Duration::from_secs(1);

/// The covers in force, and whether they still fit.
#[derive(Debug, Default)]
pub(super) struct Reach {
    v4: Cover,
    v6: Cover,
    /// An announced address is not covered.
    is_short: bool,
    /// When to leave out what was withdrawn.
    tidy_at: Option<Instant>,
}

impl Reach {
    /// An address was announced.
    pub(super) fn announced(&mut self, address: IpAddr) {
        self.is_short |= !self.cover(address).contains(address);
    }

    /// An address was withdrawn.
    pub(super) fn withdrawn(&mut self, now: Instant) {
        self.tidy_at.get_or_insert(now + TIDY_AFTER);
    }

    /// Makes the covers fit; the protocols whose sockets have to follow.
    pub(super) fn refresh(&mut self, table: &AnnouncedTable, now: Instant) -> Vec<Protocol> {
        if !self.is_short && self.tidy_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        (self.is_short, self.tidy_at) = (false, None);
        let (v4, v6) = (Cover::of_v4(table, Targets::MOST_RANGES), Cover::of_v6(table, Targets::MOST_RANGES));
        let mut changed = Vec::new();
        if v4 != std::mem::replace(&mut self.v4, v4.clone()) {
            changed.push(Protocol::Arp);
        }
        if v6 != std::mem::replace(&mut self.v6, v6.clone()) {
            changed.push(Protocol::Ndp);
        }
        changed
    }

    /// When [`Self::refresh`] is wanted though nothing happened.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.tidy_at
    }

    /// What the sockets of a protocol let through.
    pub(super) fn targets(&self, protocol: Protocol) -> Targets {
        let Cover { leading, last } = match protocol {
            Protocol::Arp => self.v4.clone(),
            Protocol::Ndp => self.v6.clone(),
        };
        Targets { leading, last }
    }

    fn cover(&self, address: IpAddr) -> &Cover {
        match address {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
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
        assert_eq!(refresh(&mut reach, &table, Duration::ZERO), [Protocol::Arp, Protocol::Ndp]);
        assert_eq!(refresh(&mut reach, &table, Duration::ZERO), [], "the same again");
        reach.announced("192.0.2.1".parse().unwrap());
        assert_eq!(refresh(&mut reach, &table, Duration::ZERO), [], "announced again");
        table.remove("192.0.2.3".parse().unwrap());
        reach.withdrawn(now);
        assert_eq!(reach.next_deadline(), Some(now + TIDY_AFTER));
        assert_eq!(refresh(&mut reach, &table, Duration::ZERO), []);
        assert_eq!(refresh(&mut reach, &table, TIDY_AFTER), [Protocol::Arp]);
        assert_eq!(reach.targets(Protocol::Arp).last, [0xc000_0201..=0xc000_0201]);
        assert_eq!(reach.next_deadline(), None);
    }
}

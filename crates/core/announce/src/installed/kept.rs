//! What is announced of a Service, as it is kept: there are ten thousand of them, and mostly all but the addresses is the same.

use std::collections::HashSet;
use std::net::IpAddr;
use std::ops::Deref;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use metallb_config::Interfaces;

use crate::decision::Announcement;

/// An [`Announcement`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Kept {
    pub(super) addresses: Addresses,
    off_subnet: Box<[IpAddr]>,
    pub(super) terms: Arc<Terms>,
}

/// Mostly one: that is kept in place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Addresses {
    One(IpAddr),
    Several(Box<[IpAddr]>),
}

impl Deref for Addresses {
    type Target = [IpAddr];

    fn deref(&self) -> &[IpAddr] {
        match self {
            Self::One(address) => slice::from_ref(address),
            Self::Several(addresses) => addresses,
        }
    }
}

impl From<&[IpAddr]> for Addresses {
    fn from(addresses: &[IpAddr]) -> Self {
        match addresses {
            [address] => Self::One(*address),
            several => Self::Several(several.into()),
        }
    }
}

/// What many have in common.
#[derive(Debug, Eq, Hash, PartialEq)]
pub(super) struct Terms {
    pool: String,
    pub(super) interfaces: Interfaces,
    pub(super) refresh: Option<Duration>,
    contest: u64,
}

impl Kept {
    pub(super) fn announcement(&self) -> Announcement {
        let Self { addresses, off_subnet, terms } = self;
        let Terms { pool, interfaces, refresh, contest } = terms.as_ref();
        Announcement {
            pool: pool.clone(),
            addresses: addresses.to_vec(),
            interfaces: interfaces.clone(),
            refresh: *refresh,
            off_subnet: off_subnet.to_vec(),
            contest: *contest,
        }
    }
}

/// All terms in use, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct AllTerms {
    known: HashSet<Arc<Terms>>,
    /// Those nobody uses any more are looked for when there are more than this.
    bound: usize,
}

/// Fewer are not worth looking for.
const FEW: usize = 16;

impl AllTerms {
    pub(super) fn keep(&mut self, announcement: &Announcement) -> Kept {
        let Announcement { pool, addresses, interfaces, refresh, off_subnet, contest } = announcement;
        let (pool, interfaces) = (pool.clone(), interfaces.clone());
        let terms = self.share(Terms { pool, interfaces, refresh: *refresh, contest: *contest });
        Kept { addresses: addresses.as_slice().into(), off_subnet: off_subnet.as_slice().into(), terms }
    }

    fn share(&mut self, terms: Terms) -> Arc<Terms> {
        if let Some(known) = self.known.get(&terms) {
            return known.clone();
        }
        if self.known.len() >= self.bound {
            self.known.retain(|terms| Arc::strong_count(terms) > 1);
            self.bound = self.known.len().saturating_mul(2).max(FEW);
        }
        let terms = Arc::new(terms);
        self.known.insert(terms.clone());
        terms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(contest: u64) -> Announcement {
        let addresses = [1, 2, 3].map(|last| IpAddr::from([192, 0, 2, last]));
        Announcement {
            pool: "pool".to_owned(),
            addresses: addresses.into_iter().take(usize::try_from(contest).unwrap()).collect(),
            interfaces: Interfaces::Only(["eth0".to_owned()].into()),
            refresh: Some(Duration::from_secs(7)),
            off_subnet: vec![[192, 0, 2, 2].into()],
            contest,
        }
    }

    #[test]
    fn an_announcement_is_the_same_afterwards_and_shares_what_others_have() {
        let mut all = AllTerms::default();
        let [one, two, other] = [1, 1, 2].map(|contest| all.keep(&announcement(contest)));
        assert_eq!([&one, &other].map(Kept::announcement), [1, 2].map(announcement));
        assert!(matches!(one.addresses, Addresses::One(_)), "{one:?}");
        assert!(Arc::ptr_eq(&one.terms, &two.terms) && !Arc::ptr_eq(&one.terms, &other.terms));
    }

    #[test]
    fn terms_nobody_uses_are_forgotten() {
        let mut all = AllTerms::default();
        let kept = all.keep(&announcement(0));
        for contest in 1..1000 {
            all.keep(&announcement(contest));
        }
        assert!(all.known.len() <= 2 * FEW && all.known.contains(&kept.terms), "{}", all.known.len());
        let used: Vec<Kept> = (0..1000).map(|contest| all.keep(&announcement(contest))).collect();
        assert_eq!(all.known.iter().filter(|terms| Arc::strong_count(terms) > 1).count(), used.len());
    }
}

//! What this node says of its subnets, and how often it says something else.

use std::collections::BTreeSet;
use std::time::Duration;

use metallb_liveness::meta;
use metallb_net::Prefix;

/// At least this long from one thing said to another: each goes to every member, and interfaces that come and go must not
/// flood the ring.
const CALM: Duration = Duration::from_secs(10);

/// The subnets, as they are and as they were said last; none while nobody asks.
#[derive(Debug, Default)]
pub(super) struct OwnSubnets {
    are: Option<BTreeSet<Prefix>>,
    said: Option<BTreeSet<Prefix>>,
    /// Nothing else is said before.
    free_at: Duration,
}

impl OwnSubnets {
    pub(super) fn set(&mut self, subnets: Option<&BTreeSet<Prefix>>) {
        if self.are.as_ref() != subnets {
            self.are = subnets.cloned();
        }
    }

    /// Whether something else is to be said now. That is taken for said.
    pub(super) fn take_news(&mut self, now: Duration) -> bool {
        let is_due = self.next_deadline().is_some_and(|at| at <= now);
        if is_due {
            self.said.clone_from(&self.are);
            self.free_at = now + CALM;
        }
        is_due
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        (self.said != self.are).then_some(self.free_at)
    }

    /// Adds what is said to the metadata. Who says nothing of heartbeats says nothing at all.
    pub(super) fn add_to(&self, meta: Vec<u8>) -> Vec<u8> {
        match &self.said {
            Some(subnets) if !meta.is_empty() => meta::with_subnets(meta, subnets),
            Some(_) | None => meta,
        }
    }
}

#[cfg(test)]
mod tests {
    use metallb_liveness::meta::{Announced, encode};

    use super::*;

    fn set(texts: &[&str]) -> BTreeSet<Prefix> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn numbered(number: u64) -> String {
        format!("10.{}.{}.0/24", number / 100, number % 100)
    }

    fn at(tenths: u64) -> Duration {
        Duration::from_millis(tenths * 100)
    }

    #[test]
    fn the_first_change_is_said_at_once_and_of_many_the_last_one_when_it_is_calm() {
        let mut own = OwnSubnets::default();
        assert_eq!((own.take_news(at(0)), own.next_deadline()), (false, None));
        own.set(Some(&set(&["192.0.2.0/24"])));
        assert!(own.take_news(at(50)) && !own.take_news(at(50)), "said once");
        assert_eq!(own.next_deadline(), None);
        let mut times = Vec::new();
        for tenth in 51..=260 {
            own.set(Some(&set(&[&numbered(tenth)])));
            if own.take_news(at(tenth)) {
                times.push(tenth);
            }
        }
        assert_eq!(times, [150, 250], "an interface that changes all the time is told of every ten seconds");
        own.set(Some(&set(&["198.51.100.0/24"])));
        assert_eq!(own.next_deadline(), Some(at(350)));
        own.set(Some(&set(&[&numbered(250)])));
        assert_eq!(own.next_deadline(), None, "it is what was said again");
        own.set(None);
        assert!(!own.take_news(at(349)) && own.take_news(at(350)));
    }

    #[test]
    fn it_stands_behind_what_else_is_said_and_nowhere_else() {
        let ready =
            encode(&Announced { version: 1, port: 1, boot: 2, is_starting: false, knows_terms: true });
        let mut own = OwnSubnets::default();
        assert_eq!(own.add_to(ready.clone()), ready);
        own.set(Some(&set(&["192.0.2.0/24"])));
        assert_eq!(own.add_to(ready.clone()), ready, "not before it is its turn");
        assert!(own.take_news(at(0)));
        let said = meta::subnets(&own.add_to(ready)).unwrap();
        assert_eq!(said, ["192.0.2.0/24".parse().unwrap()]);
        assert_eq!(own.add_to(Vec::new()), Vec::<u8>::new(), "heartbeats would not arrive");
    }
}

//! Which links are spoken on, and the steps from the links open to the links wanted.

use std::collections::BTreeMap;

use metallb_l2::Link;
use metallb_linux::{Ineligible, Interface, Protocol};

/// All that may be spoken.
pub(super) const PROTOCOLS: [Protocol; 2] = [Protocol::Arp, Protocol::Ndp];

/// How a link is to be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct LinkSpec {
    /// The link as the responder knows it.
    pub(super) link: Link,
    /// Whether ARP is spoken.
    pub(super) arp: bool,
    /// Whether a carrier is there.
    pub(super) has_carrier: bool,
}

impl LinkSpec {
    /// How an interface is to be used.
    pub(super) fn of(interface: &Interface) -> Result<Self, Ineligible> {
        let protocols = interface.protocols()?;
        let link = Link {
            index: interface.index,
            name: interface.name.clone(),
            mac: protocols.mac,
            link_local: protocols.ndp,
        };
        Ok(Self { link, arp: protocols.arp, has_carrier: interface.has_carrier })
    }

    /// Whether the link speaks a protocol.
    pub(super) fn speaks(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Arp => self.arp,
            Protocol::Ndp => self.link.link_local.is_some(),
        }
    }

    /// Whether neighbours may know something wrong, or nothing, after this has become of `old`.
    fn is_news_after(&self, old: &Self) -> bool {
        self.link.mac != old.link.mac
            || (self.has_carrier && !old.has_carrier)
            || PROTOCOLS.iter().any(|protocol| self.speaks(*protocol) && !old.speaks(*protocol))
    }
}

/// The interfaces that are there and not spoken on, by index, and why, so that each reason is told once.
#[derive(Debug, Default)]
pub(super) struct PassedOver(BTreeMap<u32, (String, Ineligible)>);

impl PassedOver {
    /// Takes in all interfaces there are; those that have a reason that is news.
    pub(super) fn follow(&mut self, interfaces: &[Interface]) -> Vec<(String, Ineligible)> {
        let because = |interface: &Interface| {
            let reason = interface.protocols().err()?;
            Some((interface.index, (interface.name.clone(), reason)))
        };
        let now = interfaces.iter().filter_map(because).collect();
        let before = std::mem::replace(&mut self.0, now);
        let news = self.0.iter().filter(|(index, now)| before.get(*index) != Some(*now));
        news.map(|(_, now)| now.clone()).collect()
    }
}

/// One step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum LinkStep {
    /// Stop speaking on the link with this index.
    Close(u32),
    /// Start speaking on a link, and make all addresses known there.
    Open(LinkSpec),
    /// Go on with changed properties; neighbours have to be told when `announce` is set.
    Update {
        /// What holds from now on.
        spec: LinkSpec,
        /// Whether neighbours may know something wrong or nothing.
        announce: bool,
    },
}

/// The steps, closing first. `open` holds the links that work; one that failed is not in it.
pub(super) fn diff(open: &BTreeMap<u32, LinkSpec>, wanted: &BTreeMap<u32, LinkSpec>) -> Vec<LinkStep> {
    // Another link may have got the index of one that is gone.
    let is_same = |old: &LinkSpec, new: &LinkSpec| old.link.name == new.link.name;
    let closes = |(index, old): &(&u32, &LinkSpec)| wanted.get(*index).is_none_or(|new| !is_same(old, new));
    let mut steps: Vec<LinkStep> =
        open.iter().filter(closes).map(|(index, _)| LinkStep::Close(*index)).collect();
    for (index, new) in wanted {
        match open.get(index) {
            Some(old) if old == new => {}
            Some(old) if is_same(old, new) => {
                steps.push(LinkStep::Update { spec: new.clone(), announce: new.is_news_after(old) });
            }
            Some(_) | None => steps.push(LinkStep::Open(new.clone())),
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use metallb_net::MacAddr;

    fn spec(index: u32) -> LinkSpec {
        let link = Link {
            index,
            name: format!("eth{index}"),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            link_local: Some("fe80::1".parse().unwrap()),
        };
        LinkSpec { link, arp: true, has_carrier: true }
    }

    fn with(change: impl FnOnce(&mut LinkSpec)) -> LinkSpec {
        let mut spec = spec(1);
        change(&mut spec);
        spec
    }

    fn steps(open: &[LinkSpec], wanted: &[LinkSpec]) -> Vec<LinkStep> {
        let by_index =
            |specs: &[LinkSpec]| specs.iter().map(|spec| (spec.link.index, spec.clone())).collect();
        diff(&by_index(open), &by_index(wanted))
    }

    #[test]
    fn links_that_appear_are_opened_and_those_that_go_are_closed() {
        assert_eq!(steps(&[], &[spec(1)]), [LinkStep::Open(spec(1))]);
        assert_eq!(steps(&[spec(1)], &[]), [LinkStep::Close(1)]);
        assert_eq!(steps(&[spec(1)], &[spec(1)]), []);
    }

    #[test]
    fn a_reused_index_is_another_link() {
        let other = with(|spec| "other".clone_into(&mut spec.link.name));
        assert_eq!(
            steps(&[spec(1)], std::slice::from_ref(&other)),
            [LinkStep::Close(1), LinkStep::Open(other)]
        );
    }

    #[test]
    fn a_protocol_that_comes_is_announced_by_and_one_that_goes_is_dropped_quietly() {
        let without_ipv6 = with(|spec| spec.link.link_local = None);
        let expected = [LinkStep::Update { spec: spec(1), announce: true }];
        assert_eq!(steps(std::slice::from_ref(&without_ipv6), &[spec(1)]), expected);
        let expected = [LinkStep::Update { spec: without_ipv6.clone(), announce: false }];
        assert_eq!(steps(&[spec(1)], &[without_ipv6]), expected);
    }

    #[test]
    fn neighbours_are_told_of_another_hardware_address_and_after_the_carrier_came_back() {
        let new_mac = with(|spec| spec.link.mac = MacAddr([2, 0, 0, 0, 0, 9]));
        let expected = [LinkStep::Update { spec: new_mac.clone(), announce: true }];
        assert_eq!(steps(&[spec(1)], &[new_mac]), expected);
        let down = with(|spec| spec.has_carrier = false);
        let expected = [LinkStep::Update { spec: spec(1), announce: true }];
        assert_eq!(steps(std::slice::from_ref(&down), &[spec(1)]), expected);
        let expected = [LinkStep::Update { spec: down.clone(), announce: false }];
        assert_eq!(steps(&[spec(1)], &[down]), expected);
    }

    #[test]
    fn why_an_interface_is_passed_over_is_told_once_until_it_changes_and_forgotten_with_it() {
        let eth0 = Interface { index: 1, name: "eth0".to_owned(), ..Interface::default() };
        let enslaved = Interface { is_up: true, master: Some(7), ..eth0.clone() };
        let mac = Some(MacAddr([2, 0, 0, 0, 0, 1]));
        let spoken = Interface { is_up: true, can_broadcast: true, mac, ..eth0.clone() };
        let other = Interface { name: "eth1".to_owned(), ..eth0.clone() };
        let mut passed_over = PassedOver::default();
        for (interface, expected) in [
            (Some(&eth0), Some(("eth0", Ineligible::Down))),
            (Some(&eth0), None),
            (Some(&enslaved), Some(("eth0", Ineligible::Enslaved(7)))),
            (Some(&spoken), None),
            (Some(&enslaved), Some(("eth0", Ineligible::Enslaved(7)))),
            (None, None),
            (Some(&enslaved), Some(("eth0", Ineligible::Enslaved(7)))),
            (Some(&eth0), Some(("eth0", Ineligible::Down))),
            // It got the index of one that is gone.
            (Some(&other), Some(("eth1", Ineligible::Down))),
            (None, None),
        ] {
            let told = passed_over.follow(&interface.cloned().into_iter().collect::<Vec<_>>());
            let expected = expected.map(|(name, reason)| (name.to_owned(), reason));
            assert_eq!(told, Vec::from_iter(expected), "{interface:?}");
        }
        assert!(passed_over.0.is_empty(), "nothing is kept of those that are gone");
    }

    #[test]
    fn another_source_address_is_taken_over_quietly() {
        let moved = with(|spec| spec.link.link_local = Some("fe80::2".parse().unwrap()));
        let expected = [LinkStep::Update { spec: moved.clone(), announce: false }];
        assert_eq!(steps(&[spec(1)], &[moved]), expected);
    }
}

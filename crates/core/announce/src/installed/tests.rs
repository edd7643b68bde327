//! Contract 02 §2.8, §2.9 and the withdrawals of §2.1.

use super::*;
use std::sync::Arc;

use crate::testing::{ip, named_service, names};
use proptest::prelude::*;
use serde_json::json;

const A: &str = "192.0.2.1";
const B: &str = "192.0.2.2";
const USUAL: Option<Duration> = Some(L2Advertisement::REFRESH);
const OFTEN: Option<Duration> = Some(Duration::from_secs(10));

fn key(name: &str) -> ServiceKey {
    ServiceKey { namespace: "default".into(), name: name.into() }
}

fn on(list: &[&str]) -> Interfaces {
    if list.is_empty() { Interfaces::All } else { Interfaces::Only(names(list)) }
}

fn announcement(addresses: &[&str], interfaces: &[&str]) -> Announcement {
    Announcement {
        pool: "pool".to_owned(),
        addresses: addresses.iter().map(|text| ip(text)).collect(),
        interfaces: on(interfaces),
        refresh: USUAL,
        off_subnet: vec![],
        contest: 7,
    }
}

fn announce(addresses: &[&str], interfaces: &[&str]) -> Verdict {
    Verdict::Announce(announcement(addresses, interfaces))
}

fn lost() -> SkipReason {
    SkipReason::OtherNode { owner: "n2".to_owned() }
}

/// These Services, each with the addresses.
fn services(names: &[&str], addresses: &[&str]) -> Services {
    let service = |name: &&str| Arc::new(named_service(name, addresses, json!({}), json!({})));
    names.iter().map(|name| (key(name), service(name))).collect()
}

/// The Service keeps the addresses it has.
fn step(installed: &mut Installed, name: &str, verdict: &Verdict) -> Vec<Effect> {
    step_with(installed, name, verdict, &[A, B])
}

fn step_with(installed: &mut Installed, name: &str, verdict: &Verdict, addresses: &[&str]) -> Vec<Effect> {
    let services = services(&[name], addresses);
    let effects = installed.advance([(&key(name), verdict)], &services);
    assert_eq!(installed.advance([(&key(name), verdict)], &services), [], "a second pass is silent");
    effects
}

fn answers(address: &str, interfaces: &[&str]) -> Effect {
    Effect::Announce { address: ip(address), interfaces: on(interfaces) }
}

fn stops(address: &str) -> Effect {
    Effect::Withdraw { address: ip(address) }
}

fn hands_over(address: &str) -> Effect {
    Effect::HandOver { address: ip(address) }
}

fn told(name: &str, notice: Notice) -> Effect {
    tell(&key(name), notice)
}

fn announced(name: &str, announcement: &Announcement, is_new: bool) -> Effect {
    told(name, Notice::Announced { announcement: announcement.clone(), is_new })
}

fn withdrawn(name: &str, addresses: &[&str], reason: SkipReason) -> Effect {
    told(name, Notice::Withdrawn { addresses: addresses.iter().map(|text| ip(text)).collect(), reason })
}

#[test]
fn packets_come_before_words_when_a_service_is_announced() {
    let mut installed = Installed::default();
    let effects = step(&mut installed, "web", &announce(&[B, A], &[]));
    let words = announced("web", &announcement(&[B, A], &[]), true);
    assert_eq!(effects, [answers(A, &[]), answers(B, &[]), words]);
}

#[test]
fn a_lost_election_withdraws_with_its_reason() {
    let mut installed = Installed::default();
    step(&mut installed, "web", &announce(&[A], &[]));
    let effects = step(&mut installed, "web", &Verdict::Skip(lost()));
    assert_eq!(effects, [hands_over(A), withdrawn("web", &[A], lost())]);
    assert_eq!(installed.announced().count(), 0);
}

#[test]
fn only_what_another_node_announces_is_handed_over() {
    let not_selected = SkipReason::NotSelected { owner: "n2".to_owned() };
    for (reason, expected) in [
        (lost(), [hands_over(A), hands_over(B)]),
        (not_selected, [hands_over(A), hands_over(B)]),
        (SkipReason::NoCandidate, [stops(A), stops(B)]),
        (SkipReason::NoServingEndpoint, [stops(A), stops(B)]),
        (SkipReason::NoMatchingAdvertisement, [stops(A), stops(B)]),
        (SkipReason::ServiceDeleted, [stops(A), stops(B)]),
        (SkipReason::NotLoadBalancer, [stops(A), stops(B)]),
        (SkipReason::NoIpAllocated, [stops(A), stops(B)]),
        (SkipReason::InvalidIp, [stops(A), stops(B)]),
        (SkipReason::SharedIpWithServiceSelector, [stops(A), stops(B)]),
        (SkipReason::NoSuchInterface { addresses: vec![ip(A), ip(B)] }, [stops(A), stops(B)]),
        (SkipReason::OtherClass, [stops(A), stops(B)]),
    ] {
        let mut installed = Installed::default();
        step(&mut installed, "web", &announce(&[A, B], &[]));
        let effects = step(&mut installed, "web", &Verdict::Skip(reason.clone()));
        assert_eq!(effects.get(..2), Some(&expected[..]), "{reason:?}");
        assert_eq!(effects.get(2..), Some(&[withdrawn("web", &[A, B], reason)][..]));
    }
}

/// Contract 02 §2.1: the original goes on answering for a Service whose class becomes another one, beside whoever
/// serves that (docs/additions.md). Its deletion is looked at whatever its class.
#[test]
fn a_service_of_another_class_is_given_up_and_leaves_nothing_behind_when_it_is_deleted() {
    let (other, deleted) = (Verdict::Skip(SkipReason::OtherClass), Verdict::Skip(SkipReason::ServiceDeleted));
    let mut installed = Installed::default();
    step(&mut installed, "web", &announce(&[A], &[]));
    let given_up = [stops(A), withdrawn("web", &[A], SkipReason::OtherClass)];
    assert_eq!(step(&mut installed, "web", &other), given_up);
    assert_eq!((installed.announced().count(), installed.keys().count()), (0, 1));
    assert_eq!(step(&mut installed, "web", &deleted), []);
    assert_eq!(installed.keys().count(), 0);
}

#[test]
fn an_address_that_its_service_has_no_more_is_handed_over_to_nobody() {
    let not_selected = SkipReason::NotSelected { owner: "n2".to_owned() };
    for reason in [lost(), not_selected] {
        for (now, expected) in [
            (vec!["192.0.2.9"], [stops(A), stops(B)]),
            (vec![], [stops(A), stops(B)]),
            (vec!["192.0.2.9", B], [stops(A), hands_over(B)]),
        ] {
            let mut installed = Installed::default();
            step(&mut installed, "web", &announce(&[A, B], &[]));
            let effects = step_with(&mut installed, "web", &Verdict::Skip(reason.clone()), &now);
            assert_eq!(effects.get(..2), Some(&expected[..]), "{reason:?}, {now:?}");
        }
    }
}

#[test]
fn an_address_that_goes_to_a_service_of_another_node_is_handed_over() {
    let mut installed = Installed::default();
    step(&mut installed, "old", &announce(&[A], &[]));
    let plan = Plan::from([(key("new"), Verdict::Skip(lost()))]);
    let effects = installed.diff(&plan, &services(&["new"], &[A]));
    assert_eq!(effects.first(), Some(&hands_over(A)));
}

#[test]
fn a_shared_address_is_handed_over_by_the_last_service_that_leaves_it() {
    let gone = Verdict::Skip(SkipReason::NoServingEndpoint);
    let moved = Verdict::Skip(lost());
    for verdicts in [[("web", &moved), ("dns", &gone)], [("web", &gone), ("dns", &moved)]] {
        let mut installed = Installed::default();
        step(&mut installed, "web", &announce(&[A], &[]));
        step(&mut installed, "dns", &announce(&[A], &[]));
        let plan: Plan = verdicts.iter().map(|(name, verdict)| (key(name), (*verdict).clone())).collect();
        let effects = installed.advance(&plan, &services(&["web", "dns"], &[A]));
        assert_eq!(effects.first(), Some(&hands_over(A)), "{verdicts:?}");
    }
    let mut installed = Installed::default();
    step(&mut installed, "web", &announce(&[A], &[]));
    step(&mut installed, "dns", &announce(&[A], &[]));
    let effects = step(&mut installed, "web", &moved);
    assert_eq!(effects, [withdrawn("web", &[A], lost())], "the other one still announces it");
}

/// Contract 02 §2.1: its heir never announces it, so nobody would be heard.
#[test]
fn what_is_handed_over_is_withdrawn_at_once_when_its_service_is_deleted_or_has_it_no_more() {
    let elsewhere = Verdict::Skip(SkipReason::NotSelected { owner: "n3".to_owned() });
    let (deleted, unserved) = (SkipReason::ServiceDeleted, SkipReason::NoServingEndpoint);
    for (next, addresses, expected) in [
        (Verdict::Skip(deleted), vec![A, B], vec![stops(A), stops(B)]),
        (Verdict::Skip(unserved), vec![A, B], vec![stops(A), stops(B)]),
        (Verdict::Orphan(vec![ip(A), ip(B)]), vec![A, B], vec![stops(A), stops(B)]),
        (Verdict::Skip(lost()), vec![A, B], vec![]),
        (elsewhere, vec![A, B], vec![]),
        (Verdict::Skip(lost()), vec![B], vec![stops(A)]),
        (announce(&[A], &[]), vec![A], vec![answers(A, &[]), stops(B)]),
    ] {
        let mut installed = Installed::default();
        step(&mut installed, "web", &announce(&[A, B], &[]));
        step(&mut installed, "web", &Verdict::Skip(lost()));
        let mut effects = step_with(&mut installed, "web", &next, &addresses);
        effects.retain(|effect| !matches!(effect, Effect::Tell { .. }));
        assert_eq!(effects, expected, "{next:?}, {addresses:?}");
    }
}

#[test]
fn a_shared_address_that_is_handed_over_is_withdrawn_with_the_last_service_that_has_it() {
    let (moved, deleted) = (Verdict::Skip(lost()), Verdict::Skip(SkipReason::ServiceDeleted));
    let mut installed = Installed::default();
    step(&mut installed, "web", &announce(&[A], &[]));
    step(&mut installed, "dns", &announce(&[A], &[]));
    let plan = Plan::from([(key("web"), moved.clone()), (key("dns"), moved.clone())]);
    let effects = installed.advance(&plan, &services(&["web", "dns"], &[A]));
    assert_eq!(effects.first(), Some(&hands_over(A)));
    assert_eq!(step(&mut installed, "web", &deleted), [], "the heir of the other one is still to be heard");
    assert_eq!(step(&mut installed, "dns", &deleted), [stops(A)]);
    step(&mut installed, "old", &announce(&[A], &[]));
    step(&mut installed, "old", &moved);
    step(&mut installed, "new", &announce(&[A], &[]));
    assert_eq!(step(&mut installed, "old", &deleted), [], "another one announces it here");
}

#[test]
fn replaced_addresses_are_withdrawn_and_the_new_ones_announced_first() {
    let mut installed = Installed::default();
    step(&mut installed, "web", &announce(&[A], &[]));
    let effects = step(&mut installed, "web", &announce(&[B], &[]));
    let expected = [
        answers(B, &[]),
        stops(A),
        withdrawn("web", &[A], SkipReason::LoadBalancerIpChanged),
        announced("web", &announcement(&[B], &[]), true),
    ];
    assert_eq!(effects, expected);
}

#[test]
fn a_shared_address_is_answered_until_its_last_service_is_gone_and_wherever_one_wants_it() {
    let mut installed = Installed::default();
    step(&mut installed, "web", &announce(&[A], &["eth0"]));
    let effects = step(&mut installed, "dns", &announce(&[A], &["eth1"]));
    assert_eq!(effects.first(), Some(&answers(A, &["eth0", "eth1"])));
    let gone = Verdict::Skip(SkipReason::ServiceDeleted);
    assert_eq!(step(&mut installed, "web", &gone).first(), Some(&answers(A, &["eth1"])));
    assert_eq!(step(&mut installed, "dns", &gone).first(), Some(&stops(A)));
}

#[test]
fn an_address_that_goes_from_one_service_to_another_is_never_given_up() {
    let mut installed = Installed::default();
    step(&mut installed, "old", &announce(&[A], &[]));
    let effects = installed.diff(&Plan::from([(key("new"), announce(&[A], &[]))]), &services(&["new"], &[A]));
    assert_eq!(effects.first(), Some(&answers(A, &[])));
    assert!(!effects.contains(&stops(A)), "{effects:?}");
}

#[test]
fn changed_interfaces_are_told_but_not_as_a_new_assignment() {
    let mut installed = Installed::default();
    step(&mut installed, "web", &announce(&[A], &["eth0"]));
    let effects = step(&mut installed, "web", &announce(&[A], &["eth1"]));
    assert_eq!(effects, [answers(A, &["eth1"]), announced("web", &announcement(&[A], &["eth1"]), false)]);
}

#[test]
fn neighbours_are_reminded_when_others_take_part_in_the_election() {
    let mut installed = Installed::default();
    step(&mut installed, "web", &announce(&[A], &[]));
    let other = Announcement { contest: 8, ..announcement(&[A], &[]) };
    let effects = step(&mut installed, "web", &Verdict::Announce(other));
    assert_eq!(effects, [Effect::Remind { address: ip(A) }]);
}

#[test]
fn a_reason_is_told_once_and_again_when_it_changes() {
    let mut installed = Installed::default();
    let effects = step(&mut installed, "web", &Verdict::Skip(SkipReason::NoIpAllocated));
    assert_eq!(effects, [told("web", Notice::Skipped { reason: SkipReason::NoIpAllocated })]);
    let effects = step(&mut installed, "web", &Verdict::Skip(lost()));
    assert_eq!(effects, [told("web", Notice::Skipped { reason: lost() })]);
    assert_eq!(step(&mut installed, "web", &Verdict::Skip(SkipReason::ServiceDeleted)), []);
    assert_eq!(installed.keys().count(), 0, "a deleted Service leaves nothing behind");
}

#[test]
fn an_announced_address_no_pool_holds_any_more_stays_until_the_controller_has_decided() {
    let mut installed = Installed::default();
    let orphan = Verdict::Orphan(vec![ip(A)]);
    step(&mut installed, "web", &announce(&[A], &[]));
    let effects = step(&mut installed, "web", &orphan);
    assert_eq!(effects, [told("web", Notice::Orphaned { addresses: vec![ip(A)] })]);
    assert_eq!(step(&mut installed, "web", &announce(&[A], &[])), [], "the pool is back");
    step(&mut installed, "web", &orphan);
    let effects = step(&mut installed, "web", &Verdict::Skip(SkipReason::NoIpAllocated));
    assert_eq!(effects, [stops(A), withdrawn("web", &[A], SkipReason::NoIpAllocated)]);
}

#[test]
fn an_address_no_pool_holds_is_not_newly_announced() {
    let mut installed = Installed::default();
    let effects = step(&mut installed, "web", &Verdict::Orphan(vec![ip(A)]));
    assert_eq!(effects, [told("web", Notice::Skipped { reason: SkipReason::IpNotAllowed })]);
    step(&mut installed, "other", &announce(&[A], &[]));
    let effects = step(&mut installed, "other", &Verdict::Orphan(vec![ip(B)]));
    assert_eq!(effects, [stops(A), withdrawn("other", &[A], SkipReason::IpNotAllowed)]);
}

fn refreshed(addresses: &[&str], refresh: Option<Duration>) -> Verdict {
    Verdict::Announce(Announcement { refresh, ..announcement(addresses, &[]) })
}

fn every(address: &str, every: Option<Duration>) -> Effect {
    Effect::Refresh { address: ip(address), every }
}

#[test]
fn an_interval_is_told_when_it_is_not_the_usual_one_and_changes_without_a_burst() {
    let mut installed = Installed::default();
    let effects = step(&mut installed, "web", &refreshed(&[A], OFTEN));
    assert_eq!(effects.get(..2), Some(&[answers(A, &[]), every(A, OFTEN)][..]));
    assert_eq!(step(&mut installed, "web", &refreshed(&[A], None)), [every(A, None)]);
    assert_eq!(step(&mut installed, "web", &refreshed(&[A], USUAL)), [every(A, USUAL)]);
    step(&mut installed, "web", &refreshed(&[A], OFTEN));
    let effects = step(&mut installed, "web", &Verdict::Skip(lost()));
    assert_eq!(effects, [hands_over(A), withdrawn("web", &[A], lost())], "it is forgotten with the address");
}

#[test]
fn of_services_that_share_an_address_the_shortest_interval_counts() {
    let mut installed = Installed::default();
    step(&mut installed, "web", &refreshed(&[A], None));
    assert_eq!(step(&mut installed, "dns", &refreshed(&[A], USUAL)).first(), Some(&every(A, USUAL)));
    assert_eq!(step(&mut installed, "ntp", &refreshed(&[A], OFTEN)).first(), Some(&every(A, OFTEN)));
    let gone = Verdict::Skip(SkipReason::ServiceDeleted);
    assert_eq!(step(&mut installed, "ntp", &gone).first(), Some(&every(A, USUAL)));
    assert_eq!(step(&mut installed, "dns", &gone).first(), Some(&every(A, None)));
}

/// What a neighbour would see.
#[derive(Default)]
struct Link {
    table: BTreeMap<IpAddr, (Interfaces, Option<Duration>)>,
    /// What is answered for until its heir is heard.
    leaving: BTreeSet<IpAddr>,
    /// What ever was.
    left: BTreeSet<IpAddr>,
}

impl Link {
    /// The same after these effects.
    fn execute(&mut self, effects: Vec<Effect>) {
        let Self { table, leaving, left } = self;
        for effect in effects {
            match effect {
                Effect::Announce { address, interfaces } => {
                    leaving.remove(&address);
                    table.entry(address).or_insert((Interfaces::All, USUAL)).0 = interfaces;
                }
                Effect::Refresh { address, every } => table.get_mut(&address).unwrap().1 = every,
                Effect::Withdraw { address } => {
                    leaving.remove(&address);
                    let is_known = table.remove(&address).is_some() || left.contains(&address);
                    assert!(is_known, "{address} was not announced");
                }
                Effect::HandOver { address } => {
                    assert!(table.remove(&address).is_some(), "{address} was not announced");
                    leaving.insert(address);
                    left.insert(address);
                }
                Effect::Remind { address } => {
                    assert!(table.contains_key(&address), "{address} is not announced")
                }
                Effect::Tell { .. } => {}
            }
        }
    }
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    let addresses = proptest::sample::subsequence(vec![A, B, "2001:db8::1"], 1..3);
    let interfaces = proptest::sample::subsequence(vec!["eth0", "eth1"], 0..3);
    let refresh = proptest::sample::select(vec![USUAL, OFTEN, None]);
    prop_oneof![
        3 => (addresses.clone(), interfaces, 0u64..3, refresh).prop_map(|(addresses, interfaces, contest, refresh)| {
            Verdict::Announce(Announcement { contest, refresh, ..announcement(&addresses, &interfaces) })
        }),
        1 => Just(Verdict::Skip(SkipReason::ServiceDeleted)),
        1 => Just(Verdict::Skip(lost())),
        1 => addresses.prop_map(|addresses| Verdict::Orphan(addresses.iter().map(|text| ip(text)).collect())),
    ]
}

proptest! {
    /// However the plan came about, what neighbours see is exactly what the Services announced add up to, and what is
    /// handed over is of a Service that another node announces.
    #[test]
    fn effects_add_up_to_the_plan(
        passes in proptest::collection::vec(
            proptest::collection::btree_map(prop_oneof!["a", "b", "c", "d"], any_verdict(), 1..4), 1..12),
        whole: bool,
    ) {
        let mut installed = Installed::default();
        let mut link = Link::default();
        for pass in passes {
            let plan: Plan = pass.into_iter().map(|(name, verdict)| (key(&name), verdict)).collect();
            let services = services(&["a", "b", "c", "d"], &[A, "2001:db8::1"]);
            let mut advance = || {
                if whole { installed.diff(&plan, &services) } else { installed.advance(&plan, &services) }
            };
            link.execute(advance());
            let again = advance();
            prop_assert_eq!(again, vec![], "a second pass is silent");
            let mut expected: BTreeMap<IpAddr, Vec<(Interfaces, Option<Duration>)>> = BTreeMap::new();
            for (_, announcement) in installed.announced() {
                for address in &announcement.addresses {
                    let wanted = (announcement.interfaces.clone(), announcement.refresh);
                    expected.entry(*address).or_default().push(wanted);
                }
            }
            let together = |wanted: &Vec<(Interfaces, Option<Duration>)>| {
                let interfaces = union(wanted.iter().map(|(interfaces, _)| interfaces))?;
                Some((interfaces, wanted.iter().filter_map(|(_, every)| *every).min()))
            };
            let expected: BTreeMap<_, _> =
                expected.iter().filter_map(|(ip, wanted)| Some((*ip, together(wanted)?))).collect();
            prop_assert_eq!(&link.table, &expected);
            for address in &link.leaving {
                let is_left = |(service, left): &(ServiceKey, IpAddr)| {
                    left == address && installed.owner_elsewhere(service).is_some()
                };
                prop_assert!(installed.left.iter().any(is_left), "{} is nobody's", address);
            }
        }
    }
}

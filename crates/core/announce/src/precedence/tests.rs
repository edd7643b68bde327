use serde_json::{Value, json};

use super::*;
use crate::decision::Verdict;
use crate::election::elect;
use crate::endpoints::{SliceKey, SliceView};
use crate::plan::Snapshot;
use crate::testing::{advertisement, configured, inputs, ip, named_service, pool};
use crate::world::{Inputs, Speakers};

mod alike;
mod away;
mod gone;

const SECOND: Duration = Duration::from_secs(1);

/// The same cluster as each of its speakers sees it, who hear each other at once.
struct Cluster {
    inputs: Inputs,
    services: BTreeMap<ServiceKey, Arc<ServiceFacts>>,
    speakers: BTreeMap<String, (Snapshot, Tenure)>,
    now: Duration,
}

fn key(name: &str) -> ServiceKey {
    ServiceKey { namespace: "default".into(), name: name.into() }
}

fn slice(service: &str, nodes: &[&str]) -> Arc<SliceView> {
    let endpoints: Vec<Value> =
        nodes.iter().map(|node| json!({ "addresses": ["10.1.1.1"], "nodeName": node })).collect();
    let labels = json!({ "kubernetes.io/service-name": service });
    let object = json!({
        "addressType": "IPv4", "endpoints": endpoints,
        "metadata": { "name": service, "namespace": "default", "labels": labels },
    });
    Arc::new(SliceView::parse(&serde_json::from_value(object).unwrap()))
}

fn address(number: usize) -> String {
    format!("172.30.0.{}", number + 1)
}

impl Cluster {
    fn new(spec: Value) -> Self {
        let all = [advertisement("all", spec)];
        let inputs = configured(inputs(), &[pool("pool", &["172.30.0.0/24", "fd00:30::/64"])], &all);
        let mut cluster = Self { inputs, services: BTreeMap::new(), speakers: BTreeMap::new(), now: SECOND };
        for node in ["n1", "n2", "n3"] {
            cluster.start(node);
        }
        // Who is there since long remembers, even if there is nothing yet.
        cluster.now += 100 * SECOND;
        cluster.meet();
        cluster
    }

    fn world(&self, me: &str) -> World {
        World::new(Inputs { me: me.to_owned(), ..self.inputs.clone() })
    }

    fn start(&mut self, node: &str) {
        let snapshot = Snapshot {
            world: self.world(node),
            services: self.services.clone(),
            endpoints: EndpointIndex::default(),
            precedence: Precedence::default(),
        };
        let mut tenure = Tenure::new(node, self.now);
        tenure.set_wanted(true);
        self.speakers.insert(node.to_owned(), (snapshot, tenure));
        for name in self.services.keys().map(|key| key.name.to_string()).collect::<Vec<_>>() {
            self.serve(&name, &["n1", "n2", "n3"]);
        }
        self.meet();
    }

    fn stop(&mut self, node: &str) {
        self.speakers.remove(node);
        self.meet();
    }

    /// Everybody sees who is there, asks what they hold, and decides.
    fn meet(&mut self) {
        let alive: Vec<String> = self.speakers.keys().cloned().collect();
        self.inputs.speakers = Speakers::On(alive.iter().cloned().collect());
        let worlds: Vec<World> = alive.iter().map(|node| self.world(node)).collect();
        let boots: Vec<(String, u64)> = alive.iter().map(|node| (node.clone(), 1)).collect();
        for ((snapshot, tenure), world) in self.speakers.values_mut().zip(worlds) {
            snapshot.world = world;
            tenure.set_peers(boots.iter().map(|(node, boot)| (node.as_str(), *boot)), self.now);
            tenure.tick(self.now);
        }
        self.hear();
        let all = self.services.keys().cloned().collect();
        self.decide(&all);
    }

    fn hear(&mut self) {
        for _ in 0..3 {
            let letters: Vec<_> = self
                .speakers
                .iter_mut()
                .flat_map(|(from, (_, tenure))| {
                    std::iter::from_fn(|| tenure.poll())
                        .map(|letter| (from.clone(), letter))
                        .collect::<Vec<_>>()
                })
                .collect();
            for (from, letter) in letters {
                if let Some((_, tenure)) = self.speakers.get_mut(&letter.to) {
                    tenure.receive(&from, &letter.bytes, self.now);
                }
            }
        }
    }

    /// Everybody decides, tells, and decides on what was told.
    fn decide(&mut self, touched: &BTreeSet<ServiceKey>) {
        for touched in [touched, &BTreeSet::new(), &BTreeSet::new()] {
            for (snapshot, tenure) in self.speakers.values_mut() {
                let owners = |snapshot: &Snapshot| -> BTreeMap<ServiceKey, Option<String>> {
                    let owner = |key| snapshot.precedence.owner(key).map(str::to_owned);
                    snapshot.services.keys().map(|key| (key.clone(), owner(key))).collect()
                };
                let before = owners(snapshot);
                let told = snapshot.choose(touched, tenure, self.now);
                // Who is not told of is not looked at again.
                for (key, owner) in owners(snapshot) {
                    let is_known = touched.contains(&key) || told.contains(&key);
                    assert!(is_known || before[&key] == owner, "{key}: {:?}, now {owner:?}", before[&key]);
                }
                tenure.tell(self.now);
            }
            self.hear();
        }
    }

    fn add(&mut self, name: &str, addresses: &[&str], metadata: Value) {
        self.set(name, named_service(name, addresses, json!({}), metadata));
    }

    fn set(&mut self, name: &str, service: ServiceFacts) {
        let service = Arc::new(service);
        self.services.insert(key(name), service.clone());
        for (snapshot, _) in self.speakers.values_mut() {
            snapshot.services.insert(key(name), service.clone());
        }
        self.serve(name, &["n1", "n2", "n3"]);
        self.decide(&[key(name)].into());
    }

    fn remove(&mut self, name: &str) {
        self.services.remove(&key(name));
        for (snapshot, _) in self.speakers.values_mut() {
            snapshot.services.remove(&key(name));
        }
        self.decide(&[key(name)].into());
    }

    fn serve(&mut self, name: &str, nodes: &[&str]) {
        let slice_key = SliceKey { namespace: "default".into(), name: name.into() };
        for (snapshot, _) in self.speakers.values_mut() {
            snapshot.endpoints.set(slice_key.clone(), Some(slice(name, nodes)));
        }
    }

    /// Adds so many Services with an address each.
    fn fill(&mut self, count: usize) {
        for number in 0..count {
            self.add(&format!("s{number}"), &[&address(number)], json!({}));
        }
    }

    /// The one node that announces a Service.
    #[track_caller]
    fn owner(&self, name: &str) -> String {
        let announces = |(_, (snapshot, _)): &(&String, &(Snapshot, Tenure))| {
            matches!(snapshot.verdict(&key(name)), Verdict::Announce(_))
        };
        let owners: Vec<&String> = self.speakers.iter().filter(announces).map(|(node, _)| node).collect();
        assert_eq!(owners.len(), 1, "{name}: {owners:?}");
        for (snapshot, _) in self.speakers.values() {
            let verdict = snapshot.verdict(&key(name));
            assert!(verdict.heir().is_none_or(|heir| heir == owners[0]), "{name}: {verdict:?}");
        }
        owners[0].clone()
    }

    #[track_caller]
    fn owners(&self) -> BTreeMap<ServiceKey, String> {
        self.services.keys().map(|key| (key.clone(), self.owner(&key.name))).collect()
    }
}

/// How many moved, and how many of them though their owner is still there.
fn moves(
    before: &BTreeMap<ServiceKey, String>,
    now: &BTreeMap<ServiceKey, String>,
    gone: &str,
) -> (usize, usize) {
    let moved = before.iter().filter(|(key, owner)| now.get(*key) != Some(*owner));
    let (lost, taken): (Vec<_>, Vec<_>) = moved.partition(|(_, owner)| *owner == gone);
    (lost.len() + taken.len(), taken.len())
}

#[test]
fn an_owner_that_dies_and_returns_finds_its_addresses_elsewhere_only_where_nobody_preempts() {
    for (spec, returned) in [
        (json!({}), true),
        (json!({ "preempt": "Always" }), true),
        (json!({ "preempt": "Never" }), false),
        (json!({ "preempt": "Delayed", "preemptDelay": "30s" }), false),
    ] {
        let mut cluster = Cluster::new(spec.clone());
        cluster.fill(20);
        let before = cluster.owners();
        cluster.stop("n2");
        let meanwhile = cluster.owners();
        assert_eq!(moves(&before, &meanwhile, "n2").1, 0, "{spec}: only its own move");
        cluster.start("n2");
        let now = cluster.owners();
        assert_eq!(now == before, returned, "{spec}");
        assert_eq!(now == meanwhile, !returned, "{spec}");
    }
}

#[test]
fn whom_nobody_holds_the_contract_elects_so_what_is_not_asked_for_moves_nothing() {
    let mut plain = Cluster::new(json!({}));
    let mut sticky = Cluster::new(json!({ "preempt": "Never" }));
    plain.fill(30);
    sticky.fill(30);
    assert_eq!(plain.owners(), sticky.owners());
    plain.stop("n1");
    sticky.stop("n1");
    assert_eq!(plain.owners(), sticky.owners());
}

#[test]
fn a_returning_owner_gets_its_addresses_back_after_the_delay_and_not_before() {
    let mut cluster = Cluster::new(json!({ "preempt": "Delayed", "preemptDelay": "30s" }));
    cluster.fill(20);
    let before = cluster.owners();
    cluster.stop("n2");
    let meanwhile = cluster.owners();
    cluster.now += 5 * SECOND;
    cluster.start("n2");
    let due = cluster.now + 30 * SECOND;
    let waiting = cluster.speakers.values().filter_map(|(snapshot, _)| snapshot.precedence.next_deadline());
    assert_eq!(waiting.collect::<BTreeSet<_>>(), [due].into());
    cluster.now = due - Duration::from_millis(1);
    cluster.decide(&BTreeSet::new());
    assert_eq!(cluster.owners(), meanwhile);
    cluster.now = due;
    cluster.decide(&BTreeSet::new());
    assert_eq!(cluster.owners(), before);
    assert!(cluster.speakers.values().all(|(snapshot, _)| snapshot.precedence.next_deadline().is_none()));
}

#[test]
fn the_delay_begins_anew_when_the_preferred_node_goes_away_meanwhile() {
    let mut cluster = Cluster::new(json!({ "preempt": "Delayed", "preemptDelay": "30s" }));
    cluster.fill(20);
    cluster.stop("n2");
    let meanwhile = cluster.owners();
    cluster.start("n2");
    cluster.now += 20 * SECOND;
    cluster.stop("n2");
    cluster.start("n2");
    cluster.now += 20 * SECOND;
    cluster.decide(&BTreeSet::new());
    assert_eq!(cluster.owners(), meanwhile);
}

#[test]
fn a_holder_keeps_its_address_while_no_endpoint_can_serve() {
    let mut cluster = Cluster::new(json!({ "preempt": "Never" }));
    cluster.add("web", &["172.30.0.1"], json!({}));
    let first = cluster.owner("web");
    cluster.stop(&first);
    let second = cluster.owner("web");
    cluster.start(&first);
    cluster.serve("web", &[]);
    cluster.decide(&[key("web")].into());
    cluster.serve("web", &["n1"]);
    cluster.decide(&[key("web")].into());
    assert_eq!(cluster.owner("web"), second);
}

#[test]
fn a_holder_that_may_not_announce_any_more_lets_go_at_once() {
    let mut cluster = Cluster::new(json!({ "preempt": "Never" }));
    cluster.set(
        "web",
        named_service("web", &["172.30.0.1"], json!({ "externalTrafficPolicy": "Local" }), json!({})),
    );
    for nodes in [&["n1"][..], &["n1", "n2", "n3"], &["n3", "n2"], &["n3"]] {
        let holder = cluster.owner("web");
        cluster.serve("web", nodes);
        cluster.decide(&[key("web")].into());
        let owner = cluster.owner("web");
        assert_eq!(nodes.contains(&holder.as_str()), owner == holder, "{nodes:?}: {holder} {owner}");
    }
}

#[test]
fn what_is_asked_for_does_not_count_beside_a_speaker_of_the_original_or_one_that_knows_no_members() {
    let plain = |cluster: &mut Cluster, foreign: bool, speakers: Option<Speakers>| {
        cluster.inputs.has_plain = foreign;
        for (node, (snapshot, _)) in &mut cluster.speakers {
            let speakers = speakers.clone().unwrap_or(cluster.inputs.speakers.clone());
            let inputs = Inputs { me: node.clone(), speakers, ..cluster.inputs.clone() };
            snapshot.world = World::new(inputs);
        }
        let all = cluster.services.keys().cloned().collect();
        cluster.decide(&all);
    };
    for spec in [json!({ "preempt": "Never" }), json!({ "spread": "Bounded" })] {
        let mut contract = Cluster::new(json!({}));
        let mut cluster = Cluster::new(spec.clone());
        contract.fill(20);
        cluster.fill(20);
        cluster.stop("n2");
        cluster.start("n2");
        assert_ne!(cluster.owners(), contract.owners(), "{spec}");
        for (foreign, speakers) in [(true, None), (false, Some(Speakers::EveryNode))] {
            plain(&mut cluster, foreign, speakers);
            assert_eq!(cluster.owners(), contract.owners(), "{spec}");
        }
    }
}

#[test]
fn services_that_share_an_address_have_one_owner_whatever_is_asked_for() {
    let shares = json!({ "annotations": { "metallb.io/allow-shared-ip": "x" } });
    for spec in [
        json!({}),
        json!({ "preempt": "Never" }),
        json!({ "spread": "Bounded" }),
        json!({ "preempt": "Never", "spread": "Bounded" }),
    ] {
        let mut cluster = Cluster::new(spec.clone());
        cluster.fill(12);
        for number in 0..8 {
            let (four, six) = (format!("172.30.0.{}", 100 + number), format!("fd00:30::{number}"));
            let (both, one) = (format!("both{number}"), format!("one{number}"));
            cluster.add(&both, &[&four, &six], shares.clone());
            cluster.add(&one, &[&six], shares.clone());
            assert_eq!(cluster.owner(&both), cluster.owner(&one), "{spec}");
        }
        for node in ["n1", "n2", "n3"] {
            cluster.stop(node);
            cluster.start(node);
            for number in 0..8 {
                let (both, one) = (format!("both{number}"), format!("one{number}"));
                assert_eq!(cluster.owner(&both), cluster.owner(&one), "{spec}");
            }
        }
    }
}

/// One edit makes two units one, whose owner is that of one of them: the Services of the other one move, untouched.
#[test]
fn services_that_come_to_share_by_way_of_another_are_told_of_when_their_owner_changes() {
    let shares = json!({ "annotations": { "metallb.io/allow-shared-ip": "x" } });
    for spec in [json!({}), json!({ "preempt": "Never" })] {
        let mut cluster = Cluster::new(spec.clone());
        let mut moved = 0;
        for number in 0..8 {
            let (low, high) = (format!("172.30.0.{}", 10 + number), format!("172.30.0.{}", 100 + number));
            let six = format!("fd00:30::{number}");
            let (stays, joins) = (format!("stays{number}"), format!("joins{number}"));
            cluster.add(&stays, &[&high, &six], shares.clone());
            cluster.add(&joins, &[&low], shares.clone());
            moved += usize::from(cluster.owner(&stays) != cluster.owner(&joins));
            cluster.add(&joins, &[&low, &six], shares.clone());
            assert_eq!(cluster.owner(&stays), cluster.owner(&joins), "{spec}");
            cluster.add(&joins, &[&low], shares.clone());
        }
        assert!(moved > 1, "{spec}: {moved}");
    }
}

/// Bit-exact beside a speaker of the original: there each Service is elected for by its own first address.
#[test]
fn beside_the_original_and_where_nothing_is_shared_the_first_address_decides() {
    let shares = json!({ "annotations": { "metallb.io/allow-shared-ip": "x" } });
    for has_plain in [true, false] {
        let mut cluster = Cluster::new(json!({}));
        cluster.inputs.has_plain = has_plain;
        cluster.meet();
        for number in 0..8 {
            let (four, six) = (format!("172.30.0.{}", 100 + number), format!("fd00:30::1{number}"));
            let one = if has_plain { six.clone() } else { format!("fd00:30::2{number}") };
            cluster.add("both", &[&four, &six], shares.clone());
            cluster.add("one", &[&one], shares.clone());
            for (name, first) in [("both", four), ("one", one)] {
                let elected = elect(["n1", "n2", "n3"].map(|node| (node, 0)), ip(&first)).unwrap();
                assert_eq!(cluster.owner(name), elected, "{name}, {first}, {has_plain}");
            }
        }
    }
}

#[test]
fn who_held_what_is_shared_does_not_matter_as_soon_as_nothing_is_asked_for() {
    let mut cluster = Cluster::new(json!({ "preempt": "Never" }));
    let shares = json!({ "annotations": { "metallb.io/allow-shared-ip": "x" } });
    cluster.add("one", &["172.30.0.7"], shares);
    let elected = cluster.owner("one");
    cluster.stop(&elected);
    cluster.start(&elected);
    assert_ne!(cluster.owner("one"), elected, "it stays with who took it over");
    for (spec, what) in
        [(json!({}), "nothing is asked for"), (json!({ "preempt": "Never" }), "it is asked again")]
    {
        gone::configure(&mut cluster, Some(spec));
        assert_eq!(cluster.owner("one"), elected, "{what}");
    }
}

#[test]
fn a_service_keeps_its_owner_when_one_it_shares_with_comes_or_goes() {
    let shares = json!({ "annotations": { "metallb.io/allow-shared-ip": "x" } });
    for number in 0..10 {
        let mut cluster = Cluster::new(json!({ "preempt": "Never" }));
        let six = format!("fd00:30::{number}");
        cluster.add("six", &[&six], shares.clone());
        let holder = cluster.owner("six");
        for four in ["172.30.0.9", "172.30.0.3"] {
            cluster.add(four, &[four, &six], shares.clone());
            assert_eq!(
                (cluster.owner("six"), cluster.owner(four)),
                (holder.clone(), holder.clone()),
                "{six}"
            );
        }
        for gone in ["172.30.0.3", "172.30.0.9"] {
            cluster.remove(gone);
            assert_eq!(cluster.owner("six"), holder, "{six} without {gone}");
        }
    }
}

#[test]
fn one_that_sees_other_addresses_than_the_others_moves_none_of_theirs() {
    let mut cluster = Cluster::new(json!({ "spread": "Bounded" }));
    cluster.fill(24);
    let before = cluster.owners();
    // It reads nothing more: addresses go, and others move up behind them.
    for number in 0..6 {
        let gone = key(&format!("s{number}"));
        cluster.services.remove(&gone);
        for (_, (snapshot, _)) in cluster.speakers.iter_mut().filter(|(node, _)| *node != "n2") {
            snapshot.services.remove(&gone);
        }
        cluster.decide(&[gone].into());
        cluster.owners();
    }
    let now = cluster.owners();
    let moved = now.iter().filter(|(service, owner)| before.get(*service) != Some(*owner)).count();
    assert!(moved <= 6, "{moved} moved");
    // What it held it can hold no longer: who claims nothing is no owner, whatever it is thought to be.
    cluster.stop("n1");
    cluster.now += 2 * SECOND;
    cluster.decide(&BTreeSet::new());
    cluster.owners();
}

#[test]
fn bounded_addresses_are_within_bounds_after_everything_that_happens() {
    let mut cluster = Cluster::new(json!({ "spread": "Bounded" }));
    let check = |cluster: &Cluster| {
        let owners = cluster.owners();
        let most = (owners.len() * 5).div_ceil(cluster.speakers.len() * 4);
        for node in cluster.speakers.keys() {
            let load = owners.values().filter(|owner| *owner == node).count();
            assert!(load <= most, "{node}: {load} of {}", owners.len());
        }
    };
    for count in 0..24 {
        cluster.add(&format!("s{count}"), &[&address(count)], json!({}));
        check(&cluster);
    }
    for node in ["n1", "n2", "n3"] {
        cluster.stop(node);
        check(&cluster);
        cluster.start(node);
        check(&cluster);
    }
}

#[test]
fn a_second_look_chooses_nothing_anew() {
    let mut cluster = Cluster::new(json!({ "preempt": "Never", "spread": "Bounded" }));
    cluster.fill(10);
    let now = cluster.now;
    for (snapshot, tenure) in cluster.speakers.values_mut() {
        let all = snapshot.services.keys().cloned().collect();
        assert_eq!(snapshot.choose(&all, tenure, now), BTreeSet::new());
        tenure.tell(now);
        assert_eq!(tenure.poll(), None);
    }
}

#[test]
fn a_service_that_is_gone_or_asks_no_more_is_forgotten() {
    let mut cluster = Cluster::new(json!({ "preempt": "Never" }));
    cluster.fill(3);
    for (snapshot, _) in cluster.speakers.values_mut() {
        snapshot.services.remove(&key("s0"));
    }
    cluster.services.remove(&key("s0"));
    cluster.decide(&[key("s0")].into());
    for (snapshot, tenure) in cluster.speakers.values() {
        assert_eq!(snapshot.precedence.owner(&key("s0")), None);
        let candidates = [("n1", 0), ("n2", 0), ("n3", 0)];
        assert_eq!(tenure.holder(ip(&address(0)), &[ip(&address(0))], candidates), None);
        assert!(tenure.holder(ip(&address(1)), &[ip(&address(1))], candidates).is_some());
    }
}

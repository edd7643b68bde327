//! The nodes, what is between them, and what they are told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use metallb_announce::{Candidates, NodeView, Position, ServiceFacts, Shares, SliceKey, SliceView, elect};
use metallb_config::{Config, RawConfig, ServiceKey};
use serde_json::{Value, json};

use super::check::Check;
use super::delay::DELAY;
use super::speaker::{Seen, Speaker};
use super::{ADDRESSES, NODES, Terms};
use crate::Chance;

/// When all begins, in 2026: counted from 1970.
const BEGIN: Duration = Duration::from_secs(1_767_225_600);
const DAY: Duration = Duration::from_hours(24);
/// As clocks say whose battery is dead.
const YEAR_2099: Duration = Duration::from_secs(4_070_908_800);

/// How a node really is.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) boot: Option<u64>,
    pub(super) speaker: Option<Speaker>,
    pub(super) is_frozen: bool,
    pub(super) is_held: bool,
    pub(super) is_plain: bool,
    /// It reads nothing from the API server.
    pub(super) is_cut_off: bool,
}

/// What happens at some time.
#[derive(Clone, Debug)]
enum Event {
    Letter {
        from: String,
        to: String,
        boot: u64,
        bytes: Vec<u8>,
    },
    /// A node notices how another one is.
    Look {
        at: &'static str,
        of: &'static str,
    },
    /// A node reads the API server.
    Read {
        at: &'static str,
    },
    /// A node's fence may open, or it is held.
    Stand {
        at: &'static str,
        boot: u64,
    },
}

/// A simulated cluster.
#[derive(Debug)]
pub struct Cluster {
    pub(super) now: Duration,
    pub(super) nodes: BTreeMap<&'static str, Node>,
    pub(super) services: BTreeSet<usize>,
    pub(super) has_advertisement: bool,
    /// Between whom nothing passes.
    pub(super) cut: BTreeSet<(String, String)>,
    /// One letter in so many is lost; none is if 0.
    pub(super) loss: usize,
    /// Whether clocks are wrong by more than two seconds.
    pub(super) is_astray: bool,
    terms: Terms,
    chance: Chance,
    events: BTreeMap<(Duration, u64), Event>,
    sequence: u64,
}

impl Cluster {
    pub(super) fn new(seed: u64, terms: Terms) -> Self {
        Self {
            now: Duration::ZERO,
            nodes: NODES.iter().map(|node| (*node, Node::default())).collect(),
            services: BTreeSet::new(),
            has_advertisement: true,
            cut: BTreeSet::new(),
            loss: 0,
            is_astray: seed % 4 == 3,
            terms,
            chance: Chance::new(seed ^ 0x5eed),
            events: BTreeMap::new(),
            sequence: 0,
        }
    }

    fn after(&mut self, least: u64, most: usize, event: Event) {
        let delay = Duration::from_millis(least + self.chance.below(most) as u64);
        self.sequence += 1;
        self.events.insert((self.now + delay, self.sequence), event);
    }

    /// Everybody notices sooner or later how a node is.
    pub(super) fn noticed(&mut self, of: &'static str, least: u64) {
        for at in NODES {
            let (least, most) = if at == of { (0, 1) } else { (least, 300) };
            self.after(least, most, Event::Look { at, of });
        }
    }

    /// What the clock of a node says, set anew with each process.
    fn time_of_day(&mut self) -> Duration {
        let right = BEGIN + self.now;
        let about = right - Duration::from_secs(2) + Duration::from_millis(self.chance.below(4000) as u64);
        match self.chance.below(8) {
            0 if self.is_astray => Duration::ZERO,
            1 if self.is_astray => right - DAY,
            2 if self.is_astray => right + DAY,
            3 if self.is_astray => YEAR_2099,
            _ => about,
        }
    }

    pub(super) fn start(&mut self, node: &'static str) {
        self.sequence += 1;
        let boot = self.sequence;
        let mut speaker = Speaker::new(node, self.time_of_day(), self.now);
        for other in NODES {
            speaker.seen.insert(other.to_owned(), Seen::default());
        }
        self.nodes.insert(node, Node { boot: Some(boot), speaker: Some(speaker), ..Node::default() });
        self.after(0, 200, Event::Read { at: node });
        for other in NODES {
            self.after(0, 150, Event::Look { at: node, of: other });
        }
        self.noticed(node, 20);
        self.after(200, 600, Event::Stand { at: node, boot });
    }

    pub(super) fn stop(&mut self, node: &'static str) {
        self.nodes.insert(node, Node::default());
        self.noticed(node, 20);
    }

    pub(super) fn freeze(&mut self, node: &'static str) {
        self.with(node, |node| node.is_frozen = true);
        self.noticed(node, 350);
    }

    pub(super) fn thaw(&mut self, node: &'static str) {
        self.with(node, |node| {
            node.is_frozen = false;
            if let Some(speaker) = node.speaker.as_mut() {
                (speaker.position, speaker.is_dirty) = (Position::Closed, true);
            }
        });
        self.noticed(node, 50);
        self.stand(node, 30);
    }

    pub(super) fn hold(&mut self, node: &'static str, is_held: bool) {
        self.with(node, |node| node.is_held = is_held);
        self.noticed(node, 0);
        self.stand(node, 0);
    }

    fn stand(&mut self, at: &'static str, least: u64) {
        if let Some(boot) = self.nodes.get(at).and_then(|node| node.boot) {
            self.after(least, 300, Event::Stand { at, boot });
        }
    }

    pub(super) fn with(&mut self, node: &str, act: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(node) {
            act(node);
        }
    }

    pub(super) fn add(&mut self, number: usize) {
        self.services.insert(number);
        self.published();
    }

    /// Everybody reads sooner or later what has changed.
    pub(super) fn published(&mut self) {
        NODES.iter().for_each(|at| self.after(0, 250, Event::Read { at }));
    }

    /// Everything is well from now on.
    pub(super) fn mend(&mut self) {
        (self.cut, self.loss, self.has_advertisement) = (BTreeSet::new(), 0, true);
        for node in NODES {
            let Some(Node { boot, is_frozen, is_held, is_plain, is_cut_off, .. }) = self.nodes.get_mut(node)
            else {
                continue;
            };
            (*is_plain, *is_cut_off) = (false, false);
            match (*boot, *is_frozen, *is_held) {
                (None, ..) => self.start(node),
                (_, true, _) => self.thaw(node),
                (.., true) => self.hold(node, false),
                _ => self.noticed(node, 0),
            }
        }
        self.published();
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration, check: &mut Check) {
        let end = self.now + time;
        loop {
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let deadlines = self.nodes.values().filter(|node| !node.is_frozen);
            let due = deadlines.filter_map(|node| node.speaker.as_ref()?.next_deadline()).min();
            let next = event.into_iter().chain(due).min().unwrap_or(end).max(self.now);
            if next > end {
                break;
            }
            check.passes(self, next - self.now);
            self.now = next;
            while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= next) {
                let event = entry.remove();
                self.happen(event);
            }
            NODES.iter().for_each(|node| self.turn(node));
            if event.is_none_or(|at| at > next) {
                // Deadlines are met a moment late, as by a timer.
                self.now += Duration::from_millis(1);
            }
        }
        check.passes(self, end.saturating_sub(self.now));
        self.now = self.now.max(end);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Letter { from, to, boot, bytes } => {
                if let Some(node) = self.nodes.get_mut(to.as_str()).filter(|node| node.boot == Some(boot))
                    && let Some(speaker) = node.speaker.as_mut()
                {
                    speaker.letters.push((from, bytes));
                }
            }
            Event::Look { at, of } => self.look(at, of),
            Event::Read { at } => self.read(at),
            Event::Stand { at, boot } => {
                let Some(node) = self.nodes.get_mut(at).filter(|node| node.boot == Some(boot)) else {
                    return;
                };
                let (is_held, is_frozen) = (node.is_held, node.is_frozen);
                let Some(speaker) = node.speaker.as_mut() else { return };
                speaker.is_dirty = true;
                speaker.position = match (is_frozen, is_held, speaker.position) {
                    (true, ..) => return,
                    (_, true, _) => Position::Held,
                    (_, false, Position::Held | Position::Open) => Position::Open,
                    (_, false, _) => Position::Opening,
                };
            }
        }
    }

    pub(super) fn is_heard(&self, from: &str, to: &str) -> bool {
        !self.cut.contains(&(from.to_owned(), to.to_owned()))
    }

    fn look(&mut self, at: &'static str, of: &'static str) {
        let is_heard = at == of || self.is_heard(of, at) && self.is_heard(at, of);
        let Some(Node { boot, speaker, is_frozen, is_held, is_plain, .. }) = self.nodes.get(of) else {
            return;
        };
        let answers = speaker.as_ref().is_some_and(|speaker| speaker.position != Position::Closed);
        let opens = speaker.as_ref().is_some_and(|speaker| speaker.position == Position::Opening);
        let fresh = Seen {
            boot: *boot,
            is_down: *is_frozen || !is_heard || *is_held && at != of,
            is_starting: !answers || opens,
            is_plain: *is_plain,
        };
        let Some(Node { speaker: Some(speaker), .. }) = self.nodes.get_mut(at) else { return };
        let was = speaker.seen.get(of).copied().unwrap_or_default();
        // Once it has answered, a closed fence is no start.
        let is_starting = fresh.is_starting && (was.boot != fresh.boot || was.is_starting);
        // Nobody hears of a new life of one he does not hear.
        let boot = if is_heard { fresh.boot } else { was.boot.filter(|_| fresh.boot.is_some()) };
        let now = Seen { boot, is_starting, ..fresh };
        speaker.is_dirty |= speaker.seen.insert(of.to_owned(), now) != Some(now);
    }

    fn read(&mut self, at: &'static str) {
        let (terms, has_advertisement, services) =
            (self.terms, self.has_advertisement, self.services.clone());
        let Some(node) = self.nodes.get_mut(at).filter(|node| !node.is_cut_off) else { return };
        let Some(speaker) = node.speaker.as_mut() else { return };
        speaker.config = Some(config(terms, has_advertisement));
        (speaker.services, speaker.is_dirty) = (services, true);
    }

    fn turn(&mut self, at: &'static str) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(at).filter(|node| !node.is_frozen) else { return };
        let Some(speaker) = node.speaker.as_mut() else { return };
        if !speaker.is_due(now) {
            return;
        }
        let before = speaker.position;
        let letters = speaker.turn(now);
        if before == Position::Opening && speaker.position == Position::Open {
            self.noticed(at, 0);
        }
        for letter in letters {
            let is_lost = self.loss > 0 && self.chance.once_in(self.loss);
            let boot = self.nodes.get(letter.to.as_str()).and_then(|node| node.boot);
            if let Some(boot) = boot.filter(|_| !is_lost && self.is_heard(at, &letter.to)) {
                let event = Event::Letter { from: at.to_owned(), to: letter.to, boot, bytes: letter.bytes };
                self.after(1, 15, event);
            }
        }
    }

    /// How many addresses a node answers for.
    pub(super) fn owned_by(&self, node: &str) -> usize {
        let speaker = self.nodes.get(node).and_then(|node| node.speaker.as_ref());
        speaker.map_or(0, |speaker| (0..ADDRESSES).filter(|number| speaker.answers(*number)).count())
    }

    /// How many addresses are not where an election without memory has them.
    pub(super) fn elsewhere(&self) -> usize {
        let candidates: Candidates = NODES.iter().map(|node| ((*node).to_owned(), 0)).collect();
        let mut shares = Shares::over(candidates.clone());
        self.services.iter().for_each(|number| shares.insert(address(*number)));
        shares.settle();
        let is_elsewhere = |number: &&usize| {
            let elected = match self.terms {
                Terms::Never | Terms::Delayed => elect(NODES.map(|node| (node, 0)), address(**number)),
                Terms::Bounded | Terms::Both => shares.owner(address(**number)),
            };
            let owner = elected.and_then(|node| self.nodes.get(node)?.speaker.as_ref());
            !owner.is_some_and(|speaker| speaker.answers(**number))
        };
        self.services.iter().filter(is_elsewhere).count()
    }
}

pub(super) fn address(number: usize) -> IpAddr {
    IpAddr::from([172, 30, 0, u8::try_from(number).unwrap_or(u8::MAX)])
}

pub(super) fn key(number: usize) -> ServiceKey {
    ServiceKey { namespace: "default".into(), name: format!("s{number}").into() }
}

pub(super) fn service(number: usize) -> Arc<ServiceFacts> {
    static SERVICES: LazyLock<Vec<Arc<ServiceFacts>>> = LazyLock::new(|| (0..ADDRESSES).map(facts).collect());
    SERVICES.get(number).cloned().unwrap_or_default()
}

fn facts(number: usize) -> Arc<ServiceFacts> {
    let object = json!({
        "metadata": { "name": format!("s{number}"), "namespace": "default" },
        "spec": { "type": "LoadBalancer" },
        "status": { "loadBalancer": { "ingress": [{ "ip": address(number) }] } },
    });
    Arc::new(ServiceFacts::of(&metallb_config::service::parse(&parsed(object))))
}

pub(super) fn slice(key: &ServiceKey) -> (SliceKey, SliceView) {
    let object = json!({
        "addressType": "IPv4", "endpoints": [{ "addresses": ["10.1.1.1"], "nodeName": "n0" }],
        "metadata": {
            "name": &*key.name, "namespace": &*key.namespace,
            "labels": { "kubernetes.io/service-name": &*key.name },
        },
    });
    let slice = SliceKey { namespace: key.namespace.clone(), name: key.name.clone() };
    (slice, SliceView::parse(&parsed(object)))
}

pub(super) fn nodes() -> BTreeMap<String, NodeView> {
    static NODE_VIEWS: LazyLock<BTreeMap<String, NodeView>> = LazyLock::new(|| {
        let node = |name: &str| NodeView::parse(&parsed(json!({ "metadata": { "name": name } })));
        NODES.iter().map(|name| ((*name).to_owned(), node(name))).collect()
    });
    NODE_VIEWS.clone()
}

fn config(terms: Terms, has_advertisement: bool) -> Config {
    let pool = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
        "metadata": { "name": "pool", "namespace": "metallb-system" }, "spec": { "addresses": ["172.30.0.0/24"] },
    });
    let spec = match terms {
        Terms::Never => json!({ "preempt": "Never" }),
        Terms::Delayed => json!({ "preempt": "Delayed", "preemptDelay": format!("{}s", DELAY.as_secs()) }),
        Terms::Bounded => json!({ "spread": "Bounded" }),
        Terms::Both => json!({ "preempt": "Never", "spread": "Bounded" }),
    };
    let advertisement = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement",
        "metadata": { "name": "all", "namespace": "metallb-system" }, "spec": spec,
    });
    let advertisements = if has_advertisement { vec![Arc::new(parsed(advertisement))] } else { Vec::new() };
    let raw = RawConfig {
        pools: vec![Arc::new(parsed(pool))],
        l2_advertisements: advertisements,
        nodes: NODES
            .map(|name| metallb_config::Node { name: name.to_owned(), labels: BTreeMap::new() })
            .to_vec(),
        ..RawConfig::default()
    };
    metallb_config::parse(&raw, &Config::default()).config
}

fn parsed<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).unwrap()
}

//! A speaker: what it has been told, and what it makes of that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use metallb_announce::{
    EndpointIndex, Holders, Inputs, Outgoing, OwnInterfaces, Position, Precedence, Roll, Services, Snapshot,
    Speakers, Verdict, World,
};
use metallb_config::{Config, ServiceKey};

use super::cluster::{self, key};

/// How another speaker seems to be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Seen {
    /// None while it is no member.
    pub(super) boot: Option<u64>,
    pub(super) is_down: bool,
    pub(super) is_starting: bool,
    pub(super) is_plain: bool,
}

/// A process.
#[derive(Debug)]
pub(super) struct Speaker {
    me: String,
    pub(super) started: Duration,
    pub(super) holders: Holders,
    snapshot: Option<Snapshot>,
    /// Everybody, this one included, as told.
    pub(super) seen: BTreeMap<String, Seen>,
    /// Advertisements and Services as read.
    pub(super) config: Option<Config>,
    pub(super) services: BTreeSet<usize>,
    pub(super) letters: Vec<(String, Vec<u8>)>,
    pub(super) position: Position,
    pub(super) is_dirty: bool,
    /// Whom it takes for the owner of each address.
    owners: BTreeMap<usize, Option<String>>,
}

impl Speaker {
    pub(super) fn new(me: &str, time_of_day: Duration, now: Duration) -> Self {
        Self {
            me: me.to_owned(),
            started: now,
            holders: Holders::new(me, time_of_day, now),
            snapshot: None,
            seen: BTreeMap::new(),
            config: None,
            services: BTreeSet::new(),
            letters: Vec::new(),
            position: Position::Closed,
            is_dirty: true,
            owners: BTreeMap::new(),
        }
    }

    fn names(&self, is_so: impl Fn(&Seen) -> bool) -> BTreeSet<String> {
        let seen = self.seen.iter().filter(|(_, seen)| seen.boot.is_some() && is_so(seen));
        seen.map(|(node, _)| node.clone()).collect()
    }

    /// Does what is due; what it sends. As the owner of a speaker does in a pass.
    pub(super) fn turn(&mut self, now: Duration) -> Vec<Outgoing> {
        let (me, is_held) = (self.me.clone(), self.position == Position::Held);
        let down = |seen: &Seen| seen.is_down;
        let mut alive = self.names(|seen| !down(seen));
        let mut reluctant = if is_held { self.names(down) } else { BTreeSet::new() };
        if is_held {
            alive.remove(&me);
            reluctant.insert(me.clone());
        }
        let (starting, plain) = (self.names(|seen| seen.is_starting), self.names(|seen| seen.is_plain));
        let boots = self.seen.iter().filter(|(_, seen)| !seen.is_plain);
        let boots = boots.filter_map(|(node, seen)| Some((node.clone(), seen.boot?))).collect();
        let roll = Roll { alive: &alive, boots: &boots, plain: &plain, starting: &starting };
        self.holders.meet(roll, now);
        let has_plain = self.holders.has_plain();
        let ready: BTreeSet<String> = alive.difference(&starting).cloned().collect();
        let alive_or_ready = if has_plain || ready.is_empty() { alive.clone() } else { ready };
        let speakers = if is_held {
            Speakers::Ranked { alive: alive_or_ready, reluctant }
        } else {
            Speakers::On(alive_or_ready)
        };
        let wanted = !has_plain
            && self
                .snapshot
                .as_ref()
                .is_none_or(|known| known.world.has_terms() || known.precedence.is_lapsing());
        let letters = std::mem::take(&mut self.letters);
        let letters = letters.iter().map(|(from, bytes)| (from.as_str(), bytes.as_slice()));
        let is_sure = self.holders.hear(roll, (wanted, self.position), letters, now);
        if is_sure && self.config.is_some() && self.has_to_decide(has_plain, now) {
            self.is_dirty = false;
            self.pass((speakers, has_plain), now);
        }
        std::iter::from_fn(|| self.holders.tenure.poll()).collect()
    }

    /// Whether there is anything to do.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        let is_due = |deadline: Duration| deadline <= now;
        self.is_dirty || !self.letters.is_empty() || self.next_deadline().is_some_and(is_due)
    }

    fn has_to_decide(&self, has_plain: bool, now: Duration) -> bool {
        let Some(snapshot) = self.snapshot.as_ref().filter(|_| !self.is_dirty) else { return true };
        let is_due = snapshot.precedence.next_deadline().is_some_and(|deadline| deadline <= now);
        is_due || self.holders.tenure.has_news() || snapshot.world.inputs().has_plain != has_plain
    }

    fn pass(&mut self, (speakers, has_plain): (Speakers, bool), now: Duration) {
        let inputs = Inputs {
            me: self.me.clone(),
            class: String::new(),
            ignore_exclude_label: false,
            config: self.config.clone().unwrap_or_default(),
            nodes: cluster::nodes(),
            speakers,
            has_plain,
            interfaces: OwnInterfaces::from([("eth0".to_owned(), BTreeSet::new())]),
            subnets: None,
        };
        let services: Services =
            self.services.iter().map(|number| (key(*number), cluster::service(*number))).collect();
        let mut snapshot = self.snapshot.take().unwrap_or_else(|| Snapshot {
            world: World::new(inputs.clone()),
            services: Services::new(),
            endpoints: EndpointIndex::default(),
            precedence: Precedence::default(),
        });
        let is_gone = |key: &&ServiceKey| !services.contains_key(*key);
        let mut touched: BTreeSet<ServiceKey> = snapshot.services.keys().filter(is_gone).cloned().collect();
        let is_new = |key: &&ServiceKey| !snapshot.services.contains_key(*key);
        touched.extend(services.keys().filter(is_new).cloned());
        if *snapshot.world.inputs() != inputs {
            touched.extend(services.keys().cloned());
            snapshot.world = World::new(inputs);
        }
        for key in services.keys().filter(|key| !snapshot.services.contains_key(*key)) {
            let (slice, view) = cluster::slice(key);
            snapshot.endpoints.set(slice, Some(Arc::new(view)));
        }
        snapshot.services = services;
        snapshot.choose(&touched, &mut self.holders.tenure, now);
        self.holders.tenure.tell(now);
        let owner = |number: &usize| match snapshot.verdict(&key(*number)) {
            Verdict::Announce(_) => Some(self.me.clone()),
            verdict => verdict.heir().map(str::to_owned),
        };
        self.owners = self.services.iter().map(|number| (*number, owner(number))).collect();
        self.snapshot = Some(snapshot);
        if self.position == Position::Opening {
            self.position = Position::Open;
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let chosen = self.snapshot.as_ref().and_then(|snapshot| snapshot.precedence.next_deadline());
        self.holders.next_deadline().into_iter().chain(chosen).min()
    }

    /// Whether it answers for an address.
    pub(super) fn answers(&self, number: usize) -> bool {
        let may_answer = matches!(self.position, Position::Open | Position::Held);
        may_answer && self.owner(number) == Some(&self.me)
    }

    /// Whether it has read of a Service.
    pub(super) fn knows(&self, number: usize) -> bool {
        self.services.contains(&number)
    }

    /// Whether it holds an address since a moment in which nobody remembered anything.
    pub(super) fn has_claimed_anew(&self, number: usize) -> bool {
        let (tenure, address) = (&self.holders.tenure, cluster::address(number));
        let claims = tenure.holder(address, &[address], [(self.me.as_str(), 0)]).is_some();
        claims && tenure.is_fresh(&self.me, &[address])
    }

    /// Whether its fence is open.
    pub(super) fn answers_anything(&self) -> bool {
        self.position == Position::Open
    }

    /// Whom it takes for the owner of an address.
    pub(super) fn owner(&self, number: usize) -> Option<&String> {
        self.owners.get(&number)?.as_ref()
    }
}

//! Carries the two machines: sockets, timers, connections.

mod arrivals;
mod calls;
mod doubts;
mod letters;
mod list;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use metallb_announce::Outgoing;
use metallb_linux::{Alarm, since_boot};
use metallb_membership::machine::{Action, Identity, Machine};
use metallb_net::Prefix;
use metallb_telemetry::logs;
use metallb_telemetry::metrics::MemberMetrics;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};

use super::beats::{Beats, News};
use super::codec::Codec;
use super::exchanges::{Exchanges, Next};
use super::joins::{Joins, is_alone};
use super::mail::Post;
use super::members::{Members, Own};
use super::ports::{Ports, own_address};
use super::quota::Quota;
use super::secret::Secret;
use super::settings::RingSettings;
use super::streams::Partner;
use super::subnets::OwnSubnets;
use crate::pulse::{Pulse, WITHIN_BOUND};
use calls::Calls;
use doubts::Doubts;

/// The longest datagram there can be.
const LONGEST: usize = 65_535;
/// Between two looks at the file of the secret, and at the metrics.
const REVIEW: Duration = Duration::from_secs(2);
/// How long a goodbye may take (contract 02 §1.3).
const GOODBYE: Duration = Duration::from_secs(1);
/// A deadline that has passed already is looked at again after this: no mistake may turn into a busy loop.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// What the rest of the speaker tells and hears.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) candidates: watch::Receiver<Option<BTreeSet<IpAddr>>>,
    pub(super) own: watch::Receiver<Own>,
    pub(super) subnets: watch::Receiver<Option<BTreeSet<Prefix>>>,
    pub(super) published: watch::Sender<Members>,
    pub(super) post: Post,
    pub(super) pulse: Pulse,
    pub(super) stop: oneshot::Receiver<()>,
}

/// Everything the thread has.
#[derive(Debug)]
pub(super) struct Driver {
    settings: RingSettings,
    secret: Secret,
    codec: Arc<Codec>,
    machine: Machine,
    beats: Option<Beats>,
    subnets: OwnSubnets,
    joins: Joins,
    exchanges: Exchanges,
    metrics: MemberMetrics,
    /// Of log lines that anybody can cause.
    lines: Quota,
    /// The members that count: names and addresses.
    names: BTreeMap<SocketAddr, String>,
    addresses: BTreeSet<IpAddr>,
    /// Who sends with the new secret already, while there are two.
    ahead: BTreeSet<IpAddr>,
    /// Those that said goodbye, while they are away.
    left: BTreeSet<String>,
    doubts: Doubts,
    next_review: Duration,
    calls: Calls,
    /// How long a ring with another secret is waited for.
    patient_until: Duration,
    /// When the fence closed that is closed now.
    closed: Option<Duration>,
    is_cut_off: bool,
    /// Whether the list may be another one than was published last.
    is_stale: bool,
    /// When the goodbye ends.
    leaving: Option<Duration>,
    buffer: Vec<u8>,
    alarm: Alarm,
}

/// Why the loop turns.
enum Wake {
    Stop,
    /// Nobody is left who could ask to stop.
    Abandoned,
    Datagrams(io::Result<()>),
    Heartbeats,
    Connection(TcpStream, SocketAddr),
    Exchange(Next),
    Letter(Outgoing),
    Other,
}

/// What is checked before the thread starts.
#[derive(Debug)]
pub(super) struct Prepared {
    settings: RingSettings,
    secret: Secret,
    metrics: MemberMetrics,
}

impl Prepared {
    pub(super) fn new(settings: RingSettings, metrics: MemberMetrics) -> io::Result<Self> {
        let secret = Secret::read(settings.secret.as_deref(), settings.handover)?;
        if secret.is_none() {
            tracing::warn!(
                "no memberlist secret: the speakers' gossip is neither encrypted nor authenticated"
            );
        }
        Ok(Self { settings, secret, metrics })
    }

    /// Takes part once it is known where others may be, until asked to stop, then says goodbye. Before that this node
    /// could not do a member's work, and others would leave addresses to it.
    pub(super) async fn run(self, mut inputs: Inputs) {
        let bind = SocketAddr::new(self.settings.address, self.settings.port);
        let begin = async {
            // Nobody is left who could tell: the stop comes, too.
            let _ = inputs.candidates.wait_for(Option::is_some).await;
            Ports::get(bind).await
        };
        let ports = tokio::select! {
            ports = begin => ports,
            _ = &mut inputs.stop => return,
        };
        Driver::new(self).run(ports, inputs).await;
    }
}

impl Driver {
    fn new(prepared: Prepared) -> Self {
        let Prepared { settings, secret, metrics } = prepared;
        let address = own_address(settings.address);
        let identity = Identity {
            name: settings.name.clone(),
            address: SocketAddr::new(address, settings.port),
            meta: Vec::new(),
        };
        let now = since_boot();
        let beats = settings
            .heartbeats
            .map(|beats| Beats::new(&settings.name, address, beats, secret.keys(), metrics.clone()));
        Self {
            codec: Arc::new(Codec::new(&secret, &settings.profile)),
            machine: Machine::new(identity, settings.profile.clone(), rand::random(), now),
            patient_until: now + settings.handover,
            settings,
            secret,
            beats,
            subnets: OwnSubnets::default(),
            joins: Joins::default(),
            exchanges: Exchanges::new(),
            metrics,
            lines: Quota::new(now),
            names: BTreeMap::new(),
            addresses: BTreeSet::new(),
            ahead: BTreeSet::new(),
            doubts: Doubts::default(),
            next_review: now,
            left: BTreeSet::new(),
            calls: Calls::new(now),
            closed: None,
            is_cut_off: false,
            is_stale: true,
            leaving: None,
            buffer: vec![0; LONGEST],
            alarm: Alarm::new(),
        }
    }

    /// Works until it is asked to stop, then says goodbye. Whoever drops the other end of `inputs.stop` ends it
    /// without one.
    async fn run(mut self, mut ports: Ports, mut inputs: Inputs) {
        let mut is_quiet = false;
        while !self.has_left() {
            if let Some(bound) = self.longest_stall() {
                inputs.pulse.follow(bound).await;
            }
            // Heartbeats go on without them.
            ports.open_if_due(since_boot());
            if !is_quiet || self.hear(&ports, since_boot()) {
                self.turn(&ports, &mut inputs);
            }
            let wake = self.wait(&ports, &mut inputs).await;
            if matches!(wake, Wake::Abandoned) {
                return;
            }
            is_quiet = self.take(wake, &ports, &mut inputs.post).unwrap_or_else(|error| {
                tracing::error!(
                    error = logs::chain(&error),
                    "memberlist's socket fails, opening another one"
                );
                ports.close();
                false
            });
        }
    }

    /// Waits for something to do. Safe to cancel.
    async fn wait(&mut self, ports: &Ports, inputs: &mut Inputs) -> Wake {
        let beats = self.beats.as_ref();
        let beats_ready = async {
            match beats {
                Some(beats) => beats.ready().await,
                None => std::future::pending().await,
            }
        };
        let until = since_boot() + self.pause(ports);
        tokio::select! {
            asked = &mut inputs.stop, if self.leaving.is_none() => asked.map_or(Wake::Abandoned, |()| Wake::Stop),
            ready = ports.ready() => Wake::Datagrams(ready),
            // A failure shows when the socket is read.
            _ = beats_ready => Wake::Heartbeats,
            (stream, from) = ports.accept() => Wake::Connection(stream, from),
            next = self.exchanges.next() => Wake::Exchange(next),
            letter = inputs.post.next() => Wake::Letter(letter),
            Ok(()) = inputs.candidates.changed() => Wake::Other,
            Ok(()) = inputs.own.changed() => Wake::Other,
            Ok(()) = inputs.subnets.changed() => Wake::Other,
            () = self.alarm.at(until) => Wake::Other,
        }
    }

    /// How long there is nothing to do if nothing happens, unless it has to be shown before that this thread runs.
    fn pause(&self, ports: &Ports) -> Duration {
        let pause = self.next_deadline(ports).saturating_sub(since_boot());
        let longest = self.longest_stall().map_or(Duration::MAX, |bound| bound / WITHIN_BOUND);
        pause.min(longest).max(SHORTEST_SLEEP)
    }

    /// After which a thread is taken to hang; none without heartbeats, for then nobody takes over that fast.
    fn longest_stall(&self) -> Option<Duration> {
        self.settings.heartbeats.map(|beats| beats.longest_stall())
    }

    fn next_deadline(&self, ports: &Ports) -> Duration {
        let beats = self.beats.as_ref().map(Beats::next_deadline);
        let others = [self.machine.next_deadline(), beats, self.joins.next(), self.leaving];
        let others = others.into_iter().chain([self.subnets.next_deadline(), ports.next_deadline()]);
        others.flatten().chain([self.next_review]).min().unwrap_or(self.next_review)
    }

    fn has_left(&self) -> bool {
        self.leaving.is_some_and(|until| since_boot() >= until || self.machine.has_left())
    }

    /// Takes heartbeats that have arrived. Whether there is anything to do besides: mostly they say that all is as it was,
    /// many times a second.
    fn hear(&mut self, ports: &Ports, now: Duration) -> bool {
        let Some(beats) = self.beats.as_mut() else { return true };
        let news = beats.hear(now);
        let is_quiet = news == News::default() && beats.doubted().next().is_none();
        self.take_news(news, now);
        !is_quiet || now >= self.next_deadline(ports)
    }

    /// Does everything that is due and tells what came of it.
    fn turn(&mut self, ports: &Ports, inputs: &mut Inputs) {
        let now = since_boot();
        let candidates = inputs.candidates.borrow_and_update();
        let mut own = *inputs.own.borrow_and_update();
        // Where there is no other speaker, nobody takes anything over.
        own.is_cut_off = own.is_cut_off && !is_alone(candidates.as_ref(), &self.addresses);
        self.take_carrier(own.is_cut_off, now);
        self.machine.tick(now);
        self.review(now);
        // The heartbeats' turn comes when they know who is there: what strangers send is lost.
        self.carry_out(ports, now);
        let mut news = self.beats.as_mut().map(|beats| beats.turn(&own, now)).unwrap_or_default();
        self.subnets.set(inputs.subnets.borrow_and_update().as_ref());
        news.meta |= self.subnets.take_news(now);
        self.take_news(news, now);
        self.begin_anew(now);
        self.ask(now);
        self.carry_out(ports, now);
        if self.leaving.is_some() {
            return;
        }
        if let Some(candidates) = candidates.as_ref() {
            self.join(candidates, now);
            self.call(!ports.is_open(), now);
            self.settle(candidates, now);
        }
        self.publish(&inputs.published, candidates.as_ref(), (own.stalls, now));
    }

    /// Looks at what only changes now and then.
    fn review(&mut self, now: Duration) {
        if now < self.next_review {
            return;
        }
        self.next_review = now + REVIEW;
        if let Some(beats) = &self.beats {
            beats.count();
        }
        self.wait_for_foreign(now);
        if self.secret.review(now) {
            tracing::info!(phase = self.secret.phase(), "memberlist: the secret changes");
            self.codec = Arc::new(Codec::new(&self.secret, &self.settings.profile));
            self.ahead.clear();
            if let Some(beats) = self.beats.as_mut() {
                beats.set_keys(self.secret.keys());
            }
        }
    }

    fn take_news(&mut self, news: News, now: Duration) {
        self.is_stale |= news.verdicts;
        if news.meta
            && let Some(beats) = &self.beats
        {
            self.machine.set_meta(self.subnets.add_to(beats.meta()), now);
            self.is_stale = true;
        }
    }

    /// Whom memberlist suspected while nobody could be heard gets all of the time again to contradict. Not so after a stall:
    /// whoever stalls again and again would never give up one that is dead.
    fn take_carrier(&mut self, is_cut_off: bool, now: Duration) {
        if std::mem::replace(&mut self.is_cut_off, is_cut_off) && !is_cut_off {
            self.machine.excuse(now);
        }
    }

    /// After a stall or without carrier, what memberlist found before proves nothing.
    fn begin_anew(&mut self, now: Duration) {
        let closed = self.beats.as_ref().and_then(Beats::closed_since);
        if std::mem::replace(&mut self.closed, closed) != closed && closed.is_some() {
            self.joins.begin_anew();
            self.exchanges.give_up();
            self.calls.begin_anew(now);
        }
    }

    /// Has memberlist look after those whose heartbeats are missing.
    fn ask(&mut self, now: Duration) {
        let Some(beats) = &self.beats else { return };
        for name in self.doubts.due(beats.doubted(), now) {
            self.machine.ask(&name);
        }
    }

    fn carry_out(&mut self, ports: &Ports, now: Duration) {
        while let Some(action) = self.machine.poll() {
            match action {
                Action::Send { to, with_checksum, bodies } => {
                    let sealed = self.codec.seal(&bodies, with_checksum, self.ahead.contains(&to.ip()));
                    if let Err(error) = ports.send(to, &sealed) {
                        tracing::debug!(%to, error = logs::chain(&error), "memberlist: a datagram is not sent");
                    }
                }
                Action::PushPull { to, node } => {
                    let state = self.machine.local_state(false);
                    self.exchanges.sync(self.partner(to), node, state);
                }
                Action::StreamPing { to, ping, within } => {
                    self.exchanges.ping(self.partner(to), ping, within);
                }
                Action::Event(event) => {
                    self.is_stale = true;
                    self.tell(&event, now);
                }
                Action::Note(note) => {
                    self.take_note(&note);
                    if let Some(withheld) = self.lines.take(now) {
                        tracing::warn!(%note, withheld, "memberlist");
                    }
                }
            }
        }
        if self.is_stale {
            self.meet(now);
        }
    }

    fn join(&mut self, candidates: &BTreeSet<IpAddr>, now: Duration) {
        for address in self.joins.due(candidates, &self.addresses, now) {
            let partner = self.partner(SocketAddr::new(address, self.settings.port));
            self.exchanges.join(partner, self.machine.local_state(true));
        }
    }

    fn partner(&self, address: SocketAddr) -> Partner {
        Partner { address, is_ahead: self.ahead.contains(&address.ip()), codec: self.codec.clone() }
    }

    /// One that was cut off or frozen for long is no member to the others any more, while it still lists them: so nobody
    /// would try to join anybody, and both sides would answer until the next exchange: it has one at once, also where nobody
    /// sends heartbeats whose silence could tell. One that is deaf, without memberlist's port, would be dead to the others
    /// before long, and they would answer beside it.
    fn call(&mut self, is_deaf: bool, now: Duration) {
        let is_forsaken = self.beats.as_ref().is_some_and(|beats| beats.is_forsaken(now));
        if !self.calls.is_due(is_forsaken, is_deaf, now) {
            return;
        }
        let others = || self.machine.members().filter(|member| member.name != self.settings.name);
        let chosen = rand::random::<u32>() as usize % others().count().max(1);
        if let Some(member) = others().nth(chosen) {
            let state = self.machine.local_state(false);
            self.exchanges.sync(self.partner(member.address), member.name.clone(), state);
        }
    }
}

#[cfg(test)]
mod tests;

//! The loop of the layer 2 thread: one `select!` over commands, interfaces, frames and the next deadline.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use futures::StreamExt;
use futures::stream::{BoxStream, SelectAll};
use metallb_l2::{
    AnnouncedTable, Answer, Burst, Input, Interfaces as Scope, Moment, Silence, Subject, answer_arp,
    answer_ndp,
};
use metallb_linux::{Protocol, SocketError};
use metallb_telemetry::logs;
use metallb_telemetry::metrics::SpeakerMetrics;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::fence::Gate;
use super::port::{Port, Received};
use super::spec::{LinkSpec, LinkStep, diff};
use super::{Command, Options};
use crate::interfaces::Interfaces;

/// Gratuitous announcements sent before questions are looked at again, so that thousands of them (a link that came
/// up) do not hold up answers.
const ROUNDS_AT_ONCE: usize = 32;

/// Owns everything the thread knows.
pub(super) struct Driver {
    /// The origin of the machines' time.
    started: Instant,
    interfaces: watch::Receiver<Interfaces>,
    metrics: SpeakerMetrics,
    /// Passed before each packet that is sent.
    gate: Gate,
    /// Whether the gate let packets out the last time round.
    was_open: bool,
    table: AnnouncedTable,
    burst: Burst,
    ports: BTreeMap<u32, Port>,
    inbox: SelectAll<BoxStream<'static, Received>>,
    /// Announcements to send: link and address.
    outbox: VecDeque<(u32, IpAddr)>,
    /// Links that could not be opened, so that the same failure is told once.
    failing: BTreeSet<u32>,
}

impl Driver {
    pub(super) fn new(
        interfaces: watch::Receiver<Interfaces>,
        metrics: SpeakerMetrics,
        options: Options,
    ) -> Self {
        let Options { fence } = options;
        let mut gate = Gate::new(fence);
        Self {
            started: Instant::now(),
            interfaces,
            metrics,
            was_open: gate.permits(),
            gate,
            table: AnnouncedTable::default(),
            burst: Burst::default(),
            ports: BTreeMap::new(),
            inbox: SelectAll::new(),
            outbox: VecDeque::new(),
            failing: BTreeSet::new(),
        }
    }

    /// Works until the sender of commands is gone.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Vec<Command>>) {
        self.sync_links();
        loop {
            self.follow_fence();
            self.send_due();
            let deadline = self.next_deadline();
            tokio::select! {
                // Changes come first: they are few, and a question must not be answered by yesterday's table.
                biased;
                batch = commands.recv() => match batch {
                    Some(batch) => batch.into_iter().for_each(|command| self.execute(command)),
                    None => return,
                },
                changed = self.interfaces.changed() => match changed {
                    Ok(()) => self.sync_links(),
                    // Nobody looks after interfaces any more: the process is ending.
                    Err(_) => return,
                },
                () = self.gate.changed() => {}
                Some(received) = self.inbox.next(), if !self.inbox.is_empty() => self.take(received),
                () = std::future::ready(()), if !self.outbox.is_empty() => {}
                () = until(deadline) => {}
            }
        }
    }

    /// When there is something to do even if nothing happens.
    fn next_deadline(&self) -> Option<Instant> {
        let burst = self.burst.next_deadline().map(|at| self.started + at.since_origin());
        let pulse = self.gate.pulse().map(|pulse| Instant::now() + pulse);
        [burst, pulse].into_iter().flatten().min()
    }

    /// Neighbours that were not answered for a while are told that they will be again.
    fn follow_fence(&mut self) {
        let is_open = self.gate.permits();
        if is_open && !std::mem::replace(&mut self.was_open, is_open) {
            tracing::info!("answering again");
            for index in self.ports.keys().copied().collect::<Vec<_>>() {
                self.burst.handle(self.now(), Input::Withdraw(Subject::Link(index)));
                self.announce_link(index);
            }
        }
        self.was_open = is_open;
    }

    fn now(&self) -> Moment {
        Moment::after_origin(self.started.elapsed())
    }

    fn execute(&mut self, command: Command) {
        let now = self.now();
        // A long batch is no stall.
        self.gate.permits();
        match command {
            Command::Announce { address, interfaces } => self.announce(now, address, interfaces),
            Command::Remind { address } => self.burst.handle(now, Input::Announce(Subject::Address(address))),
            Command::Withdraw { address } => {
                self.table.remove(address);
                self.burst.handle(now, Input::Withdraw(Subject::Address(address)));
                self.sync_groups_of(address);
            }
        }
    }

    fn announce(&mut self, now: Moment, address: IpAddr, interfaces: Scope) {
        self.table.set(address, interfaces);
        // Begun afresh, so that links that were added hear of it at once.
        self.burst.handle(now, Input::Withdraw(Subject::Address(address)));
        self.burst.handle(now, Input::Announce(Subject::Address(address)));
        self.send_due();
        self.sync_groups_of(address);
    }

    fn sync_groups_of(&mut self, address: IpAddr) {
        for port in self.ports.values_mut() {
            port.sync_groups_of(address, &self.table);
        }
    }

    /// Sends what is due, up to a limit; what is left waits in the outbox.
    fn send_due(&mut self) {
        let now = self.now();
        if self.burst.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.burst.handle(now, Input::Tick);
        }
        while let Some(round) = self.burst.poll_output() {
            match round.subject {
                Subject::Address(address) => {
                    self.outbox.extend(self.ports.keys().map(|index| (*index, address)));
                }
                Subject::Link(index) => {
                    let name = self.ports.get(&index).map_or("", |port| port.name());
                    self.outbox.extend(self.table.addresses_on(name).map(|address| (index, address)));
                }
            }
        }
        for _ in 0..ROUNDS_AT_ONCE {
            let Some((index, address)) = self.outbox.pop_front() else { return };
            self.send_gratuitous(index, address);
        }
    }

    /// Checked anew: since it was queued the address may have been withdrawn, or the link closed.
    fn send_gratuitous(&mut self, index: u32, address: IpAddr) {
        if !self.gate.permits() {
            return;
        }
        let Some(port) = self.ports.get(&index) else { return };
        if !self.table.interfaces(address).is_some_and(|scope| scope.contains(port.name())) {
            return;
        }
        match port.announce(address) {
            Ok(frames) => {
                let label = address.to_string();
                self.metrics.gratuitous_sent.with_label_values(&[label.as_str()]).inc_by(frames);
            }
            Err(error) => {
                let interface = port.name();
                tracing::debug!(interface, ip = %address, %error, "gratuitous packet not sent");
            }
        }
    }

    fn take(&mut self, received: Received) {
        let Received { index, protocol, frame } = received;
        match frame {
            Ok(frame) => self.answer(index, protocol, &frame),
            Err(error) => {
                // The interface went down or away. If it did not, the next look at interfaces opens it again.
                tracing::debug!(index, %error, "an interface can't be read from any more");
                self.close(index);
            }
        }
    }

    fn answer(&mut self, index: u32, protocol: Protocol, frame: &[u8]) {
        // Read all the same: what was asked while the fence was closed must not be answered once it is open.
        if !self.gate.permits() {
            return;
        }
        let Some(port) = self.ports.get(&index) else { return };
        let answer = match protocol {
            Protocol::Arp => answer_arp(frame, &port.spec().link, &self.table),
            Protocol::Ndp => answer_ndp(frame, &port.spec().link, &self.table),
        };
        match answer {
            Ok(answer) => self.send_answer(port, protocol, &answer),
            Err(Silence::NotAnnounced(_)) => {}
            Err(reason) => {
                tracing::trace!(interface = port.name(), %reason, "question not answered");
            }
        }
    }

    fn send_answer(&self, port: &Port, protocol: Protocol, answer: &Answer) {
        let sent = port.send(protocol, &answer.frame);
        let (ip, interface) = (answer.address.to_string(), port.name());
        self.metrics.requests_received.with_label_values(&[ip.as_str()]).inc();
        match sent {
            Ok(()) => {
                self.metrics.responses_sent.with_label_values(&[ip.as_str()]).inc();
                let asker = answer.asker;
                match protocol {
                    Protocol::Arp => {
                        tracing::debug!(interface, ip, %asker, "got ARP request for service IP, sending response");
                    }
                    Protocol::Ndp => {
                        tracing::debug!(interface, ip, %asker, "got NDP request for service IP, sending response");
                    }
                }
            }
            Err(error) => tracing::warn!(interface, ip, %error, "answer not sent"),
        }
    }

    /// Opens, closes and updates links so that they match the interfaces.
    fn sync_links(&mut self) {
        let interfaces = self.interfaces.borrow_and_update().clone();
        let wanted = interfaces.iter().filter_map(|interface| LinkSpec::of(interface).ok());
        let wanted: BTreeMap<u32, LinkSpec> = wanted.map(|spec| (spec.link.index, spec)).collect();
        let open = self.ports.iter().map(|(index, port)| (*index, port.spec().clone())).collect();
        self.failing.retain(|index| wanted.contains_key(index));
        for step in diff(&open, &wanted) {
            match step {
                LinkStep::Close(index) => self.close(index),
                LinkStep::Open(spec) => self.open(spec),
                LinkStep::Update { spec, announce } => self.update(spec, announce),
            }
        }
        for port in self.ports.values_mut() {
            port.sync_groups(&self.table);
        }
    }

    fn open(&mut self, spec: LinkSpec) {
        let (index, name) = (spec.link.index, spec.link.name.clone());
        match Port::open(spec) {
            Ok((port, streams)) => {
                self.failing.remove(&index);
                self.inbox.extend(streams);
                log_responders(port.spec(), None);
                self.ports.insert(index, port);
                self.announce_link(index);
            }
            Err(error) => self.log_failure(index, &name, &error),
        }
    }

    fn close(&mut self, index: u32) {
        if let Some(port) = self.ports.remove(&index) {
            tracing::warn!(interface = port.name(), "interface no longer usable, not announcing on it");
        }
        self.burst.handle(self.now(), Input::Withdraw(Subject::Link(index)));
    }

    fn update(&mut self, spec: LinkSpec, announce: bool) {
        let index = spec.link.index;
        let Some(port) = self.ports.get_mut(&index) else { return };
        let old = port.spec().clone();
        match port.update(spec) {
            Ok(streams) => {
                self.inbox.extend(streams);
                log_responders(port.spec(), Some(&old));
                if announce {
                    self.announce_link(index);
                }
            }
            Err(error) => self.log_failure(index, &old.link.name, &error),
        }
    }

    fn log_failure(&mut self, index: u32, interface: &str, error: &SocketError) {
        if self.failing.insert(index) {
            let error = logs::chain(error);
            tracing::error!(interface, error, "can't announce on interface, trying again");
        }
    }

    fn announce_link(&mut self, index: u32) {
        if !self.table.is_empty() {
            self.burst.handle(self.now(), Input::Announce(Subject::Link(index)));
        }
    }
}

fn log_responders(new: &LinkSpec, old: Option<&LinkSpec>) {
    let interface = new.link.name.as_str();
    let is_created = |protocol| new.speaks(protocol) && !old.is_some_and(|old| old.speaks(protocol));
    if is_created(Protocol::Arp) {
        tracing::info!(interface, "created ARP responder for interface");
    }
    if is_created(Protocol::Ndp) {
        tracing::info!(interface, "created NDP responder for interface");
    }
}

/// Resolves at the moment, or never.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending::<()>().await,
    }
}

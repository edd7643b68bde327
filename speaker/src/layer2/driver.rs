//! The loop of the layer 2 thread: one `select!` over commands, interfaces, frames and the next deadline.

mod frames;
mod gratuitous;
mod handing;
mod links;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{BoxStream, SelectAll};
use metallb_l2::{
    AnnouncedTable, Burst, Conflicts, HandOvers, Input, Interfaces as Scope, Limiter, Moment, Refresh,
    Subject,
};
use metallb_linux::{Alarm, LONGEST_FRAME, since_boot};
use metallb_net::MacAddr;
use metallb_telemetry::metrics::SpeakerMetrics;
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::fence::Gate;
use super::groups::Groups;
use super::port::{Port, Ready};
use super::reach::Reach;
use super::spec::PassedOver;
use super::{Batch, Command, Conflict, Options};
use crate::interfaces::Interfaces;

/// What can't be opened, or broke, is tried again after this; each time in a row after twice as long.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(10);

/// Commands carried out before questions are looked at again, so that thousands of them do not hold up answers. As many
/// addresses are made ready to be asked for before the first of them is announced: a kernel filter for each would take long,
/// one for thousands would hold the first announcement up.
const COMMANDS_AT_ONCE: usize = 64;

/// Groups that could not be joined, looked after before questions are looked at again.
const FAILURES_AT_ONCE: usize = 64;

/// Owns everything the thread knows.
pub(super) struct Driver {
    /// The origin of the machines' time.
    started: Instant,
    interfaces: watch::Receiver<Interfaces>,
    metrics: SpeakerMetrics,
    /// Passed before each packet that is sent.
    gate: Gate,
    /// Whether the gate let packets out the last time round, and how often it had been closed by then.
    was_open: bool,
    closings: u64,
    table: AnnouncedTable,
    burst: Burst,
    refresh: Refresh,
    conflicts: Conflicts,
    told: Option<mpsc::Sender<Conflict>>,
    hand_overs: HandOvers,
    /// How long a hand-over may take.
    longest_hand_over: Duration,
    /// Nobody sends commands any more.
    is_ending: bool,
    /// Commands that are not carried out yet.
    waiting: Batch,
    limiter: Limiter,
    /// When it was last told that questions were left unanswered for their number.
    storm_told: Option<Instant>,
    reach: Reach,
    ports: BTreeMap<u32, Port>,
    /// Joins and leaves multicast groups.
    groups: Groups,
    /// The hardware addresses of this node: what they say is no claim of another station.
    macs: HashSet<MacAddr>,
    inbox: SelectAll<BoxStream<'static, Ready>>,
    /// Announcements to send: link and address.
    outbox: VecDeque<(u32, IpAddr)>,
    /// Those that an address begins with, which go before.
    firsts: VecDeque<(u32, IpAddr)>,
    /// New addresses not made known on any link yet, and when the reason to announce them was seen.
    unheard: HashMap<IpAddr, std::time::Instant>,
    /// Links that could not be opened, so that the same failure is told once.
    failing: BTreeSet<u32>,
    /// What is told of interfaces that are not spoken on.
    passed_over: PassedOver,
    /// When to look after broken links again, and how long the pause was.
    retry: Option<(Instant, Duration)>,
    /// Room for one frame.
    buffer: Vec<u8>,
}

impl Driver {
    pub(super) fn new(
        interfaces: watch::Receiver<Interfaces>,
        metrics: SpeakerMetrics,
        options: Options,
        groups: Groups,
    ) -> Self {
        let Options { fence, pulse, refresh, hand_over, conflicts } = options;
        let mut gate = Gate::new(fence, pulse);
        // Differs between nodes and runs, which is all that is asked of it.
        let seed = u64::try_from(since_boot().as_nanos()).unwrap_or_default() ^ u64::from(std::process::id());
        Self {
            started: Instant::now(),
            interfaces,
            metrics,
            was_open: gate.permits(),
            closings: gate.closings(),
            gate,
            table: AnnouncedTable::default(),
            burst: Burst::default(),
            refresh: Refresh::new(refresh, seed),
            conflicts: Conflicts::default(),
            told: conflicts,
            hand_overs: HandOvers::default(),
            longest_hand_over: hand_over,
            is_ending: false,
            waiting: Batch::default(),
            limiter: Limiter::new(seed),
            storm_told: None,
            reach: Reach::default(),
            ports: BTreeMap::new(),
            groups,
            macs: HashSet::new(),
            inbox: SelectAll::new(),
            outbox: VecDeque::new(),
            firsts: VecDeque::new(),
            unheard: HashMap::new(),
            failing: BTreeSet::new(),
            passed_over: PassedOver::default(),
            retry: None,
            buffer: vec![0; LONGEST_FRAME],
        }
    }

    /// Works until the sender of commands is gone and nothing is being handed over.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Batch>) {
        let mut alarm = Alarm::new();
        self.sync_links();
        loop {
            self.execute_some();
            self.follow_fence(&mut commands);
            self.work_off();
            if self.is_ending && self.hand_overs.is_idle() {
                return;
            }
            let deadline = self.next_deadline();
            let is_done = self.waiting.commands.is_empty();
            tokio::select! {
                // Changes come first: they are few, and a question must not be answered by yesterday's table.
                biased;
                batch = commands.recv(), if is_done && !self.is_ending => match batch {
                    Some(batch) => self.waiting = batch,
                    None => self.is_ending = true,
                },
                changed = self.interfaces.changed() => match changed {
                    Ok(()) => self.sync_links(),
                    // Nobody looks after interfaces any more: the process is ending.
                    Err(_) => return,
                },
                () = self.gate.changed() => {}
                Some(ready) = self.inbox.next(), if !self.inbox.is_empty() => self.read(ready),
                Some(failure) = self.groups.failure() => self.hear_failure(failure),
                // The runtime learns only when it is yielded to that sockets have frames.
                () = yield_now(), if !is_done || self.has_unsent() => {}
                () = until(&mut alarm, deadline) => {}
            }
        }
    }

    /// Does what is due.
    fn work_off(&mut self) {
        for _ in 0..FAILURES_AT_ONCE {
            let Some(failure) = self.groups.failed() else { break };
            // Thousands of them are no stall.
            self.gate.permits();
            self.hear_failure(failure);
        }
        self.end_hand_overs();
        self.reach.tidy(Instant::now());
        self.follow_reach();
        self.send_due();
        self.tell_conflicts();
        if self.retry.is_some_and(|(at, _)| at <= Instant::now()) {
            self.sync_links();
        }
    }

    /// When there is something to do even if nothing happens.
    fn next_deadline(&self) -> Option<Instant> {
        let found = [self.conflicts.next_deadline(), self.hand_overs.next_deadline()];
        let moments = [self.burst.next_deadline(), self.refresh.next_deadline()].into_iter().chain(found);
        let moments = moments.flatten().map(|at| self.started + at.since_origin());
        let look = self.gate.pace().map(|pace| Instant::now() + pace);
        let others = [look, self.reach.next_deadline(), self.retry.map(|(at, _)| at)];
        moments.chain(others.into_iter().flatten()).min()
    }

    fn now(&self) -> Moment {
        Moment::after_origin(self.started.elapsed())
    }

    /// Carries out the next of the commands that wait.
    fn execute_some(&mut self) {
        let Batch { commands, since } = &mut self.waiting;
        // While nothing is answered nothing is held up, and what is given up meanwhile must be before the fence opens.
        let at_once = if self.was_open { COMMANDS_AT_ONCE } else { usize::MAX };
        let (count, since) = (commands.len().min(at_once), *since);
        let next: Vec<Command> = commands.drain(..count).collect();
        if next.is_empty() {
            return;
        }
        if commands.is_empty() {
            // Its memory: there may be no other for months.
            self.waiting = Batch::default();
        }
        self.prepare(&next);
        for command in next {
            if let (Command::Announce { address, .. }, Some(since)) = (&command, since) {
                self.unheard.insert(*address, since);
            }
            self.execute(command);
        }
    }

    /// Makes questions come through. The owner before stops when it hears this node, so that must be able to answer by then.
    fn prepare(&mut self, commands: &[Command]) {
        for command in commands {
            if let Command::Announce { address, interfaces } = command {
                self.gate.permits();
                self.table.set(*address, interfaces.clone());
                self.reach.announced(*address, Instant::now());
                self.sync_groups_of(*address);
            }
        }
        self.follow_reach();
        let is_v6 = |command: &Command| {
            matches!(command, Command::Announce { address: IpAddr::V6(_), interfaces: _ })
        };
        if commands.iter().any(is_v6) {
            self.groups.settle();
        }
    }

    fn execute(&mut self, command: Command) {
        let now = self.now();
        // A long batch is no stall.
        self.gate.permits();
        match command {
            Command::Announce { address, interfaces } => self.announce(now, address, interfaces),
            Command::Remind { address } => {
                self.hand_overs.keep(address);
                self.make_known(now, address, Input::Announce);
            }
            Command::Refresh { address, every } => self.refresh.set_interval(now, address, every),
            Command::Withdraw { address } => self.withdraw(address),
            Command::HandOver { address } => self.hand_over(address),
            Command::HandOverAll => self.hand_over_all(),
            Command::Tighten => {
                self.refresh.tighten();
                self.conflicts.tighten();
            }
        }
    }

    fn withdraw(&mut self, address: IpAddr) {
        self.fall_silent(address);
        self.hand_overs.forget(address);
        self.table.remove(address);
        self.reach.withdrawn(address, Instant::now());
        self.sync_groups_of(address);
    }

    /// Says nothing about the address any more without being asked.
    fn fall_silent(&mut self, address: IpAddr) {
        self.burst.handle(self.now(), Input::Withdraw(Subject::Address(address)));
        self.refresh.withdraw(address);
        self.conflicts.release(address);
    }

    fn announce(&mut self, now: Moment, address: IpAddr, interfaces: Scope) {
        self.table.set(address, interfaces);
        self.conflicts.hold(now, address);
        self.hand_overs.keep(address);
        self.reach.announced(address, Instant::now());
        self.sync_groups_of(address);
        // Links that were added hear of it at once.
        self.make_known(now, address, Input::Begin);
        self.send_due();
    }

    fn make_known(&mut self, now: Moment, address: IpAddr, input: fn(Subject) -> Input) {
        self.burst.handle(now, input(Subject::Address(address)));
        self.refresh.announce(now, address);
    }

    fn sync_groups_of(&mut self, address: IpAddr) {
        let mut is_done = true;
        for port in self.ports.values_mut() {
            self.gate.permits();
            is_done &= port.sync_groups_of(address, &self.table, &self.groups);
        }
        if !is_done {
            self.retry_soon();
        }
    }

    /// Whether a packet may be sent now. Who opens the fence has said before what is given up: that may not have been
    /// carried out yet, also where the fence was closed since for no longer than a moment.
    fn may_speak(&mut self) -> bool {
        self.gate.permits() && self.was_open && self.gate.closings() == self.closings
    }

    /// Neighbours that were not answered for a while are told that they will be again, and only what they still will be.
    fn follow_fence(&mut self, commands: &mut mpsc::Receiver<Batch>) {
        let mut is_open = self.gate.permits();
        let closings = self.gate.closings();
        let was_closed = std::mem::replace(&mut self.closings, closings) != closings;
        self.was_open &= !was_closed;
        if !is_open || was_closed {
            // Who took over meanwhile was not heard. What is handed over from now on was decided with the others heard again,
            // or waits its turn in a batch of many; then it takes no longer than any.
            self.hand_overs.give_up();
        }
        if is_open && !self.was_open {
            // All of it is said again on all links; what is new goes on being said first.
            self.outbox.clear();
            self.execute_some();
            while let Ok(batch) = commands.try_recv() {
                self.waiting = batch;
                self.execute_some();
            }
            is_open = self.gate.permits();
        }
        if is_open && !self.was_open {
            tracing::info!("answering again");
            // Meanwhile others had reason to answer for our addresses.
            self.conflicts.begin_anew(self.now());
            for index in self.ports.keys().copied().collect::<Vec<_>>() {
                self.announce_link(index);
            }
        }
        self.was_open = is_open;
    }
}

/// Resolves at the moment, or never.
async fn until(alarm: &mut Alarm, deadline: Option<Instant>) {
    let Some(deadline) = deadline else { return std::future::pending().await };
    match deadline.saturating_duration_since(Instant::now()) {
        // However many deadlines have passed: sockets have their turn in between.
        Duration::ZERO => yield_now().await,
        left => alarm.at(next_millisecond(since_boot() + left)).await,
    }
}

/// Whatever is due within a millisecond is one wake.
fn next_millisecond(at: Duration) -> Duration {
    let whole = Duration::new(at.as_secs(), at.subsec_millis() * 1_000_000);
    if whole == at { at } else { whole + Duration::from_millis(1) }
}

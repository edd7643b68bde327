//! Answers ARP and NDP for the announced addresses, and makes them known, on a thread of its own.
//!
//! The thread shares nothing with the rest of the process: however busy that is with the API server, neighbours are
//! answered at once.

mod driver;
mod fence;
mod groups;
mod port;
mod reach;
mod spec;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use metallb_config::L2Advertisement;
use metallb_l2::Interfaces as Scope;
use metallb_net::MacAddr;
use metallb_telemetry::metrics::SpeakerMetrics;
use tokio::sync::{mpsc, watch};

use crate::interfaces::Interfaces;
use crate::prompt;
use crate::pulse::{Pulse, Side};
use driver::Driver;
pub use fence::{Fence, FenceOwner};
use groups::Groups;

/// Batches under way to the thread. It works a change off in microseconds; a bound only keeps memory bounded should
/// it ever hang, and then the owner's heartbeat stops, which is what a probe must see.
const BATCHES: usize = 64;

/// How long the heir of an address that moves by plan may take to be heard.
const HAND_OVER: Duration = Duration::from_secs(1);

/// A change of what is announced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Answer for the address on these interfaces, and make it known.
    Announce {
        /// The address.
        address: IpAddr,
        /// Where.
        interfaces: Scope,
    },
    /// Make an announced address known again.
    Remind {
        /// The address.
        address: IpAddr,
    },
    /// Make an announced address known again this often, though nothing happens, until it is withdrawn.
    Refresh {
        /// The address.
        address: IpAddr,
        /// How often; none for never.
        every: Option<Duration>,
    },
    /// Answer no more.
    Withdraw {
        /// The address.
        address: IpAddr,
    },
    /// Another node takes over: answer until it is heard, or too much time has passed. Say nothing unasked.
    HandOver {
        /// The address.
        address: IpAddr,
    },
    /// The same for all addresses: this node is about to leave, and others take half a second longer to know.
    HandOverAll,
    /// Give room back: much was announced, and it is calm.
    Tighten,
}

/// Changes that belong together.
#[derive(Debug, Default)]
struct Batch {
    commands: VecDeque<Command>,
    /// When the reason for them was seen.
    since: Option<Instant>,
}

/// How the thread works.
#[derive(Debug)]
pub struct Options {
    /// What must be open before anything is sent.
    pub fence: Fence,
    /// By which this thread and the one that follows the other speakers see each other run, where the fence is attended.
    pub pulse: Pulse,
    /// How often an address is made known though nothing happened, because switches forget, unless a command says
    /// otherwise; none for never.
    pub refresh: Option<Duration>,
    /// How long an address that moves by plan is answered for while its heir is not heard.
    pub hand_over: Duration,
    /// Who is told that another station answers for an announced address.
    pub conflicts: Option<mpsc::Sender<Conflict>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fence: Fence::unattended(),
            pulse: Pulse::default(),
            refresh: Some(L2Advertisement::REFRESH),
            hand_over: HAND_OVER,
            conflicts: None,
        }
    }
}

/// Another station says that it has an address this node announces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Conflict {
    /// The address.
    pub address: IpAddr,
    /// The other station.
    pub mac: MacAddr,
    /// The interface it was heard on.
    pub interface: String,
}

/// The thread. Dropping this, or [`Self::stop`], ends all answers.
#[derive(Debug)]
pub struct Layer2 {
    commands: mpsc::Sender<Batch>,
    thread: thread::JoinHandle<()>,
}

impl Layer2 {
    /// Starts answering on these interfaces.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        interfaces: watch::Receiver<Interfaces>,
        metrics: SpeakerMetrics,
        options: Options,
    ) -> io::Result<Self> {
        let (commands, received) = mpsc::channel(BATCHES);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let groups = Groups::start()?;
        let pulse = options.pulse.clone();
        let run = move || {
            runtime.block_on(Driver::new(interfaces, metrics, options, groups).run(received));
            pulse.ends(Side::Answering);
        };
        Ok(Self { commands, thread: prompt::spawn("layer2", run)? })
    }

    /// One that does nothing, and what it was told since that was asked the last time.
    #[cfg(test)]
    pub(crate) fn recorded() -> (Self, impl FnMut() -> Vec<Command>) {
        let (commands, mut received) = mpsc::channel(BATCHES);
        let told = move || {
            std::iter::from_fn(|| received.try_recv().ok()).flat_map(|batch: Batch| batch.commands).collect()
        };
        (Self { commands, thread: thread::spawn(|| ()) }, told)
    }

    /// Hands over changes, to be carried out in this order. Returns false when the thread has ended.
    pub async fn send(&self, commands: Vec<Command>) -> bool {
        self.send_seen(commands, None).await
    }

    /// The same for changes whose reason was seen at a known time: how long it takes to make new addresses known from
    /// then on is measured.
    pub async fn send_seen(&self, commands: Vec<Command>, since: Option<Instant>) -> bool {
        commands.is_empty() || self.commands.send(Batch { commands: commands.into(), since }).await.is_ok()
    }

    /// Ends the thread once nothing is being handed over any more, and waits for it: after that nothing is answered.
    pub fn stop(self) {
        let Self { commands, thread } = self;
        drop(commands);
        if thread.join().is_err() {
            tracing::error!("the layer 2 thread panicked");
        }
    }
}

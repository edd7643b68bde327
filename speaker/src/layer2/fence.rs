//! The fence: after a stall nothing is answered until somebody has found out what it was missed.
//!
//! A process that did not run for a while (stopped, starved, its machine suspended) may have lost its addresses
//! meanwhile, and questions that arrived wait in its sockets. Answering them would take the addresses back from
//! their new owner, so the thread that answers looks at the clock before each packet it sends:
//!
//! ```text
//!          the clock jumped further than the bound, or close()
//!   open ───────────────────────────────────────────────────────▶ closed
//!     ◀───────────────────────────────────────────────────────────
//!          open() by an owner who knows of the newest stall
//! ```
//!
//! A stall of the thread that follows the other speakers closes it as well: nobody hears of this node meanwhile.

use std::sync::Arc;
use std::time::Duration;

use metallb_linux::since_boot;
use tokio::sync::watch;

use crate::pulse::{Pulse, Side, WITHIN_BOUND};

#[cfg(test)]
mod tests;

/// Says whether packets may be sent. Clones are the same fence.
#[derive(Clone, Debug)]
pub struct Fence {
    /// A longer time without a look at the clock is a stall; none when nobody would open the fence again.
    bound: Option<Duration>,
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    is_closed: bool,
    /// How many stalls there were, and how long the last one was.
    stalls: u64,
    gap: Duration,
    /// How many of them the owner knew of when it opened the fence.
    forgiven: u64,
    /// How often it was closed, by a stall or by its owner.
    closings: u64,
}

impl State {
    fn is_open(&self) -> bool {
        !self.is_closed && self.stalls == self.forgiven
    }
}

/// Who decides when answering may go on. There is one.
#[derive(Debug)]
pub struct FenceOwner {
    state: Arc<watch::Sender<State>>,
    news: watch::Receiver<State>,
    known: u64,
}

impl Fence {
    /// A fence that is always open: without others to ask, nobody could say when to open it.
    #[must_use]
    pub fn unattended() -> Self {
        Self { bound: None, state: Arc::new(watch::Sender::new(State::default())) }
    }

    /// A fence that a stall longer than `bound` closes, open at first, and the one who opens it.
    #[must_use]
    pub fn attended(bound: Duration) -> (Self, FenceOwner) {
        let state = Arc::new(watch::Sender::new(State::default()));
        let owner = FenceOwner { news: state.subscribe(), state: state.clone(), known: 0 };
        (Self { bound: Some(bound), state }, owner)
    }

    /// Whether packets may be sent, as far as was noticed up to now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.borrow().is_open()
    }

    /// Closes it: nothing was looked at for so long.
    pub(crate) fn stalled(&self, gap: Duration) {
        self.state.send_modify(|state| {
            state.stalls += 1;
            state.gap = gap;
            state.closings += 1;
        });
    }
}

impl FenceOwner {
    /// Resolves when there was a stall the owner does not know of, with its length. Safe to cancel.
    pub async fn stalled(&mut self) -> Duration {
        let known = self.known;
        match self.news.wait_for(|state| state.stalls > known).await.map(|state| *state) {
            Ok(state) => {
                self.known = state.stalls;
                state.gap
            }
            // Can't be: the owner holds the sender.
            Err(_) => std::future::pending().await,
        }
    }

    /// Lets answers out again, unless there was a stall that [`Self::stalled`] has not told yet: what the owner
    /// knows is then older than the stall. To be called when the announced addresses are known to be ours.
    pub fn open(&self) {
        self.state.send_modify(|state| {
            state.is_closed = false;
            state.forgiven = self.known;
        });
    }

    /// Holds everything back until [`Self::open`].
    pub fn close(&self) {
        self.state.send_modify(|state| {
            state.is_closed = true;
            state.closings += 1;
        });
    }

    /// Whether packets may be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.borrow().is_open()
    }
}

/// The fence as the thread sees it that has to pass it.
#[derive(Debug)]
pub(super) struct Gate {
    fence: Fence,
    news: watch::Receiver<State>,
    pulse: Pulse,
    clock: fn() -> Duration,
    last_look: Duration,
}

impl Gate {
    /// A gate in this fence; the thread runs.
    pub(super) fn new(fence: Fence, pulse: Pulse) -> Self {
        Self { pulse, ..Self::with_clock(fence, since_boot) }
    }

    pub(super) fn with_clock(fence: Fence, clock: fn() -> Duration) -> Self {
        Self { news: fence.state.subscribe(), fence, pulse: Pulse::default(), clock, last_look: clock() }
    }

    /// Whether a packet may be sent now. Looks at the clock, and closes the fence if it jumped.
    pub(super) fn permits(&mut self) -> bool {
        let Some(bound) = self.fence.bound else { return true };
        let now = (self.clock)();
        self.pulse.beat(Side::Answering, now);
        let gap = now.saturating_sub(std::mem::replace(&mut self.last_look, now));
        if gap > bound {
            self.fence.stalled(gap);
            tracing::warn!(
                milliseconds = u64::try_from(gap.as_millis()).unwrap_or(u64::MAX),
                "this process did not run, answering nothing until the other speakers are heard"
            );
        }
        self.look_at_follower(bound, now);
        self.fence.is_open()
    }

    /// Closes the fence if the thread hangs that follows the other speakers. Once: that thread has the owner open it again.
    fn look_at_follower(&self, bound: Duration, now: Duration) {
        let silence = self.pulse.silence(Side::Following, now).filter(|silence| *silence > bound);
        if let Some(gap) = silence
            && self.fence.is_open()
        {
            self.fence.stalled(gap);
            tracing::warn!(
                "the thread that follows the other speakers hangs, answering nothing until they are heard"
            );
        }
    }

    /// How often the fence has been closed so far: it may be open again by the time somebody looks.
    pub(super) fn closings(&self) -> u64 {
        self.fence.state.borrow().closings
    }

    /// How often [`Self::permits`] must be called at least.
    pub(super) fn pace(&self) -> Option<Duration> {
        self.fence.bound.map(|bound| bound / WITHIN_BOUND)
    }

    /// Resolves when the fence was opened or closed. Safe to cancel.
    pub(super) async fn changed(&mut self) {
        if self.news.changed().await.is_err() {
            // Can't be: the fence holds the sender.
            std::future::pending::<()>().await;
        }
    }
}

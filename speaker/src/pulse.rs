//! Signs of life of two threads: the one that answers, and the one that follows the other speakers and tells them that this
//! node lives. Either may hang, in a system call most likely, while the other one runs.
//!
//! If nobody answers, nobody may say that this node lives: others would leave its addresses to it. And if nobody says so,
//! nobody may answer: others take them over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metallb_linux::since_boot;
use metallb_telemetry::health::Health;
use tokio::time::sleep;

use crate::owner::LONGEST_SILENCE;

#[cfg(test)]
mod tests;

/// Each of them shows that it runs this many times within the time after which it is taken to hang, however little there is
/// to do.
pub(crate) const WITHIN_BOUND: u32 = 4;

/// Between two looks at a thread that hangs.
const BREATH: Duration = Duration::from_millis(10);

/// Between two looks for the probes, and how long ago a sign of life may be there: longer than between any two of one that
/// runs.
const LOOK: Duration = Duration::from_secs(5);
const RECENT: Duration = Duration::from_secs(10);

/// When each of them was last seen to run. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<Signs>);

/// In milliseconds since the machine's start; zero while the thread does not run.
#[derive(Debug, Default)]
struct Signs {
    answering: AtomicU64,
    following: AtomicU64,
}

/// Which of the threads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    /// It answers neighbours.
    Answering,
    /// It follows the other speakers.
    Following,
}

impl Pulse {
    fn sign(&self, side: Side) -> &AtomicU64 {
        match side {
            Side::Answering => &self.0.answering,
            Side::Following => &self.0.following,
        }
    }

    /// The thread runs.
    pub(crate) fn beat(&self, side: Side, now: Duration) {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.sign(side).store(now.max(1), Ordering::Relaxed);
    }

    /// The thread has ended as it should: nobody waits for it any more.
    pub(crate) fn ends(&self, side: Side) {
        self.sign(side).store(0, Ordering::Relaxed);
    }

    /// How long it was not seen to run; none while it is not to.
    pub(crate) fn silence(&self, side: Side, now: Duration) -> Option<Duration> {
        let last = self.sign(side).load(Ordering::Relaxed);
        (last != 0).then(|| now.saturating_sub(Duration::from_millis(last)))
    }

    /// Shows that the thread runs that follows the others. Waits while the one that answers hangs, for longer than that: to
    /// the others this node is then like one that is frozen, and when it goes on it asks before it answers. Safe to cancel.
    pub(crate) async fn follow(&self, bound: Duration) {
        let hangs = || self.silence(Side::Answering, since_boot()).is_some_and(|silence| silence > bound);
        if hangs() {
            tracing::warn!(
                "the thread that answers hangs, the other speakers hear nothing of this one meanwhile"
            );
        }
        while hangs() {
            sleep(BREATH).await;
        }
        self.beat(Side::Following, since_boot());
    }

    /// Has probes fail while one of them hangs. Never ends.
    pub(crate) async fn report(self, health: Health) {
        let sides = [(Side::Answering, "layer2"), (Side::Following, "membership")];
        let sides = sides.map(|(side, name)| (side, health.alive_within(name, LONGEST_SILENCE)));
        loop {
            for (side, heartbeat) in &sides {
                if self.is_well(*side, since_boot()) {
                    heartbeat.beat();
                }
            }
            sleep(LOOK).await;
        }
    }

    /// Whether it was seen to run lately, or is not to.
    fn is_well(&self, side: Side, now: Duration) -> bool {
        self.silence(side, now).is_none_or(|silence| silence < RECENT)
    }
}

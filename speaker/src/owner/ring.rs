//! The ring of speakers as the owner uses it: who counts, and when the fence opens.

use metallb_announce::Speakers;
use metallb_linux::since_boot;
use metallb_telemetry::metrics::MemberMetrics;
use tokio::sync::watch;

use crate::layer2::FenceOwner;
use crate::membership::{Members, Membership};
use crate::stores::Stores;

use super::Lost;

/// Membership, if it is followed.
#[derive(Debug)]
pub(crate) struct Ring {
    membership: Membership,
    members: watch::Receiver<Members>,
    /// None when nobody would know when to open it.
    fence: Option<FenceOwner>,
    metrics: MemberMetrics,
    /// What the pass under way is made with.
    current: Members,
    /// The question whose answer opens the fence after a stall.
    question: u64,
    /// Whether somebody is gone since the pass before.
    has_lost: bool,
}

impl Ring {
    pub(crate) fn new(membership: Membership, fence: Option<FenceOwner>, metrics: MemberMetrics) -> Self {
        let members = membership.members();
        let current = Members::default();
        Self { membership, members, fence, metrics, current, question: 0, has_lost: false }
    }

    /// Resolves when another pass is due. Safe to cancel.
    pub(super) async fn changed(&mut self) -> Result<(), Lost> {
        let stalled = async {
            match self.fence.as_mut() {
                Some(fence) => fence.stalled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = self.members.changed() => changed.map_err(|_| Lost::Membership),
            _ = stalled => {
                self.question = self.membership.ask();
                Ok(())
            }
        }
    }

    /// Tells the ring where others may be, and takes in what it tells. False before it can be relied on.
    pub(super) fn refresh(&mut self, stores: &Stores) -> bool {
        if let Some(addresses) = stores.take_pod_addresses() {
            self.membership.set_candidates(addresses);
        }
        let members = self.members.borrow_and_update().clone();
        if members.is_fenced
            && let Some(fence) = &self.fence
        {
            fence.close();
        }
        self.has_lost |= !self.current.alive.is_subset(&members.alive);
        self.current = members;
        self.current.is_settled
    }

    pub(super) fn speakers(&self) -> Speakers {
        Speakers::On(self.current.alive.clone())
    }

    /// A pass is done: what is announced is what these members make of it.
    pub(super) fn passed(&mut self, has_announced: bool) {
        if std::mem::take(&mut self.has_lost) && has_announced {
            self.metrics.takeover.observe(since_boot().saturating_sub(self.current.since).as_secs_f64());
        }
        let is_answered = self.current.asked >= self.question;
        if !self.current.is_fenced
            && is_answered
            && let Some(fence) = &self.fence
        {
            fence.open();
        }
    }

    /// Says goodbye. Meanwhile this node goes on answering, so that nobody is without an answer.
    pub(super) async fn leave(self) {
        self.membership.leave().await;
    }
}

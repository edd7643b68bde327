//! The ring of speakers as the owner uses it: who counts, and when the fence opens.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use metallb_announce::{Position, Roll, Speakers, Tenure};
use metallb_linux::{Interface, since_boot};
use metallb_net::Prefix;
use metallb_telemetry::metrics::MemberMetrics;
use tokio::sync::watch;

use crate::history::Silence;
use crate::interfaces::Interfaces;
use crate::layer2::FenceOwner;
use crate::membership::{Letter, Members, Membership};
use crate::stores::Stores;

use super::{Lost, Woken};

/// Messages of other speakers that wait for the next pass. Before the first one nobody reads them.
const MOST_LETTERS: usize = 4096;

/// Membership, if it is followed.
#[derive(Debug)]
pub(crate) struct Ring {
    pub(super) membership: Membership,
    members: watch::Receiver<Members>,
    /// None when nobody would know when to open it.
    fence: Option<FenceOwner>,
    metrics: MemberMetrics,
    /// What the pass under way is made with.
    pub(super) current: Members,
    /// What speakers of other nodes told and nobody has read yet.
    letters: Vec<Letter>,
    /// The question whose answer opens the fence after a stall.
    question: u64,
    /// How long this node had stood still when it fell silent; zero otherwise.
    gap: Duration,
    /// Whether somebody is gone since the pass before.
    has_lost: bool,
    /// Whether others were seen since this node answers for nothing: they may have announced what it owns.
    had_others: bool,
    /// Whether the interface of this node's address is without carrier.
    is_cut_off: bool,
    /// Whether this node answers for what it owns, or did once since its start.
    answers: bool,
}

impl Ring {
    pub(crate) fn new(membership: Membership, fence: Option<FenceOwner>, metrics: MemberMetrics) -> Self {
        let members = membership.members();
        let current = Members::default();
        Self {
            membership,
            members,
            fence,
            metrics,
            current,
            letters: Vec::new(),
            question: 0,
            gap: Duration::ZERO,
            has_lost: false,
            had_others: false,
            is_cut_off: false,
            answers: false,
        }
    }

    /// Resolves when something has changed, or a message has arrived. Safe to cancel.
    pub(super) async fn changed(&mut self) -> Result<Woken, Lost> {
        let stalled = async {
            match self.fence.as_mut() {
                Some(fence) => fence.stalled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = self.members.changed() => changed.map(|()| Woken::ByChange).map_err(|_| Lost::Membership),
            letter = self.membership.mail().next() => {
                // What is too much while nobody reads it is told again when it is missed.
                if self.letters.len() < MOST_LETTERS {
                    self.letters.push(letter);
                }
                Ok(Woken::ByHolders)
            }
            gap = stalled => {
                self.question = self.membership.stalled(gap);
                self.gap = self.gap.max(gap);
                Ok(Woken::ByChange)
            }
        }
    }

    /// What speakers of other nodes told and nobody has read yet.
    pub(super) fn take_letters(&mut self) -> Vec<Letter> {
        let more = std::iter::from_fn(|| self.membership.mail().take());
        self.letters.drain(..).chain(more).collect()
    }

    /// Sends what there is to tell, as much as there is room for.
    pub(super) fn send(&mut self, tenure: &mut Tenure) {
        while self.membership.mail().has_room()
            && let Some(letter) = tenure.poll()
        {
            self.membership.mail().send(letter);
        }
    }

    /// Who is there.
    pub(super) fn roll(&self) -> Roll<'_> {
        let Members { alive, boots, plain, starting, .. } = &self.current;
        Roll { alive, boots, plain, starting }
    }

    /// Whether this node answers, as far as it matters for what it holds.
    pub(super) fn position(&self, me: &str) -> Position {
        let is_held = self.current.reluctant.contains(me);
        match (self.answers && !self.is_fenced(), self.may_open()) {
            (true, _) if !is_held => Position::Open,
            (_, false) => Position::Closed,
            (_, true) if is_held => Position::Held,
            (_, true) => Position::Opening,
        }
    }

    /// Whether the ring has told anything since the last [refresh](Self::refresh).
    pub(super) fn has_changed(&self) -> bool {
        self.members.has_changed().unwrap_or(true)
    }

    /// Whether it can be relied on who is there.
    pub(super) fn is_settled(&self) -> bool {
        self.current.is_settled
    }

    /// Whether the next pass opens the fence.
    pub(super) fn may_open(&self) -> bool {
        !self.current.is_fenced && self.current.asked >= self.question
    }

    /// Tells the ring where others may be, and takes in what it tells.
    pub(super) fn refresh(&mut self, stores: &Stores, interfaces: &Interfaces) {
        self.is_cut_off = is_cut_off(interfaces, self.membership.address());
        self.membership.set_cut_off(self.is_cut_off);
        if let Some(addresses) = stores.take_pod_addresses() {
            self.membership.set_candidates(addresses);
        }
        let members = self.members.borrow_and_update().clone();
        if self.has_closed(&members)
            && let Some(fence) = &self.fence
        {
            fence.close();
        }
        let (before, counted) = (self.current.counted(), members.counted());
        self.has_lost |= before.difference(&self.current.starting).any(|name| !counted.contains(name));
        let had_others = self.has_others();
        self.current = members;
        if self.is_fenced() {
            self.had_others |= had_others || self.has_others();
        }
    }

    /// Whether nothing is answered until a pass is done.
    pub(super) fn is_fenced(&self) -> bool {
        self.fence.as_ref().is_some_and(|fence| !fence.is_open())
    }

    pub(super) fn speakers(&self) -> Speakers {
        let (alive, reluctant) = (self.current.counted(), self.current.reluctant.clone());
        if reluctant.is_empty() { Speakers::On(alive) } else { Speakers::Ranked { alive, reluctant } }
    }

    /// Whether this node answers for what it owns, or did once since its start.
    pub(super) fn answers(&self) -> bool {
        self.answers
    }

    /// A pass is done: what is announced is what these members make of it. True if this node begins to answer, or does so
    /// again, after a time in which others may have said that they do.
    pub(super) fn passed(&mut self, has_announced: bool) -> bool {
        if std::mem::take(&mut self.has_lost) && has_announced {
            self.metrics.takeover.observe(since_boot().saturating_sub(self.current.since).as_secs_f64());
        }
        if !self.may_open() || self.has_closed(&self.members.borrow()) {
            return false;
        }
        let was_silent = self.is_fenced();
        if let Some(fence) = &self.fence {
            fence.open();
        }
        if self.is_fenced() {
            // It stood still meanwhile, and has not asked yet.
            return false;
        }
        // Only now may the others leave to this node what it owns.
        self.answers = true;
        self.gap = Duration::ZERO;
        self.membership.answers();
        std::mem::take(&mut self.had_others) && was_silent
    }

    /// Whether others were not heard for a while since this was taken in last, or are not yet.
    fn has_closed(&self, news: &Members) -> bool {
        news.is_fenced || news.closings != self.current.closings
    }

    /// Who said goodbye, and how long the list of members has been what it is.
    pub(super) fn news(&self) -> (BTreeSet<String>, Duration) {
        (self.current.left.clone(), since_boot().saturating_sub(self.current.since))
    }

    /// Why this node answers for nothing though it did before, if that is so, and for how long it had not answered when that
    /// was noticed.
    pub(super) fn silence(&self) -> Option<(Silence, Duration)> {
        let why = if self.is_cut_off { Silence::Carrier } else { Silence::Stall };
        (self.current.is_fenced && self.answers).then_some((why, self.gap))
    }

    /// Whether anybody is there to take over.
    pub(super) fn has_others(&self) -> bool {
        self.current.alive.len() > 1
    }

    /// Says goodbye. Meanwhile this node goes on answering, so that nobody is without an answer.
    pub(super) async fn leave(self) {
        self.membership.leave().await;
    }
}

/// Whether an interface has the address and none of those that do has a carrier. An address on an interface that is
/// left out says nothing.
fn is_cut_off(interfaces: &Interfaces, address: IpAddr) -> bool {
    let has_address = |interface: &&Interface| {
        let is_own = |subnet: &Prefix| Prefix::new(address, subnet.length()).is_ok_and(|own| own == *subnet);
        interface.subnets.iter().any(is_own)
    };
    let mut with_address = interfaces.iter().filter(has_address).peekable();
    with_address.peek().is_some() && with_address.all(|interface| !interface.has_carrier)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use metallb_telemetry::metrics::Metrics;

    use super::*;
    use crate::layer2::Fence;

    /// It asks the others first, and has not asked yet.
    #[test]
    fn a_pass_during_which_this_node_stood_still_opens_nothing() {
        let (membership, _told) = Membership::scripted();
        let says_it_answers = membership.says_it_answers();
        let (fence, owner) = Fence::attended(Duration::from_secs(1));
        let mut ring = Ring::new(membership, Some(owner), Metrics::default().members().unwrap());
        fence.stalled(Duration::from_secs(2));
        assert!(!ring.passed(false));
        assert_eq!((ring.is_fenced(), ring.answers(), says_it_answers()), (true, false, false));
    }

    #[test]
    fn a_node_is_cut_off_when_every_interface_of_its_address_lacks_a_carrier() {
        let interface = |subnet: &str, has_carrier| Interface {
            subnets: [subnet.parse().unwrap()].into(),
            has_carrier,
            ..Interface::default()
        };
        let (lan, other) = ("192.0.2.0/24", "198.51.100.0/24");
        for (interfaces, expected) in [
            (vec![], false),
            (vec![interface(other, false)], false),
            (vec![interface(lan, true), interface(other, false)], false),
            (vec![interface(lan, false), interface(other, true)], true),
            (vec![interface(lan, false), interface(lan, true)], false),
        ] {
            assert_eq!(is_cut_off(&Arc::new(interfaces), [192, 0, 2, 7].into()), expected);
        }
    }
}

//! Who holds which address, by the word of those who do: what keeps an address where it is though the election of the
//! contract would move it.
//!
//! Each speaker says of itself alone what it holds, and numbers what it says. Nobody repeats what others say. A claim has
//! a rank: one more than that of any earlier owner known. Of two claims the lower rank counts, of equal ones that of the
//! node the contract ranks first. So two that hold the same address agree as soon as they hear each other: after a
//! partition the one that held it before keeps it. One that stood still or was cut off ranks behind everybody who took over meanwhile.
//!
//! ```text
//!              set_peers              the whole is told
//!   (nobody) ───────────▶ unknown ─────────────────────▶ known ──┐ its next change
//!                          ▲  │ ask, again and again       │     │
//!                          │  └────────────────────────────┼─────┘
//!                          └───────────────────────────────┘ a number is missing, or this node stood still
//! ```

mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use crate::election::ballot;
use wire::{Letter, Word};

#[cfg(test)]
mod tests;

/// Between two questions to the same peer, as long as it does not answer.
const ASK: Duration = Duration::from_millis(100);
/// Who has not answered by then is not waited for: an address without an owner is worse than one that moves.
const PATIENCE: Duration = Duration::from_millis(500);
/// A change that got lost is noticed so much later.
const CHECK: Duration = Duration::from_millis(100);
/// How often the number of the last change is told, in small rings.
const REVIEW: Duration = Duration::from_secs(1);
/// In larger ones a speaker tells so many others in a second.
const TOLD_A_SECOND: u32 = 50;

/// How many owners there were before, and one; 0 is nobody's.
type Rank = u32;
/// Of a holder that may have lost it unawares: behind everybody else.
const WEAK: Rank = 1 << 31;

/// What this speaker holds, and what it has heard of the others.
#[derive(Debug)]
pub struct Tenure {
    me: String,
    /// What this process is called before others, once known.
    boot: Option<u64>,
    /// Whether it matters what the others hold.
    is_wanted: bool,
    /// Whether this node may have lost what it holds unawares.
    is_doubtful: bool,
    /// How many changes of its own claims there were.
    version: u64,
    own: BTreeMap<IpAddr, Rank>,
    /// Own claims that came (with their rank) or went (none) and are not told yet.
    untold: BTreeMap<IpAddr, Rank>,
    peers: BTreeMap<String, Peer>,
    /// The ranks of claims that are gone.
    past: HashMap<IpAddr, Rank>,
    news: BTreeSet<IpAddr>,
    outbox: VecDeque<Outgoing>,
    next_review: Duration,
}

/// A message to another speaker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outgoing {
    /// Its node.
    pub to: String,
    /// What to send; at most some 1,300 bytes.
    pub bytes: Vec<u8>,
}

/// Another speaker that takes part.
#[derive(Debug)]
struct Peer {
    boot: u64,
    /// The number of its last change that was heard, if nothing before is missing.
    version: Option<u64>,
    claims: HashMap<IpAddr, Rank>,
    parts: Option<Parts>,
    since: Duration,
    next_ask: Duration,
}

/// A whole that is not complete yet.
#[derive(Debug)]
struct Parts {
    version: u64,
    missing: BTreeSet<u16>,
    claims: HashMap<IpAddr, Rank>,
}

impl Tenure {
    /// Of the speaker of this node.
    #[must_use]
    pub fn new(me: &str, now: Duration) -> Self {
        Self {
            me: me.to_owned(),
            boot: None,
            is_wanted: false,
            is_doubtful: false,
            version: 0,
            own: BTreeMap::new(),
            untold: BTreeMap::new(),
            peers: BTreeMap::new(),
            past: HashMap::new(),
            news: BTreeSet::new(),
            outbox: VecDeque::new(),
            next_review: now + REVIEW,
        }
    }

    /// Whether it matters what the others hold: else they are not asked.
    pub fn set_wanted(&mut self, is_wanted: bool) {
        self.is_wanted = is_wanted;
    }

    /// The speakers that take part, this one among them, with what they call their processes.
    pub fn set_peers<'a>(&mut self, peers: impl IntoIterator<Item = (&'a str, u64)>, now: Duration) {
        let mut peers: BTreeMap<&str, u64> = peers.into_iter().collect();
        self.boot = peers.remove(self.me.as_str()).or(self.boot);
        let is_gone = |(node, peer): (&String, &Peer)| {
            (peers.get(node.as_str()) != Some(&peer.boot)).then(|| node.clone())
        };
        let gone: Vec<String> = self.peers.iter().filter_map(is_gone).collect();
        let gone: Vec<Peer> = gone.into_iter().filter_map(|node| self.peers.remove(&node)).collect();
        for (address, rank) in gone.into_iter().flat_map(|peer| peer.claims) {
            self.bury(address, rank);
        }
        for (node, boot) in peers {
            if !self.peers.contains_key(node) {
                self.peers.insert(node.to_owned(), Peer::unknown(boot, now));
                // It may have heard of this process before, and not all since.
                self.send_last(node);
            }
        }
    }

    /// This node stood still or was cut off: what it has heard may be out of date, and what it held be somebody else's.
    ///
    /// Until it is [trusted](Self::trust) again it ranks behind everybody.
    pub fn doubt(&mut self, now: Duration) {
        self.is_doubtful = true;
        for (address, rank) in &mut self.own {
            *rank |= WEAK;
            self.untold.insert(*address, *rank);
        }
        for peer in self.peers.values_mut() {
            *peer = Peer { claims: std::mem::take(&mut peer.claims), ..Peer::unknown(peer.boot, now) };
        }
    }

    /// What the others hold is known again: what this node still holds is its own.
    pub fn trust(&mut self) {
        if std::mem::take(&mut self.is_doubtful) {
            self.news.extend(self.own.keys());
        }
    }

    /// Whether anybody holds anything, or did.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.is_wanted || self.version > 0 || !self.untold.is_empty()
    }

    /// Whether the claims of all the others are known, or there was time enough for that.
    #[must_use]
    pub fn is_known(&self, now: Duration) -> bool {
        let is_known = |peer: &Peer| peer.version.is_some() || now >= peer.since + PATIENCE;
        !self.is_wanted || self.peers.values().all(is_known)
    }

    /// The candidate that holds the address; none if none of them does.
    #[must_use]
    pub fn holder<'a>(
        &self,
        address: IpAddr,
        candidates: impl IntoIterator<Item = (&'a str, u64)>,
    ) -> Option<&'a str> {
        let claimed = candidates.into_iter().filter_map(|(node, score)| {
            Some((self.rank_of(node, address)?, ballot(node, score, address), node))
        });
        claimed.min().map(|(_, _, node)| node)
    }

    /// This node holds the address from now on.
    pub fn claim(&mut self, address: IpAddr) {
        let rank = match self.own.get(&address) {
            Some(rank) if self.is_doubtful || rank & WEAK == 0 => return,
            Some(rank) => rank & !WEAK,
            None => {
                let heard = self.peers.values().filter_map(|peer| peer.claims.get(&address));
                let ranks = heard.chain(self.past.get(&address)).map(|rank| rank & !WEAK);
                let rank = ranks.max().unwrap_or_default().saturating_add(1).min(WEAK - 1);
                if self.is_doubtful { rank | WEAK } else { rank }
            }
        };
        self.own.insert(address, rank);
        self.untold.insert(address, rank);
    }

    /// This node does not hold the address.
    pub fn release(&mut self, address: IpAddr) {
        if let Some(rank) = self.own.remove(&address) {
            self.bury(address, rank);
            self.untold.insert(address, 0);
        }
    }

    /// Nobody is to hold the address any more.
    pub fn forget(&mut self, address: IpAddr) {
        self.release(address);
        self.past.remove(&address);
    }

    /// Tells the others what has changed. They hear of it when this is done, not before.
    pub fn tell(&mut self, now: Duration) {
        if self.untold.is_empty() {
            return;
        }
        let changes: Vec<(IpAddr, Rank)> = std::mem::take(&mut self.untold).into_iter().collect();
        for claims in wire::split(&changes) {
            self.version = self.version.saturating_add(1);
            self.broadcast(&Word::Changed { version: self.version, claims: claims.to_vec() });
        }
        self.next_review = self.next_review.min(now + CHECK);
    }

    /// A message of another speaker.
    pub fn receive(&mut self, from: &str, bytes: &[u8], now: Duration) {
        let Some(Letter { sender, receiver, word }) = wire::decode(bytes) else { return };
        let Some(peer) = self.peers.get_mut(from) else { return };
        if (sender, Some(receiver)) != (peer.boot, self.boot) {
            return;
        }
        let changed = match word {
            Word::Ask => return self.tell_everything(from),
            Word::Last { version } => return peer.compare(version, now),
            Word::Changed { version, claims } => peer.change(version, claims, now),
            Word::Whole { version, part: (part, parts), claims } => {
                peer.take_part(version, (part, parts), claims)
            }
        };
        for (address, before) in changed {
            if let Some(rank) = before {
                self.bury(address, rank);
            }
            self.news.insert(address);
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Duration) {
        let mut asked = Vec::new();
        for (node, peer) in &mut self.peers {
            if self.is_wanted && peer.version.is_none() && peer.next_ask <= now {
                peer.next_ask = now + if now < peer.since + PATIENCE { ASK } else { REVIEW };
                asked.push(node.clone());
            }
        }
        for node in asked {
            self.send(&node, &Word::Ask);
        }
        if self.version > 0 && self.next_review <= now {
            let peers = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
            self.next_review = now + REVIEW * peers.div_ceil(TOLD_A_SECOND).max(1);
            self.broadcast(&Word::Last { version: self.version });
        }
    }

    /// When [`Self::tick`] has something to do at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let unknown = self.peers.values().filter(|peer| self.is_wanted && peer.version.is_none());
        let review = (self.version > 0).then_some(self.next_review);
        unknown.map(|peer| peer.next_ask).chain(review).min()
    }

    /// The next message to send.
    pub fn poll(&mut self) -> Option<Outgoing> {
        self.outbox.pop_front()
    }

    /// The addresses of which something was heard since the last call.
    pub fn take_news(&mut self) -> BTreeSet<IpAddr> {
        std::mem::take(&mut self.news)
    }

    fn rank_of(&self, node: &str, address: IpAddr) -> Option<Rank> {
        if node == self.me {
            return self.own.get(&address).copied();
        }
        self.peers.get(node)?.claims.get(&address).copied()
    }

    fn bury(&mut self, address: IpAddr, rank: Rank) {
        let past = self.past.entry(address).or_default();
        *past = (rank & !WEAK).max(*past);
    }

    fn tell_everything(&mut self, to: &str) {
        let claims: Vec<(IpAddr, Rank)> = self.own.iter().map(|(address, rank)| (*address, *rank)).collect();
        // What is not told yet is in it and comes again with the next number: no harm.
        let pieces = wire::split(&claims);
        let parts = u16::try_from(pieces.len()).unwrap_or(u16::MAX);
        for (part, claims) in (0..parts).zip(pieces) {
            let word = Word::Whole { version: self.version, part: (part, parts), claims: claims.to_vec() };
            self.send(to, &word);
        }
    }

    fn broadcast(&mut self, word: &Word) {
        let peers: Vec<String> = self.peers.keys().cloned().collect();
        peers.iter().for_each(|node| self.send(node, word));
    }

    fn send_last(&mut self, to: &str) {
        if self.version > 0 {
            self.send(to, &Word::Last { version: self.version });
        }
    }

    fn send(&mut self, to: &str, word: &Word) {
        let (Some(peer), Some(boot)) = (self.peers.get(to), self.boot) else { return };
        let bytes = wire::encode((boot, peer.boot), word);
        self.outbox.push_back(Outgoing { to: to.to_owned(), bytes });
    }
}

/// Addresses whose claim came, changed or went, with the rank before.
type Changed = Vec<(IpAddr, Option<Rank>)>;

impl Peer {
    fn unknown(boot: u64, now: Duration) -> Self {
        Self { boot, version: None, claims: HashMap::new(), parts: None, since: now, next_ask: now }
    }

    /// Its last change has this number.
    fn compare(&mut self, version: u64, now: Duration) {
        if self.version.is_some_and(|known| known < version) {
            self.version = None;
            self.next_ask = now;
        }
    }

    fn change(&mut self, version: u64, claims: Vec<(IpAddr, Rank)>, now: Duration) -> Changed {
        let Some(known) = self.version else { return Vec::new() };
        if known.checked_add(1) != Some(version) {
            self.compare(version, now);
            return Vec::new();
        }
        self.version = Some(version);
        claims.into_iter().map(|(address, rank)| (address, self.set(address, rank))).collect()
    }

    fn set(&mut self, address: IpAddr, rank: Rank) -> Option<Rank> {
        if rank == 0 { self.claims.remove(&address) } else { self.claims.insert(address, rank) }
    }

    /// A part of all its claims; what changed if it was the last one missing.
    fn take_part(&mut self, version: u64, (part, parts): (u16, u16), claims: Vec<(IpAddr, Rank)>) -> Changed {
        if self.version.is_some() || self.parts.as_ref().is_some_and(|parts| parts.version > version) {
            return Vec::new();
        }
        let whole = self.parts.take().filter(|whole| whole.version == version);
        let mut whole =
            whole.unwrap_or_else(|| Parts { version, missing: (0..parts).collect(), claims: HashMap::new() });
        whole.missing.remove(&part);
        whole.claims.extend(claims);
        if !whole.missing.is_empty() {
            self.parts = Some(whole);
            return Vec::new();
        }
        self.version = Some(version);
        let before = std::mem::replace(&mut self.claims, whole.claims);
        let touched: BTreeSet<IpAddr> = before.keys().chain(self.claims.keys()).copied().collect();
        let changed = touched.into_iter().filter(|address| before.get(address) != self.claims.get(address));
        changed.map(|address| (address, before.get(&address).copied())).collect()
    }
}

//! Who holds which address, by the word of those who do: what keeps an address where it is though the election of the
//! contract would move it.
//!
//! Each speaker says of itself alone what it holds, and numbers what it says. Nobody repeats what others say. A claim has
//! a rank: the second it was made in, and more than that of any earlier owner known. Of several claims the lowest rank
//! counts, of equal ones that of the node the contract ranks first. So two that hold the same address agree as soon as they
//! hear each other: after a partition the one that held it before keeps it, though the other one was started meanwhile and
//! never heard of it. Who may have lost what it holds unawares, or does not know yet what the others hold, ranks behind
//! everybody else.
//!
//! ```text
//!              set_peers              the whole is told
//!   (nobody) ───────────▶ unknown ─────────────────────▶ known ──┐ its next change
//!                          ▲  │ ask, again and again       │     │
//!                          │  └────────────────────────────┼─────┘
//!                          └───────────────────────────────┘ a number is missing, it is taken for dead, or this node stood still
//! ```

mod peer;
mod rank;
mod wholes;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::election::ballot;
use peer::Peer;
use rank::{COUNT, FRESH, Rank, Seconds, WEAK, standing};
use wholes::Wholes;
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
/// Who has let go of the last one tells that number so often still, a second apart: the word itself may be lost.
const LAST_WORDS: u8 = 5;
/// A process so old has seen all the others start that were started with it.
const YOUTH: Duration = Duration::from_secs(90);

/// What this speaker holds, and what it has heard of the others.
#[derive(Debug)]
pub struct Tenure {
    me: String,
    /// What this process is called before others, once known.
    boot: Option<u64>,
    seconds: Seconds,
    /// Whether it matters what the others hold.
    is_wanted: bool,
    /// Whether this node may have lost what it holds unawares.
    is_doubtful: bool,
    /// Whether there are claims that rank behind everybody else's.
    has_weak: bool,
    /// When this process has seen all the others start; none once it has.
    young_until: Option<Duration>,
    /// Whether anybody is known to have held anything for longer.
    is_remembered: bool,
    /// How many changes of its own claims there were.
    version: u64,
    own: BTreeMap<IpAddr, Rank>,
    /// Own claims that came (with their rank) or went (none) and are not told yet.
    untold: BTreeMap<IpAddr, Rank>,
    peers: BTreeMap<String, Peer>,
    /// The ranks of claims that are gone.
    past: HashMap<IpAddr, Rank>,
    news: BTreeSet<IpAddr>,
    outbox: VecDeque<(String, Arc<Word>)>,
    wholes: Wholes,
    next_review: Duration,
    /// How often the number of its last change is told when nothing else is to be said.
    last_words: u8,
}

/// A message to another speaker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outgoing {
    /// Its node.
    pub to: String,
    /// What to send; at most some 1,300 bytes.
    pub bytes: Vec<u8>,
}

impl Tenure {
    /// Of the speaker of this node, whose process starts now.
    #[must_use]
    pub fn new(me: &str, now: Duration) -> Self {
        Self {
            me: me.to_owned(),
            boot: None,
            seconds: Seconds::default(),
            is_wanted: false,
            is_doubtful: false,
            has_weak: false,
            young_until: Some(now + YOUTH),
            is_remembered: false,
            version: 0,
            own: BTreeMap::new(),
            untold: BTreeMap::new(),
            peers: BTreeMap::new(),
            past: HashMap::new(),
            news: BTreeSet::new(),
            outbox: VecDeque::new(),
            wholes: Wholes::default(),
            next_review: now + REVIEW,
            last_words: 0,
        }
    }

    /// It is so late, since 1970. Clocks that differ matter only between claims of whom neither knew of the other.
    pub fn set_clock(&mut self, time_of_day: Duration, now: Duration) {
        self.seconds.set(time_of_day, now);
    }

    /// Only now this process may claim: it knows its cluster, and so does soon whoever was started with it.
    pub fn begin(&mut self, now: Duration) {
        self.young_until = Some(now + YOUTH);
    }

    /// The node whose speaker this is.
    #[must_use]
    pub fn me(&self) -> &str {
        &self.me
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
        gone.into_iter().for_each(|peer| self.bury_all(peer.claims));
        for (node, boot) in peers {
            if !self.peers.contains_key(node) {
                self.peers.insert(node.to_owned(), Peer::unknown(boot, now));
                // It may have heard of this process before, and not all since.
                self.send_last(node);
            }
        }
        self.be_sure();
    }

    /// Which of them are taken for dead, or do not count for a while: what they hold is no matter, but they are told what the
    /// others do, since they are told before they count again.
    pub fn set_down(&mut self, is_down: impl Fn(&str) -> bool, now: Duration) {
        let changed = self.peers.iter().filter(|(node, peer)| is_down(node) != peer.is_down);
        let changed: Vec<String> = changed.map(|(node, _)| node.clone()).collect();
        for node in changed {
            if let Some(peer) = self.peers.get_mut(&node) {
                let claims = peer.forget(now);
                peer.is_down = !peer.is_down;
                self.bury_all(claims);
                self.send_last(&node);
            }
        }
        self.be_sure();
    }

    /// Which of them answer for nothing yet: nobody waits for their word.
    pub fn set_starting(&mut self, is_starting: impl Fn(&str) -> bool) {
        for (node, peer) in &mut self.peers {
            peer.is_starting = is_starting(node);
        }
        self.be_sure();
    }

    /// This node stood still or was cut off: what it has heard may be out of date, and what it held be somebody else's.
    ///
    /// Until it is [trusted](Self::trust) again it ranks behind everybody.
    pub fn doubt(&mut self, now: Duration) {
        (self.is_doubtful, self.has_weak) = (true, true);
        for (address, rank) in &mut self.own {
            *rank |= WEAK;
            self.untold.insert(*address, *rank);
        }
        // What is still here was to be said before, and is not to be believed: who misses it asks.
        self.wholes = Wholes::default();
        self.outbox.retain(|(_, word)| !matches!(**word, Word::Changed { .. }));
        self.peers.values_mut().for_each(|peer| peer.doubt(now));
    }

    /// As soon as it is known what the others hold, what this node still holds is its own.
    pub fn trust(&mut self) {
        if self.is_doubtful && self.knows_all() {
            self.is_doubtful = false;
            self.be_sure();
        }
    }

    /// Whether anybody has to be told or asked anything.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.is_wanted || !self.own.is_empty() || !self.untold.is_empty() || self.last_words > 0
    }

    /// Forgets what the others hold: it is no matter.
    pub fn rest(&mut self) {
        self.peers.clear();
        self.past.clear();
        self.news.clear();
        self.outbox.clear();
        self.wholes = Wholes::default();
    }

    /// Whether the claims of all the others are known, or there was time enough for that.
    #[must_use]
    pub fn is_known(&self, now: Duration) -> bool {
        !self.is_wanted || self.peers.values().all(|peer| !peer.is_awaited() || now >= peer.since + PATIENCE)
    }

    /// When nobody is waited for any more.
    pub(crate) fn patient_until(&self) -> Option<Duration> {
        let awaited = self.peers.values().filter(|peer| peer.is_awaited());
        awaited.map(|peer| peer.since + PATIENCE).max()
    }

    fn knows_all(&self) -> bool {
        !self.peers.values().any(Peer::is_awaited)
    }

    /// The candidate that holds the address, one of several it is kept under; none if none of them does.
    #[must_use]
    pub fn holder<'a>(
        &self,
        address: IpAddr,
        kept_under: &[IpAddr],
        candidates: impl IntoIterator<Item = (&'a str, u64)>,
    ) -> Option<&'a str> {
        let claimed = candidates.into_iter().filter_map(|(node, score)| {
            let ranks = kept_under.iter().filter_map(|address| self.rank_of(node, *address));
            Some((ranks.map(standing).min()?, ballot(node, score, address), node))
        });
        claimed.min().map(|(_, _, node)| node)
    }

    /// Whether a node claims one of these addresses, knowing what the others do.
    pub(crate) fn claims(&self, node: &str, addresses: &[IpAddr]) -> bool {
        let mut ranks = addresses.iter().filter_map(|address| self.rank_of(node, *address));
        ranks.any(|rank| rank & WEAK == 0)
    }

    /// Whether a node has claimed all it does of these addresses while nobody remembered anything, a moment ago.
    #[must_use]
    pub fn is_fresh(&self, node: &str, addresses: &[IpAddr]) -> bool {
        let mut ranks = addresses.iter().filter_map(|address| self.rank_of(node, *address));
        ranks.all(|rank| rank & FRESH != 0)
    }

    /// This node would hold the address if the one that does let go of it.
    ///
    /// What it held in doubt was taken over meanwhile: when that is over it does not stand before the holder as it did.
    pub fn claim_behind(&mut self, address: IpAddr) {
        let is_sure = !self.is_doubtful && self.knows_all();
        if is_sure && self.own.get(&address).is_some_and(|rank| rank & WEAK != 0) {
            self.release(address);
        }
        self.claim(address);
    }

    /// This node holds the address from now on.
    pub fn claim(&mut self, address: IpAddr) {
        let is_weak = self.is_doubtful || !self.knows_all();
        self.has_weak |= is_weak;
        let rank = match self.own.get(&address) {
            Some(rank) if is_weak || rank & WEAK == 0 => return,
            Some(rank) => rank & !WEAK,
            None => {
                let heard = self.peers.values().filter_map(|peer| peer.claims.get(&address));
                let before = heard.chain(self.past.get(&address)).map(|rank| rank & COUNT).max();
                let count = self.seconds.after(before.unwrap_or_default());
                let is_fresh = self.young_until.is_some() && !self.is_remembered;
                count | if is_fresh { FRESH } else { 0 } | if is_weak { WEAK } else { 0 }
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
            self.last_words = LAST_WORDS;
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
            self.broadcast(Word::Changed { version: self.version, claims: claims.to_vec() });
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
            Word::Ask => return self.wholes.ask(from, &self.own, self.version, !self.untold.is_empty()),
            _ if peer.is_down => return,
            Word::Last { version } => return peer.compare(version, now),
            Word::Changed { version, claims } => peer.change(version, claims, now),
            Word::Whole { version, part, claims } => peer.take_part(version, part, claims, now),
        };
        let is_old = |peer: &Peer, address| peer.claims.get(address).is_some_and(|rank| rank & FRESH == 0);
        if changed.iter().any(|(address, _)| is_old(peer, address)) {
            self.is_remembered = true;
            self.keep_what_is_held();
        }
        for (address, before) in changed {
            if let Some(rank) = before {
                self.bury(address, rank);
            }
            self.news.insert(address);
        }
        self.be_sure();
    }

    /// Takes in how late it is: whatever is claimed from now on is claimed at this moment.
    pub fn look_at_clock(&mut self, now: Duration) {
        self.seconds.tick(now);
        if self.young_until.is_some_and(|until| until <= now) {
            self.young_until = None;
            self.keep_what_is_held();
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Duration) {
        self.look_at_clock(now);
        let mut asked = Vec::new();
        for (node, peer) in &mut self.peers {
            if self.is_wanted && peer.is_to_be_asked(now) {
                peer.next_ask = now + if now < peer.since + PATIENCE { ASK } else { REVIEW };
                asked.push(node.clone());
            }
        }
        let ask = Arc::new(Word::Ask);
        self.outbox.extend(asked.into_iter().map(|node| (node, ask.clone())));
        self.wholes.tick(now);
        if self.reviews() && self.next_review <= now {
            let peers = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
            self.next_review = now + REVIEW * peers.div_ceil(TOLD_A_SECOND).max(1);
            self.broadcast(Word::Last { version: self.version });
            self.last_words = self.last_words.saturating_sub(1);
        }
    }

    /// When [`Self::tick`] has something to do at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let unknown = self.peers.values().filter(|peer| self.is_wanted && peer.is_to_be_asked(Duration::MAX));
        let review = self.reviews().then_some(self.next_review);
        let has_mail = !self.outbox.is_empty() || !self.wholes.is_empty();
        let send = has_mail.then(|| self.wholes.next_burst());
        let grown = self.young_until.filter(|_| !self.own.is_empty());
        unknown.map(|peer| peer.next_ask).chain(review).chain(send).chain(grown).min()
    }

    /// The next message to send.
    pub fn poll(&mut self) -> Option<Outgoing> {
        let boot = self.boot?;
        loop {
            let (to, word) = self.outbox.pop_front().or_else(|| self.wholes.poll())?;
            if let Some(peer) = self.peers.get(&to) {
                return Some(Outgoing { bytes: wire::encode((boot, peer.boot), &word), to });
            }
        }
    }

    /// Whether something was heard that nobody has [taken](Self::take_news) yet.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// The addresses of which something was heard since the last call.
    pub fn take_news(&mut self) -> BTreeSet<IpAddr> {
        std::mem::take(&mut self.news)
    }

    /// Whether the others are to hear the number of the last change every now and then.
    fn reviews(&self) -> bool {
        self.version > 0 && self.is_used()
    }

    /// What was claimed while not all was known is to be looked at again once it is.
    fn be_sure(&mut self) {
        if self.has_weak && !self.is_doubtful && self.knows_all() {
            self.has_weak = false;
            self.news
                .extend(self.own.iter().filter(|(_, rank)| **rank & WEAK != 0).map(|(address, _)| address));
        }
    }

    /// Whoever was started with this process is there by now, or somebody was there before: what it holds it keeps.
    fn keep_what_is_held(&mut self) {
        for (address, rank) in self.own.iter_mut().filter(|(_, rank)| **rank & FRESH != 0) {
            *rank &= !FRESH;
            self.untold.insert(*address, *rank);
            self.news.insert(*address);
        }
    }

    fn rank_of(&self, node: &str, address: IpAddr) -> Option<Rank> {
        if node == self.me {
            return self.own.get(&address).copied();
        }
        self.peers.get(node)?.claims.get(&address).copied()
    }

    fn bury_all(&mut self, claims: HashMap<IpAddr, Rank>) {
        for (address, rank) in claims {
            self.bury(address, rank);
            self.news.insert(address);
        }
    }

    fn bury(&mut self, address: IpAddr, rank: Rank) {
        let past = self.past.entry(address).or_default();
        *past = (rank & COUNT).max(*past);
    }

    fn broadcast(&mut self, word: Word) {
        let word = Arc::new(word);
        self.outbox.extend(self.peers.keys().map(|node| (node.clone(), word.clone())));
    }

    fn send_last(&mut self, to: &str) {
        if self.version > 0 {
            self.outbox.push_back((to.to_owned(), Arc::new(Word::Last { version: self.version })));
        }
    }
}

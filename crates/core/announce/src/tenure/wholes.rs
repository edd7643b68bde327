//! Everything this speaker holds, on its way to those who asked: one at a time to each, and no faster than they read.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::rank::Rank;
use super::wire::{self, Word};

/// Parts sent at a time: some 150 kB.
const BURST: u32 = 128;
/// From one such lot to the next.
const PAUSE: Duration = Duration::from_millis(10);

/// What is not sent yet.
#[derive(Debug)]
pub(super) struct Wholes {
    waiting: VecDeque<Whole>,
    /// How many parts may be sent before the next tick.
    room: u32,
    next_burst: Duration,
}

#[derive(Debug)]
struct Whole {
    to: String,
    version: u64,
    /// Whether it holds more than was told with this version.
    is_ahead: bool,
    claims: Arc<[(IpAddr, Rank)]>,
    next: u16,
}

impl Default for Wholes {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), room: BURST, next_burst: Duration::ZERO }
    }
}

impl Wholes {
    /// Somebody asks for everything. One who is being told already is not told more for asking again.
    pub(super) fn ask(&mut self, from: &str, own: &BTreeMap<IpAddr, Rank>, version: u64, is_ahead: bool) {
        if self.waiting.iter().any(|whole| whole.to == from) {
            return;
        }
        let is_same = |whole: &&Whole| !whole.is_ahead && !is_ahead && whole.version == version;
        let claims = match self.waiting.iter().find(is_same) {
            Some(whole) => whole.claims.clone(),
            // What is not told yet is in it and comes again with the next number: no harm.
            None => own.iter().map(|(address, rank)| (*address, *rank)).collect(),
        };
        self.waiting.push_back(Whole { to: from.to_owned(), version, is_ahead, claims, next: 0 });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When more may be sent.
    pub(super) fn next_burst(&self) -> Duration {
        self.next_burst
    }

    pub(super) fn tick(&mut self, now: Duration) {
        if self.next_burst <= now {
            (self.room, self.next_burst) = (BURST, now + PAUSE);
        }
    }

    /// The next part; those who asked take turns.
    pub(super) fn poll(&mut self) -> Option<(String, Arc<Word>)> {
        let room = self.room.checked_sub(1)?;
        let mut whole = self.waiting.pop_front()?;
        self.room = room;
        let pieces = wire::split(&whole.claims);
        let parts = u16::try_from(pieces.len()).unwrap_or(u16::MAX);
        let claims = pieces.get(usize::from(whole.next)).map(|piece| piece.to_vec()).unwrap_or_default();
        let word = Word::Whole { version: whole.version, part: (whole.next, parts), claims };
        let to = whole.to.clone();
        whole.next = whole.next.saturating_add(1);
        if whole.next < parts {
            self.waiting.push_back(whole);
        }
        Some((to, Arc::new(word)))
    }
}

//! News to pass on, each a limited number of times.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::wire::packet::PART_OVERHEAD;

/// The order in which news are told: what was told least, then the longest that fits, then the newest.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Rank {
    told: u32,
    length: Reverse<usize>,
    number: Reverse<u64>,
}

/// Encoded messages about members, at most one about each: a newer one makes the older one void.
#[derive(Debug, Default)]
pub(super) struct Rumours {
    told_next: BTreeMap<Rank, Rumour>,
    about: BTreeMap<String, Rank>,
    last_number: u64,
}

#[derive(Debug)]
struct Rumour {
    about: String,
    body: Vec<u8>,
}

/// What one datagram can take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    /// Bytes, [`PART_OVERHEAD`] included.
    pub(super) bytes: usize,
    /// Messages.
    pub(super) messages: usize,
}

impl Rumours {
    pub(super) fn spread(&mut self, about: &str, body: Vec<u8>) {
        if let Some(older) = self.about.remove(about) {
            self.told_next.remove(&older);
        }
        self.last_number = self.last_number.wrapping_add(1);
        let rank = Rank { told: 0, length: Reverse(body.len()), number: Reverse(self.last_number) };
        self.insert(rank, Rumour { about: about.to_owned(), body });
    }

    pub(super) fn len(&self) -> usize {
        self.told_next.len()
    }

    /// Whether there still is something to tell about that member.
    pub(super) fn mention(&self, name: &str) -> bool {
        self.about.contains_key(name)
    }

    /// What goes into one datagram. Each message is forgotten after `limit` times, but not before the first.
    pub(super) fn tell(&mut self, mut space: Space, limit: u32) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        let mut again = Vec::new();
        let mut told = 0;
        while space.messages > 0
            && let Some(rank) = self.next(told, space.bytes)
        {
            told = rank.told;
            if rank.length.0 > space.bytes.saturating_sub(PART_OVERHEAD) {
                continue;
            }
            let Some(rumour) = self.remove(rank) else { break };
            space.bytes -= PART_OVERHEAD + rumour.body.len();
            space.messages -= 1;
            bodies.push(rumour.body.clone());
            let rank = Rank { told: rank.told.saturating_add(1), ..rank };
            if rank.told < limit {
                again.push((rank, rumour));
            }
        }
        for (rank, rumour) in again {
            self.insert(rank, rumour);
        }
        bodies
    }

    /// The first that fits, of those told so often; or the first of those told more often.
    fn next(&self, told: u32, bytes: usize) -> Option<Rank> {
        let length = bytes.checked_sub(PART_OVERHEAD)?;
        let from = Rank { told, length: Reverse(length), number: Reverse(u64::MAX) };
        self.told_next.range(from..).next().map(|(rank, _)| *rank)
    }

    fn insert(&mut self, rank: Rank, rumour: Rumour) {
        self.about.insert(rumour.about.clone(), rank);
        self.told_next.insert(rank, rumour);
    }

    fn remove(&mut self, rank: Rank) -> Option<Rumour> {
        let rumour = self.told_next.remove(&rank)?;
        self.about.remove(&rumour.about);
        Some(rumour)
    }
}

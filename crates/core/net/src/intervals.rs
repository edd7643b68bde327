//! A set of integers as intervals, which knows its n-th member.

#![expect(
    clippy::indexing_slicing,
    reason = "places come from `locate` and `after`, which name intervals there are"
)]

#[cfg(test)]
mod tests;

/// At most so many intervals in a chunk: moving half of them is as cheap as finding the chunk.
const CHUNK: usize = 128;

/// A set of integers. Intervals lie in chunks in ascending order; an operation finds its chunk by binary search and
/// works in there, so that it costs O(log n) in the number of intervals, and a move within one chunk.
#[derive(Clone, Debug, Default)]
pub struct Intervals {
    /// Chunks of intervals, first and last included; no chunk is empty.
    chunks: Vec<Vec<(u128, u128)>>,
    /// The first member of each chunk.
    firsts: Vec<u128>,
    /// How many members each chunk has. Counts wrap: only the set of all integers has so many.
    counts: Vec<u128>,
    /// The counts as a Fenwick tree.
    sums: Vec<u128>,
}

/// Chunk and index of an interval.
type Place = (usize, usize);

impl Intervals {
    /// All integers up to this one, or none.
    #[must_use]
    pub fn up_to(last: Option<u128>) -> Self {
        let chunks: Vec<_> = last.map(|last| vec![(0, last)]).into_iter().collect();
        let firsts = vec![0; chunks.len()];
        let counts: Vec<u128> = last.map(|last| last.wrapping_add(1)).into_iter().collect();
        Self { sums: counts.clone(), chunks, firsts, counts }
    }

    /// The least member.
    #[must_use]
    pub fn first(&self) -> Option<u128> {
        self.firsts.first().copied()
    }

    /// Whether it is a member.
    #[must_use]
    pub fn contains(&self, member: u128) -> bool {
        self.locate(member).is_some_and(|(chunk, index)| member <= self.chunks[chunk][index].1)
    }

    /// The n-th member in ascending order, counted from zero.
    #[must_use]
    pub fn nth(&self, n: u128) -> Option<u128> {
        if self.chunks.first().is_some_and(|chunk| chunk[0] == (0, u128::MAX)) {
            return Some(n);
        }
        let (mut chunk, mut rest) = (0, n);
        let mut step = self.sums.len().checked_ilog2().map_or(0, |log| 1 << log);
        while step > 0 {
            if let Some(sum) = self.sums.get(chunk + step - 1).filter(|sum| **sum <= rest) {
                rest -= sum;
                chunk += step;
            }
            step /= 2;
        }
        for (first, last) in self.chunks.get(chunk)? {
            let length = last - first + 1;
            if rest < length {
                return Some(first + rest);
            }
            rest -= length;
        }
        None
    }

    /// How many intervals there are.
    #[must_use]
    pub fn fragments(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// Takes a member out. Whether it was one.
    pub fn remove(&mut self, member: u128) -> bool {
        let Some((chunk, index)) = self.locate(member) else { return false };
        let (first, last) = self.chunks[chunk][index];
        if member > last {
            return false;
        }
        self.count(chunk, u128::MAX);
        match (member == first, member == last) {
            (true, true) => self.drop_interval((chunk, index)),
            (true, false) => self.set((chunk, index), (first + 1, last)),
            (false, true) => self.set((chunk, index), (first, last - 1)),
            (false, false) => {
                self.set((chunk, index), (first, member - 1));
                self.insert_interval((chunk, index + 1), (member + 1, last));
            }
        }
        true
    }

    /// Puts a member in. Whether it was none before.
    pub fn insert(&mut self, member: u128) -> bool {
        let before = self.locate(member);
        if before.is_some_and(|(chunk, index)| member <= self.chunks[chunk][index].1) {
            return false;
        }
        let next = self.after(before);
        let ends_before =
            |(chunk, index): &Place| self.chunks[*chunk][*index].1.checked_add(1) == Some(member);
        let begins_after =
            |(chunk, index): &Place| member.checked_add(1) == Some(self.chunks[*chunk][*index].0);
        match (before.filter(ends_before), next.filter(begins_after)) {
            (Some(before), Some(next)) => self.close(before, next),
            (Some(place), None) => {
                self.set(place, (self.chunks[place.0][place.1].0, member));
                self.count(place.0, 1);
            }
            (None, Some(place)) => {
                self.set(place, (member, self.chunks[place.0][place.1].1));
                self.count(place.0, 1);
            }
            (None, None) => self.insert_single(before, member),
        }
        true
    }

    /// One member closes the gap between two intervals.
    fn close(&mut self, before: Place, next: Place) {
        let (first, last) = (self.chunks[before.0][before.1].0, self.chunks[next.0][next.1].1);
        let moved = last - self.chunks[next.0][next.1].0 + 1;
        self.count(next.0, moved.wrapping_neg());
        self.count(before.0, moved.wrapping_add(1));
        self.set(before, (first, last));
        self.drop_interval(next);
    }

    fn insert_single(&mut self, before: Option<Place>, member: u128) {
        if self.chunks.is_empty() {
            *self = Self {
                chunks: vec![vec![(member, member)]],
                firsts: vec![member],
                counts: vec![1],
                sums: vec![1],
            };
            return;
        }
        let place = before.map_or((0, 0), |(chunk, index)| (chunk, index + 1));
        self.count(place.0, 1);
        self.insert_interval(place, (member, member));
    }

    /// The last interval that does not begin after this.
    fn locate(&self, member: u128) -> Option<Place> {
        let chunk = self.firsts.partition_point(|first| *first <= member).checked_sub(1)?;
        let index = self.chunks[chunk].partition_point(|(first, _)| *first <= member).checked_sub(1)?;
        Some((chunk, index))
    }

    /// The interval that follows; the first of all if there is none before.
    fn after(&self, place: Option<Place>) -> Option<Place> {
        let Some((chunk, index)) = place else { return (!self.chunks.is_empty()).then_some((0, 0)) };
        if index + 1 < self.chunks[chunk].len() {
            return Some((chunk, index + 1));
        }
        (chunk + 1 < self.chunks.len()).then_some((chunk + 1, 0))
    }

    fn set(&mut self, (chunk, index): Place, interval: (u128, u128)) {
        self.chunks[chunk][index] = interval;
        if index == 0 {
            self.firsts[chunk] = interval.0;
        }
    }

    fn insert_interval(&mut self, (chunk, index): Place, interval: (u128, u128)) {
        self.chunks[chunk].insert(index, interval);
        self.firsts[chunk] = self.chunks[chunk][0].0;
        if self.chunks[chunk].len() > CHUNK {
            let half = self.chunks[chunk].split_off(CHUNK / 2);
            let members = half.iter().map(|(first, last)| last - first + 1).sum();
            self.firsts.insert(chunk + 1, half[0].0);
            self.counts[chunk] -= members;
            self.counts.insert(chunk + 1, members);
            self.chunks.insert(chunk + 1, half);
            self.sum_up();
        }
    }

    fn drop_interval(&mut self, (chunk, index): Place) {
        self.chunks[chunk].remove(index);
        match self.chunks[chunk].first() {
            Some((first, _)) => self.firsts[chunk] = *first,
            None => {
                self.chunks.remove(chunk);
                self.firsts.remove(chunk);
                self.counts.remove(chunk);
                self.sum_up();
            }
        }
    }

    /// Counts members of a chunk in, or out as the two's complement.
    fn count(&mut self, chunk: usize, more: u128) {
        self.counts[chunk] = self.counts[chunk].wrapping_add(more);
        let mut node = chunk + 1;
        while node <= self.sums.len() {
            self.sums[node - 1] = self.sums[node - 1].wrapping_add(more);
            node += node & node.wrapping_neg();
        }
    }

    /// After a chunk came or went, which happens once in many operations.
    fn sum_up(&mut self) {
        self.sums.clone_from(&self.counts);
        for node in 1..=self.sums.len() {
            let parent = node + (node & node.wrapping_neg());
            if parent <= self.sums.len() {
                self.sums[parent - 1] = self.sums[parent - 1].wrapping_add(self.sums[node - 1]);
            }
        }
    }
}

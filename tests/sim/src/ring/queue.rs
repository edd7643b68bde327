//! What happens when: events in the order of virtual time, and of their making where times are equal.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Events to come.
#[derive(Debug)]
pub(super) struct Queue<E> {
    heap: BinaryHeap<Entry<E>>,
    made: u64,
}

#[derive(Debug)]
struct Entry<E> {
    order: Reverse<(Duration, u64)>,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

impl<E> Queue<E> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), made: 0 }
    }

    pub(super) fn add(&mut self, at: Duration, event: E) {
        self.made += 1;
        self.heap.push(Entry { order: Reverse((at, self.made)), event });
    }

    /// The next event before that time.
    pub(super) fn next(&mut self, end: Duration) -> Option<(Duration, E)> {
        let Reverse((at, _)) = self.heap.peek()?.order;
        if at >= end {
            return None;
        }
        self.heap.pop().map(|entry| (at, entry.event))
    }
}

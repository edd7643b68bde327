//! Gives memory back to the kernel when much was done and it is calm again: holes in the heap, and code nobody needs now.
//!
//! Ten thousand Services that are listed, announced and written about leave tens of megabytes of holes in the heap. Giving
//! them back takes some milliseconds in which nobody can allocate, so it is done neither for little nor in between.

use std::time::Duration;

use metallb_linux::{code, heap};
use tokio::time::{Instant, sleep_until};

/// So much work is much: objects looked at, or written.
pub(crate) const MUCH: usize = 256;
/// Nothing done for so long is calm.
const CALM: Duration = Duration::from_secs(1);
/// Where it is not calm for so long, a pause is enough. Without one, what is done next uses the holes.
const LONGEST: Duration = Duration::from_secs(30);
/// As soon after something was done more may follow: addresses are made known, status is written.
const PAUSE: Duration = Duration::from_millis(250);

/// Connections are kept for 90 s after their last use, and who was written is remembered for up to four minutes: then it is
/// done again.
const AGAIN: Duration = Duration::from_mins(5);

/// The work done since memory was given back.
#[derive(Debug, Default)]
pub(crate) struct Tidy {
    work: usize,
    /// When the first and the last of it was done.
    span: Option<(Instant, Instant)>,
    /// When to give back what was not free yet the last time.
    again: Option<Instant>,
}

impl Tidy {
    /// So much was done.
    pub(crate) fn note(&mut self, work: usize) {
        if work > 0 {
            let now = Instant::now();
            self.work = self.work.saturating_add(work);
            self.span = Some((self.span.map_or(now, |(first, _)| first), now));
        }
    }

    /// Resolves when it is time to [give back](Self::give_back), if ever. Safe to cancel.
    pub(crate) async fn due(&self) {
        match self.deadline() {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Gives memory back.
    pub(crate) fn give_back(&mut self) {
        // The second time is the last.
        let again = (self.work >= MUCH).then(|| Instant::now() + AGAIN);
        *self = Self { again: again.or(self.again.filter(|at| *at > Instant::now())), ..Self::default() };
        heap::give_back();
        code::let_go();
    }

    /// When it is, if ever.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let much = self.span.filter(|_| self.work >= MUCH);
        let calm = much.map(|(first, last)| (last + CALM).min((first + LONGEST).max(last + PAUSE)));
        calm.into_iter().chain(self.again).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn memory_is_given_back_when_much_was_done_and_it_is_calm() {
        let after = async |work: &[(u64, usize)]| {
            let (mut tidy, start) = (Tidy::default(), Instant::now());
            for (at, work) in work {
                sleep_until(start + Duration::from_millis(*at)).await;
                tidy.note(*work);
            }
            tidy.deadline().map(|at| at - start)
        };
        for (work, expected) in [
            (&[][..], None),
            (&[(0, 1), (100, 2)], None),
            (&[(0, MUCH)], Some(1.0)),
            (&[(0, MUCH), (700, 1)], Some(1.7)),
            (&[(0, 1), (900, MUCH), (29_500, 1)], Some(30.0)),
            (&[(0, 1), (900, MUCH), (29_900, 1)], Some(30.15)),
            (&[(0, 1), (900, MUCH), (35_000, 1)], Some(35.25)),
        ] {
            assert_eq!(after(work).await, expected.map(Duration::from_secs_f64), "{work:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_done_counts_once_and_once_more_when_connections_are_closed() {
        let mut tidy = Tidy::default();
        tidy.note(0);
        assert_eq!(tidy.deadline(), None);
        tidy.note(MUCH);
        tidy.due().await;
        tidy.give_back();
        let again = Some(Instant::now() + AGAIN);
        assert_eq!(tidy.deadline(), again);
        tidy.note(1);
        assert_eq!(tidy.deadline(), again);
        tidy.due().await;
        tidy.give_back();
        assert_eq!(tidy.deadline(), None);
    }
}

//! Memory that much work has left behind goes back when there is a lull.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// How long nothing has to happen.
const LULL: Duration = Duration::from_millis(500);
/// So many things done are much.
const MUCH: usize = 256;

/// Knows when it is time to tidy up.
pub(crate) struct Tidy {
    done: usize,
    lull: Pin<Box<Sleep>>,
}

impl Tidy {
    /// The start is much work.
    pub(crate) fn new() -> Self {
        Self { done: MUCH, lull: Box::pin(sleep(LULL)) }
    }

    /// So many things were done.
    pub(crate) fn note(&mut self, things: usize) {
        self.done = self.done.saturating_add(things);
        self.put_off();
    }

    /// Not now.
    pub(crate) fn put_off(&mut self) {
        self.lull.as_mut().reset(Instant::now() + LULL);
    }

    /// It is done.
    pub(crate) fn tidied(&mut self) {
        self.done = 0;
    }

    /// Resolves in a lull after much was done; pending for ever before that. Safe to cancel.
    pub(crate) async fn due(&mut self) {
        if self.done < MUCH {
            std::future::pending::<()>().await;
        }
        self.lull.as_mut().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn waits(tidy: &mut Tidy) -> Option<Duration> {
        let begin = Instant::now();
        tokio::time::timeout(LULL * 10, tidy.due()).await.ok().map(|()| begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn only_much_work_is_tidied_up_after_and_only_in_a_lull() {
        let mut tidy = Tidy::new();
        assert_eq!(waits(&mut tidy).await, Some(LULL), "after the start");
        tidy.tidied();
        tidy.note(MUCH - 1);
        assert_eq!(waits(&mut tidy).await, None);
        tidy.note(1);
        tokio::time::advance(LULL / 2).await;
        tidy.put_off();
        assert_eq!(waits(&mut tidy).await, Some(LULL));
    }
}

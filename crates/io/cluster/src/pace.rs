//! How fast failing calls are repeated.

use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Doubling pauses from 100 ms to 5 s: short enough that an API server that comes back
/// is noticed at once, long enough that a missing one costs nothing.
#[derive(Clone, Debug)]
pub struct Pace {
    next: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Iterator for Pace {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(LONGEST);
        Some(pause)
    }
}

impl Backoff for Pace {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// The events of a watcher, which rests after each failure, longer and longer until it hears something.
///
/// Not kube's own backoff: that starts over whenever a list is tried, and so asks a server that refuses or is overloaded ten
/// times a second.
pub(crate) fn paced<K, S>(events: S) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send
where
    K: Send,
    S: Stream<Item = watcher::Result<watcher::Event<K>>> + Send + Unpin,
{
    let start = (events, Pace::default(), None);
    stream::unfold(start, |(mut events, mut pace, pause)| async move {
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        let event = events.next().await?;
        let pause = match &event {
            Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => None,
            Ok(watcher::Event::InitDone | watcher::Event::Apply(_) | watcher::Event::Delete(_)) => {
                pace.reset();
                None
            }
            Err(_) => pace.next(),
        };
        Some((event, (events, pace, pause)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_list_that_is_tried_again_is_no_success() {
        let failed = || Err(watcher::Error::NoResourceVersion);
        let tries = |count| stream::iter((0..count).flat_map(move |_| [Ok(watcher::Event::Init), failed()]));
        let listed = stream::iter([Ok(watcher::Event::Init), Ok(watcher::Event::InitDone), failed()]);
        let events = tries(7).chain(listed).chain(tries(1));
        let begin = tokio::time::Instant::now();
        let seconds = paced::<(), _>(events)
            .filter_map(|event| async move { event.is_err().then(|| begin.elapsed().as_millis() / 100) });
        assert_eq!(seconds.collect::<Vec<_>>().await, [0, 1, 3, 7, 15, 31, 63, 113, 114]);
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_start_over_after_a_success() {
        let mut pace = Pace::default();
        let millis: Vec<u128> = pace.by_ref().take(8).map(|pause| pause.as_millis()).collect();
        assert_eq!(millis, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        pace.reset();
        assert_eq!(pace.next(), Some(FIRST));
    }
}

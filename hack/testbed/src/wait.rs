//! Waiting: a condition, a deadline, and what was last seen when the deadline passed.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The pause between two looks. A look through kubectl costs about this much itself.
const PAUSE: Duration = Duration::from_millis(100);
/// The pause when a look is only a file read.
const SHORT_PAUSE: Duration = Duration::from_millis(5);

/// The result of one look at a condition.
#[derive(Debug)]
pub enum Seen<T> {
    /// The condition holds.
    Done(T),
    /// Not yet; this is what was there instead.
    NotYet(String),
    /// It can't hold any more: give up at once, for this reason.
    Never(String),
}

/// Done if `holds`, else what was seen.
pub fn seen(holds: bool, what: impl ToString) -> Seen<()> {
    if holds { Seen::Done(()) } else { Seen::NotYet(what.to_string()) }
}

/// Looks until the condition holds. An error of `look` counts as "not yet": a cluster that is busy
/// coming up refuses and resets. When the deadline passes the error says what was waited for and
/// what the last look saw.
pub fn until<T>(what: &str, deadline: Duration, look: impl FnMut() -> Result<Seen<T>>) -> Result<T> {
    poll(what, deadline, PAUSE, look)
}

/// Like [`until`] for looks that cost nothing.
pub fn until_soon<T>(what: &str, deadline: Duration, look: impl FnMut() -> Result<Seen<T>>) -> Result<T> {
    poll(what, deadline, SHORT_PAUSE, look)
}

/// Looks for the whole `time` and fails as soon as the condition does not hold, saying what was
/// seen. For what must *not* happen.
pub fn throughout(what: &str, time: Duration, mut look: impl FnMut() -> Result<Seen<()>>) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < time {
        match look()? {
            Seen::Done(()) => pause(PAUSE),
            Seen::NotYet(saw) | Seen::Never(saw) => {
                bail!("{what} ended after {:.1} s; saw: {saw}", start.elapsed().as_secs_f64())
            }
        }
    }
    Ok(())
}

fn poll<T>(
    what: &str,
    deadline: Duration,
    between: Duration,
    mut look: impl FnMut() -> Result<Seen<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let saw = match look() {
            Ok(Seen::Done(value)) => return Ok(value),
            Ok(Seen::Never(reason)) => bail!("gave up waiting for {what}: {reason}"),
            Ok(Seen::NotYet(saw)) => saw,
            Err(error) => format!("{error:#}"),
        };
        if start.elapsed() >= deadline {
            bail!("no {what} within {} s; last seen: {saw}", deadline.as_secs_f64());
        }
        pause(between);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that pauses, between two looks at a condition")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn the_value_comes_back_as_soon_as_the_condition_holds() {
        let mut looks = 0;
        let value = until_soon("third look", Duration::from_secs(5), || {
            looks += 1;
            Ok(if looks == 3 { Seen::Done(looks) } else { Seen::NotYet(format!("look {looks}")) })
        });
        assert_eq!(value.unwrap(), 3);
    }

    #[test]
    fn a_missed_deadline_says_what_was_last_seen() {
        let error = until_soon::<()>("pods", Duration::from_millis(20), || Ok(Seen::NotYet("0 of 2".into())));
        assert_eq!(error.unwrap_err().to_string(), "no pods within 0.02 s; last seen: 0 of 2");
    }

    #[test]
    fn an_error_is_seen_and_waited_through() {
        let mut looks = 0;
        let value = until_soon("answer", Duration::from_secs(5), || {
            looks += 1;
            if looks == 1 { Err(anyhow!("refused")) } else { Ok(Seen::Done(looks)) }
        });
        assert_eq!(value.unwrap(), 2);
        let error = until_soon::<()>("answer", Duration::ZERO, || Err(anyhow!("refused"))).unwrap_err();
        assert!(error.to_string().ends_with("last seen: refused"), "{error}");
    }

    #[test]
    fn what_cannot_come_true_is_not_waited_for() {
        let error = until_soon::<()>("etcd", Duration::from_secs(60), || Ok(Seen::Never("it ended".into())));
        assert_eq!(error.unwrap_err().to_string(), "gave up waiting for etcd: it ended");
    }

    #[test]
    fn what_must_last_fails_at_the_first_exception() {
        throughout("silence", Duration::from_millis(20), || Ok(seen(true, ""))).unwrap();
        let error =
            throughout("silence", Duration::from_secs(60), || Ok(seen(false, "a frame"))).unwrap_err();
        assert!(error.to_string().ends_with("saw: a frame"), "{error}");
    }
}

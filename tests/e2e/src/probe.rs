//! Asks who has an address, many times a second, and keeps every question and answer with its time.
//!
//! The tools that ask once wait a second for the answer; here a takeover is measured to a few milliseconds. Answers bear
//! the kernel's time, and a wait begins with a question: a busy machine that lets this process wait is no gap.

mod line;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use metallb_testbed::Bed;
use metallb_testbed::wait::{self, Seen};

use crate::lan::CLIENT;
use line::Line;

/// Between two questions.
pub const PACE: Duration = Duration::from_millis(5);

/// A hardware address.
pub type Mac = [u8; 6];

/// What a station said about the address.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// When it arrived.
    pub at: Instant,
    /// Who said it.
    pub mac: Mac,
    /// Whether it answers a question; otherwise it was said unasked, to all.
    pub was_asked: bool,
}

/// Asks until it is dropped.
#[derive(Debug)]
pub struct Probe {
    log: Arc<Mutex<Log>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Clone, Debug, Default)]
struct Log {
    questions: Vec<Instant>,
    answers: Vec<Answer>,
}

impl Probe {
    /// Begins to ask for an address from the client machine.
    pub fn start(bed: &Bed, address: IpAddr) -> Result<Self> {
        let line = Arc::new(bed.in_network_of(CLIENT, || Line::open(address))?);
        let (log, stop) = (Arc::<Mutex<Log>>::default(), Arc::new(AtomicBool::new(false)));
        let receive = {
            let (line, log, stop) = (line.clone(), log.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    if let Some(answer) = line.receive() {
                        lock(&log).answers.push(answer);
                    }
                }
            }
        };
        let send = {
            let (log, stop) = (log.clone(), stop.clone());
            move || {
                let mut next = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    lock(&log).questions.push(Instant::now());
                    // A link that is down for a moment loses the question, as it would anybody's.
                    let _lost = line.ask();
                    next = (next + PACE).max(Instant::now());
                    thread::park_timeout(next.saturating_duration_since(Instant::now()));
                }
            }
        };
        let threads = vec![thread::spawn(receive), thread::spawn(send)];
        Ok(Self { log, stop, threads })
    }

    /// All that was said so far.
    #[must_use]
    pub fn answers(&self) -> Vec<Answer> {
        lock(&self.log).answers.clone()
    }

    /// Waits for an answer after `since` of another station than `not`, and returns it.
    pub fn wait_other(&self, since: Instant, not: Mac, deadline: Duration) -> Result<Answer> {
        wait::until("an answer of another node", deadline, || {
            let answers = self.answers();
            let is_wanted = |answer: &&Answer| answer.was_asked && answer.at >= since && answer.mac != not;
            Ok(answers
                .iter()
                .find(is_wanted)
                .map_or_else(|| Seen::NotYet(format!("{:?}", answers.last())), |found| Seen::Done(*found)))
        })
    }

    /// Waits until nobody but this station has answered for some time.
    pub fn wait_only(&self, mac: Mac, time: Duration, deadline: Duration) -> Result<()> {
        wait::until("answers of one node only", deadline, || {
            let (answers, since) = (self.answers(), Instant::now().checked_sub(time));
            let lately = answers.iter().rev().take_while(|answer| Some(answer.at) > since);
            let lately: Vec<Mac> = lately.map(|answer| answer.mac).collect();
            let is_steady = lately.len() > 10 && lately.iter().all(|seen| *seen == mac);
            Ok(if is_steady { Seen::Done(()) } else { Seen::NotYet(format!("{:x?}", lately.first())) })
        })
    }

    /// What was said since a moment by stations that `is_wanted`.
    pub fn said_since(&self, since: Instant, is_wanted: impl Fn(Mac) -> bool) -> Vec<Answer> {
        let log = lock(&self.log);
        log.answers.iter().filter(|said| said.at > since && is_wanted(said.mac)).copied().collect()
    }

    /// The longest time a question between two moments waited for an answer, whoever gave it.
    #[must_use]
    pub fn longest_gap(&self, from: Instant, to: Instant) -> Duration {
        let Log { questions, answers } = lock(&self.log).clone();
        let is_within = |at: &Instant| (from..=to).contains(at);
        let asked = answers.iter().filter(|answer| answer.was_asked).map(|answer| answer.at);
        longest_wait(questions.into_iter().filter(is_within), asked.filter(is_within), to)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn lock(log: &Mutex<Log>) -> std::sync::MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The longest time from the first question after an answer to the next answer; the last one may wait until the end.
fn longest_wait(
    questions: impl IntoIterator<Item = Instant>,
    answers: impl IntoIterator<Item = Instant>,
    end: Instant,
) -> Duration {
    let mut questions = questions.into_iter().peekable();
    let mut longest = Duration::ZERO;
    for answer in answers.into_iter().chain([end]) {
        if let Some(asked) = questions.next_if(|asked| *asked <= answer) {
            longest = longest.max(answer.saturating_duration_since(asked));
        }
        while questions.next_if(|asked| *asked <= answer).is_some() {}
    }
    longest
}

/// A MAC as six bytes.
pub fn parse_mac(text: &str) -> Result<Mac> {
    let bytes: Vec<u8> =
        text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>()?;
    bytes.try_into().map_err(|_| anyhow!("{text} is no MAC"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_the_longest_wait_of_a_question_and_not_a_pause_of_asking() {
        let start = Instant::now();
        let at = |milliseconds: &u64| start + Duration::from_millis(*milliseconds);
        for (questions, answers, expected) in [
            (&[0, 5, 10][..], &[1, 6, 11][..], 1),
            (&[0, 5, 10, 15], &[1, 13, 16], 8),
            (&[0, 100, 105], &[1, 101, 106], 1),
            (&[0, 5, 10], &[1], 15),
        ] {
            let waits = longest_wait(questions.iter().map(at), answers.iter().map(at), at(&20));
            assert_eq!(waits, Duration::from_millis(expected), "{questions:?} {answers:?}");
        }
    }
}

//! Asks who has an address, many times a second, and keeps every question and answer with its time.
//!
//! The tools that ask once wait a second for the answer; here a takeover is measured to a few milliseconds. Answers bear
//! the kernel's time, and a wait begins with a question: a busy machine that lets this process wait is no gap. How many
//! questions and answers belong to a wait tells who was late: few questions, the one that asks; as many answers, the one
//! that answers; fewer, some were lost or refused.

mod line;

use std::net::IpAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use metallb_testbed::Bed;
use metallb_testbed::wait::{self, Seen};
use nix::unistd::gettid;

use crate::lan::CLIENT;
use line::Line;

/// Between two questions.
pub const PACE: Duration = Duration::from_millis(5);
/// Two looks at the clock further apart than this had a pause in between.
const MOMENT: Duration = Duration::from_millis(1);

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

/// A question that waited for its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wait {
    /// When it was asked.
    pub asked: Instant,
    /// For how long.
    pub time: Duration,
    /// Who had answered the one before.
    pub before: Option<Mac>,
    /// Who answered this one; none if nobody did until the end.
    pub by: Option<Mac>,
    /// How many were asked until it was answered, this one included.
    pub questions: usize,
    /// How many answers came then, one right after the other. One that is late answers all that have piled up.
    pub answers: usize,
}

impl Wait {
    /// Whether the one that had answered answered this one as well: it was late, and not gone.
    #[must_use]
    pub fn is_of_one_node(&self) -> bool {
        self.by.is_some() && self.by == self.before
    }

    /// For how long it was asked at least: what the node was silent for, whatever kept the one that asks from going on.
    #[must_use]
    pub fn asked_for(&self) -> Duration {
        PACE * u32::try_from(self.questions.saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// Whether less than half of the questions were asked that were due meanwhile: the one that asks did not run.
    #[must_use]
    pub fn is_askers(&self) -> bool {
        let due = self.time.as_micros() / PACE.as_micros();
        u128::try_from(self.questions).is_ok_and(|asked| asked * 2 < due)
    }
}

/// A question: it left between the two.
#[derive(Clone, Copy, Debug)]
struct Question {
    begun: Instant,
    sent: Instant,
}

impl Question {
    /// When a wait for its answer begins: when it has left for sure, if the one that asks was kept from it.
    fn asked(&self) -> Instant {
        let has_paused = self.sent.saturating_duration_since(self.begun) > MOMENT;
        if has_paused { self.sent } else { self.begun }
    }
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
    questions: Vec<Question>,
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
                come_first();
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
                come_first();
                let mut next = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    // A link that is down for a moment loses the question, as it would anybody's.
                    let sent = line.ask().map_or(begun, |_| Instant::now());
                    lock(&log).questions.push(Question { begun, sent });
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

    /// Waits until nobody but this station has answered for some time, which begins now at the earliest.
    pub fn wait_only(&self, mac: Mac, time: Duration, deadline: Duration) -> Result<()> {
        let called = Instant::now();
        wait::until("answers of one node only", deadline, || {
            let (answers, since) = (self.answers(), Instant::now().checked_sub(time));
            let lately = answers.iter().rev().take_while(|answer| Some(answer.at) > since);
            let lately: Vec<Mac> = lately.map(|answer| answer.mac).collect();
            let is_steady =
                called.elapsed() >= time && lately.len() > 10 && lately.iter().all(|seen| *seen == mac);
            Ok(if is_steady { Seen::Done(()) } else { Seen::NotYet(format!("{:x?}", lately.first())) })
        })
    }

    /// What was said since a moment by stations that `is_wanted`.
    pub fn said_since(&self, since: Instant, is_wanted: impl Fn(Mac) -> bool) -> Vec<Answer> {
        let log = lock(&self.log);
        log.answers.iter().filter(|said| said.at > since && is_wanted(said.mac)).copied().collect()
    }

    /// How long questions between two moments waited for an answer, whoever gave it.
    #[must_use]
    pub fn waits(&self, from: Instant, to: Instant) -> Vec<Wait> {
        let Log { questions, mut answers } = lock(&self.log).clone();
        let is_within = |at: &Instant| (from..=to).contains(at);
        answers.retain(|answer| answer.was_asked);
        let before = answers.iter().rev().find(|answer| answer.at < from).map(|answer| answer.mac);
        answers.retain(|answer| is_within(&answer.at));
        waits(questions.iter().map(Question::asked).filter(is_within), (before, &answers), to)
    }

    /// The longest of them.
    #[must_use]
    pub fn longest_gap(&self, from: Instant, to: Instant) -> Duration {
        self.waits(from, to).iter().map(|wait| wait.time).max().unwrap_or_default()
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

/// Has the calling thread, and those it starts, run before whatever else wants the processors: its own pauses would look like
/// late answers.
pub fn come_first() {
    let thread = gettid().to_string();
    // Without the program, or the right to it, it pauses more often, and the questions that are missing tell.
    let _ = Command::new("chrt").args(["-r", "-p", "1", &thread]).output();
}

/// The times from the first question after an answer to the next answer; the last one may wait until the end.
fn waits(
    questions: impl IntoIterator<Item = Instant>,
    (mut before, answers): (Option<Mac>, &[Answer]),
    end: Instant,
) -> Vec<Wait> {
    let mut questions = questions.into_iter().peekable();
    let mut waits = Vec::new();
    let given = answers.iter().enumerate().map(|(index, answer)| (answer.at, Some((answer.mac, index))));
    for (at, given) in given.chain([(end, None)]) {
        let by = given.map(|(mac, _)| mac);
        if let Some(asked) = questions.next_if(|asked| *asked <= at) {
            let more = std::iter::from_fn(|| questions.next_if(|asked| *asked <= at)).count();
            let from_it_on = given.and_then(|(_, index)| answers.get(index..)).unwrap_or_default();
            let bunch = from_it_on.iter().take_while(|answer| answer.at < at + PACE).count();
            let (time, questions) = (at.saturating_duration_since(asked), 1 + more);
            waits.push(Wait { asked, time, before, by, questions, answers: bunch });
        }
        before = by;
    }
    waits
}

/// A MAC as six bytes.
pub fn parse_mac(text: &str) -> Result<Mac> {
    let bytes: Vec<u8> =
        text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>()?;
    bytes.try_into().map_err(|_| anyhow!("{text} is no MAC"))
}

/// Six bytes as a MAC.
#[must_use]
pub fn format_mac(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_begins_with_a_question_and_a_pause_of_asking_is_none() {
        let start = Instant::now();
        let at = |milliseconds: &u64| start + Duration::from_millis(*milliseconds);
        let answer =
            |(milliseconds, by): &(u64, u8)| Answer { at: at(milliseconds), mac: [*by; 6], was_asked: true };
        // When the longest one began, its time, who answered before it and who answered it, and if that is one node.
        for (questions, answers, (asked, time, before, by), is_of_one) in [
            (&[0, 5, 10][..], &[(2, 1), (6, 1), (11, 1)][..], (0, 2, None, Some(1)), false),
            (&[0, 5, 10, 15], &[(1, 1), (13, 1), (16, 2)], (5, 8, Some(1), Some(1)), true),
            (&[0, 5, 10, 15], &[(1, 1), (13, 2), (16, 2)], (5, 8, Some(1), Some(2)), false),
            (&[0, 100, 105], &[(2, 1), (101, 1), (106, 1)], (0, 2, None, Some(1)), false),
            (&[0, 5, 10], &[(1, 1)], (5, 15, Some(1), None), false),
        ] {
            let answers: Vec<Answer> = answers.iter().map(answer).collect();
            let waits = waits(questions.iter().map(at), (None, &answers), at(&20));
            let longest = waits.iter().max_by_key(|wait| wait.time).unwrap();
            let mac = |by: Option<u8>| by.map(|by| [by; 6]);
            let time = Duration::from_millis(time);
            let expected = Wait { asked: at(&asked), time, before: mac(before), by: mac(by), ..*longest };
            assert_eq!((*longest, longest.is_of_one_node()), (expected, is_of_one), "{questions:?}");
        }
    }

    #[test]
    fn questions_and_answers_of_a_wait_tell_whether_one_was_late_or_lost_or_not_asked_in_time() {
        let start = Instant::now();
        let at = |milliseconds: &u64| start + Duration::from_millis(*milliseconds);
        let answer = |milliseconds: &u64| Answer { at: at(milliseconds), mac: [1; 6], was_asked: true };
        let whole: Vec<u64> = (0..8).map(|number| number * 5).collect();
        // How many were asked and answered in the longest wait, and whether that was the asker's own pause.
        for (questions, answers, counts, is_askers) in [
            (&whole[..], &[40; 8][..], (8, 8), false),
            (&whole[..], &[40, 41, 44, 45, 50], (8, 3), false),
            (&[0, 5, 10, 15], &[40, 40, 40, 40], (4, 4), false),
            (&[0, 5, 10, 15], &[40], (4, 1), false),
            (&[0, 5, 10], &[40], (3, 1), true),
            (&[0, 40], &[40, 40], (2, 2), true),
            (&[0, 5, 10], &[14, 14, 14], (3, 3), false),
            (&[0, 13], &[14, 14], (2, 2), false),
            (&[0, 5, 10], &[], (3, 0), true),
        ] {
            let answers: Vec<Answer> = answers.iter().map(answer).collect();
            let waits = waits(questions.iter().map(at), (None, &answers), at(&60));
            let longest = waits.iter().max_by_key(|wait| wait.time).unwrap();
            let seen = ((longest.questions, longest.answers), longest.is_askers());
            assert_eq!(seen, (counts, is_askers), "{questions:?} {answers:?}");
        }
    }

    /// Nobody answered for 90 ms, whatever became of the one that asked then.
    #[test]
    fn of_a_wait_in_which_the_asker_paused_what_it_asked_counts() {
        let start = Instant::now();
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        let answers = [Answer { at: at(200), mac: [1; 6], was_asked: true }];
        let waits = waits((0..19).map(|number| at(number * 5)), (None, &answers), at(300));
        assert!(waits[0].is_askers() && waits[0].time == Duration::from_millis(200), "{waits:?}");
        assert_eq!(waits[0].asked_for(), Duration::from_millis(90));
    }

    #[test]
    fn a_question_that_its_asker_was_kept_from_counts_from_when_it_has_left() {
        let begun = Instant::now();
        for (microseconds, expected) in [(0, 0), (30, 0), (1000, 0), (1001, 1001), (55_000, 55_000)] {
            let after = |microseconds| begun + Duration::from_micros(microseconds);
            let question = Question { begun, sent: after(microseconds) };
            assert_eq!(question.asked(), after(expected), "{microseconds} µs");
        }
    }
}

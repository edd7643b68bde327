//! What is to be written and when: at most one write of a Service at a time, each only when its time has come, and those
//! that come again and again more and more seldom.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use metallb_announce::Condition;
use metallb_config::ServiceKey;
use tokio::time::Instant;

use crate::digest::Digest;
use crate::known::Revision;

/// Two speakers that see different things would contradict each other without end: who has to write of a Service what it wrote
/// before rests twice as long after it, from this
const SHORTEST_REST: Duration = Duration::from_secs(1);
/// to this; who sees something else by now, half as long.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// Who had nothing to write for so long after the last rest writes as if for the first time.
const CALM: Duration = Duration::from_secs(30);
/// Room that is not given back.
const KEPT: usize = 64;

/// A condition to write. Thousands may wait: they share their words.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Write {
    /// Of what: of another Service of the same name it says nothing.
    pub(super) about: Digest,
    /// What to say; none to remove what is said.
    pub(super) condition: Option<Arc<Condition>>,
    /// Since when the status is this; none if it changes.
    pub(super) since: Option<Time>,
    /// The version of the Service this was decided on.
    pub(super) version: Revision,
}

/// How a write ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// It is written.
    Written,
    /// There is nothing more to do: the Service is gone or has changed, and will be looked at again.
    Moot,
    /// It should be tried again after this time.
    Failed(Duration),
    /// The same; and nothing else is to be written of this Service before.
    Refused(Duration),
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    due: HashMap<ServiceKey, (Write, Instant)>,
    /// What is due and not under way, by when.
    order: BTreeSet<(Instant, ServiceKey)>,
    busy: HashMap<ServiceKey, Write>,
    rests: BTreeMap<Digest, Rest>,
    /// When to forget those who have rested; none if nobody rests.
    tidied_at: Option<Instant>,
}

/// A Service was written lately.
#[derive(Clone, Debug)]
struct Rest {
    since: Instant,
    pause: Duration,
    /// What was written: thousands may rest, and of most the words name their own address.
    said: Digest,
    /// Whether something else was to be written since.
    has_moved_on: bool,
}

impl Queue {
    /// Something is to be written. The same for other reasons keeps its time.
    pub(super) fn want(&mut self, service: ServiceKey, write: Write, at: Instant) {
        let at = match self.due.get(&service) {
            Some((old, earlier)) if old.reason() == write.reason() => at.min(*earlier),
            _ => at,
        };
        self.settle(&service);
        let at = self.rests.get_mut(&write.about).map_or(at, |rest| rest.hold_back(&write, at));
        if !self.busy.contains_key(&service) {
            self.order.insert((at, service.clone()));
        }
        self.due.insert(service, (write, at));
    }

    /// Nothing is to be written any more.
    pub(super) fn settle(&mut self, service: &ServiceKey) {
        if let Some((_, at)) = self.due.remove(service) {
            self.order.remove(&(at, service.clone()));
        }
    }

    /// Nothing was looked at for a while: what was wanted then may have been something else.
    pub(super) fn miss(&mut self) {
        self.rests.values_mut().for_each(|rest| rest.has_moved_on = true);
    }

    /// Forgets who has rested. Thousands may have been written at once, and then none for months.
    fn tidy(&mut self, now: Instant) {
        if self.due.is_empty() {
            self.due.shrink_to(KEPT);
        }
        if self.tidied_at.is_some_and(|at| at <= now) {
            self.rests.retain(|_, rest| now < rest.forgotten());
            self.tidied_at = (!self.rests.is_empty()).then(|| later(now, CALM));
        }
    }

    /// Takes out what is to be written now.
    pub(super) fn begin(&mut self, now: Instant) -> Option<(ServiceKey, Write)> {
        self.tidy(now);
        self.order.first().filter(|(at, _)| *at <= now)?;
        let (_, service) = self.order.pop_first()?;
        let (write, _) = self.due.remove(&service)?;
        self.busy.insert(service.clone(), write.clone());
        Some((service, write))
    }

    /// A write has ended.
    pub(super) fn end(&mut self, service: ServiceKey, outcome: Outcome, now: Instant) {
        let Some(write) = self.busy.remove(&service) else { return };
        match outcome {
            Outcome::Written => self.rest(&write, now),
            Outcome::Refused(pause) => {
                let rest = Rest { since: now, pause, said: write.words(), has_moved_on: true };
                self.rests.insert(write.about, rest);
                self.tidied_at.get_or_insert(later(now, pause));
            }
            Outcome::Moot | Outcome::Failed(_) => {}
        }
        if let Some((write, at)) = self.due.remove(&service) {
            return self.want(service, write, at);
        }
        if let Outcome::Failed(pause) | Outcome::Refused(pause) = outcome {
            self.want(service, write, later(now, pause));
        }
    }

    /// When [`begin`](Self::begin) has something to do next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at).or(self.tidied_at)
    }

    fn rest(&mut self, write: &Write, now: Instant) {
        let last = self.rests.get(&write.about).filter(|rest| now < rest.forgotten());
        let pause = last.map_or(SHORTEST_REST, Rest::next_pause);
        self.rests.insert(write.about, Rest { since: now, pause, said: write.words(), has_moved_on: false });
        self.tidied_at.get_or_insert(later(now, CALM));
    }
}

impl Write {
    fn words(&self) -> Digest {
        Digest::of(&self.condition)
    }

    fn reason(&self) -> Option<&str> {
        self.condition.as_ref().map(|condition| condition.reason.as_str())
    }
}

impl Rest {
    fn end(&self) -> Instant {
        later(self.since, self.pause)
    }

    /// When it matters no more.
    fn forgotten(&self) -> Instant {
        later(self.end(), CALM)
    }

    /// When this may be written that is to be at this time. Words that are to be written again were overwritten: whoever did
    /// sees something else, unless this speaker did, too, meanwhile.
    fn hold_back(&mut self, write: &Write, at: Instant) -> Instant {
        self.has_moved_on |= write.words() != self.said;
        at.max(self.end())
    }

    fn next_pause(&self) -> Duration {
        let pause = if self.has_moved_on { self.pause / 2 } else { self.pause.saturating_mul(2) };
        pause.clamp(SHORTEST_REST, LONGEST_REST)
    }
}

/// A time beyond all clocks is as good as no time.
fn later(moment: Instant, pause: Duration) -> Instant {
    moment.checked_add(pause).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use metallb_announce::Standing;

    fn key(name: &str) -> ServiceKey {
        ServiceKey { namespace: "default".into(), name: name.into() }
    }

    fn write(reason: &str, version: &str) -> Write {
        let condition =
            Condition { status: Standing::True, reason: reason.to_owned(), message: version.to_owned() };
        let (about, version) = (Digest::of("web"), Revision::of(version));
        Write { about, condition: Some(Arc::new(condition)), since: None, version }
    }

    fn of_another(write: Write) -> Write {
        Write { about: Digest::of("another"), ..write }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_wanted_is_begun_when_its_time_has_come_in_the_order_of_the_times() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.want(key("late"), write("a", "1"), start + seconds(2));
        queue.want(key("early"), write("a", "1"), start + seconds(1));
        assert_eq!(queue.deadline(), Some(start + seconds(1)));
        assert_eq!(queue.begin(start), None);
        let later = start + seconds(9);
        assert_eq!(queue.begin(later), Some((key("early"), write("a", "1"))));
        assert_eq!(queue.begin(later), Some((key("late"), write("a", "1"))));
        assert_eq!((queue.begin(later), queue.deadline()), (None, None));
    }

    #[test]
    fn what_is_settled_is_never_written() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.want(key("web"), write("a", "1"), start);
        queue.settle(&key("web"));
        queue.settle(&key("unknown"));
        assert_eq!((queue.begin(start), queue.deadline()), (None, None));
    }

    #[test]
    fn the_newest_word_counts_and_keeps_its_time_only_while_the_reason_is_the_same() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.want(key("web"), write("a", "1"), start + seconds(1));
        queue.want(key("web"), write("a", "2"), start + seconds(5));
        assert_eq!(queue.deadline(), Some(start + seconds(1)));
        queue.want(key("web"), write("b", "3"), start + seconds(5));
        assert_eq!(queue.deadline(), Some(start + seconds(5)));
        assert_eq!(queue.begin(start + seconds(5)), Some((key("web"), write("b", "3"))));
    }

    #[test]
    fn a_service_is_written_once_at_a_time_and_what_failed_again() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.want(key("web"), write("a", "1"), start);
        assert!(queue.begin(start).is_some());
        queue.want(key("web"), write("b", "2"), start);
        assert_eq!(queue.begin(start), None, "one at a time");
        queue.end(key("web"), Outcome::Failed(seconds(3)), start);
        assert_eq!(queue.begin(start), Some((key("web"), write("b", "2"))), "the newer one instead");
        queue.end(key("web"), Outcome::Failed(seconds(3)), start);
        assert_eq!(queue.deadline(), Some(start + seconds(3)));
        assert!(queue.begin(start + seconds(3)).is_some());
        queue.end(key("web"), Outcome::Moot, start + seconds(3));
        assert_eq!(queue.deadline(), None);
    }

    #[test]
    fn what_is_refused_waits_whatever_changes_and_keeps_nobody_else_waiting() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.want(key("web"), write("a", "1"), start);
        assert!(queue.begin(start).is_some());
        queue.end(key("web"), Outcome::Refused(seconds(600)), start);
        let later = start + seconds(300);
        queue.want(key("other"), of_another(write("a", "1")), later);
        assert_eq!(queue.begin(later), Some((key("other"), of_another(write("a", "1")))));
        queue.end(key("other"), Outcome::Written, later);
        queue.want(key("web"), write("b", "2"), later);
        assert_eq!(queue.deadline(), Some(start + seconds(600)));
        assert_eq!(queue.begin(start + seconds(600)), Some((key("web"), write("b", "2"))));
    }

    #[test]
    fn who_is_contradicted_writes_more_and_more_seldom_until_it_has_been_calm() {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        let mut pauses = Vec::new();
        for round in 0..8 {
            let version = Revision::of(&round.to_string());
            queue.want(key("web"), Write { version, ..write("a", "the same") }, now);
            let begun = queue.deadline().unwrap();
            pauses.push((begun - now).as_secs());
            now = begun;
            assert!(queue.begin(now).is_some());
            queue.end(key("web"), Outcome::Written, now);
        }
        assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 60]);
        queue.want(key("other"), of_another(write("a", "1")), now);
        assert_eq!(queue.deadline(), Some(now), "others do not wait");
        queue.settle(&key("other"));
        now += seconds(91);
        queue.want(key("web"), write("a", "9"), now);
        assert_eq!(queue.deadline(), Some(now));
        assert!(queue.begin(now).is_some());
        queue.end(key("web"), Outcome::Written, now);
        queue.want(key("web"), write("a", "10"), now);
        assert_eq!(queue.deadline(), Some(now + seconds(1)));
    }

    /// As whoever tries one thing after the other, and looks each time.
    #[test]
    fn changes_that_are_no_contradictions_are_told_within_two_seconds_each() {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        let mut longest = Duration::ZERO;
        for round in 0..40 {
            // What is tried, and what comes of it.
            for step in 0..2 {
                queue.want(key("web"), write("a", &format!("{round} {step}")), now);
                let begun = queue.deadline().unwrap();
                longest = longest.max(begun - now);
                assert!(queue.begin(begun).is_some());
                queue.end(key("web"), Outcome::Written, begun);
                now = begun;
            }
            now += seconds(10);
        }
        assert!(longest <= seconds(2), "{longest:?}");
    }

    /// As scripts do that delete and create: nobody contradicts.
    #[test]
    fn a_service_that_is_made_anew_is_another_one_whatever_was_written_of_the_one_before() {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        for (life, outcome) in [Outcome::Written, Outcome::Refused(seconds(600)), Outcome::Written]
            .into_iter()
            .cycle()
            .take(12)
            .enumerate()
        {
            queue.want(key("web"), Write { about: Digest::of(&life), ..write("here", "1") }, now);
            assert_eq!(queue.deadline(), Some(now), "{life}");
            assert!(queue.begin(now).is_some());
            queue.end(key("web"), outcome, now);
            queue.settle(&key("web"));
            now += seconds(3);
        }
    }

    /// What is written again and again, a while after something else was to be, is written within a second each time.
    fn is_not_contradicted(meanwhile: impl Fn(&mut Queue, Instant)) {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        for _ in 0..20 {
            queue.want(key("web"), write("here", "1"), now);
            let begun = queue.deadline().unwrap();
            assert!(begun <= now + seconds(1), "{:?}", begun - now);
            assert!(queue.begin(begun).is_some());
            queue.end(key("web"), Outcome::Written, begun);
            meanwhile(&mut queue, begun);
            now = begun + seconds(3);
        }
    }

    /// Its heirs were heard, and it says what it said before.
    #[test]
    fn who_looked_at_nothing_for_a_while_is_not_contradicted() {
        is_not_contradicted(|queue, _| queue.miss());
    }

    /// The owner moves away and back: what it says is what it said, and nobody contradicts it.
    #[test]
    fn who_saw_something_else_meanwhile_is_not_contradicted() {
        is_not_contradicted(|queue, begun| {
            // The new owner is faster.
            queue.want(key("web"), write("there", "2"), begun + seconds(1));
            queue.settle(&key("web"));
        });
    }
}

use proptest::prelude::*;

use super::*;
use crate::testing::ip;

mod doubt;

const A: &str = "10.0.0.1";

/// Speakers that hear each other, by name.
struct Ring {
    now: Duration,
    speakers: BTreeMap<String, Tenure>,
    boots: BTreeMap<String, u64>,
    /// Whether messages from one to the other get lost.
    lost: BTreeSet<(String, String)>,
}

impl Ring {
    fn of(names: &[&str]) -> Self {
        let mut ring = Self {
            now: Duration::ZERO,
            speakers: BTreeMap::new(),
            boots: BTreeMap::new(),
            lost: BTreeSet::new(),
        };
        for name in names {
            ring.start(name, 1);
        }
        ring.run(1);
        ring
    }

    /// A new process of this speaker.
    fn start(&mut self, name: &str, boot: u64) {
        let mut tenure = Tenure::new(name, self.now);
        tenure.set_wanted(true);
        self.speakers.insert(name.to_owned(), tenure);
        self.boots.insert(name.to_owned(), boot);
        self.introduce();
    }

    fn stop(&mut self, name: &str) {
        self.speakers.remove(name);
        self.introduce();
    }

    /// Everybody learns who is there.
    fn introduce(&mut self) {
        let names: Vec<String> = self.speakers.keys().cloned().collect();
        self.partition(&names.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// These learn that they are there, and nobody else.
    fn partition(&mut self, side: &[&str]) {
        for name in side {
            let peers = side.iter().map(|peer| (*peer, self.boots[*peer]));
            self.speakers.get_mut(*name).unwrap().set_peers(peers, self.now);
        }
    }

    fn with(&mut self, name: &str, act: impl FnOnce(&mut Tenure)) {
        let (tenure, now) = (self.speakers.get_mut(name).unwrap(), self.now);
        act(tenure);
        tenure.tell(now);
    }

    /// Lets that much time pass, in steps of 10 ms.
    fn run(&mut self, steps: u32) {
        for _ in 0..steps {
            self.now += Duration::from_millis(10);
            for tenure in self.speakers.values_mut() {
                tenure.tick(self.now);
            }
            for _ in 0..3 {
                self.deliver();
            }
        }
    }

    fn deliver(&mut self) {
        let mut letters = Vec::new();
        for (from, tenure) in &mut self.speakers {
            letters.extend(std::iter::from_fn(|| tenure.poll()).map(|letter| (from.clone(), letter)));
        }
        for (from, Outgoing { to, bytes }) in letters {
            if !self.lost.contains(&(from.clone(), to.clone()))
                && let Some(tenure) = self.speakers.get_mut(&to)
            {
                tenure.receive(&from, &bytes, self.now);
            }
        }
    }

    fn holder(&self, at: &str, address: &str) -> Option<&str> {
        let candidates: Vec<_> = self.speakers.keys().map(|name| (name.as_str(), 0)).collect();
        self.speakers[at].holder(ip(address), &[ip(address)], candidates)
    }

    /// The holder as everybody sees it.
    #[track_caller]
    fn agreed(&self, address: &str) -> Option<&str> {
        let mut seen: Vec<Option<&str>> = self.speakers.keys().map(|at| self.holder(at, address)).collect();
        seen.dedup();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0]
    }
}

#[test]
fn what_one_holds_the_others_know_and_a_new_process_as_well() {
    let mut ring = Ring::of(&["a", "b", "c"]);
    assert_eq!(ring.agreed(A), None);
    ring.with("b", |tenure| tenure.claim(ip(A)));
    ring.run(1);
    assert_eq!(ring.agreed(A), Some("b"));
    ring.start("a", 2);
    assert!(!ring.speakers["a"].is_known(ring.now), "nobody has told it yet");
    ring.run(1);
    assert!(ring.speakers["a"].is_known(ring.now));
    assert_eq!(ring.agreed(A), Some("b"));
    ring.with("b", |tenure| tenure.release(ip(A)));
    ring.run(1);
    assert_eq!(ring.agreed(A), None);
}

#[test]
fn a_holder_that_is_gone_or_no_candidate_holds_nothing() {
    let mut ring = Ring::of(&["a", "b", "c"]);
    ring.with("b", |tenure| tenure.claim(ip(A)));
    ring.run(1);
    assert_eq!(ring.speakers["a"].holder(ip(A), &[ip(A)], [("a", 0), ("c", 0)]), None);
    ring.stop("b");
    assert_eq!(ring.agreed(A), None);
}

#[test]
fn the_later_of_two_owners_keeps_it_when_the_earlier_one_thaws() {
    for (earlier, later) in [("a", "b"), ("b", "a")] {
        let mut ring = Ring::of(&["a", "b", "c"]);
        ring.with(earlier, |tenure| tenure.claim(ip(A)));
        ring.run(1);
        let frozen = ring.speakers.remove(earlier).unwrap();
        ring.introduce();
        ring.with(later, |tenure| tenure.claim(ip(A)));
        ring.run(100);
        ring.speakers.insert(earlier.to_owned(), frozen);
        let now = ring.now;
        ring.with(earlier, |tenure| tenure.doubt(now));
        ring.introduce();
        assert!(!ring.speakers[earlier].is_known(ring.now));
        assert_eq!(ring.holder(earlier, A), Some(earlier), "it can't know yet");
        ring.run(1);
        assert!(ring.speakers[earlier].is_known(ring.now));
        assert_eq!(ring.agreed(A), Some(later));
    }
}

#[test]
fn after_a_partition_those_who_held_it_before_keep_it() {
    let mut ring = Ring::of(&["node-a", "node-b", "node-c"]);
    ring.with("node-a", |tenure| tenure.claim(ip(A)));
    ring.with("node-c", |tenure| tenure.claim(ip("10.0.0.2")));
    ring.run(1);
    ring.partition(&["node-a"]);
    ring.partition(&["node-b", "node-c"]);
    ring.with("node-a", |tenure| tenure.claim(ip("10.0.0.2")));
    ring.with("node-b", |tenure| tenure.claim(ip(A)));
    ring.run(100);
    ring.introduce();
    ring.run(1);
    assert_eq!((ring.agreed(A), ring.agreed("10.0.0.2")), (Some("node-a"), Some("node-c")));
}

#[test]
fn one_that_starts_in_a_partition_and_never_heard_of_the_holder_does_not_outrank_it() {
    let mut ring = Ring::of(&["node-a", "node-b", "node-c"]);
    ring.with("node-c", |tenure| tenure.claim(ip("10.0.0.2")));
    ring.run(9100);
    ring.with("node-a", |tenure| tenure.claim(ip(A)));
    ring.run(200);
    ring.start("node-b", 2);
    ring.partition(&["node-a"]);
    ring.partition(&["node-b", "node-c"]);
    ring.run(10);
    ring.with("node-b", |tenure| tenure.claim(ip(A)));
    assert!(!ring.speakers["node-b"].is_fresh("node-b", &[ip(A)]), "the third one remembers");
    ring.run(100);
    ring.introduce();
    ring.run(1);
    assert_eq!(ring.agreed(A), Some("node-a"), "though the contract ranks the other one first");
}

#[test]
fn whoever_takes_over_from_a_new_process_ranks_behind_it() {
    let mut ring = Ring::of(&["node-a", "node-b"]);
    ring.run(9100);
    ring.start("node-a", 2);
    ring.run(1);
    ring.with("node-a", |tenure| tenure.claim(ip(A)));
    ring.run(1);
    assert!(ring.speakers["node-b"].is_fresh("node-a", &[ip(A)]));
    ring.partition(&["node-a"]);
    ring.partition(&["node-b"]);
    ring.with("node-b", |tenure| tenure.claim(ip(A)));
    assert!(!ring.speakers["node-b"].is_fresh("node-b", &[ip(A)]));
    ring.introduce();
    ring.run(1);
    assert_eq!(ring.agreed(A), Some("node-a"));
}

#[test]
fn a_new_process_keeps_what_it_holds_as_soon_as_it_hears_that_somebody_remembers() {
    let mut ring = Ring::of(&["node-a", "node-b"]);
    ring.with("node-a", |tenure| tenure.claim(ip(A)));
    ring.run(9100);
    ring.start("node-b", 2);
    ring.partition(&["node-b"]);
    ring.partition(&["node-a"]);
    ring.with("node-b", |tenure| tenure.claim(ip("10.0.0.2")));
    assert!(ring.speakers["node-b"].is_fresh("node-b", &[ip("10.0.0.2")]));
    ring.introduce();
    ring.run(1);
    ring.with("node-b", |_| {});
    ring.run(1);
    for at in ["node-a", "node-b"] {
        assert!(!ring.speakers[at].is_fresh("node-b", &[ip("10.0.0.2")]), "{at}");
    }
}

#[test]
fn one_that_stood_still_and_lost_nothing_is_as_good_as_before() {
    let mut ring = Ring::of(&["node-a", "node-b"]);
    ring.with("node-a", |tenure| tenure.claim(ip(A)));
    ring.run(1);
    let now = ring.now;
    ring.with("node-a", |tenure| tenure.doubt(now));
    ring.run(1);
    ring.with("node-a", |tenure| {
        tenure.claim(ip("10.0.0.2"));
        tenure.trust();
        assert_eq!(tenure.take_news(), [ip(A), ip("10.0.0.2")].into(), "to be looked at again");
        tenure.claim(ip(A));
    });
    ring.run(1);
    ring.with("node-b", |tenure| tenure.claim(ip("10.0.0.2")));
    ring.run(1);
    assert_eq!(ring.agreed("10.0.0.2"), Some("node-b"), "what was claimed in doubt ranks behind");
    ring.with("node-b", |tenure| tenure.claim(ip(A)));
    ring.run(1);
    assert_eq!(
        ring.agreed(A),
        Some("node-a"),
        "it is the first owner as before, though the contract prefers the other"
    );
}

#[test]
fn nobody_is_asked_while_it_does_not_matter_who_holds_what() {
    let mut tenure = Tenure::new("a", Duration::ZERO);
    tenure.set_peers([("a", 1), ("b", 1)], Duration::ZERO);
    tenure.tick(Duration::ZERO);
    assert_eq!((tenure.poll(), tenure.next_deadline(), tenure.is_known(Duration::ZERO)), (None, None, true));
    tenure.set_wanted(true);
    assert_eq!((tenure.next_deadline(), tenure.is_known(Duration::ZERO)), (Some(Duration::ZERO), false));
    tenure.tick(Duration::ZERO);
    assert_eq!(tenure.poll().unwrap().to, "b");
}

#[test]
fn two_that_claim_at_once_agree_on_the_one_the_contract_ranks_first() {
    let mut ring = Ring::of(&["node-a", "node-b", "node-c"]);
    for node in ["node-a", "node-b", "node-c"] {
        ring.with(node, |tenure| tenure.claim(ip(A)));
    }
    ring.run(1);
    assert_eq!(ring.agreed(A), Some("node-b"));
}

#[test]
fn a_change_that_got_lost_is_asked_for_within_a_fifth_of_a_second() {
    let mut ring = Ring::of(&["a", "b"]);
    ring.with("b", |tenure| tenure.claim(ip(A)));
    ring.run(1);
    ring.lost.insert(("b".to_owned(), "a".to_owned()));
    ring.with("b", |tenure| tenure.release(ip(A)));
    ring.run(5);
    ring.lost.clear();
    assert_eq!(ring.holder("a", A), Some("b"));
    ring.run(15);
    assert_eq!(ring.agreed(A), None);
}

#[test]
fn one_that_never_answers_is_not_waited_for_longer_than_half_a_second() {
    let mut ring = Ring::of(&["a", "b"]);
    ring.lost.insert(("b".to_owned(), "a".to_owned()));
    ring.start("a", 2);
    ring.run(40);
    assert!(!ring.speakers["a"].is_known(ring.now));
    ring.run(20);
    assert!(ring.speakers["a"].is_known(ring.now));
    ring.lost.clear();
    ring.with("b", |tenure| tenure.claim(ip(A)));
    ring.run(110);
    assert_eq!(ring.agreed(A), Some("b"), "it is asked all the same");
}

#[test]
fn thousands_of_claims_come_in_parts_and_count_when_all_are_there() {
    let mut ring = Ring::of(&["a", "b"]);
    let address = |number: u16| {
        let [high, low] = number.to_be_bytes();
        IpAddr::from([10, 1, high, low])
    };
    ring.with("b", |tenure| (0..5000).for_each(|number| tenure.claim(address(number))));
    ring.run(1);
    ring.start("a", 2);
    ring.run(1);
    let known = &ring.speakers["a"];
    assert!(
        (0..5000).all(|number| known.holder(address(number), &[address(number)], [("b", 0)]) == Some("b"))
    );
}

#[test]
fn words_of_an_earlier_life_and_of_strangers_are_void() {
    let mut ring = Ring::of(&["a", "b"]);
    ring.with("b", |tenure| tenure.claim(ip(A)));
    let Outgoing { bytes, .. } = ring.speakers.get_mut("b").unwrap().poll().unwrap();
    let now = ring.now;
    ring.with("a", |tenure| tenure.receive("c", &bytes, now));
    assert_eq!(ring.holder("a", A), None, "said by another one than has signed it");
    ring.stop("b");
    ring.start("b", 2);
    ring.run(1);
    ring.with("a", |tenure| tenure.receive("b", &bytes, now));
    assert_eq!(ring.holder("a", A), None);
}

#[test]
fn nothing_is_sent_while_nobody_has_ever_held_anything() {
    let mut ring = Ring::of(&["a", "b", "c"]);
    ring.run(1);
    for step in 0..1000 {
        ring.now += Duration::from_millis(10);
        for tenure in ring.speakers.values_mut() {
            tenure.tick(ring.now);
            assert_eq!(tenure.poll(), None, "{step}");
        }
    }
}

#[test]
fn what_is_claimed_while_somebody_is_not_heard_yields_to_who_held_it_before() {
    let mut ring = Ring::of(&["a", "b"]);
    ring.with("b", |tenure| {
        tenure.claim(ip(A));
        tenure.release(ip(A));
        tenure.claim(ip(A));
    });
    ring.run(1);
    ring.lost.insert(("b".to_owned(), "a".to_owned()));
    ring.start("a", 2);
    ring.run(60);
    assert!(ring.speakers["a"].is_known(ring.now), "it waits no longer");
    ring.with("a", |tenure| tenure.claim(ip(A)));
    ring.lost.clear();
    ring.run(110);
    assert_eq!(ring.agreed(A), Some("b"), "though its rank is the higher one");
    ring.with("a", |tenure| {
        assert!(tenure.take_news().contains(&ip(A)));
        tenure.claim(ip(A));
    });
    ring.run(1);
    assert_eq!(ring.agreed(A), Some("a"), "who claims it knowing that is the earlier owner by its rank");
}

#[test]
fn what_is_claimed_when_nobody_remembers_anything_ranks_behind_until_the_process_is_old() {
    let mut ring = Ring::of(&["node-a", "node-b"]);
    ring.with("node-a", |tenure| tenure.claim(ip(A)));
    ring.run(1);
    let is_fresh = |ring: &Ring, at: &str| ring.speakers[at].is_fresh("node-a", &[ip(A)]);
    assert!(is_fresh(&ring, "node-a") && is_fresh(&ring, "node-b"));
    ring.run(9000);
    ring.with("node-a", |_| {});
    ring.run(1);
    assert!(!is_fresh(&ring, "node-a") && !is_fresh(&ring, "node-b"), "it has been told");
    ring.start("node-b", 2);
    ring.run(1);
    ring.with("node-b", |tenure| tenure.claim(ip("10.0.0.2")));
    assert!(!ring.speakers["node-b"].is_fresh("node-b", &[ip("10.0.0.2")]), "the other one remembers");
}

#[test]
fn who_is_down_holds_nothing_and_is_told_what_the_others_hold() {
    let mut ring = Ring::of(&["a", "b"]);
    ring.with("a", |tenure| tenure.claim(ip(A)));
    ring.run(1);
    let now = ring.now;
    ring.with("b", |tenure| {
        tenure.take_news();
        tenure.set_down(|node| node == "a", now);
        assert_eq!(tenure.take_news(), [ip(A)].into(), "nobody holds it now");
        tenure.claim(ip(A));
    });
    ring.run(5);
    assert_eq!(ring.holder("b", A), Some("b"));
    ring.with("a", |tenure| tenure.release(ip(A)));
    assert_eq!(ring.holder("a", A), Some("b"), "it hears of the heir all the time");
    ring.with("a", |tenure| tenure.doubt(now));
    ring.run(1);
    assert!(ring.speakers["a"].is_known(ring.now), "it is answered as well");
    ring.with("b", |tenure| tenure.set_down(|_| false, now));
    ring.run(2);
    assert_eq!(ring.agreed(A), Some("b"));
}

#[test]
fn a_new_life_is_news_of_all_the_old_one_held() {
    let mut ring = Ring::of(&["a", "b"]);
    ring.with("b", |tenure| tenure.claim(ip(A)));
    ring.run(1);
    let now = ring.now;
    ring.with("a", |tenure| {
        assert_eq!(tenure.take_news(), [ip(A)].into());
        tenure.set_peers([("a", 1), ("b", 2)], now);
        assert_eq!(tenure.take_news(), [ip(A)].into());
    });
}

#[test]
fn who_asks_again_and_again_is_told_everything_once_and_in_turn_with_others() {
    let mut tenure = Tenure::new("a", Duration::ZERO);
    let mut now = Duration::from_secs(1);
    tenure.set_peers([("a", 1), ("b", 2), ("c", 3)], now);
    tenure.tick(now);
    (0..12_000u16).for_each(|number| {
        let [high, low] = number.to_be_bytes();
        tenure.claim(IpAddr::from([10, 1, high, low]));
    });
    tenure.tell(now);
    while tenure.poll().is_some() {}
    for (peer, boot) in [("b", 2), ("b", 2), ("c", 3), ("b", 2)] {
        tenure.receive(peer, &wire::encode((boot, 1), &Word::Ask), now);
    }
    let (mut sent, mut lots) = (BTreeMap::<String, usize>::new(), Vec::new());
    while tenure.next_deadline().is_some_and(|due| due < now + CHECK) {
        now = now.max(tenure.next_deadline().unwrap());
        tenure.tick(now);
        let letters: Vec<Outgoing> = std::iter::from_fn(|| tenure.poll()).collect();
        lots.push(letters.len());
        letters.into_iter().for_each(|letter| *sent.entry(letter.to).or_default() += 1);
        if lots.len() == 2 {
            assert_eq!(sent["b"].abs_diff(sent["c"]), 0, "they take turns");
        }
    }
    assert!(lots.iter().all(|lot| *lot <= 130), "{lots:?}");
    assert!(sent.values().all(|parts| (200..210).contains(parts)), "{sent:?}");
}

#[test]
fn that_the_last_one_was_let_go_is_heard_though_the_word_of_it_was_lost() {
    let mut ring = Ring::of(&["a", "b"]);
    ring.with("a", |tenure| tenure.claim(ip(A)));
    ring.run(1);
    assert_eq!(ring.holder("b", A), Some("a"));
    ring.lost.insert(("a".into(), "b".into()));
    ring.with("a", |tenure| {
        tenure.set_wanted(false);
        tenure.release(ip(A));
    });
    ring.run(1);
    ring.lost.clear();
    ring.run(150);
    assert_eq!(ring.holder("b", A), None);
    ring.run(500);
    assert!(!ring.speakers["a"].is_used(), "that is told for a while, not for ever");
}

#[test]
fn nothing_is_told_any_more_when_nothing_is_asked_for_and_nothing_held() {
    let mut ring = Ring::of(&["a", "b"]);
    ring.with("a", |tenure| tenure.claim(ip(A)));
    ring.run(200);
    for tenure in ring.speakers.values_mut() {
        tenure.set_wanted(false);
        tenure.forget(ip(A));
    }
    ring.with("a", |_| {});
    ring.run(700);
    assert!(ring.speakers.values().all(|tenure| !tenure.is_used() && tenure.next_deadline().is_none()));
    ring.with("b", Tenure::rest);
    assert_eq!(ring.holder("b", A), None);
}

proptest! {
    #[test]
    fn whatever_is_claimed_lost_and_restarted_all_agree_in_the_end(
        steps in prop::collection::vec((0u8..5, 0usize..4, 0usize..4, 1u8..4), 1..40),
    ) {
        let names = ["a", "b", "c", "d"];
        let mut ring = Ring::of(&names);
        let mut boot = 1;
        for (what, one, other, address) in steps {
            let (one, other, address) = (names[one], names[other], IpAddr::from([10, 0, 0, address]));
            match what {
                0 => ring.with(one, |tenure| tenure.claim(address)),
                1 => ring.with(one, |tenure| tenure.release(address)),
                2 => { ring.lost.insert((one.to_owned(), other.to_owned())); }
                3 => { ring.lost.remove(&(one.to_owned(), other.to_owned())); }
                _ => {
                    boot += 1;
                    ring.start(one, boot);
                }
            }
            ring.run(1);
        }
        ring.lost.clear();
        ring.run(130);
        for address in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
            ring.agreed(address);
        }
    }
}

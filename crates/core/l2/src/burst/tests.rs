//! Contract 02 §2.8.

use super::*;
use proptest::prelude::*;

fn at(milliseconds: u64) -> Moment {
    Moment::after_origin(Duration::from_millis(milliseconds))
}

fn address(last: u8) -> Subject {
    Subject::Address(IpAddr::from([192, 0, 2, last]))
}

/// Runs the machine as a driver would until `end`; the time in ms of every round.
fn rounds_until(burst: &mut Burst, from: u64, end: u64) -> Vec<(u64, Subject)> {
    let mut rounds = Vec::new();
    let mut now = at(from);
    loop {
        while let Some(round) = burst.poll_output() {
            rounds.push((u64::try_from(now.since_origin().as_millis()).unwrap(), round.subject));
        }
        match burst.next_deadline() {
            Some(deadline) if deadline <= at(end) => now = deadline.max(now),
            Some(_) | None => return rounds,
        }
        burst.handle(now, Input::Tick);
    }
}

fn rounds_until_quiet(burst: &mut Burst, from: u64) -> Vec<(u64, Subject)> {
    let rounds = rounds_until(burst, from, from + 60_000);
    assert_eq!(burst.next_deadline(), None, "a burst goes on for ever");
    rounds
}

#[test]
fn a_fresh_address_is_announced_five_times_within_five_seconds() {
    let mut burst = Burst::default();
    burst.handle(at(0), Input::Announce(address(1)));
    let times: Vec<u64> = rounds_until_quiet(&mut burst, 0).into_iter().map(|(time, _)| time).collect();
    assert_eq!(times, [0, 1100, 2200, 3300, 4400]);
}

#[test]
fn announcing_again_prolongs_the_burst_without_an_extra_round() {
    let mut burst = Burst::default();
    burst.handle(at(0), Input::Announce(address(1)));
    assert!(burst.poll_output().is_some());
    burst.handle(at(500), Input::Announce(address(1)));
    assert_eq!(burst.poll_output(), None);
    let times: Vec<u64> = rounds_until_quiet(&mut burst, 500).into_iter().map(|(time, _)| time).collect();
    assert_eq!(times, [1100, 2200, 3300, 4400, 5500], "the burst ends 5 s after the second announcement");
}

#[test]
fn what_begins_again_within_its_burst_gets_a_round_at_once_and_a_whole_burst_after_it() {
    let mut burst = Burst::default();
    burst.handle(at(0), Input::Announce(Subject::Link(2)));
    assert!(burst.poll_output().is_some());
    burst.handle(at(500), Input::Begin(Subject::Link(2)));
    let times: Vec<u64> = rounds_until_quiet(&mut burst, 500).into_iter().map(|(time, _)| time).collect();
    assert_eq!(times, [500, 1600, 2700, 3800, 4900]);
    burst.handle(at(9000), Input::Begin(address(1)));
    burst.handle(at(9000), Input::Begin(address(1)));
    let times: Vec<u64> = rounds_until(&mut burst, 9000, 9000).into_iter().map(|(time, _)| time).collect();
    assert_eq!(times, [9000], "one round, however often it begins at once");
}

#[test]
fn the_round_a_burst_begins_with_is_told_from_those_that_repeat_it() {
    let link = Subject::Link(2);
    let mut burst = Burst::default();
    let is_first = |burst: &mut Burst| burst.poll_output().map(|round| round.is_first);
    assert!(!burst.is_under_way(link));
    burst.handle(at(0), Input::Begin(link));
    assert!(burst.is_under_way(link));
    assert_eq!(is_first(&mut burst), Some(true));
    burst.handle(at(1100), Input::Tick);
    assert_eq!(is_first(&mut burst), Some(false));
    burst.handle(at(1500), Input::Begin(link));
    burst.handle(at(2600), Input::Tick);
    assert_eq!(is_first(&mut burst), Some(true), "nobody asked for the first one in time");
    burst.handle(at(2600), Input::Announce(address(1)));
    assert_eq!(is_first(&mut burst), Some(false), "it was known before");
    burst.handle(at(2600), Input::Withdraw(address(1)));
    burst.handle(at(2700), Input::Withdraw(link));
    assert!(!burst.is_under_way(link));
}

#[test]
fn rounds_end_when_the_address_is_withdrawn() {
    let mut burst = Burst::default();
    burst.handle(at(0), Input::Announce(address(1)));
    burst.handle(at(0), Input::Announce(address(2)));
    burst.handle(at(0), Input::Withdraw(address(1)));
    assert!(rounds_until_quiet(&mut burst, 0).iter().all(|(_, subject)| *subject == address(2)));
    burst.handle(at(9000), Input::Withdraw(address(3)));
    assert_eq!(burst.next_deadline(), None);
}

#[test]
fn an_address_withdrawn_and_announced_again_at_once_gets_one_round_at_once() {
    let mut burst = Burst::default();
    for input in [Input::Begin(address(1)), Input::Withdraw(address(1)), Input::Begin(address(1))] {
        burst.handle(at(0), input);
    }
    assert_eq!(burst.poll_output(), Some(Round { subject: address(1), is_first: true }));
    assert_eq!(burst.poll_output(), None);
}

#[test]
fn a_late_driver_sends_one_round_not_those_it_missed() {
    let mut burst = Burst::default();
    burst.handle(at(0), Input::Announce(Subject::Link(2)));
    assert!(burst.poll_output().is_some());
    burst.handle(at(4000), Input::Tick);
    assert!(burst.poll_output().is_some());
    assert_eq!(burst.poll_output(), None);
    assert_eq!(burst.next_deadline(), Some(at(5100)));
}

proptest! {
    /// Every subject is announced at once, and nobody bursts for ever.
    #[test]
    fn any_sequence_of_inputs_ends_in_quiet(
        inputs in proptest::collection::vec((0u64..2500, 0u8..4, proptest::bool::weighted(0.8)), 1..50)
    ) {
        let mut burst = Burst::default();
        let mut now = 0;
        let mut rounds = Vec::new();
        let mut live = std::collections::HashMap::new();
        for (wait, subject, announce) in inputs {
            rounds.extend(rounds_until(&mut burst, now, now + wait));
            now += wait;
            let subject = address(subject);
            if announce {
                burst.handle(at(now), Input::Announce(subject));
                live.entry(subject).or_insert((now, now)).1 = now;
            } else {
                burst.handle(at(now), Input::Withdraw(subject));
                live.remove(&subject);
            }
        }
        rounds.extend(rounds_until_quiet(&mut burst, now));
        for (subject, (first, last)) in live {
            let times = rounds.iter().filter(|(time, s)| *s == subject && *time >= first).map(|(time, _)| *time);
            let times: Vec<u64> = times.collect();
            prop_assert!(times.contains(&first), "{subject:?} announced at {first}, rounds at {times:?}");
            prop_assert!(times.iter().all(|time| *time <= last + 5000), "{subject:?} at {times:?}, last {last}");
        }
    }
}

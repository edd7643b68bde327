//! Every transition, as a table of steps.

use super::*;

fn at(seconds: f64) -> Moment {
    Duration::from_secs_f64(seconds)
}

fn candidate() -> Election {
    let me = Candidate { identity: "pod-a_1".into(), earlier_lives: "pod-a_".into() };
    Election::new(me, Timings::default(), Duration::from_millis(500))
}

fn lease(version: u32, holder: &str) -> Observed {
    let record = Record {
        holder: holder.into(),
        respected: Duration::from_secs(if holder.is_empty() { 1 } else { 15 }),
        acquired: Some(7),
        transitions: 3,
    };
    Observed { version: version.to_string(), record }
}

fn answer(election: &mut Election, now: f64, answer: Answer) {
    election.handle(at(now), Input::Answered(answer));
}

/// The draft of the write that is due now.
fn draft(election: &mut Election, now: f64) -> Draft {
    match election.poll_output(at(now)) {
        Some(Request::Write(draft)) => draft,
        other => panic!("no write at {now}: {other:?}"),
    }
}

/// A candidate that sent its claim at 0 and leads since.
fn leader() -> Election {
    let mut election = candidate();
    assert_eq!(election.poll_output(at(0.0)), Some(Request::Read));
    answer(&mut election, 0.0, Answer::Read(None));
    draft(&mut election, 0.0);
    answer(&mut election, 0.5, Answer::Written(lease(5, "pod-a_1")));
    election
}

#[test]
fn a_missing_lease_is_made() {
    let mut election = candidate();
    assert_eq!(election.next_deadline(at(0.0)), Some(at(0.0)));
    assert_eq!(election.poll_output(at(0.0)), Some(Request::Read));
    assert_eq!(election.poll_output(at(0.0)), None, "one request at a time");
    answer(&mut election, 0.1, Answer::Read(None));
    let draft = draft(&mut election, 0.1);
    let expected = Draft {
        over: None,
        holder: "pod-a_1".into(),
        respected: Duration::from_secs(15),
        acquired: None,
        transitions: 0,
    };
    assert_eq!(draft, expected);
    assert!(!election.is_leader(at(0.2)), "not before the answer");
    answer(&mut election, 0.3, Answer::Written(lease(5, "pod-a_1")));
    assert!(election.is_leader(at(0.3)));
}

#[test]
fn the_office_ends_ten_seconds_after_the_last_confirmed_write_was_sent() {
    let election = leader();
    assert_eq!(
        election.leads_until(),
        Some(at(10.0)),
        "counted from the sending at 0, not from the answer at 0.5"
    );
    assert!(election.is_leader(at(9.999)) && !election.is_leader(at(10.0)));
}

#[test]
fn a_leader_renews_every_two_seconds_and_keeps_when_it_acquired() {
    let mut election = leader();
    assert_eq!(election.next_deadline(at(0.5)), Some(at(2.0)));
    assert_eq!(election.poll_output(at(1.9)), None);
    let draft = draft(&mut election, 2.0);
    assert_eq!((draft.over.as_deref(), draft.acquired, draft.transitions), (Some("5"), Some(7), 3));
    answer(&mut election, 2.1, Answer::Written(lease(6, "pod-a_1")));
    assert_eq!(election.leads_until(), Some(at(12.0)));
}

#[test]
fn a_leader_whose_writes_fail_tries_on_and_ends_in_time() {
    let mut election = leader();
    let mut tries = 0;
    let mut now = 2.0;
    while election.is_leader(at(now)) {
        if election.poll_output(at(now)).is_some() {
            tries += 1;
            answer(&mut election, now, Answer::Failed);
        }
        now += 0.1;
    }
    assert!((4..=5).contains(&tries) && (9.9..10.2).contains(&now), "{tries} tries until {now}");
}

#[test]
fn a_lease_of_another_is_respected_until_it_has_not_changed_for_its_duration() {
    let mut election = candidate();
    election.poll_output(at(0.0));
    answer(&mut election, 1.0, Answer::Read(Some(lease(5, "pod-b_9"))));
    assert_eq!(election.next_deadline(at(1.0)), Some(at(16.0)));
    election.handle(at(3.0), Input::Seen(lease(6, "pod-b_9")));
    assert_eq!(election.poll_output(at(17.0)), None);
    let draft = draft(&mut election, 18.0);
    assert_eq!((draft.over.as_deref(), draft.acquired, draft.transitions), (Some("6"), None, 4));
}

#[test]
fn an_old_or_repeated_version_does_not_prolong_it() {
    let mut election = candidate();
    election.poll_output(at(0.0));
    answer(&mut election, 1.0, Answer::Read(Some(lease(6, "pod-b_9"))));
    election.handle(at(9.0), Input::Seen(lease(6, "pod-b_9")));
    election.handle(at(9.0), Input::Seen(lease(5, "pod-c_9")));
    assert_eq!(election.next_deadline(at(9.0)), Some(at(16.0)));
}

#[test]
fn a_released_lease_is_taken_at_once() {
    let mut election = candidate();
    election.poll_output(at(0.0));
    answer(&mut election, 0.0, Answer::Read(Some(lease(5, "pod-b_9"))));
    election.handle(at(7.0), Input::Seen(lease(6, "")));
    assert_eq!(draft(&mut election, 7.0).over.as_deref(), Some("6"));
}

#[test]
fn the_lease_of_an_earlier_process_in_the_same_pod_is_taken_at_once() {
    for (holder, taken) in [("pod-a_0", true), ("pod-ab_0", false), ("pod-b_0", false)] {
        let mut election = candidate();
        election.poll_output(at(0.0));
        answer(&mut election, 0.0, Answer::Read(Some(lease(5, holder))));
        assert_eq!(election.poll_output(at(0.0)).is_some(), taken, "{holder}");
    }
}

#[test]
fn a_conflict_is_looked_at_at_once_and_a_second_one_later() {
    let mut election = leader();
    draft(&mut election, 2.0);
    answer(&mut election, 2.1, Answer::Conflict);
    assert!(election.is_leader(at(2.1)), "the answer before may have been lost");
    assert_eq!(election.poll_output(at(2.1)), Some(Request::Read));
    answer(&mut election, 2.2, Answer::Read(Some(lease(6, "pod-a_1"))));
    assert_eq!(draft(&mut election, 2.2).over.as_deref(), Some("6"));
    answer(&mut election, 2.3, Answer::Conflict);
    assert_eq!(election.poll_output(at(4.2)), None);
    assert_eq!(election.poll_output(at(4.3)), Some(Request::Read));
}

#[test]
fn whoever_sees_another_in_office_ends_its_own() {
    let mut election = leader();
    election.handle(at(3.0), Input::Seen(lease(9, "pod-b_9")));
    assert!(!election.is_leader(at(3.0)));
    assert_eq!(election.next_deadline(at(3.0)), Some(at(18.0)));
}

#[test]
fn a_claim_whose_answer_was_lost_is_found_and_confirmed() {
    let mut election = candidate();
    election.poll_output(at(0.0));
    answer(&mut election, 0.0, Answer::Read(None));
    draft(&mut election, 0.0);
    answer(&mut election, 0.1, Answer::Failed);
    election.handle(at(0.2), Input::Seen(lease(5, "pod-a_1")));
    assert!(!election.is_leader(at(0.2)), "when it was written is not known");
    assert_eq!(draft(&mut election, 0.2).over.as_deref(), Some("5"));
}

#[test]
fn a_deleted_lease_is_made_again_but_not_while_its_holder_may_believe_in_it() {
    let mut election = candidate();
    election.poll_output(at(0.0));
    answer(&mut election, 1.0, Answer::Read(Some(lease(5, "pod-b_9"))));
    election.handle(at(2.0), Input::Vanished);
    assert_eq!(election.poll_output(at(2.0)), Some(Request::Read));
    answer(&mut election, 2.1, Answer::Read(None));
    assert_eq!((election.poll_output(at(15.9)), election.next_deadline(at(3.0))), (None, Some(at(16.0))));
    assert_eq!(draft(&mut election, 16.0).over, None);
}

#[test]
fn releasing_empties_the_lease_at_once() {
    let mut election = leader();
    election.handle(at(1.0), Input::Release);
    assert!(!election.is_leader(at(1.0)) && !election.is_released());
    let draft = draft(&mut election, 1.0);
    let expected = Draft {
        over: Some("5".into()),
        holder: String::new(),
        respected: Duration::from_secs(1),
        acquired: None,
        transitions: 3,
    };
    assert_eq!(draft, expected);
    answer(&mut election, 1.1, Answer::Written(lease(6, "")));
    assert!(election.is_released() && !election.is_leader(at(1.1)));
    assert_eq!((election.poll_output(at(9.0)), election.next_deadline(at(9.0))), (None, None));
}

#[test]
fn a_release_over_an_old_version_is_tried_again() {
    let mut election = leader();
    election.handle(at(1.0), Input::Release);
    draft(&mut election, 1.0);
    answer(&mut election, 1.1, Answer::Conflict);
    assert!(!election.is_released());
    assert_eq!(election.poll_output(at(1.1)), Some(Request::Read));
    answer(&mut election, 1.2, Answer::Read(Some(lease(6, "pod-a_1"))));
    assert_eq!(draft(&mut election, 1.2).over.as_deref(), Some("6"));
}

#[test]
fn a_standby_has_nothing_to_release() {
    let mut election = candidate();
    election.poll_output(at(0.0));
    answer(&mut election, 0.0, Answer::Read(Some(lease(5, "pod-b_9"))));
    election.handle(at(1.0), Input::Release);
    assert!(election.is_released());
    assert_eq!((election.poll_output(at(99.0)), election.next_deadline(at(1.0))), (None, None));
}

/// Answers 403 to everything from 0 to `until`.
fn forbidden(election: &mut Election, from: f64, until: f64) {
    let mut now = from;
    while now < until {
        if election.poll_output(at(now)).is_some() {
            answer(election, now, Answer::Forbidden);
        }
        election.handle(at(now), Input::Tick);
        now += 0.1;
    }
}

#[test]
fn without_the_right_to_leases_it_leads_alone_after_a_while_and_asks_now_and_then() {
    let mut election = candidate();
    forbidden(&mut election, 0.0, 3.9);
    assert!(!election.is_leader(at(3.9)), "roles may still be on their way");
    forbidden(&mut election, 3.9, 5.0);
    assert!(election.is_leader(at(5.0)) && election.is_alone());
    let next = election.next_deadline(at(5.0)).unwrap();
    assert!(next <= at(26.0), "{next:?}");
    forbidden(&mut election, 5.0, 60.0);
    assert!(election.is_alone());
    // The right arrives, and nobody holds the Lease: it goes on leading without a gap.
    let asked =
        (600..900).map(|tenth| f64::from(tenth) / 10.0).find(|now| election.poll_output(at(*now)).is_some());
    let asked = asked.unwrap();
    answer(&mut election, asked, Answer::Read(None));
    assert!(election.is_leader(at(asked)));
    draft(&mut election, asked);
    answer(&mut election, asked, Answer::Written(lease(5, "pod-a_1")));
    assert!(election.is_leader(at(asked)) && !election.is_alone());
}

#[test]
fn alone_ends_when_another_holds_the_lease() {
    let mut election = candidate();
    forbidden(&mut election, 0.0, 60.0);
    election.handle(at(60.0), Input::Seen(lease(5, "pod-b_9")));
    assert!(!election.is_leader(at(60.0)) && !election.is_alone());
}

#[test]
fn whoever_saw_another_in_office_never_leads_alone() {
    let mut election = candidate();
    election.poll_output(at(0.0));
    answer(&mut election, 0.0, Answer::Read(Some(lease(5, "pod-b_9"))));
    forbidden(&mut election, 0.1, 120.0);
    assert!(!election.is_leader(at(120.0)));
}

#[test]
fn a_leader_that_loses_the_right_steps_down_and_leads_alone_when_nobody_can_have_followed() {
    let mut election = leader();
    forbidden(&mut election, 2.0, 10.1);
    assert!(!election.is_leader(at(10.1)));
    forbidden(&mut election, 10.1, 31.0);
    assert!(!election.is_leader(at(31.0)));
    forbidden(&mut election, 31.0, 33.0);
    assert!(election.is_alone());
}

#[test]
fn an_outage_after_a_refusal_makes_nobody_lead_alone() {
    // A server that starts up refuses for a moment, before it knows the roles.
    let mut election = leader();
    draft(&mut election, 2.0);
    answer(&mut election, 2.1, Answer::Forbidden);
    let mut newcomer = candidate();
    newcomer.poll_output(at(2.0));
    answer(&mut newcomer, 2.1, Answer::Forbidden);
    for election in [&mut election, &mut newcomer] {
        for second in 3..200 {
            if election.poll_output(at(f64::from(second))).is_some() {
                answer(election, f64::from(second) + 0.5, Answer::Failed);
            }
            election.handle(at(f64::from(second) + 0.6), Input::Tick);
        }
        assert!(!election.is_leader(at(200.0)), "{election:?}");
        // A single refusal after it begins to count anew, and a request that nobody answers adds nothing.
        assert!(election.poll_output(at(203.0)).is_some());
        answer(election, 203.0, Answer::Forbidden);
        assert!(!election.is_leader(at(203.0)), "{election:?}");
        assert!(election.poll_output(at(206.0)).is_some());
        election.handle(at(300.0), Input::Tick);
        assert!(!election.is_leader(at(300.0)), "{election:?}");
    }
}

#[test]
fn a_confirmation_that_comes_after_the_news_of_another_holder_is_void() {
    let mut election = leader();
    draft(&mut election, 2.0);
    election.handle(at(2.2), Input::Seen(lease(7, "pod-b_9")));
    answer(&mut election, 2.3, Answer::Written(lease(6, "pod-a_1")));
    assert!(!election.is_leader(at(2.3)) && election.holder() == Some("pod-b_9"));
    assert_eq!(election.next_deadline(at(2.3)), Some(at(17.2)));
}

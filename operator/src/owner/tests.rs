use super::*;

fn next(rhythm: &mut Rhythm, disposition: Option<Disposition>) -> Option<Duration> {
    rhythm.next(&Report { disposition, ..Report::default() })
}

#[test]
fn section_2_10_what_does_not_run_yet_is_looked_at_again_after_five_seconds() {
    let settling = Report { settling: true, ..Report::default() };
    assert_eq!(Rhythm::default().next(&settling), Some(Duration::from_secs(5)));
    // Whatever else is wrong, and however long that may wait.
    for disposition in [Disposition::Bug, Disposition::Invalid, Disposition::Refused] {
        let mut rhythm = Rhythm::default();
        let failed = Report { disposition: Some(disposition), ..settling.clone() };
        let pauses = [(); 4].map(|()| rhythm.next(&failed));
        assert_eq!(pauses, [Some(Duration::from_secs(5)); 4], "{disposition:?}");
    }
    let failed = Report { disposition: Some(Disposition::Transient), ..settling };
    assert!(Rhythm::default().next(&failed) < Some(Duration::from_secs(5)));
}

#[test]
fn what_does_not_run_for_long_is_looked_at_less_often_until_it_runs_or_something_was_changed() {
    let settling = Report { settling: true, ..Report::default() };
    let refused = Report { disposition: Some(Disposition::Invalid), ..settling.clone() };
    let changed = Report { changes: vec!["x".to_owned()], ..settling.clone() };
    for (between, again) in [(&Report::default(), 5), (&changed, 5), (&refused, 30), (&settling, 30)] {
        let mut rhythm = Rhythm::default();
        let pauses: Vec<_> = (0..26).filter_map(|_| rhythm.next(&settling)).collect();
        let seconds: Vec<u64> = pauses.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [&[5; 24][..], &[30; 2]].concat());
        rhythm.next(between);
        assert_eq!(rhythm.next(&settling), Some(Duration::from_secs(again)), "{between:?}");
    }
}

#[test]
fn until_api_servers_insist_on_the_webhooks_answer_it_is_looked_at_now_and_then() {
    let mut rhythm = Rhythm::default();
    let lenient = Report { lenient: Some(Pending::Trust), ..Report::default() };
    let invalid = Report { disposition: Some(Disposition::Invalid), ..lenient.clone() };
    let pauses = [&lenient, &invalid, &lenient].map(|report| rhythm.next(report));
    assert_eq!(pauses, [5, 10, 20].map(|seconds| Some(Duration::from_secs(seconds))));
    // Where nobody makes a certificate that stays so.
    let pauses = [(); 6].map(|()| rhythm.next(&lenient));
    assert_eq!(pauses, [40, 80, 160, 320, 600, 600].map(|seconds| Some(Duration::from_secs(seconds))));
    // It came, and the pod is not ready for long enough yet.
    let unreached = Report { lenient: Some(Pending::Pods), ..Report::default() };
    let pauses = [(); 6].map(|()| rhythm.next(&unreached));
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60].map(|seconds| Some(Duration::from_secs(seconds))));
    assert_eq!(next(&mut rhythm, None), None);
    let settling = Report { settling: true, ..lenient };
    assert_eq!(rhythm.next(&settling), Some(Duration::from_secs(5)));
}

#[test]
fn whether_another_metallb_still_runs_is_looked_at_once_a_minute() {
    let mut rhythm = Rhythm::default();
    let crowded = Report { crowded: true, ..Report::default() };
    let pauses = [(); 3].map(|()| rhythm.next(&crowded));
    assert_eq!(pauses, [Some(Duration::from_secs(60)); 3]);
    let settling = Report { settling: true, ..crowded };
    assert_eq!(rhythm.next(&settling), Some(Duration::from_secs(5)));
    assert_eq!(next(&mut rhythm, None), None);
}

#[test]
fn a_pass_that_went_well_waits_for_a_change() {
    assert_eq!(next(&mut Rhythm::default(), None), None);
}

#[test]
fn what_needs_an_edit_waits_for_it() {
    let mut rhythm = Rhythm::default();
    assert_eq!(next(&mut rhythm, Some(Disposition::Invalid)), None);
    assert_eq!(next(&mut rhythm, Some(Disposition::Bug)), None);
}

#[test]
fn what_may_pass_is_tried_ever_more_slowly_until_it_went_well() {
    let mut rhythm = Rhythm::default();
    let pauses: Vec<_> = (0..3).filter_map(|_| next(&mut rhythm, Some(Disposition::Transient))).collect();
    assert!(pauses.is_sorted() && pauses.first() < pauses.last(), "{pauses:?}");
    next(&mut rhythm, None);
    assert_eq!(next(&mut rhythm, Some(Disposition::Transient)), pauses.first().copied());
}

#[test]
fn a_conflict_is_tried_again_at_once_but_not_for_ever() {
    let mut rhythm = Rhythm::default();
    for _ in 0..CONFLICTS {
        assert_eq!(next(&mut rhythm, Some(Disposition::Conflict)), Some(Duration::ZERO));
    }
    assert_eq!(next(&mut rhythm, Some(Disposition::Conflict)), Some(FIRST_PAUSE));
}

#[test]
fn what_was_refused_is_tried_again_now_and_then() {
    let mut rhythm = Rhythm::default();
    let pauses: Vec<_> = (0..6).filter_map(|_| next(&mut rhythm, Some(Disposition::Refused))).collect();
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60].map(Duration::from_secs));
    next(&mut rhythm, None);
    assert_eq!(next(&mut rhythm, Some(Disposition::Refused)), Some(FIRST_PAUSE));
}

#[tokio::test(start_paused = true)]
async fn a_pass_without_an_end_is_cut_short() {
    let problem = "the API server answers too slowly: a pass was not through after 60 s";
    assert_eq!(LONGEST_PASS, Duration::from_secs(60), "as it says");
    assert!(LONGEST_PASS + LAST_WORD + TURN < STUCK);
    for is_told in [true, false] {
        let mut told = None;
        let tell = |problem: &'static str| {
            told = Some(problem);
            async move {
                if !is_told {
                    std::future::pending::<()>().await;
                }
            }
        };
        let begun = Instant::now();
        let report = bounded(std::future::pending(), tell).await;
        assert!(begun.elapsed() <= LONGEST_PASS + LAST_WORD);
        assert_eq!(told, Some(problem));
        assert_eq!(
            (report.problems, report.disposition),
            (vec![problem.to_owned()], Some(Disposition::CutOff))
        );
    }
}

#[test]
fn readiness_says_why_the_resources_were_not_seen() {
    let store = |what, error: Option<&str>| Unsynced { what, last_error: error.map(str::to_owned) };
    let stores = [store("secrets", Some("forbidden")), store("metallbs.metallb.io", Some("no CRD"))];
    assert_eq!(why_not(&stores), "no CRD");
    assert_eq!(why_not(&[store("metallbs.metallb.io", None)]), "not yet read");
}

#[test]
fn what_came_of_a_pass_is_counted_in_a_word() {
    for (disposition, settling, word) in [
        (None, false, "ok"),
        (None, true, "settling"),
        (Some(Disposition::Invalid), false, "failed"),
        (Some(Disposition::Transient), true, "failed"),
    ] {
        assert_eq!(outcome(&Report { disposition, settling, ..Report::default() }), word);
    }
}

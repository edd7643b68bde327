use super::*;

#[test]
fn a_pass_that_went_well_waits_for_a_change() {
    assert_eq!(Rhythm::default().next(None), None);
}

#[test]
fn what_needs_an_edit_waits_for_it() {
    let mut rhythm = Rhythm::default();
    assert_eq!(rhythm.next(Some(Disposition::Invalid)), None);
    assert_eq!(rhythm.next(Some(Disposition::Bug)), None);
}

#[test]
fn what_may_pass_is_tried_ever_more_slowly_until_it_went_well() {
    let mut rhythm = Rhythm::default();
    let pauses: Vec<_> = (0..3).filter_map(|_| rhythm.next(Some(Disposition::Transient))).collect();
    assert!(pauses.is_sorted() && pauses.first() < pauses.last(), "{pauses:?}");
    rhythm.next(None);
    assert_eq!(rhythm.next(Some(Disposition::Transient)), pauses.first().copied());
}

#[test]
fn a_conflict_is_tried_again_at_once_but_not_for_ever() {
    let mut rhythm = Rhythm::default();
    for _ in 0..CONFLICTS {
        assert_eq!(rhythm.next(Some(Disposition::Conflict)), Some(Duration::ZERO));
    }
    assert!(rhythm.next(Some(Disposition::Conflict)) > Some(Duration::ZERO));
}

#[test]
fn readiness_says_why_the_resources_were_not_seen() {
    let store = |what, error: Option<&str>| Unsynced { what, last_error: error.map(str::to_owned) };
    let stores = [store("secrets", Some("forbidden")), store("metallbs.metallb.io", Some("no CRD"))];
    assert_eq!(why_not(&stores), "no CRD");
    assert_eq!(why_not(&[store("metallbs.metallb.io", None)]), "not yet read");
}

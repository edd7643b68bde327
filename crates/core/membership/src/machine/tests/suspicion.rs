use std::time::Duration;

use crate::Settings;

use super::super::suspicion::Suspicion;

/// Contract 02 §1.3, failure-detection timing.
#[test]
fn the_more_accusers_the_less_time() {
    let lan = Settings::lan();
    let wan = Settings::wan();
    let twice = Settings { suspicion_max_timeout_mult: 2, ..Settings::lan() };
    let cases = [
        ("with fewer than four members the minimum applies at once", &lan, 3, 0, 4.0),
        ("two members", &lan, 2, 0, 4.0),
        ("four members, nobody confirms: the maximum", &lan, 4, 0, 24.0),
        ("ten members, nobody confirms", &lan, 10, 0, 24.0),
        ("ten members, one confirms", &lan, 10, 1, 11.381),
        ("ten members, two confirm: the minimum", &lan, 10, 2, 4.0),
        ("ten members, more than two count no more", &lan, 10, 5, 4.0),
        ("ten members, nobody confirms, at most twice as long", &twice, 10, 0, 8.0),
        ("fifty members, nobody confirms", &lan, 50, 0, 40.752),
        ("fifty members, two confirm", &lan, 50, 2, 6.792),
        ("a hundred members, nobody confirms", &lan, 100, 0, 48.0),
        ("a hundred members, one confirms", &lan, 100, 1, 22.762),
        ("a hundred members, two confirm", &lan, 100, 2, 8.0),
        ("WAN: six others are needed to wait for four accusers", &wan, 5, 0, 30.0),
        ("WAN, nobody confirms", &wan, 6, 0, 180.0),
        ("WAN, four confirm", &wan, 6, 4, 30.0),
    ];
    for (what, settings, members, confirmations, expected) in cases {
        let since = Duration::from_secs(100);
        let mut suspicion = Suspicion::new("first".to_owned(), members, settings, since);
        for number in 0..confirmations {
            suspicion.confirm(&number.to_string());
        }
        let lasts = (suspicion.ends() - since).as_secs_f64();
        assert!((lasts - expected).abs() < 0.0015, "{what}: {lasts} s instead of {expected} s");
    }
}

#[test]
fn an_accuser_counts_once() {
    let mut suspicion = Suspicion::new("a".to_owned(), 10, &Settings::lan(), Duration::ZERO);
    let news = ["a", "b", "b", "c", "d"].map(|accuser| suspicion.confirm(accuser));
    assert_eq!(news, [false, true, false, true, false], "the first, echoes and more than needed are no news");
}

#[test]
fn odd_settings_do_no_harm() {
    let zero = Settings { suspicion_mult: 0, suspicion_max_timeout_mult: 0, ..Settings::lan() };
    let huge = Settings { suspicion_mult: u32::MAX, suspicion_max_timeout_mult: u32::MAX, ..Settings::lan() };
    for (settings, members) in [(&zero, 10), (&huge, 10), (&huge, usize::MAX)] {
        let mut suspicion = Suspicion::new("a".to_owned(), members, settings, Duration::ZERO);
        suspicion.confirm("b");
        let _ends = suspicion.ends();
    }
}

#[test]
fn one_that_is_excused_has_all_its_time_again() {
    let mut suspicion = Suspicion::new("a".to_owned(), 3, &Settings::lan(), Duration::from_secs(10));
    suspicion.renew(Duration::from_secs(13));
    assert_eq!(suspicion.ends(), Duration::from_secs(17));
}

use super::*;

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn a_thread_is_waited_for_from_its_first_sign_of_life_to_its_end() {
    let pulse = Pulse::default();
    for side in [Side::Answering, Side::Following] {
        assert_eq!(pulse.silence(side, at(60_000)), None, "{side:?} was not started");
        pulse.beat(side, at(60_000));
        let seen = [at(59_999), at(60_000), at(60_400)].map(|now| pulse.silence(side, now));
        assert_eq!(seen, [Some(at(0)), Some(at(0)), Some(at(400))], "{side:?}");
        pulse.ends(side);
        assert_eq!(pulse.silence(side, at(90_000)), None, "{side:?} has ended");
    }
}

#[test]
fn one_thread_says_nothing_of_the_other() {
    let pulse = Pulse::default();
    pulse.beat(Side::Answering, at(1_000));
    pulse.clone().beat(Side::Following, at(3_000));
    let seen = [Side::Answering, Side::Following].map(|side| pulse.silence(side, at(4_000)));
    assert_eq!(seen, [Some(at(3_000)), Some(at(1_000))]);
}

#[test]
fn probes_fail_for_a_thread_that_hangs_and_not_for_one_that_is_not_started_or_has_ended() {
    let pulse = Pulse::default();
    let now = at(100_000);
    assert!(pulse.is_well(Side::Following, now));
    pulse.beat(Side::Following, now);
    assert!(pulse.is_well(Side::Following, now + RECENT - at(1)));
    assert!(!pulse.is_well(Side::Following, now + RECENT));
    assert!(pulse.is_well(Side::Answering, now + RECENT), "the other one");
    pulse.ends(Side::Following);
    assert!(pulse.is_well(Side::Following, now + RECENT));
}

#[tokio::test]
async fn who_follows_the_others_waits_as_long_as_the_thread_that_answers_hangs() {
    use futures::FutureExt;
    const BOUND: Duration = Duration::from_secs(3600);
    let pulse = Pulse::default();
    for (last, waits) in [(since_boot(), false), (at(1), true)] {
        pulse.ends(Side::Following);
        pulse.beat(Side::Answering, last);
        let bound = if waits { Duration::ZERO } else { BOUND };
        assert_eq!(pulse.follow(bound).now_or_never().is_none(), waits);
        let sign = pulse.silence(Side::Following, since_boot());
        assert_eq!(sign.is_none(), waits, "as long as it waits it shows no sign of life itself");
    }
    pulse.ends(Side::Answering);
    assert!(pulse.follow(Duration::ZERO).now_or_never().is_some(), "nobody answers who could hang");
}

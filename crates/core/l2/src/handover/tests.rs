use super::*;

const LONGEST: Duration = Duration::from_secs(1);
const NOBODY: [IpAddr; 0] = [];

fn at(milliseconds: u64) -> Moment {
    Moment::after_origin(Duration::from_millis(milliseconds))
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// All that is over at a moment.
fn over(hand_overs: &mut HandOvers, now: Moment) -> Vec<IpAddr> {
    std::iter::from_fn(|| hand_overs.poll(now)).collect()
}

fn begun() -> HandOvers {
    let mut hand_overs = HandOvers::default();
    hand_overs.begin(at(10_000), ip(1), LONGEST);
    hand_overs
}

#[test]
fn an_address_is_answered_for_until_its_heir_is_heard() {
    let mut hand_overs = begun();
    assert_eq!(over(&mut hand_overs, at(10_900)), NOBODY);
    assert!(hand_overs.is_under_way(ip(1)));
    hand_overs.hear(at(10_900), ip(2));
    assert_eq!(over(&mut hand_overs, at(10_900)), NOBODY, "another address says nothing");
    hand_overs.hear(at(10_901), ip(1));
    assert!(!hand_overs.is_under_way(ip(1)));
    assert_eq!(over(&mut hand_overs, at(10_901)), [ip(1)]);
    assert!(hand_overs.is_idle());
    assert_eq!(over(&mut hand_overs, at(20_000)), NOBODY, "it is over once");
}

#[test]
fn an_heir_that_is_not_heard_is_waited_for_no_longer_than_is_bearable() {
    let mut hand_overs = begun();
    hand_overs.begin(at(10_500), ip(2), LONGEST);
    assert_eq!(hand_overs.next_deadline(), Some(at(11_000)));
    assert_eq!(over(&mut hand_overs, at(11_000)), [ip(1)]);
    assert_eq!(hand_overs.next_deadline(), Some(at(11_500)));
    assert_eq!(over(&mut hand_overs, at(12_000)), [ip(2)]);
    assert_eq!(hand_overs.next_deadline(), None);
}

#[test]
fn an_heir_that_knew_of_the_move_first_is_not_waited_for() {
    for (heard, kept, expected) in [
        (9_900, None, vec![ip(1)]),
        (8_001, None, vec![ip(1)]),
        (8_000, None, vec![]),        // too long ago to be about this move
        (9_900, Some(9_950), vec![]), // it was ours again after that
    ] {
        let mut hand_overs = HandOvers::default();
        hand_overs.hear(at(heard), ip(1));
        kept.into_iter().for_each(|_: u64| hand_overs.keep(ip(1)));
        hand_overs.begin(at(10_000), ip(1), LONGEST);
        assert_eq!(over(&mut hand_overs, at(10_000)), expected, "heard at {heard}");
    }
}

#[test]
fn who_leaves_waits_for_an_heir_though_somebody_claimed_the_address_before() {
    let mut hand_overs = HandOvers::default();
    hand_overs.hear(at(9_999), ip(1));
    hand_overs.begin_leaving(at(10_000), ip(1), LONGEST);
    assert_eq!(over(&mut hand_overs, at(10_000)), NOBODY);
    hand_overs.hear(at(10_001), ip(1));
    assert_eq!(over(&mut hand_overs, at(10_001)), [ip(1)]);
}

#[test]
fn an_heir_whose_interface_came_up_a_moment_ago_has_the_time_it_needs_for_ipv6() {
    type Begin = fn(&mut HandOvers, Moment, IpAddr, Duration);
    let (v4, v6) = (ip(1), "2001:db8::1".parse().unwrap());
    for (begin, address, end) in [
        (HandOvers::begin as Begin, v4, 11_000),
        (HandOvers::begin, v6, 12_500),
        (HandOvers::begin_leaving, v4, 11_000),
        (HandOvers::begin_leaving, v6, 11_000),
    ] {
        let mut hand_overs = HandOvers::default();
        begin(&mut hand_overs, at(10_000), address, LONGEST);
        assert_eq!(hand_overs.next_deadline(), Some(at(end)), "{address}");
        hand_overs.hear(at(10_100), address);
        assert_eq!(over(&mut hand_overs, at(10_100)), [address], "one that is heard ends it at once");
    }
}

#[test]
fn a_closed_fence_ends_every_hand_over_at_once() {
    let mut hand_overs = begun();
    hand_overs.begin(at(10_500), ip(2), LONGEST);
    hand_overs.give_up();
    assert_eq!(over(&mut hand_overs, at(10_500)), [ip(1), ip(2)]);
    assert!(hand_overs.is_idle());
}

#[test]
fn an_address_that_comes_back_or_is_handed_over_anew_before_anybody_asked_is_not_over() {
    let mut hand_overs = begun();
    hand_overs.begin(at(10_000), ip(2), LONGEST);
    hand_overs.give_up();
    hand_overs.keep(ip(1));
    hand_overs.begin(at(10_500), ip(2), LONGEST);
    assert_eq!(over(&mut hand_overs, at(10_500)), NOBODY);
    assert_eq!(over(&mut hand_overs, at(11_500)), [ip(2)]);
}

#[test]
fn an_address_that_comes_back_meanwhile_stays() {
    let mut hand_overs = begun();
    hand_overs.keep(ip(1));
    assert!(!hand_overs.is_under_way(ip(1)));
    hand_overs.hear(at(10_100), ip(1));
    assert_eq!(over(&mut hand_overs, at(20_000)), NOBODY);
    assert_eq!(hand_overs.next_deadline(), None);
}

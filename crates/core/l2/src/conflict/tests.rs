use super::*;

fn at(seconds: u64) -> Moment {
    Moment::after_origin(Duration::from_secs(seconds))
}

fn address() -> IpAddr {
    IpAddr::from([192, 0, 2, 200])
}

fn claim(station: u8) -> Claim {
    Claim { address: address(), mac: MacAddr([2, 0, 0, 0, 0, station]), link: 2 }
}

fn holding() -> Conflicts {
    let mut conflicts = Conflicts::default();
    conflicts.hold(at(0), address());
    conflicts
}

#[test]
fn the_last_words_of_the_owner_before_are_no_conflict() {
    let mut conflicts = holding();
    (0..10).for_each(|second| conflicts.hear(at(second), claim(1)));
    assert_eq!(conflicts.next_deadline(), None);
    assert_eq!(conflicts.poll(at(100)), None);
}

#[test]
fn the_first_words_of_the_next_owner_are_no_conflict() {
    let mut conflicts = holding();
    conflicts.hear(at(100), claim(1));
    conflicts.release(address());
    assert_eq!(conflicts.next_deadline(), None);
    assert_eq!(conflicts.poll(at(200)), None);
    conflicts.hear(at(201), claim(1));
    assert_eq!(conflicts.poll(at(300)), None, "an address that is not ours is nobody's business");
}

#[test]
fn one_claim_is_told_if_the_address_still_is_ours_a_while_later() {
    let mut conflicts = holding();
    conflicts.hear(at(100), claim(1));
    assert_eq!(conflicts.poll(at(109)), None);
    assert_eq!(conflicts.next_deadline(), Some(at(110)));
    assert_eq!(conflicts.poll(at(110)), Some(Conflict { claim: claim(1), is_news: true }));
    assert_eq!(conflicts.poll(at(110)), None);
}

#[test]
fn further_claims_are_counted_and_told_again_only_after_a_while() {
    let mut conflicts = holding();
    conflicts.hear(at(100), claim(1));
    assert!(conflicts.poll(at(110)).is_some());
    for second in 111..150 {
        conflicts.hear(at(second), claim(1));
        assert_eq!(conflicts.poll(at(second)), Some(Conflict { claim: claim(1), is_news: false }));
    }
    conflicts.hear(at(410), claim(2));
    assert_eq!(conflicts.poll(at(410)), Some(Conflict { claim: claim(2), is_news: true }));
}

/// Also where not all of them are asked for at once.
#[test]
fn what_is_found_and_not_asked_for_yet_is_due() {
    let other = IpAddr::from([192, 0, 2, 201]);
    let mut conflicts = holding();
    conflicts.hold(at(0), other);
    [claim(1), Claim { address: other, ..claim(1) }].into_iter().for_each(|it| conflicts.hear(at(100), it));
    assert!(conflicts.poll(at(110)).is_some());
    assert_eq!(conflicts.next_deadline(), Some(at(110)), "the other one");
    assert!(conflicts.poll(at(110)).is_some());
    assert_eq!(conflicts.next_deadline(), None);
    (0..2).for_each(|_| conflicts.hear(at(111), claim(1)));
    assert!(conflicts.poll(at(111)).is_some());
    assert!(conflicts.next_deadline().is_some_and(|deadline| deadline <= at(111)), "the second claim");
    assert!(conflicts.poll(at(111)).is_some());
    assert_eq!((conflicts.poll(at(111)), conflicts.next_deadline()), (None, None));
}

#[test]
fn news_go_before_further_claims_and_nothing_is_told_of_what_is_not_ours_any_more() {
    let other = IpAddr::from([192, 0, 2, 201]);
    let told = || {
        let mut conflicts = holding();
        conflicts.hold(at(0), other);
        conflicts.hear(at(100), claim(1));
        assert!(conflicts.poll(at(110)).is_some());
        conflicts.hear(at(111), Claim { address: other, ..claim(1) });
        (0..3).for_each(|_| conflicts.hear(at(121), claim(1)));
        conflicts
    };
    assert_eq!(told().poll(at(121)).map(|it| it.claim.address), Some(other));
    for forget in
        [|it: &mut Conflicts| it.release(claim(1).address), |it: &mut Conflicts| it.begin_anew(at(121))]
    {
        let mut conflicts = told();
        conflicts.poll(at(121));
        forget(&mut conflicts);
        assert_eq!((conflicts.poll(at(121)), conflicts.next_deadline()), (None, None));
    }
}

#[test]
fn what_is_told_again_goes_before_further_claims_that_came_earlier() {
    let other = Claim { address: IpAddr::from([192, 0, 2, 201]), ..claim(1) };
    let mut conflicts = holding();
    conflicts.hold(at(0), other.address);
    for (second, claim) in [(100, claim(1)), (390, other)] {
        conflicts.hear(at(second), claim);
        assert!(conflicts.poll(at(second + 10)).is_some());
    }
    (0..3).for_each(|_| conflicts.hear(at(410), other));
    conflicts.hear(at(410), claim(2));
    assert_eq!(conflicts.poll(at(410)), Some(Conflict { claim: claim(2), is_news: true }));
    assert_eq!(conflicts.poll(at(410)), Some(Conflict { claim: other, is_news: false }));
}

#[test]
fn announcing_again_forgives_nothing_and_a_closed_fence_does() {
    let mut conflicts = holding();
    conflicts.hold(at(99), address());
    conflicts.tighten();
    conflicts.hear(at(100), claim(1));
    assert_eq!(conflicts.next_deadline(), Some(at(110)));
    conflicts.begin_anew(at(105));
    assert_eq!(conflicts.poll(at(200)), None);
    conflicts.hear(at(106), claim(1));
    assert_eq!(conflicts.poll(at(200)), None, "heard within the grace of the new beginning");
}

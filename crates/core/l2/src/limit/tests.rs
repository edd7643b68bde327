use super::*;

const ASKER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x50]);

fn at(milliseconds: u64) -> Moment {
    Moment::after_origin(Duration::from_millis(milliseconds))
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// How many of a thousand questions each millisecond are answered.
fn storm(
    limiter: &mut Limiter,
    milliseconds: std::ops::Range<u64>,
    ask: impl Fn(u64) -> (MacAddr, IpAddr),
) -> usize {
    let questions = milliseconds.flat_map(|now| (0..1000).map(move |number| (now, number)));
    questions
        .filter(|(now, number)| {
            let (asker, address) = ask(*number);
            limiter.permits(at(*now), asker, address)
        })
        .count()
}

#[test]
fn an_asker_that_storms_gets_its_share_and_others_theirs() {
    let mut limiter = Limiter::new(1);
    let answered = storm(&mut limiter, 0..1000, |_| (ASKER, address(1)));
    assert!((14_900..=15_100).contains(&answered), "{answered}");
    assert!(limiter.permits(at(1000), ASKER, address(2)), "another address");
    assert!(limiter.permits(at(1000), MacAddr([2, 0, 0, 0, 0, 0x51]), address(1)), "another asker");
    assert!(limiter.permits(at(1010), ASKER, address(1)), "after a rest");
}

#[test]
fn askers_that_storm_together_share_what_there_is_for_all() {
    let mut limiter = Limiter::new(1);
    let many = |number: u64| (MacAddr([2, 0, 0, 0, 0, u8::try_from(number % 250).unwrap()]), address(1));
    let answered = storm(&mut limiter, 0..2000, many);
    assert!((59_000..=61_000).contains(&answered), "{answered}");
}

use super::*;

const INTERVAL: Duration = Duration::from_mins(5);

fn address(number: u32) -> IpAddr {
    IpAddr::V4((0x0a00_0000 + number).into())
}

fn refresh() -> Refresh {
    Refresh::new(Some(INTERVAL), 7)
}

/// Every round until `end`, as seconds and address.
fn run(refresh: &mut Refresh, end: Duration) -> Vec<(f64, IpAddr)> {
    let mut rounds = Vec::new();
    while let Some(now) = refresh.next_deadline().filter(|at| at.since_origin() <= end) {
        let address = refresh.poll(now).expect("something is due at the deadline");
        rounds.push((now.since_origin().as_secs_f64(), address));
    }
    rounds
}

#[test]
fn an_address_has_its_turn_about_every_interval_for_as_long_as_it_is_announced() {
    let mut refresh = refresh();
    refresh.announce(Moment::default(), address(1));
    let times: Vec<f64> = run(&mut refresh, INTERVAL * 10).into_iter().map(|(time, _)| time).collect();
    assert!((8..=12).contains(&times.len()), "{times:?}");
    for pair in times.windows(2) {
        assert!((240.0..=360.0).contains(&(pair[1] - pair[0])), "{times:?}");
    }
    refresh.withdraw(address(1));
    assert_eq!(refresh.next_deadline(), None);
}

#[test]
fn an_address_made_known_otherwise_waits_a_whole_interval_again() {
    let mut refresh = refresh();
    refresh.announce(Moment::default(), address(1));
    let later = Moment::default() + INTERVAL / 2;
    refresh.announce(later, address(1));
    assert!(refresh.next_deadline().unwrap() >= later + INTERVAL / 10 * 8);
    assert_eq!(refresh.queue.len(), 1);
}

#[test]
fn thousands_of_addresses_announced_at_once_are_spread_and_capped() {
    let mut refresh = refresh();
    (0..10_000).for_each(|number| refresh.announce(Moment::default(), address(number)));
    let rounds = run(&mut refresh, INTERVAL * 2);
    let busiest = (0..600u32).map(|second| {
        rounds.iter().filter(|(time, _)| (f64::from(second)..f64::from(second + 1)).contains(time)).count()
    });
    assert!(busiest.max().unwrap() <= 201);
    let distinct: std::collections::HashSet<IpAddr> = rounds.iter().map(|(_, address)| *address).collect();
    assert_eq!(distinct.len(), 10_000, "everybody has a turn");
}

#[test]
fn a_late_driver_sends_no_rounds_in_a_row() {
    let mut refresh = refresh();
    (0..100).for_each(|number| refresh.announce(Moment::default(), address(number)));
    let late = Moment::default() + INTERVAL * 5;
    assert!(refresh.poll(late).is_some());
    assert_eq!(refresh.poll(late), None);
    assert_eq!(refresh.next_deadline(), Some(late + SPACING));
}

/// How far apart the rounds of an address are, in seconds.
fn gaps(rounds: &[(f64, IpAddr)], address: IpAddr) -> Vec<f64> {
    let times: Vec<f64> =
        rounds.iter().filter(|(_, other)| *other == address).map(|(time, _)| *time).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn an_address_has_the_interval_it_is_given_and_the_others_have_theirs() {
    let mut refresh = refresh();
    for number in 1..=3 {
        refresh.announce(Moment::default(), address(number));
    }
    refresh.set_interval(Moment::default(), address(1), Some(Duration::from_secs(10)));
    refresh.set_interval(Moment::default(), address(2), None);
    let rounds = run(&mut refresh, INTERVAL * 10);
    let (fast, usual) = (gaps(&rounds, address(1)), gaps(&rounds, address(3)));
    assert!(fast.len() > 250 && fast.iter().all(|gap| (8.0..=12.1).contains(gap)), "{fast:?}");
    assert!(usual.len() > 6 && usual.iter().all(|gap| (240.0..=360.1).contains(gap)), "{usual:?}");
    assert!(rounds.iter().all(|(_, other)| *other != address(2)), "never");
}

#[test]
fn a_new_interval_counts_from_when_it_is_given_and_until_the_address_is_withdrawn() {
    let mut refresh = refresh();
    let at = |seconds| Moment::default() + Duration::from_secs(seconds);
    refresh.announce(at(0), address(1));
    refresh.set_interval(at(100), address(1), Some(Duration::from_secs(10)));
    assert!((at(108)..=at(112)).contains(&refresh.next_deadline().unwrap()));
    // Made known for another reason.
    refresh.announce(at(105), address(1));
    assert!((at(113)..=at(117)).contains(&refresh.next_deadline().unwrap()));
    refresh.set_interval(at(106), address(1), None);
    assert_eq!(refresh.next_deadline(), None);
    refresh.announce(at(107), address(1));
    assert_eq!(refresh.next_deadline(), None, "made known for another reason, it has no turn either");
    refresh.set_interval(at(110), address(1), Some(INTERVAL));
    assert!((at(350)..=at(470)).contains(&refresh.next_deadline().unwrap()));
    assert!(refresh.special.is_empty(), "the usual interval takes no room");
    refresh.set_interval(at(110), address(1), None);
    refresh.withdraw(address(1));
    refresh.announce(at(111), address(1));
    assert!(
        refresh.next_deadline().unwrap() >= at(111 + 240),
        "a new announcement begins with the usual one"
    );
}

#[test]
fn where_no_address_has_turns_those_have_of_which_it_is_said() {
    let mut refresh = Refresh::new(None, 7);
    refresh.announce(Moment::default(), address(1));
    assert_eq!(refresh.next_deadline(), None);
    refresh.set_interval(Moment::default(), address(1), Some(INTERVAL));
    assert!(refresh.next_deadline().is_some());
}

#[test]
fn thousands_of_short_intervals_are_capped_and_keep_nobody_from_his_turn() {
    let mut refresh = refresh();
    let seldom = address(0);
    refresh.announce(Moment::default(), seldom);
    for number in 1..=10_000 {
        refresh.set_interval(Moment::default(), address(number), Some(Duration::from_secs(10)));
    }
    let rounds = run(&mut refresh, INTERVAL * 4);
    assert!(rounds.len() <= 1200 * 200, "{}", rounds.len());
    // All have the rate that is left, and who is due first comes first.
    let longest = gaps(&rounds, address(7)).into_iter().fold(0.0, f64::max);
    assert!((10.0..=65.0).contains(&longest), "{longest}");
    let turns = gaps(&rounds, seldom);
    assert!(turns.len() >= 2 && turns.iter().all(|gap| *gap <= 360.0 + 65.0), "{turns:?}");
}

#[test]
fn one_that_is_tightened_goes_on_as_it_was() {
    let rounds = |is_tight: bool| {
        let mut refresh = refresh();
        for number in (0..100).rev() {
            refresh.announce(Moment::default(), address(number));
        }
        if is_tight {
            refresh.tighten();
        }
        run(&mut refresh, INTERVAL * 3)
    };
    assert_eq!(rounds(true), rounds(false));
    assert!(rounds(true).len() > 200);
}

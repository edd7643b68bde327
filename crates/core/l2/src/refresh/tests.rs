use super::*;

const INTERVAL: Duration = Duration::from_mins(5);

fn address(number: u32) -> IpAddr {
    IpAddr::V4((0x0a00_0000 + number).into())
}

fn refresh() -> Refresh {
    Refresh::new(INTERVAL, 7)
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

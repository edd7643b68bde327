use std::time::Duration;

use super::super::scale::{push_pull_interval, suspicion_timeout, transmit_limit};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_suspicion_lasts_at_least_four_intervals_times_the_logarithm() {
    let cases = [
        ("nobody known", 4, 0, 4000),
        ("three members, as few as count", 4, 3, 4000),
        ("ten", 4, 10, 4000),
        ("fifty, in thousandths", 4, 50, 6792),
        ("a hundred", 4, 100, 8000),
        ("a thousand", 4, 1000, 12000),
        ("the WAN's multiplier", 6, 100, 12000),
        ("a multiplier left out of the file", 0, 100, 0),
    ];
    for (what, mult, members, millis) in cases {
        let timeout = suspicion_timeout(mult, members, SECOND);
        assert!(
            timeout.abs_diff(Duration::from_millis(millis)) < Duration::from_micros(1),
            "{what}: {timeout:?}"
        );
    }
    assert_eq!(suspicion_timeout(u32::MAX, 100, Duration::MAX), Duration::MAX, "no overflow");
}

#[test]
fn a_message_is_told_four_times_the_number_of_digits() {
    let cases = [(0, 0), (1, 4), (9, 4), (10, 8), (99, 8), (100, 12), (1000, 16)];
    for (members, limit) in cases {
        assert_eq!(transmit_limit(4, members), limit, "{members} members");
    }
    assert_eq!(transmit_limit(u32::MAX, 1000), u32::MAX, "no overflow");
}

#[test]
fn state_is_exchanged_more_rarely_beyond_32_members() {
    let cases = [(1, 30), (32, 30), (33, 60), (64, 60), (65, 90), (128, 90), (1000, 180), (5000, 270)];
    for (members, seconds) in cases {
        assert_eq!(push_pull_interval(30 * SECOND, members), seconds * SECOND, "{members} members");
    }
}

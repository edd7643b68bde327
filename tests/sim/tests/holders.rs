//! Addresses stay with who holds them, and have one owner.

use std::time::Duration;

use metallb_sim::holders::{Figures, Terms, cold_start, roll_out, run};
use metallb_sim::seeds;

/// Debug code is slow, and there are many runs for each seed.
const STEP: usize = if cfg!(debug_assertions) { 15 } else { 1 };
/// Two that hear each other both answer for so long at most: a process that starts while another one's metadata are
/// missing takes that for a stranger at once, the others after three seconds.
const LONGEST_TWO: Duration = Duration::from_millis(3500);
/// Nobody answers for so long at most while all nodes are well.
const LONGEST_NOBODY: Duration = Duration::from_millis(1500);
/// That the holder has let go is told again after a second, if the word of it and the next reminder are lost.
const LOST: Duration = Duration::from_secs(1);

const ALL: [Terms; 4] = [Terms::Never, Terms::Delayed, Terms::Bounded, Terms::Both];

#[test]
fn whatever_happens_all_agree_at_rest_and_nobody_who_stays_loses_anything() {
    for terms in ALL {
        let mut worst = Figures::default();
        for seed in seeds().step_by(STEP) {
            let Figures { two, nobody_told, nobody } = run(seed, terms);
            worst = Figures {
                two: worst.two.max(two),
                nobody_told: worst.nobody_told.max(nobody_told),
                nobody: worst.nobody.max(nobody),
            };
        }
        eprintln!("{terms:?}: {worst:?}");
        assert!(worst.two <= LONGEST_TWO, "{terms:?}: {worst:?}");
        assert!(worst.nobody_told <= LONGEST_NOBODY, "{terms:?}: {worst:?}");
        assert!(worst.nobody <= LONGEST_NOBODY + LOST, "{terms:?}: {worst:?}");
    }
}

#[test]
fn after_a_start_of_all_within_a_minute_everything_is_where_it_was_elected_to() {
    for terms in ALL {
        for within in [1, 10, 60] {
            for seed in seeds().step_by(STEP) {
                let elsewhere = cold_start(seed, terms, Duration::from_secs(within));
                assert_eq!(elsewhere, 0, "seed {seed}, {terms:?}, within {within} s");
            }
        }
    }
}

#[test]
fn in_a_roll_out_of_less_than_a_minute_all_is_remembered_and_who_is_last_gets_nothing() {
    for terms in [Terms::Never, Terms::Both] {
        for seed in seeds().step_by(STEP) {
            assert_eq!(roll_out(seed, terms), 0, "seed {seed}, {terms:?}");
        }
    }
}

use std::collections::BTreeSet;

use super::*;

/// A sequence without rhythm.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn it_is_the_set_that_a_tree_of_single_members_is() {
    const LAST: u64 = 9_999;
    let mut set = Intervals::up_to(Some(LAST.into()));
    let mut model: BTreeSet<u128> = (0..=LAST.into()).collect();
    let mut state = 1;
    for round in 0..60_000u64 {
        let member = u128::from(next(&mut state) % (LAST + 1));
        // At first most go, so that many chunks come into being; then most return, and they vanish.
        let removes = next(&mut state) % 10 < if round < 30_000 { 7 } else { 2 };
        if removes {
            assert_eq!(set.remove(member), model.remove(&member));
        } else {
            assert_eq!(set.insert(member), model.insert(member));
        }
        assert_eq!(set.first(), model.first().copied());
        if round % 500 == 0 {
            let members: Vec<u128> = (0..).map_while(|n| set.nth(n)).collect();
            assert!(members.iter().eq(&model), "round {round}");
        }
    }
    assert!(model.iter().all(|member| set.contains(*member)));
    for member in 0..=LAST.into() {
        set.remove(member);
    }
    assert_eq!((set.first(), set.nth(0), set.fragments()), (None, None, 0));
    (0..=u128::from(LAST)).rev().for_each(|member| assert!(set.insert(member)));
    assert_eq!(
        (set.fragments(), set.nth(u128::from(LAST)), set.nth(u128::from(LAST) + 1)),
        (1, Some(LAST.into()), None)
    );
}

#[test]
fn the_whole_of_the_numbers_is_no_special_case_for_users() {
    let mut set = Intervals::up_to(Some(u128::MAX));
    assert_eq!((set.nth(0), set.nth(u128::MAX)), (Some(0), Some(u128::MAX)));
    assert!(set.remove(7) && !set.remove(7) && set.remove(u128::MAX));
    assert_eq!(
        (set.nth(7), set.nth(u128::MAX - 2), set.nth(u128::MAX - 1)),
        (Some(8), Some(u128::MAX - 1), None)
    );
    assert!(set.insert(u128::MAX) && set.insert(7) && !set.insert(7));
    assert_eq!((set.fragments(), set.nth(u128::MAX)), (1, Some(u128::MAX)));
}

#[test]
fn nothing_has_no_members() {
    let set = Intervals::up_to(None);
    assert_eq!((set.first(), set.nth(0), set.contains(0)), (None, None, false));
}

use super::*;

const LIMITS: ShareLimits = ShareLimits { shares: 4, ranges: 8 };

fn single(values: impl IntoIterator<Item = u32>) -> Vec<RangeInclusive<u32>> {
    values.into_iter().map(|value| value..=value).collect()
}

fn flat(shares: &[Vec<RangeInclusive<u32>>]) -> Vec<u32> {
    let mut values: Vec<u32> = shares.iter().flatten().flat_map(RangeInclusive::clone).collect();
    values.sort_unstable();
    values
}

#[test]
fn what_fits_into_one_share_is_one_share() {
    let mut shares = Shares::default();
    assert_eq!(shares.divide(&[], LIMITS), [vec![]]);
    assert_eq!(shares.divide(&[3..=5, 9..=9], LIMITS), [vec![3..=5, 9..=9]]);
    assert_eq!(shares.divide(&[0..=u32::MAX], LIMITS), [vec![0..=u32::MAX]]);
}

#[test]
fn a_full_share_is_split_and_its_upper_half_is_numbered_last() {
    let mut shares = Shares::default();
    let ranges = single((0..9).map(|number| number * 10));
    let divided = shares.divide(&ranges, LIMITS);
    assert_eq!(divided, [single([0, 10, 20, 30]), single([40, 50, 60, 70, 80])]);
    // The lower one fills up: its upper half becomes the third, and the second stays as it is.
    let ranges = single((0..9).chain((10..90).step_by(10)));
    let divided = shares.divide(&ranges, LIMITS);
    assert_eq!(divided[1], single([40, 50, 60, 70, 80]));
    assert_eq!((divided.len(), flat(&divided)), (3, flat(&[ranges])));
}

#[test]
fn ranges_that_grow_together_across_shares_are_cut_where_the_next_one_begins() {
    let mut shares = Shares::default();
    shares.divide(&single((0..9).map(|number| number * 10)), LIMITS);
    let divided = shares.divide(&[0..=0, 10..=10, 20..=70, 80..=80, 90..=99], LIMITS);
    assert_eq!(divided, [vec![0..=0, 10..=10, 20..=39], vec![40..=70, 80..=80, 90..=99]]);
}

#[test]
fn few_ranges_go_back_to_one_share() {
    let mut shares = Shares::default();
    shares.divide(&single((0..9).map(|number| number * 10)), LIMITS);
    assert_eq!(shares.divide(&single([0, 10, 40, 50]), LIMITS), [single([0, 10, 40, 50])]);
}

#[test]
fn when_no_further_share_is_allowed_all_are_filled_evenly() {
    let mut shares = Shares::default();
    // Always at the upper end, so that the lower shares stay half full.
    for count in 1..=32 {
        let ranges = single((0..count).map(|number| number * 10));
        let divided = shares.divide(&ranges, LIMITS);
        assert_eq!(flat(&divided), flat(&[ranges]), "{count}");
        assert!(divided.len() <= 4 && divided.iter().all(|share| share.len() <= 8), "{count}: {divided:?}");
    }
    let divided = shares.divide(&single((0..32).map(|number| u32::MAX - 310 + number * 10)), LIMITS);
    assert!(divided.len() <= 4 && divided.iter().all(|share| share.len() <= 8), "{divided:?}");
}

/// What the driver relies on: put in force from the last share to the first, no value that stays is ever left out.
#[test]
fn a_value_that_stays_is_in_some_share_at_every_step() {
    let mut shares = Shares::default();
    let mut in_force: Vec<Vec<RangeInclusive<u32>>> = Vec::new();
    let mut values: Vec<u32> = Vec::new();
    // Fewer than make an even distribution necessary.
    for step in 0u32..24 {
        let kept = values.clone();
        values.push(step.wrapping_mul(2_654_435_761) >> 8);
        values.sort_unstable();
        let divided = shares.divide(&single(values.clone()), ShareLimits { shares: 8, ranges: 8 });
        in_force.resize(divided.len().max(in_force.len()), Vec::new());
        for number in (0..divided.len()).rev() {
            in_force[number].clone_from(&divided[number]);
            let now = flat(&in_force);
            assert!(kept.iter().all(|value| now.contains(value)), "step {step}, share {number}");
        }
        in_force.truncate(divided.len());
    }
}

mod walk;

use super::*;
use crate::held::Validity;

pub(super) const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn id(number: u8) -> AuthorityId {
    AuthorityId([number; 32])
}

/// Valid for this many days around now: counted from now, both ways.
fn days(from: i64, until: i64) -> Validity {
    Validity { from: UnixSeconds(NOW.0 + from * 86_400), until: UnixSeconds(NOW.0 + until * 86_400) }
}

fn authority(number: u8, validity: Validity, signs: bool) -> Authority {
    Authority { id: id(number), validity, signs }
}

fn leaf(issuer: u8, validity: Validity) -> Leaf {
    Leaf { validity, issuer: Some(id(issuer)), names_fit: true, has_key: true }
}

fn held(authorities: &[Authority], leaf: Leaf) -> Held {
    Held { authorities: authorities.to_vec(), leaf: Some(leaf) }
}

fn next(held: &Held) -> Step {
    plan(&Policy::default(), held, None, NOW)
}

#[test]
fn an_empty_secret_gets_everything() {
    assert_eq!(next(&Held::default()), Step::Both { why: Why::Missing, trusted: vec![] });
}

#[test]
fn a_good_secret_is_kept_whoever_made_it() {
    let good = held(&[authority(1, days(-30, 3620), true)], leaf(1, days(-30, 335)));
    assert_eq!(next(&good), Step::Keep);
}

#[test]
fn a_leaf_is_made_anew_for_each_reason() {
    let good = leaf(1, days(-30, 335));
    for (sentence, leaf, why) in [
        ("§9.1 ends within 90 days", Some(leaf(1, days(-275, 90))), Why::Ending),
        ("is over", Some(leaf(1, days(-366, -1))), Why::Invalid),
        ("has not begun", Some(leaf(1, days(1, 366))), Why::Invalid),
        ("has another's key", Some(Leaf { has_key: false, ..good }), Why::NoKey),
        ("--cert-service-name has changed", Some(Leaf { names_fit: false, ..good }), Why::Names),
        ("nobody vouches for it", Some(Leaf { issuer: None, ..good }), Why::Stranger),
        (
            "an authority that is not there vouches for it",
            Some(Leaf { issuer: Some(id(7)), ..good }),
            Why::Stranger,
        ),
        ("is missing", None, Why::Missing),
    ] {
        let held = Held { authorities: vec![authority(1, days(-30, 3620), true)], leaf };
        assert_eq!(next(&held), Step::Leaf(why), "{sentence}");
    }
}

#[test]
fn a_new_authority_leaves_a_usable_leaf_alone() {
    for (sentence, old, why) in [
        ("§9.1 ends within 90 days", authority(1, days(-3560, 90), true), Why::Ending),
        ("its key is lost", authority(1, days(-30, 3620), false), Why::NoKey),
    ] {
        let held = held(&[old], leaf(1, days(-30, 335)));
        assert_eq!(next(&held), Step::Authority { why, trusted: vec![id(1)] }, "{sentence}");
    }
}

#[test]
fn without_a_usable_leaf_both_are_made_and_the_old_authority_stays_trusted_while_it_is_valid() {
    for (sentence, old, why, trusted) in [
        ("it ended", authority(1, days(-3651, -1), true), Why::Invalid, vec![]),
        ("its key is lost", authority(1, days(-30, 3620), false), Why::NoKey, vec![id(1)]),
    ] {
        let broken = Leaf { has_key: false, ..leaf(1, days(-30, 335)) };
        assert_eq!(next(&held(&[old], broken)), Step::Both { why, trusted }, "{sentence}");
    }
}

#[test]
fn an_authority_signs_only_after_everybody_trusts_it() {
    let pair = [authority(2, days(0, 3650), true), authority(1, days(-3560, 90), false)];
    let held = held(&pair, leaf(1, days(-275, 90)));
    let settle = i64::try_from(Policy::default().settle.as_secs()).unwrap();
    for (sentence, known, expected) in [
        ("nobody was told", None, Step::Wait),
        ("told just now", Some(NOW), Step::Wait),
        ("told long enough ago", Some(UnixSeconds(NOW.0 - settle)), Step::Leaf(Why::NewAuthority)),
    ] {
        assert_eq!(plan(&Policy::default(), &held, known, NOW), expected, "{sentence}");
    }
}

#[test]
fn old_authorities_go_after_a_while_or_when_they_end() {
    for (sentence, new, old, expected) in [
        ("shortly after", days(-6, 3640), days(-3560, 84), Step::Keep),
        ("after a week", days(-7, 3640), days(-3560, 83), Step::Prune { trusted: vec![] }),
        ("it ended", days(-1, 3640), days(-3660, -1), Step::Prune { trusted: vec![] }),
    ] {
        let held = held(&[authority(2, new, true), authority(1, old, false)], leaf(2, days(-1, 364)));
        assert_eq!(next(&held), expected, "{sentence}");
    }
}

#[test]
fn lost_keys_do_not_pile_up_authorities_and_the_one_in_use_stays() {
    let many: Vec<Authority> = (1..=9).map(|number| authority(number, days(-1, 3000), false)).collect();
    let Step::Authority { trusted, .. } = next(&held(&many, leaf(9, days(-1, 300)))) else {
        panic!("a new authority is needed")
    };
    assert_eq!(trusted, [id(1), id(2), id(3), id(4), id(9)]);
}

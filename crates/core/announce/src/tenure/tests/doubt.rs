//! Claims made while not all is known.

use super::*;

fn told(tenure: &mut Tenure, word: &Word) {
    tenure.receive("n2", &wire::encode((2, 1), word), Duration::from_secs(1));
}

#[test]
fn a_claim_in_doubt_is_looked_at_again_once_all_is_known_though_it_was_claimed_again_meanwhile() {
    let mut tenure = Tenure::new("n1", Duration::ZERO);
    tenure.set_wanted(true);
    tenure.set_peers([("n1", 1), ("n2", 2)], Duration::ZERO);
    tenure.claim(ip(A));
    let whole = |version| Word::Whole { version, part: (0, 1), claims: Vec::new() };
    told(&mut tenure, &whole(3));
    assert_eq!(tenure.take_news(), [ip(A)].into());
    // A change of the other one got lost before that was acted on.
    told(&mut tenure, &Word::Last { version: 4 });
    tenure.claim(ip(A));
    assert!(!tenure.claims("n1", &[ip(A)]), "in doubt");
    told(&mut tenure, &whole(4));
    assert_eq!(tenure.take_news(), [ip(A)].into());
    tenure.claim(ip(A));
    assert!(tenure.claims("n1", &[ip(A)]));
}

/// Whatever clocks say: that of the holder is ahead.
#[test]
fn a_claim_in_doubt_of_one_that_is_preferred_stands_behind_the_holder_that_was_not_heard() {
    for (is_behind, holder) in [(true, "n2"), (false, "n1")] {
        let mut tenure = Tenure::new("n1", Duration::ZERO);
        tenure.set_wanted(true);
        tenure.set_peers([("n1", 1), ("n2", 2)], Duration::ZERO);
        let claim = if is_behind { Tenure::claim_behind } else { Tenure::claim };
        claim(&mut tenure, ip(A));
        claim(&mut tenure, ip(A));
        assert!(!tenure.claims("n1", &[ip(A)]), "in doubt");
        told(&mut tenure, &Word::Whole { version: 3, part: (0, 1), claims: vec![(ip(A), 500)] });
        claim(&mut tenure, ip(A));
        assert!(tenure.claims("n1", &[ip(A)]));
        assert_eq!(tenure.holder(ip(A), &[ip(A)], [("n1", 0), ("n2", 0)]), Some(holder));
    }
}

#[test]
fn a_change_that_was_not_sent_when_it_stood_still_is_heard_of_later_and_not_as_it_was() {
    let (mut ring, other) = (Ring::of(&["node-a", "node-b"]), "10.0.0.2");
    ring.with("node-a", |tenure| [A, other].iter().for_each(|address| tenure.claim(ip(address))));
    ring.run(1);
    let now = ring.now;
    ring.with("node-a", |tenure| tenure.release(ip(other)));
    ring.with("node-a", |tenure| {
        tenure.doubt(now);
        assert!(tenure.outbox.iter().all(|(_, word)| !matches!(**word, Word::Changed { .. })));
    });
    ring.run(30);
    ring.with("node-a", Tenure::trust);
    ring.run(30);
    assert_eq!((ring.agreed(A), ring.agreed(other)), (Some("node-a"), None));
}

#[test]
fn what_one_was_about_to_say_when_it_stood_still_is_not_said_any_more() {
    let mut ring = Ring::of(&["node-a", "node-b"]);
    ring.with("node-a", |tenure| tenure.claim(ip(A)));
    ring.run(1);
    let now = ring.now;
    ring.with("node-b", |tenure| {
        tenure.set_down(|node| node == "node-a", now);
        tenure.set_down(|_| false, now);
        tenure.tick(now);
    });
    // It is asked, and stands still before it answers.
    ring.deliver();
    ring.with("node-b", |tenure| {
        tenure.set_down(|node| node == "node-a", now);
        tenure.claim(ip(A));
        tenure.set_down(|_| false, now);
    });
    ring.with("node-a", |tenure| tenure.doubt(now));
    for _ in 0..3 {
        ring.deliver();
        assert_eq!(ring.holder("node-b", A), Some("node-b"));
    }
    ring.run(20);
    ring.with("node-a", Tenure::trust);
    ring.run(1);
    assert_eq!(ring.agreed(A), Some("node-b"));
}

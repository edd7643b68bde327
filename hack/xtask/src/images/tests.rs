use std::cell::RefCell;

use metallb_oci::Digest;

use super::{Built, LIMIT, Profile, at_one_commit};

fn built(binary: u64, archive: u64) -> Built {
    Built { reference: "localhost/x/y:dev".to_owned(), digest: Digest::of(b""), binary, archive }
}

#[test]
fn an_image_at_the_limit_is_fine() {
    assert_eq!(built(LIMIT, LIMIT).oversized(Profile::Release), None);
}

#[test]
fn an_image_over_the_limit_is_named_with_its_size() {
    for image in [built(LIMIT + 1, 1), built(1, LIMIT + 1)] {
        let finding = image.oversized(Profile::Release).unwrap();
        assert!(finding.contains("localhost/x/y:dev has 20000001 bytes"), "{finding}");
        assert_eq!(image.oversized(Profile::Dev), None);
    }
}

#[test]
fn a_build_has_a_commit_only_if_the_sources_stayed_at_it() {
    let table = [
        (Some("a"), Some("a"), Some("a")),
        (Some("a"), Some("b"), None),
        (Some("a"), None, None), // an edit while compiling
        (None, Some("a"), None), // a commit while compiling
        (None, None, None),
    ];
    for (before, after, expected) in table {
        let now = RefCell::new(before);
        let commit = || now.borrow().map(str::to_owned);
        let work = || {
            now.replace(after);
            Ok(())
        };
        let ((), revision) = at_one_commit(commit, work).unwrap();
        assert_eq!(revision.as_deref(), expected, "{before:?} {after:?}");
    }
}

//! Which crate of the project may depend on which: the table of `docs/architecture.md`.

use super::place::{Place, is_ground};

/// Why `here` must not depend on `there`; nothing if it may. Tests may use more than what they test.
pub(super) fn why_not(here: Place, there: Place, tests_only: bool) -> Option<&'static str> {
    let allowed = may_use(here, there) || tests_only && tests_may_use(here, there);
    (!allowed).then(|| reason(here, there))
}

fn may_use(here: Place, there: Place) -> bool {
    match (here, there) {
        (Place::Core(here), Place::Core(there)) => there < here && !is_ground(here),
        (Place::Io, Place::Core(there)) => is_ground(there),
        (Place::Testkit | Place::Binary(_) | Place::CrossTests, Place::Core(_) | Place::Io)
        | (Place::Tool("xtask"), Place::Core(_) | Place::Tool("oci"))
        | (Place::Tool("testbed"), Place::Tool("oci"))
        | (Place::Tool("bench"), Place::Core(_) | Place::Io | Place::Tool("testbed"))
        | (Place::EndToEnd | Place::Interop, Place::Tool("testbed")) => true,
        _ => false,
    }
}

/// What a dev-dependency may name beyond that. The speaker's tests need network namespaces and other speakers, those of the
/// operator's process wait as those of the test bed do; those of foreign programs need ours to talk to them.
fn tests_may_use(here: Place, there: Place) -> bool {
    matches!(
        (here, there),
        (_, Place::Testkit)
            | (Place::Binary("operator"), Place::Tool("testbed"))
            | (Place::Binary("speaker"), Place::Tool("testbed") | Place::Interop)
            | (Place::Interop, Place::Core(_))
    )
}

fn reason(here: Place, there: Place) -> &'static str {
    match (here, there) {
        (_, Place::Binary(_)) => "nothing depends on a binary",
        (_, Place::EndToEnd | Place::CrossTests | Place::Interop) => "nothing depends on tests",
        (_, Place::Testkit) => "the testkit is for tests: a dev-dependency",
        (Place::Core(_), Place::Core(_)) => {
            "core crates depend on earlier ones only, in the order of hack/xtask/src/layers/place.rs, \
             and the first four on none"
        }
        (Place::Core(_), Place::Io) => "core does not know its adapters",
        (Place::Core(_), Place::Tool(_)) => "core depends on core only",
        (Place::Io, Place::Core(_) | Place::Io) => {
            "an adapter knows core/api, core/net, core/certificates and core/leadership only"
        }
        (Place::Tool("oci"), _) => "hack/oci packs images and knows nothing of the project",
        (Place::Tool("testbed"), _) => {
            "the test bed knows hack/oci only: it installs the project, not links it"
        }
        (Place::Tool("bench"), _) => "benchmarks know core, adapters and hack/testbed",
        (Place::Tool(_), _) => "xtask knows core and hack/oci only",
        (Place::EndToEnd, _) => "end-to-end tests know hack/testbed only: they see the project from outside",
        (Place::Interop, _) => "what talks to other programs knows hack/testbed only, which builds them",
        (Place::Io | Place::Testkit | Place::CrossTests | Place::Binary(_), _) => {
            "no product code depends on the project's tools"
        }
    }
}

//! Where a crate lives decides what it may do.

use crate::workspace::{Package, Workspace};

/// Core crates in the order in which one may depend on another.
pub(super) const CORE: &[&str] = &["api", "net", "config", "allocator", "announce", "l2", "render"];

const BINARIES: &[&str] = &["controller", "speaker", "operator"];

/// A layer of the project.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// Decisions; with the position in [`CORE`].
    Core(usize),
    /// Adapters.
    Io,
    /// Helpers of tests.
    Testkit,
    /// What runs in a pod.
    Binary,
    /// Tests that cross crates.
    Tests,
    /// Tools of the project.
    Hack,
}

/// The layer of a member; nothing if its folder belongs to none.
pub(super) fn of(workspace: &Workspace, package: &Package) -> Option<Place> {
    let place = workspace.place(package);
    let parts: Vec<&str> = place.iter().filter_map(|part| part.to_str()).collect();
    match parts.as_slice() {
        ["crates", "core", noun] => CORE.iter().position(|known| known == noun).map(Place::Core),
        ["crates", "io", _] => Some(Place::Io),
        ["crates", "testkit"] => Some(Place::Testkit),
        ["tests", _] => Some(Place::Tests),
        ["hack", _] => Some(Place::Hack),
        [binary] if BINARIES.contains(binary) => Some(Place::Binary),
        _ => None,
    }
}

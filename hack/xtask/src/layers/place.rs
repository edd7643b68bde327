//! Where a crate lives decides what it may do.

use crate::workspace::{Package, Workspace};

/// Core crates in the order in which one may depend on another.
const CORE: &[&str] = &[
    "api",
    "net",
    "certificates",
    "leadership",
    "config",
    "allocator",
    "legacy",
    "announce",
    "l2",
    "membership",
    "liveness",
    "render",
];

/// How many of them, from the start, know no other crate of the project. They are all an adapter may know.
const GROUND: usize = 4;

const BINARIES: &[&str] = &["controller", "speaker", "operator"];
const TOOLS: &[&str] = &["bench", "oci", "testbed", "xtask"];

/// A layer of the project.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// Decisions; with the position in the order of core crates.
    Core(usize),
    /// Adapters.
    Io,
    /// Helpers of tests.
    Testkit,
    /// What runs in a pod, by name.
    Binary(&'static str),
    /// Tests that cross crates and run without a cluster.
    CrossTests,
    /// Foreign programs that tests talk to.
    Interop,
    /// Tests of the installed project.
    EndToEnd,
    /// Tools of the project, by name.
    Tool(&'static str),
}

/// The layer of a member; nothing if its folder belongs to none.
pub(super) fn of(workspace: &Workspace, package: &Package) -> Option<Place> {
    let place = workspace.place(package);
    let parts: Vec<&str> = place.iter().filter_map(|part| part.to_str()).collect();
    match parts.as_slice() {
        ["crates", "core", noun] => CORE.iter().position(|known| known == noun).map(Place::Core),
        ["crates", "io", _] => Some(Place::Io),
        ["crates", "testkit"] => Some(Place::Testkit),
        ["tests", "interop"] => Some(Place::Interop),
        ["tests", "e2e"] => Some(Place::EndToEnd),
        ["tests", "fuzz" | "sim"] => Some(Place::CrossTests),
        ["hack", tool] => known(TOOLS, tool).map(Place::Tool),
        [binary] => known(BINARIES, binary).map(Place::Binary),
        _ => None,
    }
}

fn known(names: &[&'static str], name: &str) -> Option<&'static str> {
    names.iter().copied().find(|known| *known == name)
}

/// Whether the core crate at this position knows no other one.
pub(super) fn is_ground(position: usize) -> bool {
    position < GROUND
}

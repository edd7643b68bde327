//! Forbidden edges between crates.

use crate::workspace::{Edge, Package, Workspace};

use super::place::{self, CORE, Place};

/// Crates that touch the world: clients, runtimes, sockets, files, clocks and dice.
const WORLD: &[&str] = &[
    "async-std",
    "futures",
    "getrandom",
    "hyper",
    "hyper-util",
    "kube",
    "kube-client",
    "kube-runtime",
    "libc",
    "mio",
    "netlink-sys",
    "nix",
    "rand",
    "reqwest",
    "ring",
    "rtnetlink",
    "rustix",
    "rustls",
    "socket2",
    "tokio",
    "tokio-rustls",
    "tower",
    "tracing-subscriber",
];

/// What an adapter may know of the project.
const FOR_IO: &[&str] = &["metallb-api", "metallb-net"];

/// Every forbidden edge of every member.
pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    workspace.members().flat_map(|package| check_member(workspace, package)).collect()
}

fn check_member(workspace: &Workspace, package: &Package) -> Vec<String> {
    let direct = |rule: fn(Place, &Package, Place, &Edge) -> Option<&'static str>, here| {
        let edges = workspace.dependencies(package);
        let broken = edges.filter_map(move |(to, edge)| {
            let why = rule(here, to, place::of(workspace, to)?, edge)?;
            Some(format!("{} must not depend on {}: {why}", package.name, to.name))
        });
        broken.collect::<Vec<_>>()
    };
    match place::of(workspace, package) {
        None => vec![format!(
            "{} lives in {}, which is no layer: add it to hack/xtask/src/layers/place.rs and docs/architecture.md",
            package.name,
            workspace.place(package).display()
        )],
        Some(Place::Core(position)) => {
            let mut found = check_core(workspace, package, position);
            found.extend(direct(everywhere, Place::Core(position)));
            found
        }
        Some(here @ (Place::Io | Place::Testkit | Place::Binary | Place::Tests | Place::Hack)) => {
            direct(everywhere, here)
        }
    }
}

/// Whatever is linked into a core crate, over any number of edges.
fn check_core(workspace: &Workspace, package: &Package, position: usize) -> Vec<String> {
    let ways = workspace.linked(package);
    let own = ways.iter().filter(|way| is_first_breach(workspace, way));
    let broken = own.filter_map(|way| {
        let reached = way.last()?;
        let why = match place::of(workspace, reached) {
            None if WORLD.contains(&reached.name.as_str()) => {
                "core does no I/O, reads no clock, throws no dice"
            }
            None => return None,
            Some(Place::Core(other)) if other <= position => return None,
            Some(Place::Core(_)) => return Some(later_core(package, way)),
            Some(Place::Io) => "core does not know its adapters",
            Some(Place::Testkit | Place::Binary | Place::Tests | Place::Hack) => "core depends on core only",
        };
        Some(format!("{} must not reach {}: {why} ({})", package.name, reached.name, arrows(way)))
    });
    broken.collect()
}

/// Whether nothing on the way is to blame already: another member answers for what it pulls in, and so does a
/// crate that touches the world.
fn is_first_breach(workspace: &Workspace, way: &[&Package]) -> bool {
    let between = way.get(1..way.len().saturating_sub(1)).unwrap_or_default();
    !between
        .iter()
        .any(|package| place::of(workspace, package).is_some() || WORLD.contains(&package.name.as_str()))
}

fn later_core(package: &Package, way: &[&Package]) -> String {
    let reached = way.last().map_or("", |reached| reached.name.as_str());
    format!(
        "{} must not reach {reached}: core crates depend on earlier ones only, in the order {} ({})",
        package.name,
        CORE.join(" "),
        arrows(way)
    )
}

fn arrows(way: &[&Package]) -> String {
    way.iter().map(|package| package.name.as_str()).collect::<Vec<_>>().join(" -> ")
}

/// Rules on single edges, whatever the layer. Core's own are checked over all edges at once.
fn everywhere(here: Place, to: &Package, there: Place, edge: &Edge) -> Option<&'static str> {
    match there {
        Place::Binary => Some("nothing depends on a binary"),
        Place::Tests => Some("nothing depends on tests"),
        Place::Testkit if edge.normal && here != Place::Tests => {
            Some("the testkit is for tests: a dev-dependency")
        }
        Place::Hack if edge.normal && matches!(here, Place::Io | Place::Binary | Place::Testkit) => {
            Some("no product code depends on the project's tools")
        }
        Place::Core(_) | Place::Io
            if here == Place::Io && edge.normal && !FOR_IO.contains(&to.name.as_str()) =>
        {
            Some("an adapter knows core/api and core/net only")
        }
        Place::Core(_) | Place::Io | Place::Testkit | Place::Hack => None,
    }
}

#[cfg(test)]
mod tests;

//! Forbidden edges between crates.

use crate::workspace::{Package, Workspace};

use super::foreign::{is_for_core, is_sealed, touches_the_world};
use super::place::{self, Place};
use super::rules::why_not;

/// Every forbidden edge of every member.
pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    workspace.members().flat_map(|package| check_member(workspace, package)).collect()
}

fn check_member(workspace: &Workspace, package: &Package) -> Vec<String> {
    let Some(here) = place::of(workspace, package) else {
        return vec![format!(
            "{} lives in {}, which is no layer: add it to hack/xtask/src/layers/place.rs and docs/architecture.md",
            package.name,
            workspace.place(package).display()
        )];
    };
    let mut found = check_ours(workspace, package, here);
    if matches!(here, Place::Core(_)) {
        found.extend(check_named(workspace, package));
        found.extend(check_reached(workspace, package));
    }
    found
}

/// Edges to the project's own crates. One edge at a time is enough: each member answers for its own.
fn check_ours(workspace: &Workspace, package: &Package, here: Place) -> Vec<String> {
    let broken = workspace.dependencies(package).filter_map(|(to, edge)| {
        let why = why_not(here, place::of(workspace, to)?, edge.tests_only)?;
        Some(format!("{} must not depend on {}: {why}", package.name, to.name))
    });
    broken.collect()
}

/// Crates from elsewhere that a core crate names and nobody approved.
fn check_named(workspace: &Workspace, package: &Package) -> Vec<String> {
    let named = workspace.dependencies(package).filter(|(_, edge)| !edge.tests_only).map(|(to, _)| to);
    let foreign = named.filter(|to| place::of(workspace, to).is_none());
    // The world is refused in any case, wherever it comes from: `check_reached` says so.
    let unknown = foreign.filter(|to| !is_for_core(&to.name) && !touches_the_world(&to.name));
    let finding = |to: &Package| {
        format!(
            "{} must not depend on {}: it is not among the crates core may use; if it is pure and worth it, \
             add it to hack/xtask/src/layers/foreign.rs",
            package.name, to.name
        )
    };
    unknown.map(finding).collect()
}

/// Crates that touch the world and get linked into a core crate, over any number of edges.
fn check_reached(workspace: &Workspace, package: &Package) -> Vec<String> {
    let ways = workspace.linked(package);
    let broken = ways.iter().filter_map(|way| {
        let (reached, before) = way.split_last()?;
        let breach = touches_the_world(&reached.name) && is_first_breach(workspace, before);
        breach.then(|| {
            let name = &reached.name;
            let way = arrows(way);
            format!(
                "{} must not reach {name}: core does no I/O, reads no clock, throws no dice ({way})",
                package.name
            )
        })
    });
    broken.collect()
}

/// Whether nothing on the way from a core crate is to blame already: another member answers for what it pulls in,
/// and so does a crate that touches the world; a sealed one is answered for by the check of the sources.
fn is_first_breach(workspace: &Workspace, way: &[&Package]) -> bool {
    let to_blame = |package: &&Package| {
        let name = &package.name;
        place::of(workspace, package).is_some() || touches_the_world(name) || is_sealed(name)
    };
    !way.iter().skip(1).any(to_blame)
}

fn arrows(way: &[&Package]) -> String {
    way.iter().map(|package| package.name.as_str()).collect::<Vec<_>>().join(" -> ")
}

#[cfg(test)]
mod tests;

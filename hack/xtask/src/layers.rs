//! The layer check: who may depend on whom, and what core must not touch.
//!
//! The rules are those of `docs/architecture.md`. Each finding names the crate, the edge and the rule.

mod edges;
mod foreign;
mod place;
mod purity;
mod rules;

use std::collections::BTreeMap;

use crate::workspace::Workspace;

/// Every breach in the project.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let mut findings = edges::check(workspace);
    for package in workspace.members() {
        if matches!(place::of(workspace, package), Some(place::Place::Core(_))) {
            let sources = purity::sources(workspace.root(), &workspace.place(package).join("src"))?;
            findings.extend(purity::check(&package.name, &sources));
        }
    }
    Ok(findings)
}

/// Source files by name.
type Sources = BTreeMap<String, String>;

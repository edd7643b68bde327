//! Workspaces made up by tests.

use serde_json::{Value, json};

use super::Workspace;

/// Folder of a package and what it depends on, `dev:` before what only its tests need, `build:` before what only
/// its build script needs.
///
/// A name with a slash is a member in that folder, called `metallb-<last part>`; others come from elsewhere.
pub(crate) fn workspace(packages: &[(&str, &[&str])]) -> Workspace {
    let mut known: Vec<&str> = packages.iter().map(|(place, _)| *place).collect();
    for dependency in packages.iter().flat_map(|(_, dependencies)| dependencies.iter()) {
        known.push(kind_and_place(dependency).1);
    }
    known.sort_unstable();
    known.dedup();
    let members: Vec<&str> = packages.iter().map(|(place, _)| *place).filter(|p| is_member(p)).collect();
    let metadata = json!({
        "workspace_root": "/project",
        "workspace_members": members,
        "packages": known.iter().map(|place| package(place)).collect::<Vec<_>>(),
        "resolve": { "nodes": packages.iter().map(|(place, to)| node(place, to)).collect::<Vec<_>>() },
    });
    Workspace::parse(&metadata.to_string()).unwrap()
}

fn is_member(place: &str) -> bool {
    place.contains('/') || matches!(place, "controller" | "speaker" | "operator")
}

fn package(place: &str) -> Value {
    let name = place.rsplit('/').next().unwrap();
    let member = is_member(place);
    json!({
        "id": place,
        "name": if member { format!("metallb-{name}") } else { name.to_owned() },
        "version": "1.2.3",
        "license": if name == "old-style" { "MIT/Apache-2.0" } else { "Apache-2.0" },
        "source": if member { Value::Null } else { "registry".into() },
        "manifest_path": format!("/project/{place}/Cargo.toml"),
        "targets": [{ "kind": [if name.ends_with("-derive") { "proc-macro" } else { "lib" }] }],
    })
}

fn kind_and_place(dependency: &str) -> (Option<&str>, &str) {
    dependency.split_once(':').map_or((None, dependency), |(kind, place)| (Some(kind), place))
}

fn node(place: &str, dependencies: &[&str]) -> Value {
    let dependency = |to: &&str| {
        let (kind, to) = kind_and_place(to);
        json!({ "pkg": to, "dep_kinds": [{ "kind": kind }] })
    };
    json!({ "id": place, "deps": dependencies.iter().map(dependency).collect::<Vec<_>>() })
}

//! The bill of materials of a binary: what is linked into it, and under which licences. CycloneDX 1.6, JSON.
//!
//! It carries no time and no serial number, so that the same binary has the same bill.

mod toolchain;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use metallb_oci::Digest;
use serde_json::{Value, json};

use crate::workspace::{Package, Workspace};

use super::binaries::Compiled;

/// The bill of `package`, whose binary has this digest.
pub(super) fn build(
    workspace: &Workspace,
    package: &Package,
    compiled: &Compiled,
    binary: &Digest,
) -> anyhow::Result<String> {
    let linked = linked(workspace, package, |id| compiled.has(id));
    let bill = document(workspace, &linked, package, binary, toolchain::components()?)?;
    Ok(serde_json::to_string_pretty(&bill)? + "\n")
}

/// What is linked into `package` and was compiled, in the order of names. Compiling decides: features of other
/// members can pull in a package that this build never sees.
fn linked<'a>(
    workspace: &'a Workspace,
    package: &'a Package,
    compiled: impl Fn(&str) -> bool,
) -> Vec<&'a Package> {
    let ways = workspace.linked(package);
    let mut linked: Vec<&Package> = ways.iter().filter_map(|way| way.last().copied()).collect();
    linked.retain(|linked| linked.id == package.id || compiled(&linked.id));
    linked.sort_by_key(|package| reference(package));
    linked
}

fn document(
    workspace: &Workspace,
    linked: &[&Package],
    package: &Package,
    binary: &Digest,
    toolchain: Vec<Value>,
) -> anyhow::Result<Value> {
    let parts = linked.iter().filter(|part| part.id != package.id);
    let mut components = parts.map(|part| component(part, "library")).collect::<anyhow::Result<Vec<_>>>()?;
    components.extend(toolchain);
    let mut subject = component(package, "application")?;
    if let Some(fields) = subject.as_object_mut() {
        fields.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": binary.hex() }]));
    }
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": subject },
        "components": components,
        "dependencies": dependencies(workspace, linked),
    }))
}

fn component(package: &Package, kind: &str) -> anyhow::Result<Value> {
    let mut fields = BTreeMap::from([
        ("type", json!(kind)),
        ("bom-ref", json!(reference(package))),
        ("name", json!(package.name)),
        ("version", json!(package.version)),
        ("licenses", json!([{ "expression": license(package)? }])),
    ]);
    if package.source.is_some() {
        fields.insert("purl", json!(reference(package)));
    }
    Ok(json!(fields))
}

/// Registry packages are known by their URL; ours are in no registry.
fn reference(package: &Package) -> String {
    let Package { name, version, source, .. } = package;
    if source.is_some() { format!("pkg:cargo/{name}@{version}") } else { format!("{name}@{version}") }
}

/// The licence as an SPDX expression; a slash is how it was written before expressions.
fn license(package: &Package) -> anyhow::Result<String> {
    match package.license.as_deref() {
        Some(license) if !license.is_empty() => Ok(license.replace('/', " OR ").replace("  ", " ")),
        _ => bail!("package {} declares no licence: it cannot go into an image", package.name),
    }
}

fn dependencies(workspace: &Workspace, linked: &[&Package]) -> Vec<Value> {
    let known: BTreeSet<&str> = linked.iter().map(|package| package.id.as_str()).collect();
    let entry = |package: &&Package| {
        let edges = workspace.dependencies(package);
        let to = edges.filter(|(to, edge)| edge.normal && known.contains(to.id.as_str()));
        let to: BTreeSet<String> = to.map(|(to, _)| reference(to)).collect();
        json!({ "ref": reference(package), "dependsOn": to })
    };
    linked.iter().map(entry).collect()
}

#[cfg(test)]
mod tests;

//! The packages of the project and who depends on whom, as `cargo metadata` tells it.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use crate::shell;

/// Every package in reach and the edges between them, for the platform we run on.
pub(crate) struct Workspace {
    root: PathBuf,
    members: Vec<String>,
    packages: BTreeMap<String, Package>,
    edges: BTreeMap<String, Vec<Edge>>,
}

/// One package.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Package {
    /// Unique in the workspace.
    pub(crate) id: String,
    /// Name in its registry, or here.
    pub(crate) name: String,
    /// Version, exact.
    pub(crate) version: String,
    /// Licence expression, if the package declares one.
    pub(crate) license: Option<String>,
    /// Where it comes from; nothing for our own.
    pub(crate) source: Option<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Clone, Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

impl Package {
    /// Runs in the compiler only and is never part of a binary.
    pub(crate) fn is_proc_macro(&self) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
    }

    /// The folder that holds the package.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

/// A dependency of a package.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    /// The package depended on.
    pub(crate) to: String,
    /// Part of what is built from the package, not only of its tests or its build script.
    pub(crate) normal: bool,
    /// A dev-dependency and nothing else.
    pub(crate) tests_only: bool,
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    workspace_members: Vec<String>,
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let platform = host()?;
        let mut cargo = shell::cargo();
        cargo.args(["metadata", "--format-version=1", "--filter-platform", &platform]);
        Self::parse(&shell::output(&mut cargo)?)
    }

    /// Reads what cargo said.
    pub(crate) fn parse(metadata: &str) -> anyhow::Result<Self> {
        let metadata: Metadata = serde_json::from_str(metadata).context("cannot read cargo's metadata")?;
        let packages = metadata.packages.into_iter().map(|package| (package.id.clone(), package)).collect();
        let edges = metadata.resolve.nodes.into_iter().map(|node| (node.id, edges(node.deps))).collect();
        Ok(Self { root: metadata.workspace_root, members: metadata.workspace_members, packages, edges })
    }

    /// The project's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The project's own packages.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.members.iter().filter_map(|id| self.packages.get(id))
    }

    /// One of the project's own packages.
    pub(crate) fn member(&self, name: &str) -> anyhow::Result<&Package> {
        self.members().find(|package| package.name == name).with_context(|| format!("no package {name} here"))
    }

    /// The folder of a member, seen from the project's.
    pub(crate) fn place<'a>(&self, package: &'a Package) -> &'a Path {
        package.folder().strip_prefix(&self.root).unwrap_or(package.folder())
    }

    /// What `package` depends on directly.
    pub(crate) fn dependencies(&self, package: &Package) -> impl Iterator<Item = (&Package, &Edge)> {
        let edges = self.edges.get(&package.id).into_iter().flatten();
        edges.filter_map(|edge| Some((self.packages.get(&edge.to)?, edge)))
    }

    /// What ends up in the object code of `start`, each with the shortest way to it (`start` first).
    pub(crate) fn linked<'a>(&'a self, start: &'a Package) -> Vec<Vec<&'a Package>> {
        let mut ways: BTreeMap<&str, Vec<&Package>> = BTreeMap::from([(start.id.as_str(), vec![start])]);
        let mut queue = VecDeque::from([start]);
        while let Some(package) = queue.pop_front() {
            let way = ways.get(package.id.as_str()).cloned().unwrap_or_default();
            for (next, edge) in self.dependencies(package) {
                if edge.normal && !next.is_proc_macro() && !ways.contains_key(next.id.as_str()) {
                    ways.insert(&next.id, way.iter().copied().chain([next]).collect());
                    queue.push_back(next);
                }
            }
        }
        ways.into_values().collect()
    }
}

fn edges(dependencies: Vec<Dependency>) -> Vec<Edge> {
    let edge = |dependency: Dependency| Edge {
        to: dependency.pkg,
        normal: dependency.dep_kinds.iter().any(|kind| kind.kind.is_none()),
        tests_only: dependency.dep_kinds.iter().all(|kind| kind.kind.as_deref() == Some("dev")),
    };
    dependencies.into_iter().map(edge).collect()
}

/// The platform we run on, as the compiler calls it.
pub(crate) fn host() -> anyhow::Result<String> {
    let about = shell::output(std::process::Command::new("rustc").arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

#[cfg(test)]
pub(crate) mod synthetic;

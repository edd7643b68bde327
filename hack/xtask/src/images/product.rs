//! What the images are: names, users, labels.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use metallb_oci::{Content, File, Image};

use crate::shell;

/// Where the images are said to come from; no registry has this name, so nothing is ever pulled.
pub(crate) const REPOSITORY: &str = "localhost/metallb-rs";

/// One image.
pub(super) struct Product {
    /// Name of the image and of the binary.
    pub(super) name: &'static str,
    /// Package that builds the binary.
    pub(super) package: &'static str,
    /// Place of the binary in the image, as manifests of the original call it.
    entrypoint: &'static str,
    /// Numeric user and group.
    user: &'static str,
    description: &'static str,
}

/// All images.
pub(super) const PRODUCTS: [Product; 3] = [
    Product {
        name: "controller",
        package: "metallb-controller",
        entrypoint: "/controller",
        user: "65534:65534",
        description: "Gives addresses to Services",
    },
    Product {
        name: "speaker",
        package: "metallb-speaker",
        entrypoint: "/speaker",
        // A capability given by a pod (NET_RAW) reaches user 0 only: Kubernetes sets no ambient capabilities.
        user: "0:0",
        description: "Announces the addresses of Services to the network",
    },
    Product {
        name: "operator",
        package: "metallb-operator",
        entrypoint: "/manager",
        user: "65532:65532",
        description: "Runs the controller and the speakers as a MetalLB resource asks",
    },
];

impl Product {
    /// The image around `binary`.
    pub(super) fn image(&self, version: &str, tag: &str, revision: Option<&str>, binary: &Path) -> Image {
        let content = Content::Source(binary.to_owned());
        Image {
            reference: reference(self.name, tag),
            entrypoint: vec![self.entrypoint.to_owned()],
            user: self.user.to_owned(),
            labels: self.labels(version, revision),
            files: vec![File { path: self.entrypoint.to_owned(), mode: 0o755, content }],
            ..Image::default()
        }
    }

    fn labels(&self, version: &str, revision: Option<&str>) -> BTreeMap<String, String> {
        let known = [
            ("title", Some(self.package)),
            ("description", Some(self.description)),
            ("version", Some(version)),
            ("licenses", Some("Apache-2.0")),
            ("revision", revision),
        ];
        let label = |(name, value): (&str, Option<&str>)| {
            Some((format!("org.opencontainers.image.{name}"), value?.to_owned()))
        };
        known.into_iter().filter_map(label).collect()
    }
}

/// The full name of an image.
pub(super) fn reference(name: &str, tag: &str) -> String {
    format!("{REPOSITORY}/{name}:{tag}")
}

/// The commit the sources are at; nothing if they differ from it, or if this is no clone.
pub(super) fn revision(root: &Path) -> Option<String> {
    let git = |arguments: &[&str]| shell::quiet(Command::new("git").current_dir(root).args(arguments));
    let clean = git(&["status", "--porcelain"])?.trim().is_empty();
    let commit = git(&["rev-parse", "HEAD"])?.trim().to_owned();
    clean.then_some(commit)
}

#[cfg(test)]
mod tests;

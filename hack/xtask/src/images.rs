//! The three images: one static binary each, on nothing.

mod binaries;
mod bom;
mod elf;
mod product;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use metallb_oci::{Digest, write_archive};

use crate::workspace::Workspace;

pub(crate) use product::REPOSITORY as DEVELOPMENT_REGISTRY;
use product::{PRODUCTS, Product};

/// Tag of images nobody released.
pub(crate) const DEVELOPMENT: &str = "dev";

/// Neither the binary nor the archive may be larger. Bytes.
const LIMIT: u64 = 20_000_000;

/// How the binaries are compiled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Profile {
    /// As shipped.
    Release,
    /// Quickly; of no concern to anybody but the one who tries something out.
    Dev,
}

impl Profile {
    /// The profile of the `--dev` flag.
    pub(crate) fn of(dev: bool) -> Self {
        if dev { Self::Dev } else { Self::Release }
    }
}

/// An image that was written.
pub(crate) struct Built {
    reference: String,
    digest: Digest,
    binary: u64,
    archive: u64,
}

impl Built {
    /// What is wrong with its size, if the size matters.
    pub(crate) fn oversized(&self, profile: Profile) -> Option<String> {
        let largest = self.binary.max(self.archive);
        (profile == Profile::Release && largest > LIMIT)
            .then(|| format!("{} has {largest} bytes, more than {LIMIT}", self.reference))
    }
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reference, digest, binary, archive } = self;
        write!(f, "{reference}  binary {binary} bytes, archive {archive} bytes, {digest}")
    }
}

/// Compiles all products at once and writes `<name>.tar` and `<name>.cdx.json` for each into `out`.
pub(crate) fn build(
    workspace: &Workspace,
    out: &Path,
    tag: &str,
    profile: Profile,
) -> anyhow::Result<Vec<Built>> {
    for product in &PRODUCTS {
        metallb_oci::tag_of(&product::reference(product.name, tag))?; // now, not after minutes of compiling
    }
    let commit = || product::revision(workspace.root());
    let (compiled, revision) = at_one_commit(commit, || binaries::compile(workspace, profile))?;
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    PRODUCTS
        .iter()
        .map(|product| build_one(workspace, &compiled, product, (out, tag, revision.as_deref())))
        .collect()
}

/// What `work` makes, and the commit it is made from: nothing if the sources changed meanwhile.
fn at_one_commit<T>(
    commit: impl Fn() -> Option<String>,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(T, Option<String>)> {
    let before = commit();
    let made = work()?;
    let revision = before.filter(|before| commit().as_ref() == Some(before));
    Ok((made, revision))
}

fn build_one(
    workspace: &Workspace,
    compiled: &binaries::Compiled,
    product: &Product,
    (out, tag, revision): (&Path, &str, Option<&str>),
) -> anyhow::Result<Built> {
    let binary = compiled.binary(product.name)?;
    let content = fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    elf::check_static(&content)
        .with_context(|| format!("{} cannot run in an empty image", binary.display()))?;

    let package = workspace.member(product.package)?;
    let image = product.image(&package.version, tag, revision, binary);
    let archive = out.join(format!("{}.tar", product.name));
    let digest = write_archive(&image, &archive)?;

    let bom = bom::build(workspace, package, compiled, &Digest::of(&content))?;
    let path = out.join(format!("{}.cdx.json", product.name));
    fs::write(&path, bom).with_context(|| format!("cannot write {}", path.display()))?;

    let archive = fs::metadata(&archive)?.len();
    Ok(Built { reference: image.reference, digest, binary: content.len() as u64, archive })
}

#[cfg(test)]
mod tests;

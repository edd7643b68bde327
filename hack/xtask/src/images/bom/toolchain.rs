//! What the compiler and the linker add to a binary: no package of cargo's, but linked all the same.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::shell;

const LIBGCC_LICENSE: &str = "GPL-3.0-or-later WITH GCC-exception-3.1";

/// The components, in a fixed order.
pub(super) fn components() -> anyhow::Result<Vec<Value>> {
    let rustc = shell::output(Command::new("rustc").arg("--version"))?;
    let rustc = rustc.split_whitespace().nth(1).context("rustc --version names no version")?;
    let mut parts = vec![Runtime::new("rust-std", "MIT OR Apache-2.0").version(rustc)];
    // Another C library (musl) has no such setting and is part of the Rust distribution.
    let libc = shell::quiet(Command::new("getconf").arg("GNU_LIBC_VERSION"));
    if let Some(version) = libc.as_deref().and_then(|libc| libc.trim().strip_prefix("glibc ")) {
        let archive = |file| Debian::owner(&linked_archive(file)?);
        parts.push(glibc(version, archive("libc.a").as_ref()));
        parts.push(libgcc(archive("libgcc_eh.a").as_ref()));
    }
    Ok(parts.iter().map(Runtime::component).collect())
}

fn glibc(version: &str, package: Option<&Debian>) -> Runtime {
    Runtime { purl: package.map(Debian::purl), ..Runtime::new("glibc", "LGPL-2.1-or-later").version(version) }
}

/// The support routines of the C compiler: arithmetic and unwinding. Every binary with glibc has them.
fn libgcc(package: Option<&Debian>) -> Runtime {
    let libgcc = Runtime::new("libgcc", LIBGCC_LICENSE);
    match package {
        Some(package) => Runtime { purl: Some(package.purl()), ..libgcc.version(package.upstream()) },
        None => libgcc,
    }
}

/// Where the linker takes `file` from.
fn linked_archive(file: &str) -> Option<String> {
    let path = shell::quiet(Command::new("cc").arg(format!("-print-file-name={file}")))?;
    fs::canonicalize(path.trim()).ok()?.into_os_string().into_string().ok()
}

struct Runtime {
    name: &'static str,
    license: &'static str,
    version: Option<String>,
    purl: Option<String>,
}

impl Runtime {
    fn new(name: &'static str, license: &'static str) -> Self {
        Self { name, license, version: None, purl: None }
    }

    fn version(self, version: &str) -> Self {
        Self { version: Some(version.to_owned()), ..self }
    }

    fn component(&self) -> Value {
        let Self { name, license, version, purl } = self;
        let reference =
            version.as_ref().map_or_else(|| (*name).to_owned(), |version| format!("{name}@{version}"));
        let mut fields = BTreeMap::from([
            ("type", json!("library")),
            ("bom-ref", json!(reference)),
            ("name", json!(name)),
            ("licenses", json!([{ "expression": license }])),
        ]);
        fields.extend(version.as_ref().map(|version| ("version", json!(version))));
        fields.extend(purl.as_ref().map(|purl| ("purl", json!(purl))));
        json!(fields)
    }
}

/// A package of Debian's.
struct Debian {
    name: String,
    version: String,
}

impl Debian {
    /// The package that brought `path`; nothing on a system that does not say.
    fn owner(path: &str) -> Option<Self> {
        let owner = shell::quiet(Command::new("dpkg-query").args(["--search", path]))?;
        let package = owner.split_once(": ")?.0;
        let format = "--showformat=${Package} ${Version}\n";
        Self::parse(&shell::quiet(Command::new("dpkg-query").args(["--show", format, package]))?)
    }

    /// Reads `name version`.
    fn parse(line: &str) -> Option<Self> {
        let (name, version) = line.trim().split_once(' ')?;
        Some(Self { name: name.to_owned(), version: version.to_owned() })
    }

    /// The version without what Debian adds: the epoch before it and the revision behind.
    fn upstream(&self) -> &str {
        let version = self.version.split_once(':').map_or(self.version.as_str(), |(_, version)| version);
        version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
    }

    /// The package's URL; its rules want `+` and `:` escaped.
    fn purl(&self) -> String {
        let version = self.version.replace('+', "%2B").replace(':', "%3A");
        format!("pkg:deb/debian/{}@{version}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Debian, glibc, libgcc};

    fn package(line: &str) -> Debian {
        Debian::parse(line).unwrap()
    }

    #[test]
    fn what_debian_installed_is_named_with_its_package() {
        let gcc = libgcc(Some(&package("libgcc-12-dev 12.2.0-14+deb12u1\n"))).component();
        assert_eq!(gcc["bom-ref"], "libgcc@12.2.0");
        assert_eq!(gcc["version"], "12.2.0");
        assert_eq!(gcc["purl"], "pkg:deb/debian/libgcc-12-dev@12.2.0-14%2Bdeb12u1");
        assert_eq!(gcc["licenses"][0]["expression"], "GPL-3.0-or-later WITH GCC-exception-3.1");
        let glibc = glibc("2.36", Some(&package("libc6-dev 2.36-9+deb12u14"))).component();
        assert_eq!(glibc["version"], "2.36");
        assert_eq!(glibc["purl"], "pkg:deb/debian/libc6-dev@2.36-9%2Bdeb12u14");
    }

    #[test]
    fn elsewhere_no_version_and_no_package_is_made_up() {
        let gcc = libgcc(None).component();
        assert_eq!(gcc["bom-ref"], "libgcc");
        assert!(gcc.get("version").is_none() && gcc.get("purl").is_none());
        let glibc = glibc("2.36", None).component();
        assert!(glibc["version"] == "2.36" && glibc.get("purl").is_none());
    }

    #[test]
    fn the_upstream_version_has_neither_epoch_nor_revision() {
        for (version, upstream) in [("12.2.0-14", "12.2.0"), ("1:2.3-rc1-4", "2.3-rc1"), ("7", "7")] {
            assert_eq!(package(&format!("x {version}")).upstream(), upstream);
        }
        assert_eq!(package("x 1:2-3").purl(), "pkg:deb/debian/x@1%3A2-3");
    }

    #[test]
    fn this_machine_gives_the_same_components_twice_and_libgcc_comes_with_glibc() {
        let parts = super::components().unwrap();
        assert_eq!(parts, super::components().unwrap());
        let has = |name: &str| parts.iter().any(|part| part["name"] == name);
        assert!(has("rust-std"));
        assert_eq!(has("glibc"), has("libgcc"));
    }
}

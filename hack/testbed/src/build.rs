//! Building the executables of the bed: Kubernetes from our Go module, and the init program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache;
use crate::go;
use crate::images;
use crate::machine::INIT_SOURCE;
use crate::options::Options;
use crate::progress::Progress;

/// The executables a bed is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Executables {
    /// Every daemon of Kubernetes and etcd; the first argument chooses.
    pub kube: PathBuf,
    /// The client of the same version.
    pub kubectl: PathBuf,
    /// Process 1 of machines and pods.
    pub init: PathBuf,
}

impl Executables {
    /// Those in the cache; what is missing is built first, which takes minutes.
    pub fn cached(cache: &Path, progress: Progress) -> Result<Executables> {
        let kubernetes = kubernetes(cache, progress)?;
        let init =
            cache::entry(cache, &format!("init-{}", cache::key(&[INIT_SOURCE.as_bytes()])), compile_init)?;
        Ok(Executables {
            kube: kubernetes.join("kube"),
            kubectl: kubernetes.join("kubectl"),
            init: init.join("init"),
        })
    }
}

/// Builds what a bed needs into the cache, unless it is there. [`Bed::up`](crate::Bed::up) does it, too.
pub fn build(options: &Options) -> Result<()> {
    let progress = Progress::new(options.quiet);
    let executables = Executables::cached(&options.cache, progress)?;
    images::archives(&options.cache, &executables.init)?;
    progress.step(&format!("executables and images are in {}", options.cache.display()));
    Ok(())
}

fn kubernetes(cache: &Path, progress: Progress) -> Result<PathBuf> {
    let Source { module, manifest } = Source::read()?;
    let version = kubernetes_version(&manifest)?;
    cache::entry(cache, &entry_name(&module, version)?, |out| {
        go::check_go(&manifest)?;
        progress.step(&format!("building Kubernetes {version}: some minutes, once"));
        go::build(&module, &["./cmd/..."], &link_flags(version), out)?;
        progress.step("Kubernetes built");
        Ok(())
    })
}

/// Why Kubernetes can't be built, if it has yet to be.
pub(crate) fn missing_go(cache: &Path) -> Option<String> {
    let check = || {
        let Source { module, manifest } = Source::read()?;
        let entry = cache.join(entry_name(&module, kubernetes_version(&manifest)?)?);
        if entry.is_dir() { Ok(()) } else { go::check_go(&manifest) }
    };
    check().err().map(|error| format!("{error:#}"))
}

/// Our Go module, and what its `go.mod` says.
struct Source {
    module: PathBuf,
    manifest: String,
}

impl Source {
    fn read() -> Result<Source> {
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("kube");
        let manifest = go::read_manifest(&module)?;
        Ok(Source { module, manifest })
    }
}

fn entry_name(module: &Path, version: &str) -> Result<String> {
    Ok(format!("kubernetes-{version}-{}", module_key(module)?))
}

/// The version the module pins is the one its executables report.
fn kubernetes_version(manifest: &str) -> Result<&str> {
    required(manifest, "k8s.io/kubernetes").context("go.mod does not require k8s.io/kubernetes")
}

fn required<'a>(manifest: &'a str, module: &str) -> Option<&'a str> {
    manifest.lines().find_map(|line| line.trim().strip_prefix(module)?.strip_prefix(' ')?.split(' ').next())
}

/// Changes with everything that goes into the executables.
fn module_key(module: &Path) -> Result<String> {
    let files = ["go.mod", "go.sum", "cmd/kube/main.go", "cmd/kubectl/main.go"];
    let contents: Vec<Vec<u8>> = files
        .iter()
        .map(|file| {
            fs::read(module.join(file)).with_context(|| format!("cannot read {file} of the Go module"))
        })
        .collect::<Result<_>>()?;
    Ok(cache::key(&contents.iter().map(Vec::as_slice).collect::<Vec<_>>()))
}

/// Stamps the version into the places where Kubernetes and its client look for it.
fn link_flags(version: &str) -> String {
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let mut flags = "-s -w".to_owned();
    for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
        let values = [
            ("gitVersion", version),
            ("gitMajor", major),
            ("gitMinor", minor),
            ("gitTreeState", "clean"),
            ("gitCommit", "testbed"),
            // Whatever the day: the same source gives the same executable.
            ("buildDate", "1970-01-01T00:00:00Z"),
        ];
        for (name, value) in values {
            flags += &format!(" -X {package}.{name}={value}");
        }
    }
    flags
}

fn compile_init(out: &Path) -> Result<()> {
    let source = out.join("init.c");
    fs::write(&source, INIT_SOURCE)?;
    let mut command = Command::new("gcc");
    command.args(["-O2", "-static", "-Wall", "-Werror", "-s", "-o"]).arg(out.join("init")).arg(source);
    go::run(command, "gcc")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str =
        "module x\n\ngo 1.24.0\n\nrequire (\n\tk8s.io/kubectl v0.34.4\n\tk8s.io/kubernetes v1.34.4\n)\n";

    #[test]
    fn the_version_is_the_one_the_module_pins() {
        assert_eq!(kubernetes_version(MANIFEST).unwrap(), "v1.34.4");
        assert!(kubernetes_version("module x\n").is_err());
    }

    #[test]
    fn both_version_packages_are_stamped() {
        let flags = link_flags("v1.34.4");
        assert!(flags.contains("-X k8s.io/component-base/version.gitMinor=34 "), "{flags}");
        assert!(flags.contains("-X k8s.io/client-go/pkg/version.gitVersion=v1.34.4 "), "{flags}");
    }

    #[test]
    fn the_modules_files_are_all_part_of_its_key() {
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("kube");
        let commands = fs::read_dir(module.join("cmd")).unwrap().count();
        assert_eq!(commands, 2, "name the new command's files in module_key");
        assert_eq!(module_key(&module).unwrap(), module_key(&module).unwrap());
    }
}

//! The command line: what the tasks are called, and what they tell the one who runs them.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};

use crate::generated::Mode;
use crate::images::{self, Profile};
use crate::workspace::Workspace;
use crate::{docs, hygiene, layers, manifests};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tasks of the project")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the three images, each with its bill of materials
    Images {
        /// Folder to write to
        #[arg(long, default_value = "artifacts/images")]
        out: PathBuf,
        /// Tag of the images
        #[arg(long, default_value = images::DEVELOPMENT)]
        tag: String,
        /// Build quickly, for trying things out: larger, and without the size check
        #[arg(long)]
        dev: bool,
    },
    /// Check that no crate depends on what its layer must not know
    Layers,
    /// Check the tracked files for what does not belong into them
    Hygiene,
    /// Write bundle/crds from the Rust types
    Crds {
        /// Write nothing; fail if a file is out of date
        #[arg(long)]
        check: bool,
    },
    /// Print the install manifest with images of your own registry, for `kubectl apply -f -`
    Manifest {
        /// Where the images are: `<registry>/controller`, `<registry>/speaker`, `<registry>/operator`
        #[arg(long)]
        registry: String,
        /// Tag of the images
        #[arg(long)]
        tag: String,
    },
    /// Write docs/metrics.md from what is registered, and check that docs/additions.md lists every new name
    Docs {
        /// Write nothing; fail if something is out of date
        #[arg(long)]
        check: bool,
    },
    /// Write everything below bundle/
    Bundle {
        /// Write nothing; fail if a file is out of date
        #[arg(long)]
        check: bool,
    },
}

/// Runs the task the arguments name.
///
/// # Errors
/// When the task fails, or its check finds something.
pub fn run(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<()> {
    let workspace = Workspace::load()?;
    match Arguments::parse_from(arguments).task {
        Task::Images { out, tag, dev } => build_images(&workspace, &out, &tag, Profile::of(dev)),
        Task::Layers => report("layer", &layers::check(&workspace)?),
        Task::Hygiene => report("hygiene", &hygiene::check(workspace.root())?),
        Task::Crds { check } => {
            report("generated", &manifests::crds()?.run(workspace.root(), Mode::of(check))?)
        }
        Task::Manifest { registry, tag } => say(&manifests::for_registry(&registry, &tag)?),
        Task::Docs { check } => report("documents", &docs::run(workspace.root(), Mode::of(check))?),
        Task::Bundle { check } => {
            report("generated", &manifests::bundle()?.run(workspace.root(), Mode::of(check))?)
        }
    }
}

fn build_images(
    workspace: &Workspace,
    out: &std::path::Path,
    tag: &str,
    profile: Profile,
) -> anyhow::Result<()> {
    let built = images::build(workspace, &workspace.root().join(out), tag, profile)?;
    for image in &built {
        say(&format!("{image}\n"))?;
    }
    let oversized: Vec<String> = built.iter().filter_map(|image| image.oversized(profile)).collect();
    report("size", &oversized)
}

/// Prints `text` as it is.
fn say(text: &str) -> anyhow::Result<()> {
    write_to(&mut io::stdout().lock(), text).context("cannot write to the standard output")
}

/// A reader that has seen enough and left (`| head`) is no failure.
fn write_to(out: &mut impl Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Prints every finding, and fails if there is one.
fn report(check: &str, findings: &[String]) -> anyhow::Result<()> {
    for finding in findings {
        say(&format!("{finding}\n"))?;
    }
    if findings.is_empty() {
        Ok(())
    } else {
        bail!("{check} check: {} finding(s), see above", findings.len())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind, Write};

    use super::write_to;

    /// Fails on the first byte, as a pipe without a reader and a full disk do.
    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_left_is_no_failure_and_a_full_disk_is_one() {
        assert!(write_to(&mut Failing(ErrorKind::BrokenPipe), "text").is_ok());
        assert!(write_to(&mut Failing(ErrorKind::StorageFull), "text").is_err());
    }

    #[test]
    fn what_is_said_is_written_as_it_is() {
        let mut out = Vec::new();
        write_to(&mut out, "a\nb").unwrap();
        assert_eq!(out, b"a\nb");
    }
}

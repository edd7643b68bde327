//! The converter of old configurations (contract 01 §10): files and the live `ConfigMap` around `metallb-legacy`.
//!
//! What can't be converted ends the program with an error, and nothing is written (the original left an empty file
//! and said that all was well, D21).

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use anyhow::{Context as _, Result, bail};
use clap::{ArgAction, Parser};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use metallb_legacy::{Resources, Source};
use metallb_process::{go_bool, go_style};

#[cfg(test)]
mod tests;

/// The original's program, also as a link to this one or as its first argument.
const ORIGINAL: &str = "configmaptocrs";
/// The subcommand.
const SUBCOMMAND: &str = "convert-configmap";
/// Where the original reads and writes.
const FOLDER: &str = "/var/input";

/// Converts a MetalLB `ConfigMap` below /var/input to custom resources.
#[derive(Debug, Parser)]
#[command(name = ORIGINAL, args_override_self = true)]
struct Original {
    /// The file, seen from /var/input.
    #[arg(long, default_value = "./config.yaml")]
    source: String,
    /// The file holds the configuration without a `ConfigMap` around it.
    #[arg(long, value_parser = go_bool, default_value = "false", default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    only_data: bool,
    /// Prints the resources instead of writing them to /var/input/resources.yaml.
    #[arg(long, value_parser = go_bool, default_value = "false", default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    stdout: bool,
}

/// Prints the custom resources that say what a MetalLB `ConfigMap` says.
#[derive(Debug, Parser)]
#[command(name = "controller convert-configmap", args_override_self = true)]
struct Convert {
    /// The file with the `ConfigMap`; - is the standard input.
    #[arg(required_unless_present = "live")]
    file: Option<PathBuf>,
    /// The file holds the configuration without a `ConfigMap` around it.
    #[arg(long, requires = "file")]
    only_data: bool,
    /// Reads the `ConfigMap` in the cluster instead.
    #[arg(long, conflicts_with = "file")]
    live: bool,
    /// How to reach the API server.
    #[arg(long, conflicts_with = "file")]
    kubeconfig: Option<PathBuf>,
    /// Namespace and name of the `ConfigMap` in the cluster.
    #[arg(long, default_value = "metallb-system/config", conflicts_with = "file")]
    configmap: String,
    /// Writes the resources to this file instead of printing them.
    #[arg(long)]
    output: Option<PathBuf>,
}

/// The command line of the converter, if this is one.
pub struct Conversion(Command);

enum Command {
    Original(Original),
    Convert(Convert),
}

impl Conversion {
    /// Reads a command line; nothing if it starts the controller. Ends the program if a flag is wrong.
    #[must_use]
    pub fn asked_for(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let program = arguments.next()?;
        let name = Path::new(&program).file_name() == Some(OsStr::new(ORIGINAL));
        let mut arguments = arguments.peekable();
        let flags =
            |rest: &mut dyn Iterator<Item = OsString>| go_style(std::iter::once(program.clone()).chain(rest));
        if name {
            return Some(Self(Command::Original(Original::parse_from(flags(&mut arguments)))));
        }
        let first = arguments.next()?;
        let rest = flags(&mut arguments);
        match first.to_str()? {
            ORIGINAL => Some(Self(Command::Original(Original::parse_from(rest)))),
            SUBCOMMAND => Some(Self(Command::Convert(Convert::parse_from(rest)))),
            _ => None,
        }
    }

    /// Converts. Why that failed is said on the standard error: the standard output may be a file of resources.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "nothing but resources goes to the standard output")]
    pub fn run(self) -> ExitCode {
        match self.convert() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        }
    }

    /// Fails when there is nothing to convert, it can't be, or the outcome can't be written. Then nothing was.
    fn convert(self) -> Result<()> {
        let (resources, output) = match self.0 {
            Command::Original(flags) => {
                let source = flags.read(Path::new(FOLDER))?;
                let output = (!flags.stdout).then(|| Path::new(FOLDER).join("resources.yaml"));
                (convert(&source)?, output)
            }
            Command::Convert(flags) => (convert(&flags.read()?)?, flags.output),
        };
        let text = resources.to_yaml()?;
        match output {
            Some(file) => replace(&file, &text),
            None => io::stdout().write_all(text.as_bytes()).context("writing to the standard output"),
        }
    }
}

impl Original {
    fn read(&self, folder: &Path) -> Result<Source> {
        let file = inside(folder, &self.source)?;
        read(&file, self.only_data)
    }
}

impl Convert {
    fn read(&self) -> Result<Source> {
        match &self.file {
            Some(file) => read(file, self.only_data),
            None => self.read_live(),
        }
    }

    fn read_live(&self) -> Result<Source> {
        let Some((namespace, name)) = self.configmap.split_once('/') else {
            bail!("--configmap {:?}: use namespace/name", self.configmap);
        };
        // Fails only if a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let object: ConfigMap = runtime.block_on(async {
            let client = metallb_cluster::connect(self.kubeconfig.as_deref()).await?;
            let found = Api::namespaced(client, namespace).get(name).await;
            found.with_context(|| format!("reading ConfigMap {namespace}/{name}"))
        })?;
        let config = object.data.and_then(|mut data| data.remove("config"));
        Ok(Source::of(Some(namespace), config)?)
    }
}

#[expect(
    clippy::print_stderr,
    reason = "what a user should know of, beside the outcome on the standard output"
)]
fn convert(source: &Source) -> Result<Resources> {
    let resources = metallb_legacy::convert(source).context("failed to generate resources")?;
    for change in &resources.renamed {
        eprintln!("{} {:?} is called {:?} from now on", change.kind, change.from, change.to);
    }
    Ok(resources)
}

/// A path below the folder, however it is written.
fn inside(folder: &Path, path: &str) -> Result<PathBuf> {
    let mut parts: Vec<&OsStr> = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(part) => parts.push(part),
            Component::ParentDir if parts.pop().is_none() => bail!("unsafe path {path}"),
            Component::ParentDir | Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Ok(parts.into_iter().fold(folder.to_owned(), |path, part| path.join(part)))
}

fn read(file: &Path, only_data: bool) -> Result<Source> {
    let mut text = String::new();
    let outcome = match file.to_str() {
        Some("-") => io::stdin().read_to_string(&mut text).map(drop),
        _ => fs::read_to_string(file).map(|read| text = read),
    };
    outcome.with_context(|| format!("reading {}", file.display()))?;
    Ok(if only_data { Source::only_data(&text) } else { Source::in_config_map(&text)? })
}

/// Writes the whole file or nothing: what was there stays until then, and who may read it is as before. Where a link leads
/// is written, even if nothing is there yet, and what is no file (`/dev/stdout`, a pipe) is written to, not replaced.
fn replace(file: &Path, text: &str) -> Result<()> {
    let there = fs::metadata(file);
    let written = match there {
        Ok(there) if !there.is_file() => fs::write(file, text),
        Err(_) if file.is_symlink() => fs::write(file, text),
        _ => {
            fs::canonicalize(file).or_else(|_| Ok(file.to_owned())).and_then(|file| write_whole(&file, text))
        }
    };
    written.with_context(|| format!("writing {}", file.display()))
}

fn write_whole(file: &Path, text: &str) -> io::Result<()> {
    let mut draft = file.as_os_str().to_owned();
    draft.push(format!(".{}.draft", std::process::id()));
    let written = write_draft(Path::new(&draft), file, text).and_then(|()| fs::rename(&draft, file));
    if written.is_err() {
        // Of no use to anybody; perhaps it was never made.
        let _ = fs::remove_file(&draft);
    }
    // A file that is mounted by itself can't be replaced.
    written.or_else(|error| {
        if error.kind() == io::ErrorKind::ResourceBusy { fs::write(file, text) } else { Err(error) }
    })
}

/// There may be passwords in it: who could not read the file can't read what takes its place.
fn write_draft(draft: &Path, file: &Path, text: &str) -> io::Result<()> {
    let mut written = fs::File::create(draft)?;
    if let Ok(there) = fs::metadata(file) {
        written.set_permissions(there.permissions())?;
    }
    written.write_all(text.as_bytes())
}

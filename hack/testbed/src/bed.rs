//! The bed itself: its machines and what runs on them.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::address::Place;
use crate::cgroup::{Group, Tree};
use crate::daemon::Daemon;
use crate::machine::Machine;
use crate::options::Options;
use crate::pki::{ADMIN, Pki};
use crate::preflight;
use crate::progress::Progress;

mod down;
mod status;
mod up;

pub use down::down;
pub use status::{Part, State};

/// The machine that holds the bridge; its namespaces are the parents of all others'.
const SWITCH: &str = "switch";

/// A cluster in namespaces. Dropping it changes nothing: a bed lives until [`Bed::down`].
#[derive(Clone, Debug)]
pub struct Bed {
    options: Options,
    tree: Tree,
    group: Group,
    pki: Pki,
    kube: PathBuf,
    kubectl: PathBuf,
    progress: Progress,
}

impl Bed {
    /// The bed that runs under this name, also one that did not come up whole: it can be looked at.
    pub fn attach(options: Options) -> Result<Bed> {
        preflight::need_root()?;
        options.check()?;
        let record = options.state.join(RECORD);
        let text = match fs::read_to_string(&record) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("bed {0} is not up: run `testbed --name {0} up`", options.name)
            }
            read => read.with_context(|| format!("cannot read {}", record.display()))?,
        };
        let record = Record::parse(&text)
            .with_context(|| format!("{} is damaged: run down, then up", record.display()))?;
        Bed::new(Options { nodes: record.nodes, ..options }, record)
    }

    fn new(options: Options, record: Record) -> Result<Bed> {
        let tree = Tree::of_host()?;
        let group = tree.group(options.group_name());
        let pki = Pki::in_folder(options.state.join("pki"));
        let progress = Progress::new(options.quiet);
        Ok(Bed { options, tree, group, pki, kube: record.kube, kubectl: record.kubectl, progress })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// How many nodes it has.
    pub fn nodes(&self) -> u8 {
        self.options.nodes
    }

    /// The names of its nodes.
    pub fn node_names(&self) -> Vec<String> {
        Place::nodes(self.nodes()).map(|node| node.to_string()).collect()
    }

    /// Where it keeps everything it writes.
    pub fn state(&self) -> &Path {
        &self.options.state
    }

    /// The administrator's kubeconfig. The server is reached from inside: from `cp` or `client`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.pki.kubeconfig(ADMIN)
    }

    /// The LAN address of a machine.
    pub fn v4(&self, machine: &str) -> Result<Ipv4Addr> {
        Ok(self.place(machine)?.v4())
    }

    /// The v6 LAN address of a machine.
    pub fn v6(&self, machine: &str) -> Result<Ipv6Addr> {
        Ok(self.place(machine)?.v6())
    }

    /// The MAC of a machine's `eth0`, in lower case with colons.
    pub fn mac(&self, machine: &str) -> Result<String> {
        Ok(self.place(machine)?.mac())
    }

    /// The node or other machine whose `eth0` has this MAC.
    pub fn machine_with_mac(&self, mac: &str) -> Option<String> {
        let mac = mac.to_ascii_lowercase();
        Place::all(self.nodes()).into_iter().find(|place| place.mac() == mac).map(|place| place.to_string())
    }

    pub(crate) fn places(&self) -> Vec<Place> {
        Place::all(self.nodes())
    }

    /// The place with this name, if this bed has it.
    pub(crate) fn place(&self, name: &str) -> Result<Place> {
        let place: Place = name.parse()?;
        if !self.places().contains(&place) {
            bail!("bed {:?} has no {place}: its nodes are {}", self.name(), self.node_names().join(", "));
        }
        Ok(place)
    }

    /// The same, for calls that make sense for nodes only.
    pub(crate) fn node(&self, name: &str) -> Result<Place> {
        match self.place(name)? {
            node @ Place::Node(_) => Ok(node),
            other @ (Place::ControlPlane | Place::Client | Place::Router) => {
                bail!("{other} is not a node: use one of {}", self.node_names().join(", "))
            }
        }
    }

    pub(crate) fn machine(&self, place: Place) -> Machine {
        self.machine_called(&place.to_string())
    }

    pub(crate) fn switch(&self) -> Machine {
        self.machine_called(SWITCH)
    }

    fn machine_called(&self, name: &str) -> Machine {
        Machine {
            name: name.to_owned(),
            folder: self.options.state.join("machines").join(name),
            group: self.group.child(name),
        }
    }

    pub(crate) fn kubectl_program(&self) -> &Path {
        &self.kubectl
    }

    pub(crate) fn pki(&self) -> &Pki {
        &self.pki
    }

    /// The daemons of a place in this bed: without nodes nothing is there to be scheduled or managed.
    pub(crate) fn daemons(&self, place: Place) -> impl Iterator<Item = Daemon> {
        let whole = self.nodes() > 0;
        Daemon::of(place).iter().copied().filter(move |daemon| whole || daemon.is_of_the_api())
    }

    pub(crate) fn start_daemon(&self, daemon: Daemon, place: Place) -> Result<()> {
        let more = match daemon {
            Daemon::ApiServer => self.options.api_server_flags.as_slice(),
            _ => &[],
        };
        daemon.start(&self.machine(place), place, (&self.kube, &self.pki), more)
    }
}

/// The file by which a bed is found again.
const RECORD: &str = "bed.json";
/// The file that says that it came up whole.
const USABLE: &str = "usable";

/// What is to be known of a bed besides its options.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    nodes: u8,
    kube: PathBuf,
    kubectl: PathBuf,
}

impl Record {
    fn to_json(&self) -> Value {
        json!({"nodes": self.nodes, "kube": self.kube, "kubectl": self.kubectl})
    }

    fn parse(text: &str) -> Option<Record> {
        let value: Value = serde_json::from_str(text).ok()?;
        let path = |key| value.get(key).and_then(Value::as_str).map(PathBuf::from);
        let nodes = u8::try_from(value.get("nodes")?.as_u64()?).ok()?;
        Some(Record { nodes, kube: path("kube")?, kubectl: path("kubectl")? })
    }
}

/// The result of a thread; a panic in it is one here.
pub(crate) fn joined<T>(result: thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Keeps two commands from changing one bed at the same time. The lock lies on the state folder
/// itself, so that it leaves nothing behind; whoever holds it must keep the folder, and may only empty
/// it. Removing it gives the lock up: the next command makes and locks another folder.
fn lock(options: &Options, progress: Progress) -> Result<File> {
    let folder = &options.state;
    loop {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let lock = match File::open(folder) {
            // A `down` removed it since we made it.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            opened => opened.with_context(|| format!("cannot open {}", folder.display()))?,
        };
        if lock.try_lock().is_err() {
            progress.step(&format!("waiting for another command that changes bed {}", options.name));
            lock.lock().with_context(|| format!("cannot lock {}", folder.display()))?;
        }
        // While we waited, `down` may have removed the folder: then our lock guards nothing.
        if is_same(&lock, folder) {
            return Ok(lock);
        }
    }
}

fn is_same(open: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |data: fs::Metadata| (data.dev(), data.ino());
    matches!((open.metadata().map(identity), fs::metadata(path).map(identity)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_read_back_as_written() {
        let record = Record { nodes: 3, kube: "/c/kube".into(), kubectl: "/c/kubectl".into() };
        assert_eq!(Record::parse(&record.to_json().to_string()), Some(record));
        assert_eq!(Record::parse(r#"{"nodes": 300, "kube": "a", "kubectl": "b"}"#), None);
    }
}

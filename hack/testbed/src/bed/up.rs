//! Bringing a bed up.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Bed, Part, RECORD, Record, USABLE, joined, lock};
use crate::address::Place;
use crate::build::Executables;
use crate::config::{self, CONTAINERD_SOCKET};
use crate::daemon::Daemon;
use crate::machine::{MACHINE_INIT, Machine, Mould};
use crate::options::Options;
use crate::progress::Progress;
use crate::wait::{self, Seen};
use crate::{host, images, preflight, wire};

/// Generous: the whole takes 4 to 8 s.
const DEADLINE: Duration = Duration::from_secs(120);
const CONTAINERD_DEADLINE: Duration = Duration::from_secs(30);

/// The name of `machine-init` in the state folder.
const MACHINE_INIT_FILE: &str = "machine-init";

/// The bed's part of the processors, where each process of the host has 1024: what kubelet gives the pods of two nodes with two
/// processors each, beside all else there.
const SHARE_OF_BED: u32 = 4096;

impl Bed {
    /// A usable bed: the one that runs already, if it is whole, or else a new one. What a crash left is
    /// cleared away first. Should it fail, what runs is left to be looked at, until [`Bed::down`].
    pub fn up(options: Options) -> Result<Bed> {
        preflight::need_root()?;
        options.check()?;
        let progress = Progress::new(options.quiet);
        let tree = preflight::check(&options)?;
        let _lock = lock(&options, progress)?;
        match found(&options)? {
            Found::Whole(bed) => {
                progress.step(&format!("bed {} is up already", bed.name()));
                return Ok(*bed);
            }
            Found::Broken(why) => progress.step(&format!("{why}: starting bed {} anew", options.name)),
            Found::Nothing => {}
        }
        super::down::clear(&options, &tree)?;
        let executables = Executables::cached(&options.cache, progress)?;
        let archives = images::archives(&options.cache, &executables.init)?;
        let bed = Bed::begin(options, executables, progress)?;
        bed.start_cluster(&archives).with_context(|| {
            format!("bed {0} did not come up; look around with `testbed --name {0} status`", bed.name())
        })?;
        fs::write(bed.state().join(USABLE), "")?;
        Ok(bed)
    }

    /// Writes down what is to come, so that it can be found and ended whatever happens next.
    fn begin(options: Options, executables: Executables, progress: Progress) -> Result<Bed> {
        fs::create_dir_all(&options.state)
            .with_context(|| format!("cannot make {}", options.state.display()))?;
        let Executables { kube, kubectl, init } = executables;
        let record = Record { nodes: options.nodes, kube, kubectl };
        fs::write(options.state.join(RECORD), record.to_json().to_string())?;
        fs::write(options.state.join(MACHINE_INIT_FILE), MACHINE_INIT)?;
        // Kept under its own name in the state folder: the cache may be cleared while the bed runs.
        fs::copy(&init, options.state.join("init"))
            .with_context(|| format!("cannot copy {}", init.display()))?;
        let bed = Bed::new(options, record)?;
        host::prepare(&bed.group)?;
        bed.group.share(SHARE_OF_BED)?;
        bed.pki.create(bed.nodes())?;
        Ok(Bed { progress, ..bed })
    }

    fn mould(&self) -> Mould {
        Mould {
            machine_init: self.state().join(MACHINE_INIT_FILE),
            init: self.state().join("init"),
            cgroups: self.tree.mount_plan(),
        }
    }

    fn start_cluster(&self, archives: &[PathBuf]) -> Result<()> {
        self.start_machines()?;
        self.progress.step("machines run");
        thread::scope(|scope| {
            let nodes: Vec<_> = Place::nodes(self.nodes())
                .map(|node| scope.spawn(move || self.start_node(node, archives)))
                .collect();
            self.start_api()?;
            self.progress.step("API server ready");
            // Earlier they would die of, or back off from, the roles that the API server makes while it starts.
            for daemon in self.daemons(Place::ControlPlane).filter(|daemon| !daemon.is_of_the_api()) {
                self.start_daemon(daemon, Place::ControlPlane)?;
            }
            for node in nodes {
                joined(node.join())?;
            }
            Place::nodes(self.nodes()).try_for_each(|node| self.start_daemon(Daemon::KubeProxy, node))
        })?;
        if self.nodes() > 0 {
            self.wait_for_nodes()?;
            self.progress.step("nodes ready");
            self.wait_for_service_account()?;
        }
        self.progress.step(&format!("bed {} is usable", self.name()));
        Ok(())
    }

    fn start_machines(&self) -> Result<()> {
        let (switch, mould) = (self.switch(), self.mould());
        switch.begin(&mould, None)?;
        switch.born(&mould.init)?;
        wire::lay_bridge(&switch)?;
        for place in self.places() {
            self.machine(place).begin(&mould, Some(&switch))?;
        }
        for place in self.places() {
            let machine = self.machine(place);
            machine.born(&mould.init)?;
            if place == Place::ControlPlane {
                // Elsewhere it has processors of its own, and takes none from nodes.
                machine.group.give_way()?;
            }
            if !matches!(place, Place::Node(_)) {
                wire::connect(&switch, &machine, place, self.nodes())?;
            }
        }
        Ok(())
    }

    fn start_api(&self) -> Result<()> {
        self.start_daemon(Daemon::Etcd, Place::ControlPlane)?;
        self.start_daemon(Daemon::ApiServer, Place::ControlPlane)?;
        self.wait_for_api()
    }

    /// Waits until the API server answers that it is ready; gives up at once if it or etcd ended.
    pub(crate) fn wait_for_api(&self) -> Result<()> {
        let machine = self.machine(Place::ControlPlane);
        wait::until("ready API server", DEADLINE, || {
            let answer = self.api_get("/readyz");
            match [Daemon::Etcd, Daemon::ApiServer]
                .into_iter()
                .find_map(|daemon| daemon.running(&machine).err())
            {
                Some(ended) => Ok(Seen::Never(format!("{ended:#}"))),
                None => answer.map(|answer| wait::seen(answer.trim() == "ok", &answer)),
            }
        })
    }

    /// A node up to its kubelet: kube-proxy waits for the API server.
    fn start_node(&self, node: Place, archives: &[PathBuf]) -> Result<()> {
        let machine = self.machine(node);
        wire::connect(&self.switch(), &machine, node, self.nodes())?;
        for (path, content) in config::node_files(node, &self.pki) {
            let file = machine.path(&path)?;
            fs::write(&file, content).with_context(|| format!("cannot write {path} of {node}"))?;
        }
        self.start_containerd(node, &machine)?;
        self.start_daemon(Daemon::Kubelet, node)?;
        archives.iter().try_for_each(|archive| self.load_on(node, archive))
    }

    fn start_containerd(&self, node: Place, machine: &Machine) -> Result<()> {
        self.start_daemon(Daemon::Containerd, node)?;
        let socket = machine.path(CONTAINERD_SOCKET)?;
        wait::until_soon(&format!("containerd of {node}"), CONTAINERD_DEADLINE, || {
            if let Err(ended) = Daemon::Containerd.running(machine) {
                return Ok(Seen::Never(format!("{ended:#}")));
            }
            Ok(wait::seen(socket.exists(), "no socket yet"))
        })
    }

    /// Waits until every node says that it is ready.
    pub(crate) fn wait_for_nodes(&self) -> Result<()> {
        wait::until("nodes ready", DEADLINE, || {
            let list: Value = serde_json::from_str(&self.api_get("/api/v1/nodes")?)?;
            let ready = ready_nodes(&list);
            if ready.len() == usize::from(self.nodes()) {
                return Ok(Seen::Done(()));
            }
            Ok(match self.dead_kubelet() {
                Some(ended) => Seen::Never(ended),
                None => Seen::NotYet(format!("ready are {ready:?} of {} nodes", self.nodes())),
            })
        })
    }

    fn dead_kubelet(&self) -> Option<String> {
        Place::nodes(self.nodes())
            .find_map(|node| Daemon::Kubelet.running(&self.machine(node)).err())
            .map(|ended| format!("{ended:#}"))
    }

    /// Pods can't be created before the controller manager has made it.
    fn wait_for_service_account(&self) -> Result<()> {
        wait::until("default service account", DEADLINE, || {
            let machine = self.machine(Place::ControlPlane);
            if let Err(ended) = Daemon::ControllerManager.running(&machine) {
                return Ok(Seen::Never(format!("{ended:#}")));
            }
            self.api_get("/api/v1/namespaces/default/serviceaccounts/default").map(|_| Seen::Done(()))
        })
    }

    /// Boots a node whose power was cut. Its disk is as it was.
    pub(crate) fn boot(&self, node: Place) -> Result<()> {
        let machine = self.machine(node);
        if machine.init().is_some() {
            return Ok(());
        }
        machine.cut_power()?;
        let mould = self.mould();
        machine.begin(&mould, Some(&self.switch()))?;
        machine.born(&mould.init)?;
        self.start_node(node, &[])?;
        self.start_daemon(Daemon::KubeProxy, node)
    }

    /// Puts an image archive on one node.
    pub(crate) fn load_on(&self, node: Place, archive: &Path) -> Result<()> {
        let file = OpenOptions::new()
            .read(true)
            .open(archive)
            .with_context(|| format!("cannot open image archive {}", archive.display()))?;
        self.import(node, file).with_context(|| format!("cannot load {} on {node}", archive.display()))
    }
}

/// The names of the nodes whose condition Ready is true.
fn ready_nodes(list: &Value) -> Vec<&str> {
    let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
    items.filter(|node| is_ready(node)).filter_map(|node| node.pointer("/metadata/name")?.as_str()).collect()
}

fn is_ready(node: &Value) -> bool {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let has =
        |condition: &Value, key: &str, value: &str| condition.get(key).and_then(Value::as_str) == Some(value);
    conditions
        .into_iter()
        .any(|condition| has(condition, "type", "Ready") && has(condition, "status", "True"))
}

/// What an earlier `up` left.
enum Found {
    /// Everything that should run is running.
    Whole(Box<Bed>),
    /// Not so, and why.
    Broken(String),
    /// No bed was begun.
    Nothing,
}

fn found(options: &Options) -> Result<Found> {
    if !options.state.join(RECORD).exists() {
        return Ok(Found::Nothing);
    }
    let Ok(bed) = Bed::attach(options.clone()) else {
        return Ok(Found::Broken(format!("{RECORD} is damaged")));
    };
    let defects = bed.defects();
    if !defects.is_empty() {
        return Ok(Found::Broken(named(&defects)));
    }
    if !options.state.join(USABLE).exists() {
        return Ok(Found::Broken("the last start did not finish".to_owned()));
    }
    if bed.nodes() != options.nodes {
        bail!("bed {} runs with {} nodes, not {}: run down first", bed.name(), bed.nodes(), options.nodes);
    }
    Ok(Found::Whole(Box::new(bed)))
}

/// The first few of what does not run, for one line. With a machine go its daemons, unnamed.
fn named(defects: &[Part]) -> String {
    const SHOWN: usize = 3;
    let machines: Vec<_> =
        defects.iter().filter(|part| part.daemon.is_none()).map(|part| &part.machine).collect();
    let roots = defects.iter().filter(|part| part.daemon.is_none() || !machines.contains(&&part.machine));
    let mut names: Vec<String> = roots.map(Part::in_words).collect();
    if names.len() > SHOWN {
        let more = names.len() - SHOWN;
        names.truncate(SHOWN);
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bed::State;
    use serde_json::json;

    #[test]
    fn only_nodes_that_say_so_are_ready() {
        let node = |name: &str, status: &str| {
            json!({"metadata": {"name": name}, "status": {"conditions": [
                {"type": "MemoryPressure", "status": "True"}, {"type": "Ready", "status": status},
            ]}})
        };
        let list =
            json!({"items": [node("n1", "True"), node("n2", "Unknown"), {"metadata": {"name": "n3"}}]});
        assert_eq!(ready_nodes(&list), ["n1"]);
        assert!(ready_nodes(&json!({"code": 403})).is_empty());
    }

    #[test]
    fn what_does_not_run_is_named_in_one_line() {
        let part = |machine: &str, daemon, state| Part { machine: machine.to_owned(), daemon, state };
        let kubelet = part("n1", Some(Daemon::Kubelet), State::Gone);
        assert_eq!(named(std::slice::from_ref(&kubelet)), "n1 kubelet does not run");
        let node = part("n2", None, State::Frozen);
        let on_it = part("n2", Some(Daemon::Kubelet), State::Frozen);
        assert_eq!(named(&[kubelet.clone(), node.clone(), on_it]), "n1 kubelet does not run, n2 is frozen");
        let many = named(&[node.clone(), kubelet.clone(), node, kubelet.clone(), kubelet]);
        assert!(many.ends_with(", n2 is frozen, 2 more"), "{many}");
    }
}

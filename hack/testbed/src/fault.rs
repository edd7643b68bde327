//! Faults, each with its cure.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::address::Place;
use crate::bed::{Bed, joined};
use crate::cgroup;
use crate::daemon::Daemon;
use crate::process::Process;
use crate::wait::{self, Seen};
use crate::wire;

/// How long a container may take to show its processes, or to lose them.
const DEADLINE: Duration = Duration::from_secs(30);

impl Bed {
    /// Kills a daemon at once (SIGKILL). Nothing starts it again but [`Bed::start`].
    pub fn kill(&self, machine: &str, daemon: Daemon) -> Result<()> {
        daemon.kill(&self.machine(self.place(machine)?))
    }

    /// Starts a daemon that was killed.
    pub fn start(&self, machine: &str, daemon: Daemon) -> Result<()> {
        self.start_daemon(daemon, self.place(machine)?)
    }

    /// Stops a daemon where it stands (SIGSTOP): it keeps its sockets and answers nothing.
    pub fn freeze(&self, machine: &str, daemon: Daemon) -> Result<()> {
        self.daemon_process(machine, daemon)?.signal(Signal::SIGSTOP).map(drop)
    }

    /// Lets a frozen daemon go on.
    pub fn thaw(&self, machine: &str, daemon: Daemon) -> Result<()> {
        self.daemon_process(machine, daemon)?.signal(Signal::SIGCONT).map(drop)
    }

    /// The process of a daemon, as the host sees it.
    pub fn daemon_process(&self, machine: &str, daemon: Daemon) -> Result<Process> {
        daemon.running(&self.machine(self.place(machine)?))
    }

    /// Kills a kubelet and starts it again. The node's pods live on.
    pub fn restart_kubelet(&self, node: &str) -> Result<()> {
        self.kill(node, Daemon::Kubelet)?;
        self.start(node, Daemon::Kubelet)
    }

    /// Freezes a whole node: its daemons, its pods, all they do.
    pub fn freeze_node(&self, node: &str) -> Result<()> {
        let machine = self.machine(self.node(node)?);
        machine.running()?;
        machine.group.freeze()
    }

    /// Lets a frozen node go on.
    pub fn thaw_node(&self, node: &str) -> Result<()> {
        let machine = self.machine(self.node(node)?);
        machine.running()?;
        machine.group.thaw()
    }

    /// Pulls a machine's cable out of the switch: it loses its carrier.
    pub fn unplug(&self, machine: &str) -> Result<()> {
        self.set_plugged(machine, false)
    }

    /// Puts the cable back.
    pub fn plug(&self, machine: &str) -> Result<()> {
        self.set_plugged(machine, true)
    }

    /// A machine that is off has no cable: its next start lays a new one, plugged in.
    fn set_plugged(&self, machine: &str, plugged: bool) -> Result<()> {
        let place = self.place(machine)?;
        if self.machine(place).init().is_none() {
            bail!("{place} is off: power it on before you plug or unplug it");
        }
        wire::set_plugged(&self.switch(), place, plugged)
    }

    /// Drops all between a node, its pods included, and the API server; all else passes.
    pub fn cut_api(&self, node: &str) -> Result<()> {
        wire::set_api_cut(&self.switch(), self.node(node)?, true)
    }

    /// Lets a node reach the API server again.
    pub fn restore_api(&self, node: &str) -> Result<()> {
        wire::set_api_cut(&self.switch(), self.node(node)?, false)
    }

    /// Kills the API server; its data stays.
    pub fn stop_api(&self) -> Result<()> {
        self.kill("cp", Daemon::ApiServer)
    }

    /// Starts the API server again and waits until it is ready.
    pub fn start_api_again(&self) -> Result<()> {
        self.start("cp", Daemon::ApiServer)?;
        self.wait_for_api()
    }

    /// Cuts a node's power: everything on it is gone at once.
    pub fn power_off(&self, node: &str) -> Result<()> {
        self.machine(self.node(node)?).cut_power()
    }

    /// Boots a node whose power was cut. Its disk is as it was, its memory is not.
    pub fn power_on(&self, node: &str) -> Result<()> {
        self.boot(self.node(node)?)
    }

    /// The processes of a pod's container, as the host sees them; its first one first.
    pub fn container_processes(&self, namespace: &str, pod: &str, container: &str) -> Result<Vec<Process>> {
        let what = format!("container {container} of pod {namespace}/{pod}");
        wait::until(&what, DEADLINE, || {
            let object = self.get_json(&["pod", "--namespace", namespace, pod])?;
            let Some((node, id)) = container_place(&object, container) else {
                return Ok(Seen::NotYet(format!("status {}", object.get("status").unwrap_or(&Value::Null))));
            };
            let groups = self.machine(self.node(node)?).group.find(id);
            let pids = groups.first().map(|group| cgroup::processes_below(group)).unwrap_or_default();
            let mut processes: Vec<_> = pids.into_iter().filter_map(Process::of).collect();
            processes.sort_by_key(|process| (process.started, process.pid));
            Ok(if processes.is_empty() {
                Seen::NotYet("no process".to_owned())
            } else {
                Seen::Done(processes)
            })
        })
    }

    /// Sends a signal to every process of a pod's container, as SIGKILL, SIGSTOP or SIGCONT.
    pub fn signal_container(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        signal: Signal,
    ) -> Result<()> {
        let processes = self.container_processes(namespace, pod, container)?;
        for process in processes {
            process.signal(signal)?;
        }
        Ok(())
    }

    /// Undoes every fault: thaws, boots, plugs and restores every machine, starts every dead daemon, and
    /// waits until all nodes are ready.
    pub fn heal(&self) -> Result<()> {
        for place in self.places() {
            self.machine(place).group.thaw()?;
        }
        for place in [Place::ControlPlane, Place::Client, Place::Router] {
            wire::set_plugged(&self.switch(), place, true)?;
        }
        self.heal_daemons(Place::ControlPlane)?;
        self.wait_for_api()?;
        thread::scope(|scope| {
            let nodes = Place::nodes(self.nodes());
            let cures: Vec<_> = nodes.map(|node| scope.spawn(move || self.heal_node(node))).collect();
            cures.into_iter().try_for_each(|cure| joined(cure.join()))
        })?;
        self.wait_for_nodes()
    }

    fn heal_node(&self, node: Place) -> Result<()> {
        self.boot(node)?;
        wire::set_plugged(&self.switch(), node, true)?;
        wire::set_api_cut(&self.switch(), node, false)?;
        self.heal_daemons(node)
    }

    fn heal_daemons(&self, place: Place) -> Result<()> {
        let machine = self.machine(place);
        for daemon in self.daemons(place) {
            match daemon.process(&machine) {
                Some(process) => process.signal(Signal::SIGCONT).map(drop)?,
                None => self.start_daemon(daemon, place)?,
            }
        }
        Ok(())
    }
}

/// The node of a pod and the id of one of its running containers.
fn container_place<'a>(pod: &'a Value, container: &str) -> Option<(&'a str, &'a str)> {
    let node = pod.pointer("/spec/nodeName")?.as_str()?;
    let statuses = pod.pointer("/status/containerStatuses")?.as_array()?;
    let status =
        statuses.iter().find(|status| status.get("name").and_then(Value::as_str) == Some(container))?;
    status.pointer("/state/running")?;
    let id = status.get("containerID")?.as_str().context("no id").ok()?;
    Some((node, id.strip_prefix("containerd://")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_running_container_is_found_by_name() {
        let pod = json!({"spec": {"nodeName": "n2"}, "status": {"containerStatuses": [
            {"name": "side", "containerID": "containerd://aa", "state": {"running": {}}},
            {"name": "main", "containerID": "containerd://bb", "state": {"running": {}}},
            {"name": "dead", "containerID": "containerd://cc", "state": {"terminated": {}}},
        ]}});
        assert_eq!(container_place(&pod, "main"), Some(("n2", "bb")));
        assert_eq!(container_place(&pod, "dead"), None);
        assert_eq!(container_place(&json!({"spec": {}}), "main"), None);
    }
}

//! Controller and speakers as they run at a moment.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use metallb_e2e::Cluster;
use metallb_e2e::cluster::{STARTUP, items, text};
use metallb_e2e::manifest::NAMESPACE;
use metallb_testbed::wait::{self, Seen};
use serde_json::Value;

/// Whose pods.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Workload {
    Controller,
    Speaker,
}

impl Workload {
    pub(crate) const BOTH: [Self; 2] = [Self::Controller, Self::Speaker];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Speaker => "speaker",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Controller => "deployment",
            Self::Speaker => "daemonset",
        }
    }

    /// The label that tells pods of different templates apart.
    fn revision(self) -> &'static str {
        match self {
            Self::Controller => "pod-template-hash",
            Self::Speaker => "controller-revision-hash",
        }
    }
}

/// Where a pod shows a setting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// A JSON pointer into the pod.
    At(&'static str),
    /// The value of a flag of its container.
    Flag(&'static str),
    /// A variable of its container.
    Variable(&'static str),
}

impl Place {
    /// What is there; null if nothing is.
    fn of(self, pod: &Value) -> Value {
        let container = &pod["spec"]["containers"][0];
        match self {
            Self::At(pointer) => pod.pointer(pointer).cloned().unwrap_or_default(),
            Self::Flag(flag) => {
                let mut args = container["args"].as_array().into_iter().flatten();
                let value = args.find_map(|arg| arg.as_str()?.strip_prefix(flag)?.strip_prefix('='));
                value.into()
            }
            Self::Variable(name) => {
                let mut variables = container["env"].as_array().into_iter().flatten();
                let found = variables.find(|variable| variable["name"] == name);
                found.map(|variable| variable["value"].clone()).unwrap_or_default()
            }
        }
    }
}

/// What runs of a workload.
#[derive(Debug)]
pub(crate) struct Running {
    /// How often its object was edited.
    pub(crate) generation: u64,
    /// Those that are there to stay.
    pub(crate) pods: Vec<Value>,
    revisions: BTreeSet<String>,
}

impl Running {
    fn of(cluster: &Cluster, workload: Workload) -> Result<Self> {
        let object = cluster.get(&[workload.kind(), workload.name(), "-n", NAMESPACE])?;
        let label = format!("app=metallb,component={}", workload.name());
        let list = cluster.get(&["pods", "-n", NAMESPACE, "-l", &label])?;
        let stays = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
        let pods: Vec<Value> = items(&list).iter().filter(stays).cloned().collect();
        let revision = |pod: &Value| text(&pod["metadata"]["labels"][workload.revision()]);
        let revisions = pods.iter().map(revision).collect();
        let generation = object["metadata"]["generation"].as_u64().context("no generation")?;
        Ok(Self { generation, pods, revisions })
    }

    fn is_settled(&self) -> bool {
        self.revisions.len() == 1 && self.pods.iter().all(is_ready)
    }

    /// In a line: what is there, from which template, and whether it is ready.
    fn summary(&self) -> String {
        let names = self.pods.iter().map(|pod| text(&pod["metadata"]["name"])).collect::<Vec<_>>().join(", ");
        let not_ready = self.pods.iter().filter(|pod| !is_ready(pod)).count();
        format!("{names}: {not_ready} not ready, of {:?}", self.revisions)
    }

    pub(crate) fn uids(&self) -> BTreeSet<String> {
        self.pods.iter().map(|pod| text(&pod["metadata"]["uid"])).collect()
    }

    /// The nodes it runs on.
    pub(crate) fn nodes(&self) -> BTreeSet<String> {
        self.pods.iter().map(|pod| text(&pod["spec"]["nodeName"])).collect()
    }

    /// The template its pods were made from, by the hash in their labels.
    pub(crate) fn revision(&self) -> Result<&str> {
        match self.revisions.iter().next() {
            Some(revision) if self.revisions.len() == 1 => Ok(revision),
            _ => bail!("pods of one template are due, these are {:?}", self.revisions),
        }
    }

    /// What its pods show at a place, each distinct value once.
    pub(crate) fn values(&self, place: Place) -> Vec<Value> {
        let mut values: Vec<Value> = self.pods.iter().map(|pod| place.of(pod)).collect();
        values.dedup();
        values
    }
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["containerStatuses"][0]["ready"] == true
}

/// Both workloads.
#[derive(Debug)]
pub(crate) struct Stage {
    controller: Running,
    speaker: Running,
}

impl Stage {
    /// As it is once the resource says that all runs as asked for.
    pub(crate) fn settled(cluster: &Cluster) -> Result<Self> {
        cluster.wait_available()?;
        wait::until("ready pods of one template each", STARTUP, || {
            let [controller, speaker] = Workload::BOTH.map(|workload| Running::of(cluster, workload));
            let stage = Self { controller: controller?, speaker: speaker? };
            let is_settled = Workload::BOTH.iter().all(|workload| stage.of(*workload).is_settled());
            let summary = Workload::BOTH.map(|workload| stage.of(workload).summary()).join("; ");
            Ok(if is_settled { Seen::Done(stage) } else { Seen::NotYet(summary) })
        })
    }

    pub(crate) fn of(&self, workload: Workload) -> &Running {
        match workload {
            Workload::Controller => &self.controller,
            Workload::Speaker => &self.speaker,
        }
    }
}

//! A change of the `MetalLB` resource: made, seen on running pods, taken back, and nothing of it is left.

use anyhow::{Context, Result, ensure};
use metallb_e2e::Cluster;
use metallb_e2e::cluster::{REACTION, items};
use metallb_e2e::manifest::NAMESPACE;
use metallb_testbed::wait::{self, seen};
use serde_json::{Map, Value, json};

use crate::Fields;
use crate::stage::{Place, Stage, Workload};
use crate::watch::{Bound, Sight, Watch, rounds};

/// A look at the cluster beside that at the pods.
type Look = fn(&Fields, &Stage) -> Result<()>;

/// What is set, what that does, and what it may cost.
pub(crate) struct Change {
    what: &'static str,
    /// The whole spec.
    pub(crate) spec: Value,
    /// Whose pods are replaced by it.
    replaces: &'static [Workload],
    bound: Bound,
    /// What every pod of a workload shows then, and none before or afterwards.
    seen: Vec<(Workload, Place, Value)>,
    there: Look,
    back: Look,
}

impl Change {
    pub(crate) fn new(what: &'static str, spec: Value, bound: Bound) -> Self {
        let (there, back): (Look, Look) = (|_, _| Ok(()), |_, _| Ok(()));
        Self { what, spec, replaces: &[], bound, seen: Vec::new(), there, back }
    }

    pub(crate) fn replacing(self, replaces: &'static [Workload]) -> Self {
        Self { replaces, ..self }
    }

    pub(crate) fn seen(
        mut self,
        workload: Workload,
        values: impl IntoIterator<Item = (Place, Value)>,
    ) -> Self {
        self.seen.extend(values.into_iter().map(|(place, value)| (workload, place, value)));
        self
    }

    /// With a look while it is made.
    pub(crate) fn there(self, there: Look) -> Self {
        Self { there, ..self }
    }

    /// With a look after it was taken back.
    pub(crate) fn back(self, back: Look) -> Self {
        Self { back, ..self }
    }

    /// Makes it and takes it back, as often as is asked for.
    pub(crate) fn try_out(&self, fields: &Fields) -> Result<()> {
        let sights = (0..rounds()).map(|_| self.round(fields)).collect::<Result<Vec<Sight>>>()?;
        self.bound.judge(self.what, &sights)
    }

    fn round(&self, fields: &Fields) -> Result<Sight> {
        let cluster = &fields.cluster;
        // Whatever an earlier test left.
        set(cluster, &json!({}))?;
        let before = Stage::settled(cluster)?;
        let watch = Watch::start(cluster, fields.address)?;
        let told = deeds(cluster)?;

        set(cluster, &self.spec)?;
        let there = Stage::settled(cluster)?;
        self.check_there(&before, &there)?;
        (self.there)(fields, &there).with_context(|| format!("{}, while it is set", self.what))?;
        ensure!(cluster.address("web")? == fields.address, "the Service has another address");

        set(cluster, &json!({}))?;
        let back = Stage::settled(cluster)?;
        self.check_back(&before, (&there, &back))?;
        (self.back)(fields, &back).with_context(|| format!("{}, taken back", self.what))?;
        ensure!(cluster.address("web")? == fields.address, "the Service has another address");
        if !self.replaces.is_empty() {
            wait::until("an event about each way", REACTION, || {
                let now = deeds(cluster)?;
                Ok(seen(now >= told + 2, format!("{now}, {told} before")))
            })?;
        }
        let sight = watch.finish()?;
        self.bound.look_at(self.what, &sight)?;
        Ok(sight)
    }

    fn check_there(&self, before: &Stage, there: &Stage) -> Result<()> {
        for workload in Workload::BOTH {
            let (old, new) = (before.of(workload), there.of(workload));
            let who = format!("{}s, with {}", workload.name(), self.what);
            if self.replaces.contains(&workload) {
                ensure!(old.uids().is_disjoint(&new.uids()), "{who}: not all pods were replaced");
                ensure!(old.revision()? != new.revision()?, "{who}: pods are of the same template");
                let edits = new.generation - old.generation;
                ensure!(edits == 1, "{who}: {edits} edits, so as many rollouts");
            } else {
                ensure!(old.uids().is_subset(&new.uids()), "{who}: pods were replaced");
            }
        }
        for (workload, place, due) in &self.seen {
            let (old, new) = (before.of(*workload).values(*place), there.of(*workload).values(*place));
            let who = workload.name();
            ensure!(!old.contains(due), "{who}, {place:?}: {due} was there before");
            ensure!(new.as_slice() == std::slice::from_ref(due), "{who}, {place:?}: {new:?}, {due} is due");
        }
        Ok(())
    }

    /// Pods are made from the template they were made from before.
    fn check_back(&self, before: &Stage, (there, back): (&Stage, &Stage)) -> Result<()> {
        for workload in Workload::BOTH {
            let (old, new) = (before.of(workload), back.of(workload));
            let who = format!("{}s, without {}", workload.name(), self.what);
            ensure!(
                old.revision()? == new.revision()?,
                "{who}: something is left in the template: {:?}, {:?} before",
                new.pods.first(),
                old.pods.first()
            );
            ensure!(old.nodes().len() == new.nodes().len(), "{who}: on {:?}", new.nodes());
            if !self.replaces.contains(&workload) {
                ensure!(new.uids().is_subset(&there.of(workload).uids()), "{who}: pods were replaced");
            }
        }
        Ok(())
    }
}

/// Makes this the whole spec: what it does not name is taken out.
fn set(cluster: &Cluster, spec: &Value) -> Result<()> {
    let live = cluster.get(&["metallb", "metallb", "-n", NAMESPACE])?;
    let names = live["spec"].as_object().into_iter().flat_map(Map::keys);
    let mut patch: Map<String, Value> = names.map(|name| (name.clone(), Value::Null)).collect();
    patch.extend(spec.as_object().cloned().unwrap_or_default());
    let patch = json!({ "spec": patch }).to_string();
    cluster.kubectl(&["patch", "metallb", "metallb", "-n", NAMESPACE, "--type=merge", "-p", &patch]).map(drop)
}

/// How often the resource was told that an edit was carried out.
fn deeds(cluster: &Cluster) -> Result<u64> {
    let events = cluster.get(&["events", "-n", NAMESPACE])?;
    let is_meant =
        |event: &&Value| event["involvedObject"]["name"] == "metallb" && event["reason"] == "Updated";
    Ok(items(&events).iter().filter(is_meant).map(|event| event["count"].as_u64().unwrap_or(1)).sum())
}

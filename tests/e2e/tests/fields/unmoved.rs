//! Changes that leave speakers alone: nobody outside may notice.

use anyhow::{Result, ensure};
use metallb_e2e::Cluster;
use metallb_e2e::cluster::REACTION;
use metallb_e2e::lan;
use metallb_e2e::manifest::{NAMESPACE, Service};
use metallb_testbed::wait::{self, seen};
use serde_json::{Value, json};

use crate::Fields;
use crate::change::Change;
use crate::stage::{Place, Stage, Workload};
use crate::watch::Bound;

/// What is accepted and does nothing.
pub(crate) fn idle() -> Change {
    let spec = json!({
        "image": "registry.example/metallb:1",
        "frrk8sConfig": {"alwaysBlock": ["10.0.0.0/8"], "namespace": "elsewhere", "secretPassthrough": true},
    });
    Change::new("fields without effect", spec, Bound::Nothing)
}

/// What edits objects and no pods.
pub(crate) fn beside_pods() -> Change {
    let spec = json!({
        "controllerReplicas": 2,
        "speakerMaxUnavailable": 2,
        "networkPolicy": {"apiPort": 443},
    });
    Change::new("two controllers, two speakers at once, another port", spec, Bound::Nothing)
        .there(|fields, stage| {
            let controllers = stage.of(Workload::Controller).pods.len();
            ensure!(controllers == 2, "{controllers} controllers");
            expect(fields, "poddisruptionbudget/controller", "/spec/maxUnavailable", &json!(1))?;
            expect(fields, "daemonset/speaker", AT_ONCE, &json!(2))?;
            expect(fields, "networkpolicy/controller", API_PORT, &json!(443))
        })
        .back(|fields, stage| {
            let controllers = stage.of(Workload::Controller).pods.len();
            ensure!(controllers == 1, "{controllers} controllers");
            wait_gone(&fields.cluster, "poddisruptionbudget/controller")?;
            expect(fields, "daemonset/speaker", AT_ONCE, &json!(1))?;
            expect(fields, "networkpolicy/controller", API_PORT, &json!(6443))
        })
}

const AT_ONCE: &str = "/spec/updateStrategy/rollingUpdate/maxUnavailable";
const API_PORT: &str = "/spec/egress/0/ports/0/port";

/// What takes an object away.
pub(crate) fn without_policy() -> Change {
    Change::new("no network policy", json!({"networkPolicy": {"enabled": false}}), Bound::Nothing)
        .there(|fields, _| wait_gone(&fields.cluster, "networkpolicy/controller"))
        .back(|fields, _| expect(fields, "networkpolicy/controller", API_PORT, &json!(6443)))
}

/// Waits until an object has this value at a place.
fn expect(fields: &Fields, object: &str, pointer: &str, due: &Value) -> Result<()> {
    wait::until(&format!("{due} at {pointer} of {object}"), REACTION, || {
        let found = fields.cluster.get(&[object, "-n", NAMESPACE])?;
        let value = found.pointer(pointer).cloned().unwrap_or_default();
        Ok(seen(value == *due, &value))
    })
}

fn wait_gone(cluster: &Cluster, object: &str) -> Result<()> {
    wait::until(&format!("no {object}"), REACTION, || {
        let found = cluster.kubectl(&["get", object, "-n", NAMESPACE, "--ignore-not-found", "-o", "name"])?;
        Ok(seen(found.is_empty(), found))
    })
}

/// Pod settings of one workload, whichever it is, and where pods show them.
pub(crate) fn pod_settings() -> (Value, [(Place, Value); 5]) {
    let config = json!({
        "priorityClassName": "fields",
        "runtimeClassName": "fields",
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 7, "preference": {"matchExpressions": [{"key": "fields", "operator": "Exists"}]}},
        ]}},
        "annotations": {"example.com/fields": "all"},
        "resources": {"requests": {"cpu": "20m"}, "limits": {"memory": "256Mi"}},
    });
    let shown = [
        (Place::At("/spec/priorityClassName"), json!("fields")),
        (Place::At("/spec/runtimeClassName"), json!("fields")),
        (Place::At(WEIGHT), json!(7)),
        (Place::At("/metadata/annotations/example.com~1fields"), json!("all")),
        (
            Place::At("/spec/containers/0/resources"),
            json!({
                "requests": {"cpu": "20m", "memory": "256Mi"},
                "limits": {"memory": "256Mi"},
            }),
        ),
    ];
    (config, shown)
}

const WEIGHT: &str = "/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/weight";

/// What replaces the controller alone.
pub(crate) fn controller() -> Change {
    let (config, shown) = pod_settings();
    let spec = json!({
        "controllerTolerations": [{"key": "fields", "operator": "Exists", "effect": "NoSchedule"}],
        "controllerNodeSelector": {"fields": "yes"},
        "controllerConfig": config,
        "unknownPool": "AnyAutoAssign",
    });
    Change::new("what is the controller's", spec, Bound::Nothing)
        .replacing(&[Workload::Controller])
        .seen(Workload::Controller, shown)
        .seen(
            Workload::Controller,
            [
                (Place::At("/spec/tolerations/0/key"), json!("fields")),
                (Place::At("/spec/nodeSelector/fields"), json!("yes")),
                (Place::Flag("--unknown-pool"), json!("AnyAutoAssign")),
            ],
        )
        .there(served_without_its_pool)
        .back(still_served)
}

/// A Service that asks for a pool that does not exist.
fn served_without_its_pool(fields: &Fields, _: &Stage) -> Result<()> {
    let service = Service::named("lost").annotated("{metallb.io/address-pool: nowhere}");
    fields.cluster.apply(&service.yaml())?;
    let address = fields.cluster.wait_address("lost")?;
    lan::fetch(&fields.cluster.bed, address).map(drop)
}

/// What it has it keeps, though the controller says again that there is no such pool.
fn still_served(fields: &Fields, _: &Stage) -> Result<()> {
    let cluster = &fields.cluster;
    wait::until("the controller's word about the unknown pool", REACTION, || {
        let conditions = &cluster.get(&["service", "lost", "-n", "default"])?["status"]["conditions"];
        Ok(seen(conditions.to_string().contains("unknown pool"), conditions))
    })?;
    lan::fetch(&cluster.bed, cluster.address("lost")?)?;
    cluster.kubectl(&["delete", "service", "lost", "-n", "default"]).map(drop)
}

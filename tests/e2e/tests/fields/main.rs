//! Every field of the `MetalLB` resource is set and taken back while a client knocks at a Service: what a field does is seen
//! on running pods, and what that costs whoever uses the Service is judged.
//!
//! `METALLB_FIELD_ROUNDS` says how often each change is made; from five on the promised bounds hold, which want a machine
//! that does nothing else. Knocks at the node ports, which lead to the same pods, are the control: how long they wait is told
//! beside it.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed: a missing field is null, never a panic"
)]

mod change;
mod knock;
mod speakers;
mod stage;
mod stopping;
mod unmoved;
mod watch;

use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use metallb_e2e::manifest::{self, Service};
use metallb_e2e::{Cluster, lan, suite};
use metallb_testbed::Bed;
use serde_json::Value;

use change::Change;

fn main() -> ExitCode {
    suite::run(
        "fields",
        prepare,
        vec![
            ("a wait begins with a knock and ends with the next answer", |_| {
                knock::tests::waits_are_told_right()
            }),
            ("waits are judged by what a change may cost", |_| {
                watch::waits_are_judged_by_what_a_change_may_cost()
            }),
            ("every field of the definition has its turn here", covered),
            ("fields without effect replace nothing and cost nothing", |it| unmoved::idle().try_out(it)),
            ("fields that are not the pods' replace none and cost nothing", |it| {
                unmoved::beside_pods().try_out(it)
            }),
            ("the network policy goes and comes back and costs nothing", |it| {
                unmoved::without_policy().try_out(it)
            }),
            ("the controller's fields replace it alone and cost nothing", |it| {
                unmoved::controller().try_out(it)
            }),
            ("the speakers' fields replace them alone, without a gap", |it| speakers::speakers().try_out(it)),
            ("fields of both replace both, without a gap", |it| speakers::both().try_out(it)),
            ("heartbeats move to another port without a gap", |it| speakers::liveness_port().try_out(it)),
            ("speakers part and find each other, and no knock waits for it", |it| {
                speakers::strangers().try_out(it)
            }),
            ("speakers leave nodes that do not answer without a gap", speakers::keep_the_owner),
            ("the speaker leaves the node that answers without a gap", speakers::leave_the_owner),
            ("another class is served, and the old Services at their old addresses afterwards", |it| {
                stopping::class().try_out(it)
            }),
            ("an excluded interface falls silent until it is one no more", |it| {
                stopping::interfaces().try_out(it)
            }),
        ],
    )
}

/// A cluster with a Service that is served.
pub(crate) struct Fields {
    pub(crate) cluster: Cluster,
    /// The Service's.
    pub(crate) address: IpAddr,
    /// The header of who may read metrics.
    pub(crate) bearer: String,
}

fn prepare(bed: Bed) -> Result<Fields> {
    let cluster = Cluster::with_metallb(bed)?;
    cluster.apply(&manifest::pool("lan", "[172.30.0.100-172.30.0.149]"))?;
    cluster.apply(SURROUNDINGS)?;
    cluster.kubectl(&["label", "nodes", "--all", "fields=yes"])?;
    let bearer = cluster.bearer_of("/metrics")?;
    cluster.apply(&manifest::web(3))?;
    cluster.wait_web()?;
    cluster.apply(&Service::named("web").yaml())?;
    let address = cluster.wait_address("web")?;
    lan::fetch(&cluster.bed, address)?;
    Ok(Fields { cluster, address, bearer })
}

/// What fields name.
const SURROUNDINGS: &str = r#"apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: fields}
value: 1000
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: fields}
handler: runc
---
apiVersion: v1
kind: Secret
metadata: {name: fields, namespace: metallb-system}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '{"auths":{}}'}
"#;

/// One that is added to the definition is missed here.
fn covered(fields: &Fields) -> Result<()> {
    let changes = [
        unmoved::idle,
        unmoved::beside_pods,
        unmoved::without_policy,
        unmoved::controller,
        speakers::speakers,
        speakers::both,
        speakers::liveness_port,
        speakers::strangers,
        speakers::selected_nodes,
        stopping::class,
        stopping::interfaces,
    ];
    let specs: Vec<Value> = changes.map(|change: fn() -> Change| change().spec).into();
    let definition = fields.cluster.get(&["crd", "metallbs.metallb.io"])?;
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let all = places(schema).context("the definition has no spec")?;
    let is_missed = |place: &&String| specs.iter().all(|spec| spec.pointer(place).is_none());
    let missed: Vec<&String> = all.iter().filter(is_missed).collect();
    ensure!(all.len() > 20 && missed.is_empty(), "of {} fields nobody sets {missed:?}", all.len());
    Ok(())
}

/// Where a spec has its fields, and the fields of those that are objects.
fn places(schema: &Value) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for (name, property) in schema["properties"].as_object()? {
        match property["properties"].as_object() {
            Some(inner) => all.extend(inner.keys().map(|inner| format!("/{name}/{inner}"))),
            None => all.push(format!("/{name}")),
        }
    }
    Some(all)
}

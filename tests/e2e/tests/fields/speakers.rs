//! Changes that replace speakers, one after the other: addresses move away from each and come back, by plan.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use metallb_e2e::cluster::{REACTION, text};
use metallb_e2e::lan;
use metallb_e2e::manifest::NAMESPACE;
use metallb_testbed::wait::{self, seen};
use serde_json::{Value, json};

use crate::Fields;
use crate::change::Change;
use crate::stage::{Place, Stage, Workload};
use crate::unmoved::pod_settings;
use crate::watch::Bound;

/// What replaces the speakers alone.
pub(crate) fn speakers() -> Change {
    let (config, shown) = pod_settings();
    let spec = json!({
        "speakerTolerations": [{"key": "fields", "operator": "Exists", "effect": "NoSchedule"}],
        "speakerConfig": config,
        "livenessPeriod": 200,
        "snapshotMaxAge": 60,
    });
    Change::new("what is the speakers'", spec, Bound::Planned)
        .replacing(&[Workload::Speaker])
        .seen(Workload::Speaker, shown)
        .seen(
            Workload::Speaker,
            [
                // Behind those for control-plane nodes.
                (Place::At("/spec/tolerations/2/key"), json!("fields")),
                (Place::Variable("METALLB_LIVENESS_PERIOD"), json!("200")),
                (Place::Variable("METALLB_SNAPSHOT_MAX_AGE"), json!("60")),
            ],
        )
}

/// What replaces controller and speakers.
pub(crate) fn both() -> Change {
    let spec = json!({
        "logLevel": "debug",
        "imagePullSecrets": [{"name": "fields"}],
        "bgpBackend": "native",
    });
    let shown = [
        (Place::Flag("--log-level"), json!("debug")),
        (Place::At("/spec/imagePullSecrets"), json!([{"name": "fields"}])),
        // None means native.
        (Place::Variable("METALLB_BGP_TYPE"), Value::Null),
    ];
    Change::new("what is both's", spec, Bound::Planned)
        .replacing(&Workload::BOTH)
        .seen(Workload::Controller, shown.clone())
        .seen(Workload::Speaker, shown)
        .there(talkative)
}

/// What the pods log is what the level is for.
fn talkative(fields: &Fields, stage: &Stage) -> Result<()> {
    // Something for the controller to decide about.
    let label = ["label", "ipaddresspool", "lan", "-n", NAMESPACE, "--overwrite", "fields=debug"];
    fields.cluster.kubectl(&label)?;
    let pods = Workload::BOTH.iter().flat_map(|workload| &stage.of(*workload).pods);
    for pod in pods {
        let name = text(&pod["metadata"]["name"]);
        wait::until(&format!("a line of level debug of {name}"), REACTION, || {
            let log = fields.cluster.kubectl(&["logs", "-n", NAMESPACE, &name, "--tail=300"])?;
            Ok(seen(log.contains(r#""level":"debug""#), format!("{} lines", log.lines().count())))
        })?;
    }
    fields.cluster.kubectl(&["label", "ipaddresspool", "lan", "-n", NAMESPACE, "fields-"]).map(drop)
}

/// Heartbeats go elsewhere: while half of the speakers know it, memberlist alone holds the ring together.
pub(crate) fn liveness_port() -> Change {
    Change::new("another port of heartbeats", json!({"livenessPort": 7000}), Bound::Planned)
        .replacing(&[Workload::Speaker])
        .seen(
            Workload::Speaker,
            [
                (Place::Variable("METALLB_LIVENESS_PORT"), json!("7000")),
                (Place::At("/spec/containers/0/ports/3/containerPort"), json!(7000)),
            ],
        )
        .there(hearts_beat)
        .back(hearts_beat)
}

/// Each speaker hears the two others.
fn hearts_beat(fields: &Fields, stage: &Stage) -> Result<()> {
    for node in stage.of(Workload::Speaker).nodes() {
        let first = Heard::on(fields, &node)?.heartbeats;
        wait::until(&format!("heartbeats on {node}, and three members"), REACTION, || {
            let heard = Heard::on(fields, &node)?;
            Ok(seen(heard.members == 3 && heard.heartbeats > first + 10, format!("{heard:?}")))
        })?;
    }
    Ok(())
}

/// What a speaker's metrics say of the others.
#[derive(Debug)]
struct Heard {
    members: u64,
    heartbeats: u64,
}

impl Heard {
    fn on(fields: &Fields, node: &str) -> Result<Self> {
        let bed = &fields.cluster.bed;
        let url = format!("https://{}:9120/metrics", bed.v4(node)?);
        let curl = ["curl", "-skf", "-m5", "-H", &fields.bearer, &url];
        let metrics = bed.run(lan::CLIENT, &curl)?.stdout;
        let figure = |name: &str| {
            let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.and_then(|value| value.parse().ok()).with_context(|| format!("no {name} on {node}"))
        };
        let heartbeats = figure("metallb_speaker_heartbeats_received_total")?;
        Ok(Self { members: figure("metallb_speaker_members")?, heartbeats })
    }
}

/// Each speaker for itself: none can say that it stops.
pub(crate) fn strangers() -> Change {
    let nothing = |name| (Place::Variable(name), Value::Null);
    Change::new("no memberlist", json!({"memberlistEnabled": false}), Bound::Untold)
        .replacing(&Workload::BOTH)
        .seen(Workload::Controller, [nothing("METALLB_ML_SECRET_NAME")])
        .seen(
            Workload::Speaker,
            [
                "METALLB_ML_LABELS",
                "METALLB_ML_BIND_PORT",
                "METALLB_ML_SECRET_KEY_PATH",
                "METALLB_LIVENESS_PORT",
            ]
            .map(nothing),
        )
}

/// Fewer speakers, on the nodes that bear the label.
pub(crate) fn selected_nodes() -> Change {
    Change::new("fewer nodes", json!({"nodeSelector": {"speakers": "here"}}), Bound::Planned)
        .replacing(&[Workload::Speaker])
        .seen(Workload::Speaker, [(Place::At("/spec/nodeSelector/speakers"), json!("here"))])
        .there(|fields, stage| {
            let names = fields.cluster.kubectl(&["get", "nodes", "-l", "speakers=here", "-o", "name"])?;
            let due: BTreeSet<String> = names.lines().map(|name| name.replace("node/", "")).collect();
            let found = stage.of(Workload::Speaker).nodes();
            ensure!(found == due && due.len() == 2, "speakers on {found:?}, selected are {due:?}");
            let owner = lan::wait_owner(&fields.cluster.bed, fields.address, None, REACTION)?;
            ensure!(due.contains(&owner), "{owner} answers without a speaker");
            Ok(())
        })
}

/// The node that answers stays among those that are selected.
pub(crate) fn keep_the_owner(fields: &Fields) -> Result<()> {
    among_selected(fields, true)
}

/// The node that answers is not selected.
pub(crate) fn leave_the_owner(fields: &Fields) -> Result<()> {
    among_selected(fields, false)
}

fn among_selected(fields: &Fields, keeps_owner: bool) -> Result<()> {
    let cluster = &fields.cluster;
    let owner = lan::wait_owner(&cluster.bed, fields.address, None, REACTION)?;
    let mut selected = cluster.bed.node_names();
    let left_out = selected.iter().position(|node| (*node != owner) == keeps_owner).context("three nodes")?;
    selected.remove(left_out);
    cluster.kubectl(&["label", "nodes", "--all", "speakers-"])?;
    for node in &selected {
        cluster.kubectl(&["label", "node", node, "speakers=here"])?;
    }
    selected_nodes().try_out(fields)
}

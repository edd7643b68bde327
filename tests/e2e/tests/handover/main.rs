//! An installation of the original's operator is taken over where it is, goes back to the original and is taken over once
//! more: no object is made anew, no address changes.
//!
//! Two beds, one after the other: the original writes its objects by server-side apply, its older releases by updates.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed: a missing field is null, never a panic"
)]

mod commands;
mod original;
mod record;

use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use metallb_e2e::cluster::{REACTION, STARTUP, text};
use metallb_e2e::manifest::{self, NAMESPACE};
use metallb_e2e::suite::{self, Test};
use metallb_e2e::{Cluster, lan};
use metallb_testbed::Bed;
use metallb_testbed::wait::{self, seen};
use serde_json::Value;

use original::{Original, SERVICES, Writes};
use record::Record;

/// How long a change may take, and five looks.
const LONGEST_CHANGE: Duration = Duration::from_secs(300);
/// How long nothing may be written once all is taken over.
const QUIET: Duration = Duration::from_secs(3);
/// What the original runs for FRR goes once our speakers run.
const PRUNED: &str = "ConfigMap/frr-startup";
/// What nobody needs after a takeover.
const DISPENSABLE: [&str; 5] = [
    "Deployment/metallb-operator-webhook-server",
    "ConfigMap/metallb-tls-config",
    "NetworkPolicy/default-deny",
    "NetworkPolicy/operator",
    "NetworkPolicy/webhook-service",
];

/// What is otherwise once the original is back: the key goes when both of its owners are gone, and the original's server has
/// the label that kubectl merges into the selector, too.
const LEFT: [&str; 2] =
    ["Secret/metallb-memberlist metadata.owners", "Service/metallb-webhook-service spec.selector.app"];

/// A cluster that was the original's.
struct Handover {
    cluster: Cluster,
    original: Original,
    /// As the original left it.
    before: Record,
}

fn main() -> ExitCode {
    const TAKEN: Test<Handover> =
        ("the original's installation is taken over where it is, and no address changes", takeover);
    const TRIMMED: Test<Handover> = ("what only the original needs can go", trim);
    const BACK: Test<Handover> = ("the original gets its installation back as it was", back);
    const AGAIN: Test<Handover> = ("and is taken over once more", takeover);
    let by_apply =
        suite::run("handover", |bed| prepare(bed, Writes::Apply), vec![TAKEN, TRIMMED, BACK, AGAIN]);
    let by_update =
        suite::run("handover-before", |bed| prepare(bed, Writes::Update), vec![TAKEN, BACK, AGAIN]);
    if by_apply == ExitCode::SUCCESS { by_update } else { by_apply }
}

fn prepare(bed: Bed, writes: Writes) -> Result<Handover> {
    let cluster = Cluster::with_images(bed)?;
    let original = Original::install(&cluster, writes)?;
    let before = Record::of(&cluster, &original.objects)?;
    Ok(Handover { cluster, original, before })
}

fn takeover(handover: &Handover) -> Result<()> {
    let Handover { cluster, original, .. } = handover;
    let before = Record::of(cluster, &original.objects)?;
    let upgrades = upgrades(cluster)?;
    while_watched(cluster, || {
        cluster.install()?;
        cluster.wait_available()
    })?;
    let after = wait_quiet(handover)?;
    ensure!(after.uids() == before.clone().without(&[PRUNED]).uids(), "{:?}", after.uids());
    for workload in ["DaemonSet/speaker", "Deployment/controller"] {
        let (before, after) = (before.object(workload), after.object(workload));
        let generation = |object: &Value| object["metadata"]["generation"].as_u64().unwrap_or_default();
        ensure!(generation(after) == generation(before) + 1, "{workload} was rolled out more than once");
        ensure!(record::owners_of_spec(after) == ["metallb-operator"], "{}", after["metadata"]);
    }
    let pod = &after.object("DaemonSet/speaker")["spec"]["template"]["spec"];
    let is_ours = pod["containers"].as_array().is_some_and(|all| all.len() == 1)
        && pod["initContainers"].is_null()
        && pod["shareProcessNamespace"].is_null();
    ensure!(is_ours, "{pod}");
    for (secret, key) in [
        ("Secret/metallb-memberlist", "secretkey"),
        ("Secret/metallb-webhook-cert", "ca.crt"),
        ("Secret/metallb-operator-webhook-server-cert", "ca.crt"),
    ] {
        let value = |record: &Record| text(&record.object(secret)["data"][key]);
        ensure!(!value(&after).is_empty() && value(&after) == value(&before), "{key} of {secret} changed");
    }
    for (service, address) in SERVICES {
        ensure!(cluster.address(service)? == address.parse::<IpAddr>()?, "the address of {service} changed");
        lan::fetch(&cluster.bed, address.parse()?)?;
    }
    wait::until("an event Upgraded", STARTUP, || {
        let told = self::upgrades(cluster)?;
        Ok(seen(told > upgrades, told))
    })
}

/// How often it was told so far that an installation was taken over.
fn upgrades(cluster: &Cluster) -> Result<u64> {
    let events = cluster.get(&["events", "--namespace", NAMESPACE, "--field-selector=reason=Upgraded"])?;
    let count = |event: &Value| event["count"].as_u64().or(event["series"]["count"].as_u64()).unwrap_or(1);
    Ok(metallb_e2e::cluster::items(&events).iter().map(count).sum())
}

/// Does `change` while pools that overlap are offered: each is refused, by whomever. Addresses stay meanwhile.
fn while_watched(cluster: &Cluster, change: impl FnOnce() -> Result<()>) -> Result<()> {
    let is_done = AtomicBool::new(false);
    let watch = || -> Result<()> {
        let (mut looks, mut said) = (0, String::new());
        let end = Instant::now() + LONGEST_CHANGE;
        while looks < 5 || !is_done.load(Ordering::Relaxed) {
            ensure!(Instant::now() < end, "only {looks} looks; at last the API server said {said}");
            match look(cluster)? {
                None => looks += 1,
                // An API server that is busy has not let anything through.
                Some(other) => said = other,
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let watcher = scope.spawn(watch);
        let changed = change();
        is_done.store(true, Ordering::Relaxed);
        let watched = watcher.join();
        changed?;
        match watched {
            Ok(watched) => watched.context("meanwhile"),
            Err(_) => bail!("the watcher panicked"),
        }
    })
}

/// What the API server said if it was no refusal.
fn look(cluster: &Cluster) -> Result<Option<String>> {
    let overlapping = pool("overlapping", "[172.30.0.120-172.30.0.121]");
    let created = cluster.bed.feed(&["create", "--dry-run=server", "--filename=-"], &overlapping);
    let refusal = format!("{:#}", created.err().context("a pool that overlaps was let through")?);
    let is_known = ["failed calling webhook", "overlaps with already defined CIDR"];
    for (service, address) in SERVICES {
        ensure!(cluster.address(service)? == address.parse::<IpAddr>()?, "the address of {service} changed");
    }
    Ok((!is_known.iter().any(|words| refusal.contains(words))).then_some(refusal))
}

fn pool(name: &str, addresses: &str) -> String {
    let kind = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool";
    format!(
        "{kind}\nmetadata: {{name: {name}, namespace: {NAMESPACE}}}\nspec: {{addresses: {addresses}, autoAssign: false}}\n"
    )
}

/// What is there once nobody writes any more.
fn wait_quiet(handover: &Handover) -> Result<Record> {
    let Handover { cluster, original, .. } = handover;
    let read = || Record::of(cluster, &original.objects);
    let mut record = read()?;
    wait::until(&format!("{QUIET:?} in which nothing is written"), STARTUP, || {
        let start = record.versions();
        let quiet = wait::throughout("objects as they are", QUIET, || {
            record = read()?;
            Ok(seen(record.versions() == start, format!("{:?}", record.versions_other_than(&start))))
        });
        Ok(seen(quiet.is_ok(), format!("{:?}", quiet.err())))
    })?;
    Ok(record)
}

fn trim(handover: &Handover) -> Result<()> {
    let Handover { cluster, original, before } = handover;
    commands::run(cluster, "**The original's operator, or plain manifests**")?;
    cluster.wait_available()?;
    let left = Record::of(cluster, &original.objects)?;
    let kept = before.clone().without(&DISPENSABLE).without(&[PRUNED]);
    ensure!(left.uids() == kept.uids(), "{:?}", left.uids());
    // Both webhooks answer, with the certificates that are trusted already.
    cluster.apply(&pool("more", "[172.30.0.200-172.30.0.209]"))?;
    look(cluster)?;
    let wrong = format!("{}spec: {{bgpBackend: frr-k8s}}\n", manifest::metallb("metallb"));
    let refusal = cluster.apply(&wrong).err().context("a back end that is not there was taken")?;
    ensure!(format!("{refusal:#}").contains("unsupported bgp backend frr-k8s"), "{refusal:#}");
    cluster.kubectl(&["delete", "ipaddresspool", "more", "-n", NAMESPACE]).map(|_| ())
}

fn back(handover: &Handover) -> Result<()> {
    let Handover { cluster, original, before } = handover;
    original.publish(cluster)?;
    commands::run(cluster, "**Back to the original**")?;
    original.operate(cluster)?;
    original.wait_rolled_out(cluster)?;
    commands::run(cluster, "Once its pods run,")?;
    let after = Record::of(cluster, &original.objects)?;
    let anew = [&DISPENSABLE[..], &[PRUNED]].concat();
    let kept = |record: &Record| record.clone().without(&anew).uids();
    ensure!(kept(&after) == kept(before), "{:?}", kept(&after));
    let differences = before.differences(&after);
    ensure!(differences == LEFT, "{differences:#?}");
    if original.writes == Writes::Update {
        cluster.kubectl(&["delete", "networkpolicy/controller", "-n", NAMESPACE])?;
    }
    let namespaced = original.namespaced(cluster)?;
    ensure!(namespaced == original.namespaced, "{namespaced:?} instead of {:?}", original.namespaced);
    for (_, address) in SERVICES {
        lan::wait_silence(&cluster.bed, address.parse()?, REACTION)?;
    }
    Ok(())
}

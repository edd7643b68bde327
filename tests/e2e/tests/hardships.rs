//! The operator in hard times: replicas of it that change in the middle of a rollout, an image nobody has, pods that are refused,
//! a kind that is not there.
//! What ran goes on running, the resource says what is wrong and where, and all heals by itself.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed: a missing field is null, never a panic"
)]
#![expect(clippy::print_stdout, reason = "figures are what these tests report")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use metallb_e2e::cluster::{REACTION, STARTUP, items, text};
use metallb_e2e::manifest::{self, NAMESPACE, Service};
use metallb_e2e::{Cluster, lan, suite};
use metallb_testbed::wait::{self, seen};
use metallb_testbed::{Bed, Signal};
use serde_json::Value;

const OPERATOR: &str = "metallb-operator-controller-manager";
const LEASE: &str = "metallb.io.metallboperator";
const SERVICE: &str = "steady";
/// How long it is looked whether what ran goes on.
const STEADY: Duration = Duration::from_secs(5);
/// How soon another operator works when the one that did has said goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// An image nobody has.
const NOWHERE: &str = "example.invalid/speaker:none";

fn main() -> ExitCode {
    suite::run(
        "hardships",
        prepare,
        vec![
            ("an operator that is stopped in the middle of a rollout hands it over", stopped),
            ("so does one that is killed", killed),
            ("an image nobody has is named, on one node at most, and what ran goes on", missing_image),
            ("a quota that refuses pods is named, and what ran goes on", quota),
            ("monitors of a kind nobody installed are named, and what ran goes on", missing_kind),
        ],
    )
}

fn prepare(bed: Bed) -> Result<Cluster> {
    let cluster = Cluster::with_metallb(bed)?;
    cluster.kubectl(&["scale", "deployment", OPERATOR, "-n", NAMESPACE, "--replicas=2"])?;
    wait::until("two operators", STARTUP, || {
        let deployment = cluster.get(&["deployment", OPERATOR, "-n", NAMESPACE])?;
        Ok(seen(deployment["status"]["readyReplicas"] == 2, &deployment["status"]))
    })?;
    cluster.apply(&manifest::pool("lan", "[172.30.0.100-172.30.0.149]"))?;
    cluster.apply(&manifest::web(2))?;
    cluster.wait_web()?;
    cluster.apply(&Service::named(SERVICE).yaml())?;
    lan::fetch(&cluster.bed, cluster.wait_address(SERVICE)?)?;
    Ok(cluster)
}

/// The operator's pod that holds the Lease.
fn leader(cluster: &Cluster) -> Result<String> {
    let lease = cluster.get(&["lease", LEASE, "-n", NAMESPACE])?;
    let holder = text(&lease["spec"]["holderIdentity"]);
    let pods = cluster.get(&["pods", "-n", NAMESPACE, "-l", "control-plane=controller-manager"])?;
    let names = items(&pods).iter().map(|pod| text(&pod["metadata"]["name"]));
    let mut leaders = names.filter(|name| holder.starts_with(name.as_str()));
    leaders.next().with_context(|| format!("the Lease is held by {holder:?}"))
}

fn stopped(cluster: &Cluster) -> Result<()> {
    let took = hand_over(cluster, "debug", |leader| {
        let stop = ["delete", "pod", leader, "-n", NAMESPACE, "--wait=false"];
        cluster.kubectl(&stop).map(|_| ())
    })?;
    println!("another operator works {:.1} s after the one that did was asked to stop", took.as_secs_f64());
    ensure!(took <= GOODBYE, "{took:?}");
    Ok(())
}

fn killed(cluster: &Cluster) -> Result<()> {
    // Twice in a row, so that it is not its own successor.
    let took = hand_over(cluster, "info", |leader| {
        cluster.bed.signal_container(NAMESPACE, leader, "manager", Signal::SIGSTOP)
    })?;
    println!("another operator works {:.1} s after the one that did stood still", took.as_secs_f64());
    cluster.kubectl(&[
        "delete",
        "pods",
        "-n",
        NAMESPACE,
        "-l",
        "control-plane=controller-manager",
        "--force",
    ])?;
    cluster.wait_available()
}

/// Ends the operator that works while speakers are replaced; how long it is until another one works.
fn hand_over(cluster: &Cluster, log_level: &str, end: impl FnOnce(&str) -> Result<()>) -> Result<Duration> {
    let before = generation(cluster)?;
    let first = leader(cluster)?;
    set(cluster, &format!(r#"{{"logLevel":"{log_level}"}}"#))?;
    wait::until_soon("the first speaker being replaced", STARTUP, || {
        let speakers = cluster.get(&["daemonset", "speaker", "-n", NAMESPACE])?;
        let is_begun = generation(cluster)? > before && speakers["status"]["updatedNumberScheduled"] != 3;
        Ok(seen(is_begun, &speakers["status"]))
    })?;
    let start = Instant::now();
    end(&first)?;
    wait::until_soon("another leader", STARTUP, || {
        let now = leader(cluster);
        Ok(seen(now.as_ref().is_ok_and(|now| *now != first), format!("{now:?}")))
    })?;
    let took = start.elapsed();
    cluster.wait_available()?;
    let after = generation(cluster)?;
    ensure!(after == before + 1, "the DaemonSet was written {} times", after - before);
    lan::fetch(&cluster.bed, cluster.address(SERVICE)?)?;
    Ok(took)
}

fn generation(cluster: &Cluster) -> Result<u64> {
    let speakers = cluster.get(&["daemonset", "speaker", "-n", NAMESPACE])?;
    speakers["metadata"]["generation"].as_u64().context("no generation")
}

/// Changes the resource's spec.
fn set(cluster: &Cluster, spec: &str) -> Result<()> {
    let patch = format!(r#"{{"spec":{spec}}}"#);
    let patched =
        cluster.kubectl(&["patch", "metallb", "metallb", "-n", NAMESPACE, "--type=merge", "-p", &patch]);
    patched.map(|_| ())
}

/// Waits until the resource, not all of which runs, says this.
fn wait_told(cluster: &Cluster, words: &[&str]) -> Result<()> {
    wait::until(&format!("a MetalLB that tells of {words:?}"), STARTUP, || {
        let resource = cluster.get(&["metallb", "metallb", "-n", NAMESPACE])?;
        let conditions = resource["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let told = |condition: &Value| {
            let message = text(&condition["message"]);
            condition["status"] == "True"
                && condition["type"] != "Available"
                && words.iter().all(|word| message.contains(word))
        };
        Ok(seen(conditions.iter().any(told), &resource["status"]))
    })
}

/// The Service is reached all the time.
fn goes_on(cluster: &Cluster, address: IpAddr) -> Result<()> {
    wait::throughout("an answer from the Service", STEADY, || {
        let fetched = lan::fetch_once(&cluster.bed, address);
        Ok(seen(fetched.is_ok(), format!("{:?}", fetched.err())))
    })
}

/// How many speakers are ready.
fn ready(cluster: &Cluster) -> Result<u64> {
    let speakers = cluster.get(&["daemonset", "speaker", "-n", NAMESPACE])?;
    Ok(speakers["status"]["numberReady"].as_u64().unwrap_or_default())
}

fn missing_image(cluster: &Cluster) -> Result<()> {
    let address = cluster.address(SERVICE)?;
    let deployment = cluster.get(&["deployment", OPERATOR, "-n", NAMESPACE])?;
    let variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().cloned();
    let image = variables.into_iter().flatten().find(|variable| variable["name"] == "SPEAKER_IMAGE");
    let image = text(&image.context("the operator knows no SPEAKER_IMAGE")?["value"]);
    let set_image = |image: &str| {
        let variable = format!("SPEAKER_IMAGE={image}");
        cluster.kubectl(&["set", "env", "deployment", OPERATOR, "-n", NAMESPACE, &variable])
    };
    set_image(NOWHERE)?;
    wait_told(cluster, &["pod speaker-", " on node n", "Image", NOWHERE])?;
    // Speakers elsewhere take over what the node announced.
    lan::fetch(&cluster.bed, address)?;
    goes_on(cluster, address)?;
    ensure!(ready(cluster)? == 2, "one node at a time, whatever comes of it");
    set_image(&image)?;
    cluster.wait_available()?;
    wait::until("three speakers", REACTION, || ready(cluster).map(|ready| seen(ready == 3, ready)))?;
    ensure!(cluster.address(SERVICE)? == address, "the address changed");
    lan::fetch(&cluster.bed, address).map(drop)
}

fn quota(cluster: &Cluster) -> Result<()> {
    let address = cluster.address(SERVICE)?;
    cluster.apply(&format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: none, namespace: {NAMESPACE}}}\nspec: {{hard: {{pods: \"0\"}}}}\n"
    ))?;
    wait::until("a quota that counts", REACTION, || {
        let quota = cluster.get(&["resourcequota", "none", "-n", NAMESPACE])?;
        Ok(seen(quota["status"]["used"]["pods"].is_string(), &quota["status"]))
    })?;
    set(cluster, r#"{"logLevel":"debug"}"#)?;
    wait_told(cluster, &["exceeded quota: none"])?;
    lan::fetch(&cluster.bed, address)?;
    goes_on(cluster, address)?;
    ensure!(ready(cluster)? >= 2, "one node at a time, whatever comes of it");
    cluster.kubectl(&["delete", "resourcequota", "none", "-n", NAMESPACE])?;
    cluster.wait_available()?;
    wait::until("three speakers", REACTION, || ready(cluster).map(|ready| seen(ready == 3, ready)))?;
    ensure!(cluster.address(SERVICE)? == address, "the address changed");
    lan::fetch(&cluster.bed, address).map(drop)
}

/// API servers refuse the reason the original gives for what went wrong, so that nobody ever sees it. Ours is seen.
fn missing_kind(cluster: &Cluster) -> Result<()> {
    let (address, pods) = (cluster.address(SERVICE)?, operands(cluster)?);
    let set_variable =
        |variable| cluster.kubectl(&["set", "env", "deployment", OPERATOR, "-n", NAMESPACE, variable]);
    set_variable("DEPLOY_SERVICEMONITORS=true")?;
    wait_told(cluster, &["Kind=ServiceMonitor", "is its CRD installed?"])?;
    let resource = cluster.get(&["metallb", "metallb", "-n", NAMESPACE])?;
    let degraded = &resource["status"]["conditions"][3];
    let (kind, reason) = (&degraded["type"], &degraded["reason"]);
    ensure!(kind == "Degraded" && reason == "FailedToSyncMetalLBResources", "{degraded}");
    cluster.kubectl(&["get", "service", "speaker-monitor-service", "-n", NAMESPACE])?;
    goes_on(cluster, address)?;
    set_variable("DEPLOY_SERVICEMONITORS-")?;
    cluster.wait_available()?;
    ensure!(operands(cluster)? == pods, "controller or speakers were replaced");
    Ok(())
}

/// The uids of the pods that do the work and stay.
fn operands(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let pods = cluster.get(&["pods", "-n", NAMESPACE, "-l", "app=metallb"])?;
    let stays = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    Ok(items(&pods).iter().filter(stays).map(|pod| text(&pod["metadata"]["uid"])).collect())
}

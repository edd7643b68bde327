//! Two controllers: one leads, the other takes over, and no address is given out twice.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed: a missing field is null, never a panic"
)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use metallb_e2e::cluster::{STARTUP, addresses, items, text};
use metallb_e2e::manifest::{self, NAMESPACE, Service};
use metallb_e2e::{Cluster, suite};
use metallb_testbed::wait::{self, Seen, seen};
use metallb_testbed::{Bed, Signal};

/// How long nobody may lead after the leader was asked to stop.
const CLEAN: Duration = Duration::from_secs(2);
/// How long nobody may lead after the leader vanished.
const CRASH: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    suite::run(
        "replicas",
        prepare,
        vec![
            ("of two controllers one holds the Lease and both are ready", one_leads),
            ("both serve webhooks", both_serve),
            ("a leader that is asked to stop hands over within 2 s under churn", clean_stop),
            ("a leader that is killed is replaced within 20 s under churn", crash),
            ("a leader whose node freezes is replaced, and does no harm when it thaws", freeze),
        ],
    )
}

fn prepare(bed: Bed) -> Result<Cluster> {
    let cluster = Cluster::with_metallb(bed)?;
    wait::until("a pool", STARTUP, || {
        let tried = cluster.apply(&manifest::pool("lan", "[172.30.0.100-172.30.0.149, 172.31.0.0/20]"));
        Ok(seen(tried.is_ok(), format!("{:?}", tried.err())))
    })?;
    cluster.kubectl(&["scale", "deployment", "controller", "-n", NAMESPACE, "--replicas=2"])?;
    wait::until("two ready controllers", STARTUP, || {
        let pods = controllers(&cluster)?;
        Ok(seen(pods.len() == 2 && pods.iter().all(|pod| pod.ready), format!("{pods:?}")))
    })?;
    Ok(cluster)
}

#[derive(Clone, Debug)]
struct Pod {
    name: String,
    node: String,
    ready: bool,
}

fn controllers(cluster: &Cluster) -> Result<Vec<Pod>> {
    let pods = cluster.get(&["pods", "-n", NAMESPACE, "-l", "app=metallb,component=controller"])?;
    let running = items(&pods).iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    let pod = |pod: &serde_json::Value| Pod {
        name: text(&pod["metadata"]["name"]),
        node: text(&pod["spec"]["nodeName"]),
        ready: pod["status"]["containerStatuses"][0]["ready"] == true,
    };
    Ok(running.map(pod).collect())
}

/// What the Lease says about who leads; empty when nobody does.
fn holder(cluster: &Cluster) -> Result<String> {
    let lease = cluster.get(&["lease", "metallb-controller", "-n", NAMESPACE])?;
    Ok(text(&lease["spec"]["holderIdentity"]))
}

fn leader(cluster: &Cluster) -> Result<Pod> {
    wait::until("a leader", CRASH, || {
        let (holder, pods) = (holder(cluster)?, controllers(cluster)?);
        let found = pods.into_iter().find(|pod| holder.starts_with(&pod.name));
        Ok(found.map_or_else(|| Seen::NotYet(holder.clone()), Seen::Done))
    })
}

fn one_leads(cluster: &Cluster) -> Result<()> {
    let leader = leader(cluster)?;
    ensure!(controllers(cluster)?.iter().all(|pod| pod.ready), "{:?}", controllers(cluster)?);
    wait::throughout("the same leader", Duration::from_secs(5), || {
        let holder = holder(cluster)?;
        Ok(seen(holder.starts_with(&leader.name), format!("{holder}, not {}", leader.name)))
    })
}

fn both_serve(cluster: &Cluster) -> Result<()> {
    wait::until("two endpoints of the webhook Service", STARTUP, || {
        let slices = cluster.get(&[
            "endpointslices",
            "-n",
            NAMESPACE,
            "-l",
            "kubernetes.io/service-name=metallb-webhook-service",
        ])?;
        let endpoints =
            items(&slices).iter().flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
        let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] == true).count();
        Ok(seen(ready == 2, format!("{ready} ready")))
    })?;
    for pod in controllers(cluster)? {
        let address = cluster.get(&["pod", &pod.name, "-n", NAMESPACE])?;
        let url = format!("https://{}:9443/convert", text(&address["status"]["podIP"]));
        let said = cluster
            .bed
            .run(&pod.node, &["curl", "-sk", "-m5", "-w", "%{http_code}", "-d", "{}", &url])?
            .stdout;
        ensure!(said.ends_with("400"), "{}: {said}", pod.name);
    }
    Ok(())
}

/// Services come and go, until told to stop.
struct Churn {
    stop: AtomicBool,
    made: AtomicU32,
}

impl Churn {
    fn run(&self, cluster: &Cluster) -> Result<()> {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.made.fetch_add(1, Ordering::Relaxed);
            cluster.apply(&Service::named(&format!("churn-{number}")).yaml())?;
            if number % 3 == 2 {
                let old = format!("churn-{}", number - 1);
                cluster.kubectl(&["delete", "service", &old, "-n", "default", "--wait=false"])?;
            }
        }
        Ok(())
    }
}

/// Does `fault` while Services come and go; gives the time until a Service made after it has an address. Afterwards
/// every Service has one, and none has another's.
fn served_again_after(cluster: &Cluster, name: &str, fault: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let before = assigned(cluster)?;
    let churn = Churn { stop: AtomicBool::new(false), made: AtomicU32::new(next_churn(&before)) };
    let taken = std::thread::scope(|scope| {
        let runner = scope.spawn(|| churn.run(cluster));
        let taken = (|| {
            let started = Instant::now();
            fault()?;
            cluster.apply(&Service::named(name).yaml())?;
            cluster_serves(cluster, name)?;
            Ok::<_, anyhow::Error>(started.elapsed())
        })();
        churn.stop.store(true, Ordering::Relaxed);
        match runner.join() {
            Ok(ran) => ran.context("a write of the churn failed")?,
            Err(_) => bail!("the churn panicked"),
        }
        taken
    })?;
    wait::until("every Service with an address of its own", STARTUP, || {
        let missing: Vec<String> = unassigned(cluster)?;
        Ok(seen(missing.is_empty(), format!("{missing:?}")))
    })?;
    let after = assigned(cluster)?;
    let mut owners: BTreeMap<IpAddr, String> = BTreeMap::new();
    for (service, address) in &after {
        let other = owners.insert(*address, service.clone());
        ensure!(other.is_none(), "{address} is {service}'s and {other:?}'s");
        let moved = before.get(service).is_some_and(|old| old != address);
        ensure!(!moved, "{service} had {:?} and has {address}", before.get(service));
    }
    Ok(taken)
}

fn cluster_serves(cluster: &Cluster, name: &str) -> Result<()> {
    wait::until(&format!("an address for {name}"), CRASH * 2, || {
        let found = cluster.addresses(name)?;
        Ok(seen(!found.is_empty(), "none"))
    })
}

fn next_churn(before: &BTreeMap<String, IpAddr>) -> u32 {
    let numbers = before.keys().filter_map(|name| name.strip_prefix("churn-")?.parse::<u32>().ok());
    numbers.max().map_or(0, |last| last + 1)
}

fn load_balancers(cluster: &Cluster) -> Result<Vec<(String, Vec<IpAddr>)>> {
    let list = cluster.get(&["services", "-n", "default"])?;
    let wanted = items(&list).iter().filter(|item| item["spec"]["type"] == "LoadBalancer");
    wanted.map(|item| Ok((text(&item["metadata"]["name"]), addresses(item)?))).collect()
}

fn assigned(cluster: &Cluster) -> Result<BTreeMap<String, IpAddr>> {
    let all = load_balancers(cluster)?.into_iter();
    Ok(all.filter_map(|(name, addresses)| Some((name, *addresses.first()?))).collect())
}

fn unassigned(cluster: &Cluster) -> Result<Vec<String>> {
    let all = load_balancers(cluster)?.into_iter();
    Ok(all.filter(|(_, addresses)| addresses.is_empty()).map(|(name, _)| name).collect())
}

fn settled(cluster: &Cluster) -> Result<Pod> {
    wait::until("two ready controllers", STARTUP, || {
        let pods = controllers(cluster)?;
        Ok(seen(pods.len() == 2 && pods.iter().all(|pod| pod.ready), format!("{pods:?}")))
    })?;
    leader(cluster)
}

fn clean_stop(cluster: &Cluster) -> Result<()> {
    let leader = settled(cluster)?;
    let taken = served_again_after(cluster, "after-stop", || {
        // Its process is told, as the kubelet does when a pod has to go.
        cluster.bed.signal_container(NAMESPACE, &leader.name, "controller", Signal::SIGTERM).map(|_| ())
    })?;
    report("hand-over after a clean stop", taken);
    ensure!(taken <= CLEAN, "{taken:?}");
    Ok(())
}

fn crash(cluster: &Cluster) -> Result<()> {
    let leader = settled(cluster)?;
    let taken = served_again_after(cluster, "after-crash", || {
        cluster.bed.signal_container(NAMESPACE, &leader.name, "controller", Signal::SIGKILL).map(|_| ())
    })?;
    report("hand-over after a crash", taken);
    ensure!(taken <= CRASH, "{taken:?}");
    Ok(())
}

fn freeze(cluster: &Cluster) -> Result<()> {
    let leader = settled(cluster)?;
    let taken = served_again_after(cluster, "after-freeze", || {
        cluster.bed.signal_container(NAMESPACE, &leader.name, "controller", Signal::SIGSTOP).map(|_| ())
    })?;
    report("hand-over after a freeze", taken);
    ensure!(taken <= CRASH, "{taken:?}");
    // The kubelet may have replaced it meanwhile: then there is nothing to thaw.
    let thawed = cluster.bed.signal_container(NAMESPACE, &leader.name, "controller", Signal::SIGCONT);
    let taken = served_again_after(cluster, "after-thaw", || Ok(()))?;
    report(&format!("first address beside a thawed leader ({})", thawed.is_ok()), taken);
    Ok(())
}

#[expect(clippy::print_stderr, reason = "figures for whoever reads the log")]
fn report(what: &str, taken: Duration) {
    eprintln!("{what}: {taken:.2?}");
}

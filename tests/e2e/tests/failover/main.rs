//! An address moves to another node when the one that announced it can't any more.

mod figures;
mod in_subnet;
mod outage;
mod planned;
mod quiet;
mod sticky;
mod takeover;
mod terms;
mod watched;

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use metallb_e2e::cluster::{REACTION, STARTUP};
use metallb_e2e::manifest::{self, NAMESPACE, Service};
use metallb_e2e::{Cluster, lan, suite};
use metallb_testbed::wait::{self, seen};

/// Nodes are declared lost after seconds; nothing here may take a minute.
const MOVED: Duration = Duration::from_secs(45);

/// Names the bed: long runs of different tests may go side by side, each on one of its own.
const BED: &str = "METALLB_FAILOVER_BED";

fn main() -> ExitCode {
    suite::run(
        std::env::var(BED).map_or("failover", |name| name.leak()),
        prepare,
        vec![
            ("a speaker that is killed is replaced in a fraction of a second", takeover::killed),
            ("a speaker that is frozen is replaced, and silent when it goes on", takeover::frozen),
            ("a node whose cable is pulled is replaced in a fraction of a second", takeover::unplugged),
            ("a node whose power fails is replaced in a fraction of a second", takeover::powered_off),
            ("a speaker that is stopped leaves no gap", planned::stopped),
            ("the last endpoint of a node leaves no gap", planned::endpoint_left),
            ("a node that is excluded leaves no gap", planned::excluded),
            ("a speaker that thaws after it is replaced answers for nothing it lost", quiet::thawed),
            (
                "a node that was long without its cable answers for nothing of others when it is back",
                quiet::plugged_in,
            ),
            ("an address stays with who took it over, where that is asked for", sticky::stays),
            ("an address returns after a delay, where that is asked for", terms::delayed),
            ("no node has many more addresses than others, where that is asked for", terms::bounded),
            ("an address goes to the node in its subnet, where that is asked for", in_subnet::preferred),
            ("nothing moves because every processor is busy", quiet::loaded),
            ("deleting the announcing speaker's pod moves the address", speaker_pod_deleted),
            ("unplugging the announcing node moves the address", node_unplugged),
            (
                "an interface that goes away falls silent and is announced on when it comes back",
                interface_comes_and_goes,
            ),
            ("a speaker that loses the API server goes on answering", api_lost),
            (
                "without the API server a killed owner is replaced and answers again from its snapshot",
                outage::speakers_restarted,
            ),
            ("a node cut off while the API server restarts is in step again soon after", cut_off_meanwhile),
        ],
    )
}

fn prepare(bed: metallb_testbed::Bed) -> Result<Cluster> {
    let cluster = Cluster::with_metallb(bed)?;
    cluster.apply(&manifest::pool("lan", "[172.30.0.100-172.30.0.149, \"fd00:30::100/120\"]"))?;
    cluster.apply(&manifest::web(3))?;
    cluster.wait_web()?;
    cluster.apply(&Service::named("web").families("RequireDualStack", "[IPv4, IPv6]").yaml())?;
    cluster.wait_addresses("web", 2)?;
    Ok(cluster)
}

/// The IPv4 and the IPv6 address of the Service.
fn both(cluster: &Cluster) -> Result<(IpAddr, IpAddr)> {
    match cluster.addresses("web")?.as_slice() {
        [four, six] => Ok((*four, *six)),
        other => bail!("two addresses are due, the Service has {other:?}"),
    }
}

#[expect(clippy::print_stdout, reason = "the time is what this test reports")]
fn report(what: &str, time: Duration) {
    println!("{what}: {:.2} s", time.as_secs_f64());
}

fn speaker_pod_deleted(cluster: &Cluster) -> Result<()> {
    let (four, six) = both(cluster)?;
    let owner = lan::wait_owner(&cluster.bed, four, None, REACTION)?;
    let pod = cluster.speaker_on(&owner)?;
    cluster.kubectl(&["delete", "pod", "-n", NAMESPACE, &pod, "--wait=false"])?;
    // How long that takes, the probes of `planned` and `takeover` tell: this look is too slow for it.
    lan::wait_owner(&cluster.bed, four, Some(&owner), MOVED)?;
    lan::fetch(&cluster.bed, four)?;
    cluster.wait_available()?;
    lan::fetch(&cluster.bed, six)?;
    Ok(())
}

fn node_unplugged(cluster: &Cluster) -> Result<()> {
    let (four, six) = both(cluster)?;
    let owner = lan::wait_owner(&cluster.bed, four, None, REACTION)?;
    cluster.bed.unplug(&owner)?;
    // Both before anything is fetched: a fetch may first reach the pod on the node that is gone, and wait for that.
    for address in [four, six] {
        lan::wait_owner(&cluster.bed, address, Some(&owner), MOVED)?;
    }
    lan::forget_neighbours(&cluster.bed)?;
    for address in [four, six] {
        lan::fetch(&cluster.bed, address)?;
    }
    cluster.bed.plug(&owner)?;
    lan::wait_owner(&cluster.bed, four, None, STARTUP)?;
    cluster.wait_available()
}

fn interface_comes_and_goes(cluster: &Cluster) -> Result<()> {
    cluster.apply(EXTRA_LINK)?;
    cluster.apply(&Service::named("extra").annotated("{metallb.io/address-pool: extra}").yaml())?;
    let address = cluster.wait_address("extra")?;
    let why = cluster.wait_event("default", "extra", "announceFailed")?;
    ensure!(why.contains("doesn't exist in assigned node \"n1\""), "{why}");
    for _ in 0..2 {
        let add = "ip link add extra0 link eth0 address 02:00:00:00:ee:01 type macvlan mode bridge && ip link set extra0 up";
        cluster.bed.run("n1", &["sh", "-c", add])?;
        wait_said(cluster, address, |said| said.contains("02:00:00:00:ee:01"))?;
        cluster.bed.run("n1", &["ip", "link", "delete", "extra0"])?;
        wait_said(cluster, address, |said| !said.contains("reply from"))?;
    }
    Ok(())
}

fn wait_said(cluster: &Cluster, address: IpAddr, holds: fn(&str) -> bool) -> Result<()> {
    wait::until(&format!("the right answer about {address}"), REACTION, || {
        let said = lan::ask(&cluster.bed, address)?;
        Ok(seen(holds(&said), said))
    })
}

/// A pool announced by n1 only, on an interface that is not there yet.
const EXTRA_LINK: &str = "apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: extra, namespace: metallb-system}
spec: {addresses: [172.30.0.160/32], autoAssign: false}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: extra, namespace: metallb-system}
spec:
  ipAddressPools: [extra]
  interfaces: [extra0]
  nodeSelectors: [{matchLabels: {kubernetes.io/hostname: n1}}]
";

fn api_lost(cluster: &Cluster) -> Result<()> {
    let (four, six) = both(cluster)?;
    let owner = lan::wait_owner(&cluster.bed, four, None, REACTION)?;
    cluster.bed.stop_api()?;
    for _ in 0..5 {
        let now = lan::wait_owner(&cluster.bed, four, None, Duration::from_secs(1))?;
        ensure!(now == owner, "{now} answers without the API server, {owner} did before");
        lan::fetch_once(&cluster.bed, six)?;
    }
    cluster.bed.start_api_again()?;
    cluster.wait_available()?;
    lan::wait_owner(&cluster.bed, four, None, REACTION)?;
    ensure!(both(cluster)? == (four, six), "the addresses changed while the API server was away");
    Ok(())
}

fn cut_off_meanwhile(cluster: &Cluster) -> Result<()> {
    // n1 announces this one; what it is told next, it can only hear over a new connection.
    cluster.apply(N1_ONLY)?;
    cluster.apply(&Service::named("told").annotated("{metallb.io/address-pool: n1-only}").yaml())?;
    let address = cluster.wait_address("told")?;
    // What ran before stopped the API server.
    cluster.wait_endpoint("told")?;
    lan::wait_owner(&cluster.bed, address, None, REACTION)?;
    cluster.bed.cut_api("n1")?;
    cluster.bed.stop_api()?;
    cluster.bed.start_api_again()?;
    cluster.kubectl(&["delete", "service", "-n", "default", "told"])?;
    let start = Instant::now();
    cluster.bed.restore_api("n1")?;
    lan::wait_silence(&cluster.bed, address, IN_STEP)?;
    report("n1 heard of the deletion after its path to the API server was back for", start.elapsed());
    cluster.wait_available()
}

/// A dead connection is noticed within 11 s, and tries to connect again are at most 5 s apart.
const IN_STEP: Duration = Duration::from_secs(25);

/// A pool announced by n1 only.
const N1_ONLY: &str = "apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: n1-only, namespace: metallb-system}
spec: {addresses: [172.30.0.161/32], autoAssign: false}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: n1-only, namespace: metallb-system}
spec:
  ipAddressPools: [n1-only]
  nodeSelectors: [{matchLabels: {kubernetes.io/hostname: n1}}]
";

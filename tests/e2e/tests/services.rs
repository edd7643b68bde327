//! A Service gets addresses and is reached from outside the cluster, through real pods and packets.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed: a missing field is null, never a panic"
)]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use metallb_e2e::cluster::{REACTION, STARTUP, items, text};
use metallb_e2e::manifest::{self, NAMESPACE, Service};
use metallb_e2e::{Cluster, lan, suite};
use metallb_testbed::wait::{self, seen};

/// The operator's Deployment.
const OPERATOR: &str = "metallb-operator-controller-manager";

fn main() -> ExitCode {
    suite::run(
        "services",
        prepare,
        vec![
            ("an IPv4 Service gets an address and answers from outside", ipv4),
            ("an IPv6 Service gets an address and answers from outside", ipv6),
            ("a dual-stack Service answers on both of its addresses", dual_stack),
            ("no two Services share an address unasked", nothing_is_shared),
            ("Services that ask for it share an address", sharing_on_request),
            ("describe tells which address and which node", events_tell),
            ("ServiceL2Status names the node that answers", status_names_the_owner),
            ("the Service says which node announces it, or why nobody does", condition_tells),
            ("traffic policy Local keeps the client's source address", local_keeps_the_source),
            ("traffic policy Local is announced only where a ready endpoint runs", local_follows_endpoints),
            ("deleting a Service stops the answers within a second", deletion_is_prompt),
            ("a pool with a broken range is refused by name and stops nothing", broken_pool),
            ("a Service nobody can serve says why", unknown_pool),
            ("metrics need a token", metrics_need_a_token),
            ("who had an address is told to who may read it", ownership_needs_a_right),
        ],
    )
}

fn prepare(bed: metallb_testbed::Bed) -> Result<Cluster> {
    let cluster = Cluster::with_metallb(bed)?;
    cluster.apply(&manifest::pool("lan", "[172.30.0.100-172.30.0.149, \"fd00:30::100/120\"]"))?;
    cluster.apply(&manifest::web(2))?;
    cluster.wait_web()?;
    Ok(cluster)
}

/// Creates the Service and fetches from each address it gets.
fn serve(cluster: &Cluster, service: &Service<'_>, addresses: usize) -> Result<Vec<IpAddr>> {
    cluster.apply(&service.yaml())?;
    let found = cluster.wait_addresses(service.name, addresses)?;
    for address in &found {
        let answer = lan::fetch(&cluster.bed, *address)?;
        ensure!(answer.pod.starts_with("web-"), "{address} was answered by {answer:?}");
    }
    Ok(found)
}

fn ipv4(cluster: &Cluster) -> Result<()> {
    let found = serve(cluster, &Service::named("four"), 1)?;
    ensure!(
        found == ["172.30.0.100".parse::<IpAddr>()?],
        "the lowest address of the pool is due, got {found:?}"
    );
    Ok(())
}

fn ipv6(cluster: &Cluster) -> Result<()> {
    let found = serve(cluster, &Service::named("six").families("SingleStack", "[IPv6]"), 1)?;
    ensure!(found.iter().all(IpAddr::is_ipv6), "{found:?}");
    Ok(())
}

fn dual_stack(cluster: &Cluster) -> Result<()> {
    let found = serve(cluster, &Service::named("both").families("RequireDualStack", "[IPv4, IPv6]"), 2)?;
    let families: Vec<bool> = found.iter().map(IpAddr::is_ipv4).collect();
    ensure!(families == [true, false], "IPv4 comes first: {found:?}");
    Ok(())
}

fn nothing_is_shared(cluster: &Cluster) -> Result<()> {
    let all: Vec<IpAddr> = ["four", "six", "both"]
        .iter()
        .map(|name| cluster.addresses(name))
        .collect::<Result<Vec<_>>>()?
        .concat();
    let distinct: BTreeSet<&IpAddr> = all.iter().collect();
    ensure!(all.len() == 4 && distinct.len() == 4, "{all:?}");
    Ok(())
}

fn sharing_on_request(cluster: &Cluster) -> Result<()> {
    let annotations = "{metallb.io/allow-shared-ip: tenants, metallb.io/loadBalancerIPs: 172.30.0.140}";
    cluster.apply(&Service::named("share-a").annotated(annotations).yaml())?;
    cluster
        .apply(&Service::named("share-b").annotated(annotations).yaml().replace("port: 80", "port: 81"))?;
    let both = (cluster.wait_addresses("share-a", 1)?, cluster.wait_addresses("share-b", 1)?);
    ensure!(both.0 == both.1, "{both:?}");
    cluster
        .apply(&Service::named("share-c").annotated("{metallb.io/loadBalancerIPs: 172.30.0.140}").yaml())?;
    let why = cluster.wait_event("default", "share-c", "AllocationFailed")?;
    ensure!(why.contains("can't change sharing key for \"default/share-c\""), "{why}");
    cluster.kubectl(&["delete", "service", "-n", "default", "share-a", "share-b", "share-c"])?;
    Ok(())
}

fn events_tell(cluster: &Cluster) -> Result<()> {
    let assigned = cluster.wait_event("default", "four", "IPAllocated")?;
    ensure!(assigned == "Assigned IP [\"172.30.0.100\"]", "{assigned}");
    let announced = cluster.wait_event("default", "four", "nodeAssigned")?;
    let owner = lan::wait_owner(&cluster.bed, "172.30.0.100".parse()?, None, REACTION)?;
    ensure!(announced == format!("announcing from node \"{owner}\" with protocol \"layer2\""), "{announced}");
    let service = cluster.get(&["service", "four", "-n", "default"])?;
    ensure!(service["metadata"]["annotations"]["metallb.io/ip-allocated-from-pool"] == "lan", "{service}");
    Ok(())
}

fn status_names_the_owner(cluster: &Cluster) -> Result<()> {
    let owner = lan::wait_owner(&cluster.bed, "172.30.0.100".parse()?, None, REACTION)?;
    wait::until("one ServiceL2Status of four with its owner", REACTION, || {
        let list =
            cluster.get(&["servicel2statuses", "-n", NAMESPACE, "-l", "metallb.io/service-name=four"])?;
        let nodes: Vec<String> = items(&list).iter().map(|item| text(&item["status"]["node"])).collect();
        Ok(seen(nodes == [owner.clone()], format!("{nodes:?}, owner {owner}")))
    })
}

fn local_keeps_the_source(cluster: &Cluster) -> Result<()> {
    for (name, families) in [("local-four", "[IPv4]"), ("local-six", "[IPv6]")] {
        let service = Service::named(name).families("SingleStack", families).local();
        cluster.apply(&service.yaml())?;
        let address = cluster.wait_address(name)?;
        let answer = lan::fetch(&cluster.bed, address)?;
        let client = lan::own_address(&cluster.bed, address)?;
        ensure!(answer.source == client, "asked from {client}, the pod saw {answer:?}");
    }
    Ok(())
}

fn local_follows_endpoints(cluster: &Cluster) -> Result<()> {
    let address = cluster.address("local-four")?;
    cluster.kubectl(&["scale", "deployment", "web", "-n", "default", "--replicas=1"])?;
    cluster.wait_web()?;
    for _ in 0..2 {
        let node = only_web_node(cluster)?;
        wait::until(&format!("{address} announced from {node}, where the pod is"), REACTION, || {
            let owner = lan::owner(&cluster.bed, address)?;
            Ok(seen(owner.as_deref() == Some(node.as_str()), format!("{owner:?}")))
        })?;
        lan::forget_neighbours(&cluster.bed)?;
        lan::fetch(&cluster.bed, address)?;
        // The pod moves: the node it was on takes no new one.
        cluster.kubectl(&["cordon", &node])?;
        cluster.kubectl(&["delete", "pod", "-n", "default", "-l", "app=web"])?;
        cluster.wait_web()?;
        cluster.kubectl(&["uncordon", &node])?;
    }
    Ok(())
}

fn condition_tells(cluster: &Cluster) -> Result<()> {
    let address = serve(cluster, &Service::named("told"), 1)?.into_iter().next().context("no address")?;
    let owner = lan::owner(&cluster.bed, address)?.context("nobody answers")?;
    wait_said(cluster, "told", "Announced", &format!("node {owner} announces on all interfaces"))?;
    let unserved = r#"{"spec": {"selector": {"app": "nobody"}}}"#;
    cluster.kubectl(&["patch", "service", "told", "-n", "default", "--type=merge", "-p", unserved])?;
    wait_said(cluster, "told", "NoEndpoint", "no endpoint can serve")?;
    let lacking = manifest::pool("aside", "[172.30.0.150/32]")
        .replace("ipAddressPools: [aside]", "ipAddressPools: [aside], interfaces: [eth7]");
    cluster.apply(&lacking)?;
    cluster.apply(&Service::named("aside").annotated("{metallb.io/address-pool: aside}").yaml())?;
    cluster.wait_addresses("aside", 1)?;
    wait_said(cluster, "aside", "NoInterface", "was elected and has no interface eth7")?;
    cluster.kubectl(&["delete", "service", "-n", "default", "told", "aside"])?;
    cluster.kubectl(&["delete", "ipaddresspool,l2advertisement", "-n", NAMESPACE, "aside"])?;
    Ok(())
}

/// Waits until the condition `metallb.io/Announced` has this reason and says this, beside the controller's.
fn wait_said(cluster: &Cluster, service: &str, reason: &str, message: &str) -> Result<()> {
    wait::until(&format!("{service} says {reason}"), REACTION, || {
        let object = cluster.get(&["service", service, "-n", "default"])?;
        let conditions = &object["status"]["conditions"];
        let of = |kind: &str| {
            let all = conditions.as_array().into_iter().flatten();
            all.into_iter().find(|condition| condition["type"] == kind).cloned().unwrap_or_default()
        };
        let (announced, allocated) = (of("metallb.io/Announced"), of("metallb.io/Allocated"));
        let says = announced["reason"] == reason && text(&announced["message"]).contains(message);
        Ok(seen(says && allocated["status"] != "False", conditions))
    })
}

fn only_web_node(cluster: &Cluster) -> Result<String> {
    wait::until("a single web pod", REACTION, || {
        let pods = cluster.get(&["pods", "-n", "default", "-l", "app=web"])?;
        let nodes: Vec<String> = items(&pods).iter().map(|pod| text(&pod["spec"]["nodeName"])).collect();
        Ok(match nodes.as_slice() {
            [node] => wait::Seen::Done(node.clone()),
            other => wait::Seen::NotYet(format!("{other:?}")),
        })
    })
}

fn deletion_is_prompt(cluster: &Cluster) -> Result<()> {
    for name in ["four", "six"] {
        let address = cluster.address(name)?;
        lan::wait_owner(&cluster.bed, address, None, REACTION)?;
        cluster.kubectl(&["delete", "service", "-n", "default", name])?;
        lan::wait_silence(&cluster.bed, address, Duration::from_secs(1))?;
    }
    Ok(())
}

fn broken_pool(cluster: &Cluster) -> Result<()> {
    let broken = manifest::pool("broken", "[172.30.0.250-172.30.0.240]");
    let denied = cluster.apply(&broken).err().context("a broken pool was taken")?;
    ensure!(format!("{denied:#}").contains("start IP \"172.30.0.250\" is after the end IP"), "{denied:#}");
    // As one that was stored before there were webhooks.
    without_webhooks(cluster, || cluster.apply(&broken))?;
    wait::until("a ConfigurationState that names the pool and its fault", REACTION, || {
        let state = cluster.get(&["configurationstate", "controller", "-n", NAMESPACE])?;
        let summary = text(&state["status"]["errorSummary"]);
        let says = summary.contains("broken")
            && summary.contains("172.30.0.250")
            && state["status"]["result"] == "Invalid";
        Ok(seen(says, &state["status"]))
    })?;
    serve(cluster, &Service::named("after-broken"), 1)?;
    cluster.kubectl(&["delete", "ipaddresspool,l2advertisement", "-n", NAMESPACE, "broken"])?;
    wait::until("a valid ConfigurationState", REACTION, || {
        let state = cluster.get(&["configurationstate", "controller", "-n", NAMESPACE])?;
        Ok(seen(state["status"]["result"] == "Valid", &state["status"]))
    })
}

/// Does something while nobody asks the webhooks. The operator would bring them back at once: it is away meanwhile.
fn without_webhooks(cluster: &Cluster, act: impl FnOnce() -> Result<()>) -> Result<()> {
    let scale = |replicas: &str| {
        let replicas = format!("--replicas={replicas}");
        cluster.kubectl(&["scale", "deployment", OPERATOR, "-n", NAMESPACE, &replicas])
    };
    scale("0")?;
    wait::until("no operator", REACTION, || {
        let deployment = cluster.get(&["deployment", OPERATOR, "-n", NAMESPACE])?;
        Ok(seen(deployment["status"]["replicas"].is_null(), &deployment["status"]))
    })?;
    let webhooks = ["validatingwebhookconfiguration", "metallb-webhook-configuration"];
    cluster.kubectl(&[&["delete"], webhooks.as_slice()].concat())?;
    let acted = act();
    scale("1")?;
    wait::until("webhooks as before", STARTUP, || {
        let all = cluster.get(&["validatingwebhookconfigurations"])?;
        let found = items(&all).iter().find(|item| item["metadata"]["name"] == webhooks[1]);
        let trusted = found.is_some_and(|item| !item["webhooks"][0]["clientConfig"]["caBundle"].is_null());
        Ok(seen(trusted, format!("{} configurations", items(&all).len())))
    })?;
    acted
}

fn unknown_pool(cluster: &Cluster) -> Result<()> {
    cluster.apply(&Service::named("lost").annotated("{metallb.io/address-pool: nowhere}").yaml())?;
    let why = cluster.wait_event("default", "lost", "AllocationFailed")?;
    let due = "Failed to allocate IP for \"default/lost\": unknown pool \"nowhere\": the pools are lan";
    ensure!(why == due, "{why}");
    let lost = cluster.get(&["service", "lost", "-n", "default"])?;
    let conditions = lost["status"]["conditions"].as_array().into_iter().flatten();
    let condition = conditions.into_iter().find(|condition| condition["type"] == "metallb.io/Allocated");
    let condition = condition.with_context(|| format!("no condition: {lost}"))?;
    ensure!(condition["status"] == "False", "{lost}");
    ensure!(condition["reason"] == "UnknownPool", "{lost}");
    Ok(())
}

fn metrics_need_a_token(cluster: &Cluster) -> Result<()> {
    let bearer = cluster.bearer_of("/metrics")?;
    let without = ask_speaker(cluster, "metrics", "Accept: text/plain")?;
    ensure!(without.ends_with("401"), "{without}");
    let with = ask_speaker(cluster, "metrics", &bearer)?;
    ensure!(with.ends_with("200") && with.contains("metallb_k8s_client_config_loaded_bool 1"), "{with}");
    Ok(())
}

fn ownership_needs_a_right(cluster: &Cluster) -> Result<()> {
    const PATH: &str = "debug/ownership";
    serve(cluster, &Service::named("had"), 1)?;
    let bearer = cluster.bearer_of("/metrics")?;
    let without = ask_speaker(cluster, PATH, "Accept: text/plain")?;
    ensure!(without.ends_with("401"), "{without}");
    let only_metrics = ask_speaker(cluster, PATH, &bearer)?;
    ensure!(only_metrics.ends_with("403"), "{only_metrics}");
    cluster.apply(&manifest::reader_of("/debug/ownership"))?;
    wait::until("the history, with the right to it", REACTION, || {
        let with = ask_speaker(cluster, PATH, &bearer)?;
        let told = with.strip_suffix("200").map(serde_json::from_str::<serde_json::Value>);
        Ok(seen(told.is_some_and(|told| told.is_ok_and(|told| told["version"] == 1)), with))
    })
}

/// What the speaker of n1 answers, and the status at the end of it.
fn ask_speaker(cluster: &Cluster, path: &str, header: &str) -> Result<String> {
    let url = format!("https://{}:9120/{path}", cluster.bed.v4("n1")?);
    let curl = ["curl", "-sk", "-m5", "-w", "%{http_code}", "-H", header, &url];
    Ok(cluster.bed.run(lan::CLIENT, &curl)?.stdout)
}

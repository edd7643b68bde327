//! The demo: a cluster, the operator, a Service, a curl from outside. Running it again changes nothing.

#![expect(clippy::print_stdout, reason = "showing is what a demo does")]

use std::net::IpAddr;

use anyhow::Result;
use metallb_e2e::cluster::{REACTION, items, text};
use metallb_e2e::manifest::{self, NAMESPACE, Service};
use metallb_e2e::{Cluster, lan};
use metallb_testbed::wait::{self, Seen};
use metallb_testbed::{Bed, Options};

const SERVICE: &str = "hello";
/// How to show the conditions of a resource.
const CONDITIONS: &str = r#"go-template={{range .items}}{{range .status.conditions}}{{.type}}={{.status}} {{.reason}} {{.message}}{{"\n"}}{{end}}{{end}}"#;

fn main() -> Result<()> {
    step("a three-node Kubernetes cluster in network namespaces");
    let bed = Bed::up(Options::default())?;
    step("the operator: kubectl apply -f bundle/install.yaml");
    let cluster = Cluster::with_operator(bed)?;
    step("a MetalLB resource, which the operator turns into a controller and three speakers");
    cluster.apply(&manifest::metallb("metallb"))?;
    cluster.wait_available()?;
    cluster.wait_admission()?;
    println!("{}", cluster.kubectl(&["get", "metallbs", "-n", NAMESPACE, "-o", CONDITIONS])?);
    println!("{}", cluster.kubectl(&["get", "pods", "-n", NAMESPACE, "-o", "wide"])?);
    step("a pool of addresses and permission to announce them; two web pods and a Service");
    cluster.apply(&manifest::pool("lan", "[172.30.0.100-172.30.0.149, \"fd00:30::100/120\"]"))?;
    cluster.apply(&manifest::web(2))?;
    cluster.apply(&Service::named(SERVICE).families("PreferDualStack", "[IPv4, IPv6]").yaml())?;
    cluster.wait_web()?;
    let addresses = cluster.wait_addresses(SERVICE, 2)?;
    show(&cluster, &addresses)?;
    println!("{LOOK_AROUND}");
    Ok(())
}

fn show(cluster: &Cluster, addresses: &[IpAddr]) -> Result<()> {
    step("curl, from a machine outside the cluster");
    for address in addresses {
        let answer = lan::fetch(&cluster.bed, *address)?;
        println!("  {address}: pod {} answered, it saw {}", answer.pod, answer.source);
    }
    step("who announces it: kubectl get servicel2statuses");
    println!("  node {}", announcer(cluster)?);
    step("the neighbour entries of that machine: the hardware address is that node's");
    for address in addresses {
        let node = lan::wait_owner(&cluster.bed, *address, None, REACTION)?;
        let entry =
            cluster.bed.run(lan::CLIENT, &["ip", "neigh", "show", "to", &address.to_string()])?.stdout;
        println!("  {}  (eth0 of {node}: {})", entry.trim(), cluster.bed.mac(&node)?);
    }
    step("what the user sees: kubectl describe service");
    let described = cluster.kubectl(&["describe", "service", SERVICE, "-n", "default"])?;
    println!("{described}");
    Ok(())
}

/// The node that the Service's status object names.
fn announcer(cluster: &Cluster) -> Result<String> {
    let selector = format!("metallb.io/service-name={SERVICE}");
    wait::until("a ServiceL2Status of the Service", REACTION, || {
        let found = cluster.get(&["servicel2statuses", "-n", NAMESPACE, "-l", &selector])?;
        let node = items(&found).first().and_then(|status| status.pointer("/status/node")).map(text);
        Ok(node.map_or_else(|| Seen::NotYet("none".to_owned()), Seen::Done))
    })
}

fn step(what: &str) {
    println!("\n==> {what}");
}

const LOOK_AROUND: &str = "
==> look around
  testbed() { cargo run --quiet --package metallb-testbed -- \"$@\"; }
  testbed kubectl get pods -A -o wide          any kubectl command
  testbed in client curl http://172.30.0.100   any command on a machine: client, router, cp, n1, n2, n3
  testbed fault unplug n1                      pull a cable (of the node that announces) …
  testbed in client arping -c3 -I eth0 172.30.0.100   … and see who answers now
  testbed fault heal                           put everything back; `testbed fault --help` has more

==> clean up
  make testbed-down
";

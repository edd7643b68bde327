//! The `MetalLB` resource comes, goes and comes back; restarts and faults change no address.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed: a missing field is null, never a panic"
)]

use std::fmt::Write;
use std::fs;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use metallb_e2e::cluster::{REACTION, STARTUP, addresses, condition, items, repository, text};
use metallb_e2e::manifest::{self, NAMESPACE, Service};
use metallb_e2e::probe::Probe;
use metallb_e2e::{Cluster, lan, suite};
use metallb_testbed::Signal;
use metallb_testbed::wait::{self, seen};

/// Services that hold an address while the controller restarts.
const CROWD: usize = 200;
const OPERATOR: &str = "metallb-operator-controller-manager";
/// Between these words docs/operator.md tells of removal.
const REMOVAL: (&str, &str) = ("Deleting the resource removes everything", "Deleting the operator alone");
/// How long nobody may answer once the speakers are gone.
const SILENCE: Duration = Duration::from_secs(2);
/// How long nothing may be written after the restart.
const QUIET: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    suite::run(
        "lifecycle",
        prepare,
        vec![
            ("a MetalLB resource with another name is refused on itself", wrong_name),
            ("operands that are deleted or edited are repaired", drift),
            ("deleting the MetalLB resource removes the workloads", removal),
            ("applying it again brings the same addresses back", return_of_addresses),
            ("restarting the controller with 200 assigned Services writes to none of them", silent_restart),
            ("a controller that starts without an API server serves once it is back", late_apiserver),
            ("a missing CRD is named by readiness and stops no process", missing_crd),
            (
                "without an operator a removal leaves what the documented commands clear away",
                removal_without_an_operator,
            ),
            ("deleting the whole manifest at once leaves nothing of MetalLB", uninstall),
        ],
    )
}

fn prepare(bed: metallb_testbed::Bed) -> Result<Cluster> {
    let cluster = Cluster::with_metallb(bed)?;
    cluster.apply(&manifest::pool("lan", "[172.30.0.100-172.30.0.149]"))?;
    cluster.apply(&manifest::web(2))?;
    cluster.wait_web()?;
    Ok(cluster)
}

fn wrong_name(cluster: &Cluster) -> Result<()> {
    cluster.apply(&manifest::metallb("other"))?;
    wait::until("Degraded on the resource with the wrong name", REACTION, || {
        let other = cluster.get(&["metallb", "other", "-n", NAMESPACE])?;
        let conditions = other["status"]["conditions"].to_string();
        let says = condition(&other, "Degraded").as_deref() == Some("True")
            && conditions.contains("IncorrectMetalLBResourceName")
            && conditions.contains("Incorrect MetalLB resource name: other");
        Ok(seen(says, conditions))
    })?;
    cluster.wait_available()?;
    cluster.kubectl(&["delete", "metallb", "other", "-n", NAMESPACE])?;
    ensure!(cluster.speakers()?.len() == 3, "the speakers went with the wrongly named resource");
    Ok(())
}

fn missing_crd(cluster: &Cluster) -> Result<()> {
    let crd = cluster.kubectl(&["get", "crd", "l2advertisements.metallb.io", "-o", "json"])?;
    cluster.kubectl(&["delete", "crd", "l2advertisements.metallb.io"])?;
    let (node, old) = cluster.speakers()?.pop().context("no speaker")?;
    cluster.kubectl(&["delete", "pod", "-n", NAMESPACE, &old])?;
    wait::until("a fresh speaker that is not ready and names the CRD", STARTUP, || {
        let pod = cluster.speaker_on(&node)?;
        let log = cluster.kubectl(&["logs", "-n", NAMESPACE, &pod])?;
        let status = cluster.get(&["pod", &pod, "-n", NAMESPACE])?["status"].clone();
        let ready = status["containerStatuses"][0]["ready"] == true;
        let restarts = &status["containerStatuses"][0]["restartCount"];
        Ok(seen(
            !ready && *restarts == 0 && log.contains("l2advertisements.metallb.io"),
            format!("{restarts} {log}"),
        ))
    })?;
    let mut object: serde_json::Value = serde_json::from_str(&crd)?;
    for field in ["resourceVersion", "uid", "creationTimestamp", "managedFields"] {
        object["metadata"].as_object_mut().context("no metadata")?.remove(field);
    }
    cluster.apply(&object.to_string())?;
    // After an outage of the API server it takes Kubernetes up to half a minute to tell who answers for a Service.
    wait::until("a pool and its advertisement", STARTUP, || {
        let tried = cluster.apply(&manifest::pool("lan", "[172.30.0.100-172.30.0.149]"));
        Ok(seen(tried.is_ok(), format!("{:?}", tried.err())))
    })?;
    cluster.wait_available()
}

fn drift(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&["delete", "daemonset", "speaker", "-n", NAMESPACE])?;
    cluster.kubectl(&["delete", "clusterrolebinding", "metallb-system:speaker"])?;
    cluster.kubectl(&[
        "set",
        "env",
        "deployment/controller",
        "-n",
        NAMESPACE,
        "METALLB_ML_SECRET_NAME=edited",
    ])?;
    wait::until("DaemonSet, binding and Deployment as they were", REACTION, || {
        cluster.kubectl(&["get", "daemonset", "speaker", "-n", NAMESPACE])?;
        cluster.kubectl(&["get", "clusterrolebinding", "metallb-system:speaker"])?;
        let controller = cluster.get(&["deployment", "controller", "-n", NAMESPACE])?;
        let env = controller["spec"]["template"]["spec"]["containers"][0]["env"].to_string();
        Ok(seen(!env.contains("edited"), env))
    })?;
    cluster.wait_available()
}

fn removal(cluster: &Cluster) -> Result<()> {
    cluster.apply(&Service::named("keeper-a").yaml())?;
    cluster.apply(&Service::named("keeper-b").yaml())?;
    cluster.wait_address("keeper-b")?;
    let address = cluster.wait_address("keeper-a")?;
    lan::fetch(&cluster.bed, address)?;
    let probe = Probe::start(&cluster.bed, address)?;
    run_documented(cluster, "delete metallb ")?;
    run_documented(cluster, "wait --for=delete ")?;
    // Kubernetes' garbage collector takes up to 30 s to learn of a kind that is new.
    wait::until("no operand left", STARTUP, || {
        let kinds = "deployments,daemonsets,pods,configmaps,secrets,services,roles,rolebindings,serviceaccounts,\
                     networkpolicies,poddisruptionbudgets,leases";
        let left = cluster.get(&[kinds, "-n", NAMESPACE])?;
        let names = items(&left)
            .iter()
            .map(|item| format!("{}/{}", text(&item["kind"]), text(&item["metadata"]["name"])));
        let ours: Vec<String> = names.filter(|name| is_operand(name)).collect();
        let all: Vec<String> = ours.into_iter().chain(outside(cluster, OPERANDS)?).collect();
        Ok(seen(all.is_empty(), format!("{all:?}")))
    })?;
    let gone = Instant::now();
    wait::throughout("silence once all speakers are gone", SILENCE, || {
        let said = probe.said_since(gone, |_| true);
        Ok(seen(said.is_empty(), format!("{said:?}")))
    })?;
    let told = cluster.wait_event(NAMESPACE, "metallb", "Removed")?;
    ensure!(told.contains(" deleted"), "{told}");
    Ok(())
}

/// Runs the commands that docs/operator.md gives about removal, of those that begin so; one with a remark is for some clusters
/// only.
fn run_documented(cluster: &Cluster, beginning: &str) -> Result<()> {
    let docs = fs::read_to_string(repository().join("docs/operator.md"))?;
    let about = docs.split_once(REMOVAL.0).and_then(|(_, rest)| rest.split_once(REMOVAL.1));
    let (about, _) = about.context("docs/operator.md says nothing about removal")?;
    let commands = about.lines().filter_map(|line| line.strip_prefix("    kubectl "));
    let commands: Vec<&str> =
        commands.filter(|command| command.starts_with(beginning) && !command.contains(" # ")).collect();
    ensure!(!commands.is_empty(), "docs/operator.md has no command kubectl {beginning}");
    for command in commands {
        // At most the last word is in quotes.
        let (words, quoted) =
            command.split_once(" '").map_or((command, None), |(words, last)| (words, Some(last)));
        let quoted = quoted.map(|word| word.trim_end_matches('\''));
        let words: Vec<&str> = words.split_whitespace().chain(quoted).collect();
        cluster.kubectl(&words)?;
    }
    Ok(())
}

/// Nobody sees the resource go, so the webhooks stay and refuse pools.
fn removal_without_an_operator(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&["scale", "deployment", OPERATOR, "-n", NAMESPACE, "--replicas=0"])?;
    wait_for_no_pod(cluster, "control-plane=controller-manager")?;
    let webhook =
        cluster.get(&["validatingwebhookconfiguration", "metallb-operator-webhook-configuration"])?;
    ensure!(webhook["webhooks"][0]["failurePolicy"] == "Fail", "{webhook}");
    let edit = r#"{"spec":{"logLevel":"debug"}}"#;
    let patch = ["patch", "metallb", "metallb", "-n", NAMESPACE, "--type=merge", "-p", edit];
    let refused = cluster.kubectl(&patch).map_err(|error| format!("{error:#}"));
    ensure!(
        refused.as_ref().is_err_and(|error| error.contains("metallb-operator-webhook-service")),
        "nobody answers, and the spec was changed: {refused:?}"
    );
    cluster.kubectl(&["annotate", "metallb", "metallb", "-n", NAMESPACE, "edited=yes"])?;
    // The garbage collector edits the resource, which must not wait for the operator's webhook.
    let delete = ["delete", "metallb", "metallb", "-n", NAMESPACE, "--cascade=foreground", "--timeout=60s"];
    cluster.kubectl(&delete)?;
    wait_for_no_pod(cluster, "app=metallb")?;
    let pool = manifest::pool("lan", "[172.30.0.100-172.30.0.148]");
    let refused = cluster.apply(&pool).map_err(|error| format!("{error:#}"));
    ensure!(
        refused.as_ref().is_err_and(|error| error.contains("metallb-webhook-service")),
        "nobody answers, and the pool was taken: {refused:?}"
    );
    // Which may as well be said of what orphans need.
    run_documented(cluster, "patch ")?;
    run_documented(cluster, "delete validatingwebhookconfiguration ")?;
    run_documented(cluster, "delete lease ")?;
    cluster.apply(&pool)?;
    cluster.kubectl(&["scale", "deployment", OPERATOR, "-n", NAMESPACE, "--replicas=1"])?;
    wait::until("a MetalLB resource", STARTUP, || {
        let tried = cluster.apply(&manifest::metallb("metallb"));
        Ok(seen(tried.is_ok(), format!("{:?}", tried.err())))
    })?;
    cluster.wait_available()
}

fn wait_for_no_pod(cluster: &Cluster, label: &str) -> Result<()> {
    wait::until(&format!("no pod with {label}"), STARTUP, || {
        let left = cluster.kubectl(&["get", "pods", "-n", NAMESPACE, "-l", label, "-o", "name"])?;
        Ok(seen(left.trim().is_empty(), left))
    })
}

/// What the names of operands outside of namespaces contain.
const OPERANDS: &[&str] = &["metallb-system:", "kube-rbac-proxy", "metallb-webhook-configuration"];

/// Objects outside of namespaces whose names contain one of these.
fn outside(cluster: &Cluster, parts: &[&str]) -> Result<Vec<String>> {
    let kinds = "clusterroles,clusterrolebindings,validatingwebhookconfigurations,customresourcedefinitions";
    let names = cluster.kubectl(&["get", kinds, "-o", "name"])?;
    let is_meant = |name: &&str| parts.iter().any(|part| name.contains(part));
    Ok(names.lines().filter(is_meant).map(str::to_owned).collect())
}

/// With the resource there, and nobody to see it go.
fn uninstall(cluster: &Cluster) -> Result<()> {
    ensure!(!outside(cluster, OPERANDS)?.is_empty(), "there is nothing that could be left");
    let manifest = repository().join("bundle/install.yaml");
    cluster.kubectl(&["delete", "--wait=false", "-f", &manifest.display().to_string()])?;
    wait::until("nothing outside of namespaces left", STARTUP, || {
        let left = outside(cluster, &["metallb", "kube-rbac-proxy"])?;
        Ok(seen(left.is_empty(), format!("{left:?}")))
    })
}

fn is_operand(name: &str) -> bool {
    let of_kubernetes = name.ends_with("/default") || name.ends_with("/kube-root-ca.crt");
    let of_operator =
        ["metallb-operator", "metallboperator", "manager"].iter().any(|part| name.contains(part));
    !of_kubernetes && !of_operator
}

fn return_of_addresses(cluster: &Cluster) -> Result<()> {
    let before = (cluster.address("keeper-a")?, cluster.address("keeper-b")?);
    cluster.apply(&manifest::metallb("metallb"))?;
    cluster.wait_available()?;
    lan::fetch(&cluster.bed, before.0)?;
    let after = (cluster.address("keeper-a")?, cluster.address("keeper-b")?);
    ensure!(before == after, "{before:?} became {after:?}");
    Ok(())
}

fn silent_restart(cluster: &Cluster) -> Result<()> {
    cluster.apply(&manifest::pool("lan", "[172.30.0.100-172.30.0.149, 172.31.0.0/24]"))?;
    let mut crowd = String::new();
    for number in 0..CROWD {
        let service = Service::named("web").yaml().replace("name: web,", &format!("name: crowd-{number},"));
        write!(crowd, "---\n{service}")?;
    }
    cluster.apply(&crowd)?;
    wait::until("every Service assigned and announced", STARTUP, || {
        let missing = services(cluster)?.iter().filter(|service| !service.is_settled()).count();
        Ok(seen(missing == 0, format!("{missing} without an address or the condition Announced")))
    })?;
    let (before, writes) = (services(cluster)?, service_writes(cluster)?);
    ensure!(before.len() >= CROWD, "only {} Services", before.len());
    cluster.kubectl(&["delete", "pod", "-n", NAMESPACE, "-l", "app=metallb,component=controller"])?;
    cluster.wait_deployment("controller")?;
    // It has looked at all of them once it serves a new one: kubectl creates that with one write, the controller adds one, a
    // speaker another.
    cluster.apply(&Service::named("newcomer").yaml())?;
    cluster.wait_address("newcomer")?;
    wait::until("newcomer announced", REACTION, || {
        let all = services(cluster)?;
        let is_settled = all.iter().any(|service| service.name == "newcomer" && service.is_settled());
        Ok(seen(is_settled, "it has no condition Announced"))
    })?;
    wait::throughout("no write to a Service but newcomer's three", QUIET, || {
        let written = service_writes(cluster)? - writes;
        Ok(seen(written == 3, format!("{written} writes")))
    })?;
    let mut after = services(cluster)?;
    after.retain(|service| service.name != "newcomer");
    ensure!(before == after, "addresses or versions changed");
    Ok(())
}

/// A LoadBalancer Service, in the version the API server has.
#[derive(Debug, PartialEq)]
struct Recorded {
    name: String,
    version: String,
    addresses: Vec<IpAddr>,
    /// Whether a speaker has said who announces it, or why nobody does.
    is_told: bool,
}

impl Recorded {
    fn is_settled(&self) -> bool {
        !self.addresses.is_empty() && self.is_told
    }
}

fn services(cluster: &Cluster) -> Result<Vec<Recorded>> {
    let list = cluster.get(&["services", "-n", "default"])?;
    let wanted = items(&list).iter().filter(|item| item["spec"]["type"] == "LoadBalancer");
    let recorded = |item: &serde_json::Value| {
        let metadata = &item["metadata"];
        let (name, version) = (text(&metadata["name"]), text(&metadata["resourceVersion"]));
        let mut conditions = item["status"]["conditions"].as_array().into_iter().flatten();
        let is_told = conditions.any(|condition| condition["type"] == "metallb.io/Announced");
        Ok(Recorded { name, version, addresses: addresses(item)?, is_told })
    };
    wanted.map(recorded).collect()
}

/// Writes to Services and their status since the API server started, by its own count.
fn service_writes(cluster: &Cluster) -> Result<u64> {
    let metrics = cluster.kubectl(&["get", "--raw", "/metrics"])?;
    let reads = ["GET", "LIST", "WATCH"];
    let counted = metrics.lines().filter(|line| {
        line.starts_with("apiserver_request_total{")
            && line.contains("resource=\"services\"")
            && !reads.iter().any(|verb| line.contains(&format!("verb=\"{verb}\"")))
    });
    counted
        .map(|line| {
            let figure = line.rsplit(' ').next().unwrap_or_default();
            figure.parse::<u64>().with_context(|| format!("metric {line}"))
        })
        .sum()
}

fn late_apiserver(cluster: &Cluster) -> Result<()> {
    let pods = cluster.get(&["pods", "-n", NAMESPACE, "-l", "app=metallb,component=controller"])?;
    let pod = text(&items(&pods)[0]["metadata"]["name"]);
    let processes = cluster.bed.container_processes(NAMESPACE, &pod, "controller")?;
    let before = services(cluster)?;
    cluster.bed.stop_api()?;
    // The container ends while nobody can be asked; the kubelet starts it again.
    for process in processes {
        process.signal(Signal::SIGKILL)?;
    }
    cluster.bed.start_api_again()?;
    cluster.apply(&Service::named("latecomer").yaml())?;
    cluster.wait_address("latecomer")?;
    cluster.wait_deployment("controller")?;
    let mut after = services(cluster)?;
    after.retain(|service| service.name != "latecomer");
    ensure!(before == after, "addresses changed");
    Ok(())
}

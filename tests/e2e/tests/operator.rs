//! The operator: how soon it installs and repairs, what it costs at rest, and what its end does to what runs.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed: a missing field is null, never a panic"
)]
#![expect(clippy::print_stdout, reason = "figures are what these tests report")]

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use metallb_e2e::cluster::{REACTION, STARTUP, condition, items, text};
use metallb_e2e::manifest::{self, NAMESPACE, Service};
use metallb_e2e::{Cluster, lan, suite};
use metallb_testbed::Signal;
use metallb_testbed::wait::{self, Seen, seen};
use serde_json::Value;

/// From plain manifests to Available, images present.
const INSTALLED: Duration = Duration::from_secs(30);
/// The median time in which an object is put right.
const REPAIRED: Duration = Duration::from_secs(1);
/// Reads of a steady operator in a minute, Lease and watches aside.
const READS_A_MINUTE: u64 = 2;
/// Its resident memory at most.
const RESIDENT_KIB: u64 = 20 * 1024;
/// A look at an unchanged resource takes so long on average, at most.
const LOOK: f64 = 0.05;
/// Looks that are taken to find that out.
const LOOKS: u32 = 30;
/// By then a look has ended.
const UNDISTURBED: Duration = Duration::from_millis(500);

const OPERATOR: &str = "metallb-operator-controller-manager";

fn main() -> ExitCode {
    suite::run(
        "operator",
        Cluster::with_images,
        vec![
            ("plain manifests are Available within 30 s", install),
            ("what is deleted or edited is put right within a second", repair),
            ("edits that exclude what is ours are put right", straighten),
            ("an operator killed in the middle of a rollout finishes it", killed),
            ("a steady cluster costs no write, two reads a minute and 20 MB", idle),
            ("without the operator the load balancer goes on, and its return changes nothing", deleted),
        ],
    )
}

fn install(cluster: &Cluster) -> Result<()> {
    let start = Instant::now();
    cluster.install()?;
    wait::until("a MetalLB resource", STARTUP, || {
        let tried = cluster.apply(&manifest::metallb("metallb"));
        Ok(seen(tried.is_ok(), format!("{:?}", tried.err())))
    })?;
    cluster.wait_available()?;
    let took = start.elapsed();
    println!("from plain manifests to Available: {:.1} s", took.as_secs_f64());
    ensure!(took < INSTALLED, "it took {took:?}");
    cluster.apply(&manifest::pool("lan", "[172.30.0.100-172.30.0.149]"))?;
    cluster.apply(&manifest::web(2))?;
    cluster.wait_web()
}

/// Objects that are deleted, one of each kind that is kept; all but the last three in the namespace.
const KEPT: [(&str, &str); 12] = [
    ("daemonset", "speaker"),
    ("deployment", "controller"),
    ("rolebinding", "pod-lister"),
    ("role", "controller"),
    ("serviceaccount", "speaker"),
    ("configmap", "metallb-excludel2"),
    ("secret", "metallb-memberlist"),
    ("service", "metallb-webhook-service"),
    ("networkpolicy", "controller"),
    ("clusterrole", "metallb-system:speaker"),
    ("clusterrolebinding", "metallb-system:controller"),
    ("validatingwebhookconfiguration", "metallb-webhook-configuration"),
];

fn repair(cluster: &Cluster) -> Result<()> {
    let mut times = Vec::new();
    for (kind, name) in KEPT {
        let before = uid(cluster, kind, name).with_context(|| format!("there is no {kind} {name}"))?;
        cluster.kubectl(&["delete", kind, name, "-n", NAMESPACE, "--wait=false"])?;
        let start = Instant::now();
        wait::until_soon(&format!("another {kind} {name}"), REACTION, || {
            let now = uid(cluster, kind, name);
            Ok(seen(now.as_ref().is_some_and(|uid| *uid != before), format!("{now:?}")))
        })?;
        times.push(start.elapsed());
        if kind == "serviceaccount" {
            wait_pods_of(cluster, &uid(cluster, kind, name).context("the account is gone again")?)?;
        }
        cluster.wait_available()?;
    }
    let edit = ["set", "env", "deployment/controller", "-n", NAMESPACE, "METALLB_ML_SECRET_NAME=edited"];
    cluster.kubectl(&edit)?;
    let start = Instant::now();
    wait::until_soon("the Deployment as it was", REACTION, || {
        let controller = cluster.get(&["deployment", "controller", "-n", NAMESPACE])?;
        let env = controller["spec"]["template"]["spec"]["containers"][0]["env"].to_string();
        Ok(seen(!env.contains("edited"), env))
    })?;
    times.push(start.elapsed());
    times.sort_unstable();
    let median = *times.get(times.len() / 2).context("nothing was repaired")?;
    let most = *times.last().context("nothing was repaired")?;
    println!(
        "put right again, kubectl's own time included: n {}, median {median:.2?}, max {most:.2?}",
        times.len()
    );
    ensure!(median <= REPAIRED, "{times:?}");
    cluster.wait_available()
}

/// Edits beside which the API server refuses ours: an object, the kind of patch, and the patch.
const EXCLUDING: [(&str, &str, &str); 5] = [
    // A value where ours comes from a field of the pod, another kind of probe, another kind of volume.
    (
        "daemonset/speaker",
        "strategic",
        r#"{"spec": {"template": {"spec": {"containers": [{"name": "speaker", "env": [
            {"name": "METALLB_NODE_NAME", "value": "edited", "valueFrom": null}]}]}}}}"#,
    ),
    (
        "daemonset/speaker",
        "strategic",
        r#"{"spec": {"template": {"spec": {"containers": [{"name": "speaker",
            "livenessProbe": {"httpGet": null, "tcpSocket": {"port": 17472}}}]}}}}"#,
    ),
    (
        "daemonset/speaker",
        "strategic",
        r#"{"spec": {"template": {"spec": {"volumes": [{"name": "memberlist", "secret": null, "emptyDir": {}}]}}}}"#,
    ),
    // What must be available beside what may be missing; new pods before the old ones are gone.
    ("poddisruptionbudget/controller", "merge", r#"{"spec": {"minAvailable": 1, "maxUnavailable": null}}"#),
    (
        "daemonset/speaker",
        "merge",
        r#"{"spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}}"#,
    ),
];

fn straighten(cluster: &Cluster) -> Result<()> {
    set(cluster, r#"{"spec": {"controllerReplicas": 2}}"#)?;
    wait::until("a disruption budget", REACTION, || {
        let found = uid(cluster, "poddisruptionbudget", "controller");
        Ok(seen(found.is_some(), "none"))
    })?;
    cluster.wait_available()?;
    let warned = warnings(cluster)?;
    for (object, kind, patch) in EXCLUDING {
        let before = spec(cluster, object)?;
        cluster.kubectl(&["patch", object, "-n", NAMESPACE, "--type", kind, "-p", patch])?;
        wait::until_soon(&format!("the {object} as it was before {patch}"), REACTION, || {
            let now = spec(cluster, object)?;
            Ok(seen(now == before, now))
        })?;
        cluster.wait_available()?;
    }
    let now = warnings(cluster)?;
    ensure!(
        now == warned,
        "of what was put right at once the resource was warned: {now:?}, {warned:?} before"
    );
    set(cluster, r#"{"spec": {"controllerReplicas": null}}"#)?;
    cluster.wait_available()
}

fn set(cluster: &Cluster, patch: &str) -> Result<()> {
    cluster.kubectl(&["patch", "metallb", "metallb", "-n", NAMESPACE, "--type=merge", "-p", patch]).map(drop)
}

fn spec(cluster: &Cluster, object: &str) -> Result<Value> {
    Ok(cluster.get(&[object, "-n", NAMESPACE])?["spec"].clone())
}

/// What the resource was warned of, and how often.
fn warnings(cluster: &Cluster) -> Result<Vec<(String, u64)>> {
    let events = cluster.get(&["events", "-n", NAMESPACE])?;
    let is_meant =
        |event: &&Value| event["involvedObject"]["name"] == "metallb" && event["type"] == "Warning";
    let told = |event: &Value| (text(&event["message"]), event["count"].as_u64().unwrap_or(1));
    Ok(items(&events).iter().filter(is_meant).map(told).collect())
}

/// Tokens of the speakers that ran are of the account that was deleted: there are others.
fn wait_pods_of(cluster: &Cluster, account: &str) -> Result<()> {
    wait::until("three ready speakers of the new account", STARTUP, || {
        let pods = cluster.get(&["pods", "-n", NAMESPACE, "-l", "component=speaker"])?;
        let is_of_it = |pod: &&Value| {
            pod["status"]["containerStatuses"][0]["ready"] == true
                && pod["metadata"]["annotations"]["metallb.io/account"] == account
        };
        let count = items(&pods).iter().filter(is_of_it).count();
        Ok(seen(count == 3 && items(&pods).len() == 3, count))
    })
}

fn uid(cluster: &Cluster, kind: &str, name: &str) -> Option<String> {
    let object = cluster.get(&[kind, name, "-n", NAMESPACE]).ok()?;
    // One that is being deleted is as good as gone.
    object["metadata"]["deletionTimestamp"].is_null().then(|| text(&object["metadata"]["uid"]))
}

fn killed(cluster: &Cluster) -> Result<()> {
    let generation = |cluster: &Cluster| -> Result<u64> {
        let speakers = cluster.get(&["daemonset", "speaker", "-n", NAMESPACE])?;
        speakers["metadata"]["generation"].as_u64().context("no generation")
    };
    let before = generation(cluster)?;
    let pod = operator_pod(cluster)?;
    let patch = r#"{"spec":{"logLevel":"debug"}}"#;
    cluster.kubectl(&["patch", "metallb", "metallb", "-n", NAMESPACE, "--type=merge", "-p", patch])?;
    wait::until_soon("the first speaker being replaced", STARTUP, || {
        let speakers = cluster.get(&["daemonset", "speaker", "-n", NAMESPACE])?;
        let is_begun = generation(cluster)? > before && speakers["status"]["updatedNumberScheduled"] != 3;
        Ok(seen(is_begun, &speakers["status"]))
    })?;
    cluster.bed.signal_container(NAMESPACE, &pod, "manager", Signal::SIGKILL)?;
    wait::until("all speakers with the new argument", STARTUP, || {
        let speakers = cluster.get(&["daemonset", "speaker", "-n", NAMESPACE])?;
        let status = &speakers["status"];
        let is_done = status["updatedNumberScheduled"] == 3 && status["numberReady"] == 3;
        Ok(seen(is_done && status["observedGeneration"] == speakers["metadata"]["generation"], status))
    })?;
    cluster.wait_available()?;
    let after = generation(cluster)?;
    ensure!(after == before + 1, "the DaemonSet was written {} times", after - before);
    Ok(())
}

fn operator_pod(cluster: &Cluster) -> Result<String> {
    let pods = cluster.get(&["pods", "-n", NAMESPACE, "-l", "control-plane=controller-manager"])?;
    let pod = items(&pods).iter().find(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    pod.map(|pod| text(&pod["metadata"]["name"])).context("no pod of the operator")
}

/// `METALLB_IDLE_SECONDS` says how long nothing happens; then the time a look takes is judged as well, which wants a machine
/// that does nothing else.
fn idle(cluster: &Cluster) -> Result<()> {
    let asked = std::env::var("METALLB_IDLE_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds = asked.unwrap_or(60);
    cluster.apply(&counters())?;
    let metrics =
        r#"[{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--metrics-addr=:8443"}]"#;
    cluster.kubectl(&["patch", "deployment", OPERATOR, "-n", NAMESPACE, "--type=json", "-p", metrics])?;
    cluster.wait_deployment(OPERATOR)?;
    // What it was told last is written down by then.
    steady(cluster, 45)?;
    let count = |what: &str| dispatched(cluster, &format!("operator-{what}"));
    let (reads, writes) = (count("reads")?, count("writes")?);
    // It has begun anew just now: counters that count nothing would prove nothing.
    ensure!(reads > 0, "nothing is counted");
    steady(cluster, seconds)?;
    let (reads, writes) = (count("reads")? - reads, count("writes")? - writes);
    println!("a steady operator in {seconds} s: {reads} reads, {writes} writes");
    let may_read = READS_A_MINUTE * seconds.div_ceil(60);
    ensure!(writes == 0 && reads <= may_read, "{reads} reads, {writes} writes");

    let (reads, writes) = (count("reads")?, count("writes")?);
    let took = time_looks(cluster)?;
    let read = count("reads")? - reads;
    ensure!(read >= LOOKS.into(), "{read} reads in {LOOKS} looks");
    let mean = took.iter().sum::<f64>() / f64::from(LOOKS);
    let resident = resident(cluster)?;
    let of = |rank: usize| took.get(rank).copied().unwrap_or(f64::NAN) * 1000.0;
    println!(
        "an unchanged resource is looked at in {:.0} ms on average, {:.0} in the median, {:.0} at most; {resident} KiB resident",
        mean * 1000.0,
        of(took.len() / 2),
        of(took.len() - 1),
    );
    ensure!(asked.is_none() || mean <= LOOK, "{mean} s");
    ensure!(count("writes")? == writes, "looks at an unchanged resource write");
    ensure!(resident <= RESIDENT_KIB, "{resident} KiB");
    Ok(())
}

/// Has the unchanged resource looked at some times; tells in seconds what each took, the quickest first.
fn time_looks(cluster: &Cluster) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    let mut last = looks(cluster)?;
    for number in 0..LOOKS {
        let annotation = format!("look={number}");
        cluster.kubectl(&["annotate", "metallb", "metallb", "-n", NAMESPACE, "--overwrite", &annotation])?;
        // Who asks for metrics has the API server and the operator work: not while it looks.
        thread::park_timeout(UNDISTURBED);
        let next = wait::until_soon("a look at the resource", REACTION, || {
            let now = looks(cluster)?;
            Ok(if now.count > last.count { Seen::Done(now) } else { Seen::NotYet(now.count.to_string()) })
        })?;
        #[expect(clippy::cast_precision_loss, reason = "one or two")]
        let number = (next.count - last.count) as f64;
        took.push((next.seconds - last.seconds) / number);
        last = next;
    }
    took.sort_by(f64::total_cmp);
    Ok(took)
}

/// Lets time pass, in which nothing changes.
fn steady(cluster: &Cluster, seconds: u64) -> Result<()> {
    wait::throughout("a MetalLB that stays Available", Duration::from_secs(seconds), || {
        let resource = cluster.get(&["metallb", "metallb", "-n", NAMESPACE])?;
        let is_available = condition(&resource, "Available").as_deref() == Some("True");
        Ok(seen(is_available, &resource["status"]))
    })
}

/// What the operator's looks came to.
struct Looks {
    count: u64,
    seconds: f64,
}

fn looks(cluster: &Cluster) -> Result<Looks> {
    let header = cluster.bearer_of("/metrics")?;
    let pod = cluster.get(&["pod", &operator_pod(cluster)?, "-n", NAMESPACE])?;
    let (node, address) = (text(&pod["spec"]["nodeName"]), text(&pod["status"]["podIP"]));
    let url = format!("https://{address}:8443/metrics");
    let metrics = cluster.bed.run(&node, &["curl", "-skf", "-m5", "-H", &header, &url])?.stdout;
    let sum = |name: &str| -> f64 {
        let values = metrics.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
        values.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter")]
    let count = sum("metallb_operator_reconcile_seconds_count") as u64;
    Ok(Looks { count, seconds: sum("metallb_operator_reconcile_seconds_sum") })
}

fn resident(cluster: &Cluster) -> Result<u64> {
    let processes = cluster.bed.container_processes(NAMESPACE, &operator_pod(cluster)?, "manager")?;
    let process = processes.first().context("the operator has no process")?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// How many requests the API server has let through for this flow.
fn dispatched(cluster: &Cluster, flow: &str) -> Result<u64> {
    let metrics = cluster.kubectl(&["get", "--raw", "/metrics"])?;
    let is_ours = |line: &&str| {
        line.starts_with("apiserver_flowcontrol_dispatched_requests_total{")
            && line.contains(&format!("flow_schema=\"{flow}\""))
    };
    let counts =
        metrics.lines().filter(is_ours).filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    Ok(counts.sum())
}

/// Has the API server count the operator's requests by kind, without audit logs: the flow of each is named.
fn counters() -> String {
    let flow = |name: &str, precedence: u32, verbs: &str, groups: &str, resources: &str| {
        format!(
            "apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata: {{name: operator-{name}}}
spec:
  matchingPrecedence: {precedence}
  priorityLevelConfiguration: {{name: workload-low}}
  rules:
  - subjects: [{{kind: ServiceAccount, serviceAccount: {{name: manager-account, namespace: {NAMESPACE}}}}}]
    resourceRules:
    - {{apiGroups: [\"{groups}\"], resources: [\"{resources}\"], verbs: [{verbs}], clusterScope: true, namespaces: [\"*\"]}}
---
"
        )
    };
    [
        flow("leases", 100, "\"*\"", "coordination.k8s.io", "leases"),
        // Whoever reads its metrics is asked who he is and what he may.
        flow("reviews", 150, "create", "authentication.k8s.io\", \"authorization.k8s.io", "*"),
        flow("reads", 200, "get, list", "*", "*"),
        flow("watches", 201, "watch", "*", "*"),
        flow("writes", 202, "create, update, patch, delete, deletecollection", "*", "*"),
    ]
    .concat()
}

fn deleted(cluster: &Cluster) -> Result<()> {
    cluster.apply(&Service::named("before").yaml())?;
    let address = cluster.wait_address("before")?;
    lan::fetch(&cluster.bed, address)?;
    let pods = operands(cluster)?;
    cluster.kubectl(&["delete", "deployment", OPERATOR, "-n", NAMESPACE])?;
    wait::throughout("an answer from the Service", Duration::from_secs(10), || {
        let fetched = lan::fetch_once(&cluster.bed, address);
        Ok(seen(fetched.is_ok(), format!("{:?}", fetched.err())))
    })?;
    cluster.apply(&Service::named("meanwhile").yaml())?;
    let address = cluster.wait_address("meanwhile")?;
    lan::fetch(&cluster.bed, address)?;
    cluster.install()?;
    cluster.wait_deployment(OPERATOR)?;
    cluster.wait_available()?;
    ensure!(operands(cluster)? == pods, "the return of the operator replaced pods");
    Ok(())
}

/// The uids of the pods that do the work.
fn operands(cluster: &Cluster) -> Result<Vec<String>> {
    let pods = cluster.get(&["pods", "-n", NAMESPACE, "-l", "app=metallb"])?;
    let uid = |pod: &Value| text(&pod["metadata"]["uid"]);
    Ok(items(&pods).iter().map(uid).collect())
}

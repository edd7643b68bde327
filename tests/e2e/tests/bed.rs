//! The test bed itself: usable, faulty on request, and gone without a trace.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed: a missing field is null, never a panic"
)]

use std::collections::BTreeSet;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::{Arc, Once, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use metallb_e2e::cluster::repository;
use metallb_testbed::wait::{self, seen};
use metallb_testbed::{Bed, Daemon, Options, Process, Signal, State};
use serde_json::Value;

/// What the project promises.
const USABLE_WITHIN: Duration = Duration::from_secs(15);
const GONE_WITHIN: Duration = Duration::from_secs(5);
/// Ample for a node to be noticed, and for pods to start, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// With this first argument the program is a victim: it brings a bed up and is killed meanwhile.
const VICTIM: &str = "bring-up";

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: web
        image: testbed.local/web:1
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  ipFamilyPolicy: RequireDualStack
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    if let (Some(VICTIM), Some(name)) = (words.next().as_deref(), words.next()) {
        return match Bed::up(options(&name)) {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                report(&format!("bed {name}: {error:#}"));
                ExitCode::FAILURE
            }
        };
    }
    let mut arguments = Arguments::from_args();
    // What a bed leaves can only be told while no other comes or goes.
    arguments.test_threads = Some(1);
    let listing = arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials());
    if !listing && let Err(error) = finish() {
        report(&format!("taking the beds down failed: {error:#}"));
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// Every bed of this file.
const BEDS: [&str; 7] = ["bed-alone", "bed-one", "bed-two", "bed-crash", "bed-victim", "bed-twice", FAULTY];

/// The beds of this file that are up.
fn beds() -> impl Iterator<Item = Bed> {
    BEDS.iter().filter_map(|name| Bed::attach(options(name)).ok())
}

/// After a failure: what the beds can tell, before anything changes it.
fn collect() {
    for bed in beds() {
        let folder = repository().join("artifacts/failures/bed").join(bed.name());
        match bed.collect(&folder) {
            Ok(()) => report(&format!("logs, events and objects are in {}", folder.display())),
            Err(error) => report(&format!("collecting from bed {} failed: {error:#}", bed.name())),
        }
    }
}

/// Takes down what the tests left, unless it is to be looked at: then it says what is left.
fn finish() -> Result<()> {
    let keep = std::env::var_os("METALLB_KEEP_BED").is_some();
    for bed in beds() {
        if keep {
            report(&format!("bed {0} is kept: `testbed --name {0} down` ends it", bed.name()));
        } else {
            bed.down()?;
        }
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a test harness talks to whoever runs it")]
fn report(line: &str) {
    eprintln!("{line}");
}

/// A sentence and what proves it, on beds of its own.
type Alone = (&'static str, fn() -> Result<()>);
/// The same, on the bed that suffers the faults.
type Faulty = (&'static str, fn(&Bed) -> Result<()>);

fn trials() -> Vec<Trial> {
    let alone: [Alone; 5] = [
        ("a bed is usable in time and leaves nothing", usable_in_time_and_gone),
        ("two beds run side by side", two_beds),
        ("commands on one bed wait for each other", one_bed_at_once),
        ("a bed comes up again after its switch was killed", crash_of_the_switch),
        ("a bed comes up again after bringing it up was killed half way", crash_of_bringing_up),
    ];
    let on_one_bed: [Faulty; 10] = [
        ("pods answer at a Service's addresses of both families", services),
        ("a spawned command ends when it is dropped", spawned_command),
        ("a test can open sockets in a machine's network", socket_in_machine),
        ("a frozen node is noticed and comes back", frozen_node),
        ("an unplugged node is noticed and comes back", unplugged_node),
        ("a node cut from the API reaches all else", node_cut_from_api),
        ("a node without power comes back with its pods", power_cut),
        ("the API server comes back with its data", api_server_stopped),
        ("a killed container is started again", container_killed),
        ("what is collected tells what ran", collected),
    ];
    let bed: Arc<OnceLock<Bed>> = Arc::default();
    let shared = on_one_bed.into_iter().map(|(sentence, body)| {
        let bed = bed.clone();
        Trial::test(sentence, move || checked(|| on_shared(&bed, body)))
    });
    let alone = alone.into_iter().map(|(sentence, body)| Trial::test(sentence, move || checked(body)));
    alone.chain(shared).collect()
}

fn checked(body: impl FnOnce() -> Result<()>) -> Result<(), Failed> {
    body().inspect_err(|_| collect()).map_err(|error| format!("{error:#}").into())
}

/// The bed that suffers the faults.
const FAULTY: &str = "bed-faults";

fn on_shared(shared: &OnceLock<Bed>, body: fn(&Bed) -> Result<()>) -> Result<()> {
    let bed = match shared.get() {
        Some(bed) => bed,
        None => {
            let bed = Bed::up(options(FAULTY))?;
            bed.apply(WEB)?;
            shared.get_or_init(|| bed)
        }
    };
    wait_web(bed)?;
    body(bed)
}

fn options(name: &str) -> Options {
    Options { quiet: true, ..Options::named(name) }
}

/// What a bed could leave on the host, apart from processes.
#[derive(Debug, PartialEq)]
struct Host {
    links: BTreeSet<String>,
    mounts: String,
    /// What programs of the cluster would leave in the host's folder for temporary files.
    temporaries: BTreeSet<String>,
    /// Control groups of the beds of this file.
    control_groups: BTreeSet<String>,
    shared: Shared,
}

/// What all beds on the host change together.
#[derive(Debug)]
struct Shared {
    settings: Vec<String>,
    mount_points: Vec<bool>,
    /// The control groups of beds that are not of this file.
    others: BTreeSet<String>,
}

impl PartialEq for Shared {
    /// Somebody else's bed keeps the host changed: then it can't be told what ours left.
    fn eq(&self, other: &Shared) -> bool {
        let same = self.settings == other.settings && self.mount_points == other.mount_points;
        let held = self.is_held_by_others() || other.is_held_by_others();
        same || held
    }
}

impl Shared {
    fn is_held_by_others(&self) -> bool {
        static SAID: Once = Once::new();
        if !self.others.is_empty() {
            SAID.call_once(|| {
                report(&format!(
                    "NOT CHECKED: whether kernel settings and mount points are restored, while {:?} run",
                    self.others
                ));
            });
        }
        !self.others.is_empty()
    }
}

const SETTINGS: [&str; 4] =
    ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "fs/inotify/max_user_instances"];
const MOUNT_POINTS: [&str; 6] =
    ["/var/lib/kubelet", "/var/lib/cni", "/etc/cni", "/etc/kubernetes", "/etc/frr", "/etc/bird"];

impl Host {
    fn now() -> Result<Host> {
        let (control_groups, others): (_, BTreeSet<_>) =
            bed_groups()?.into_iter().partition(|name| name.starts_with("metallb-testbed-bed-"));
        let setting = |name| fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default();
        Ok(Host {
            links: names("/sys/class/net")?,
            mounts: fs::read_to_string("/proc/self/mounts")?,
            temporaries: names("/tmp")?.into_iter().filter(|name| is_of_cluster(name)).collect(),
            control_groups,
            shared: Shared {
                settings: SETTINGS.map(setting).to_vec(),
                mount_points: MOUNT_POINTS.map(|path| Path::new(path).exists()).to_vec(),
                others,
            },
        })
    }
}

fn is_of_cluster(name: &str) -> bool {
    ["kubelet", "containerd", "ctd-", "runc", "etcd"].iter().any(|program| name.starts_with(program))
}

/// The control groups of all beds: on v1 below each controller's tree, on v2 right below the root.
fn bed_groups() -> Result<BTreeSet<String>> {
    let root = Path::new("/sys/fs/cgroup");
    let top = names(root)?;
    let below = top.iter().flat_map(|name| names(root.join(name)).unwrap_or_default());
    Ok(below.chain(top.clone()).filter(|name| name.starts_with("metallb-testbed-")).collect())
}

fn names(folder: impl AsRef<Path>) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder)?;
    Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// Takes a bed down and checks that it left nothing.
fn down_without_trace(bed: &Bed, before: &Host) -> Result<()> {
    let processes = bed.processes();
    ensure!(processes.len() > 10, "only {} processes", processes.len());
    let start = Instant::now();
    bed.down()?;
    // The kernel takes a process out of its control group a moment before it is gone.
    let still = GONE_WITHIN.saturating_sub(start.elapsed());
    wait::until("end of all processes", still, || {
        let alive: Vec<&Process> = processes.iter().filter(|process| process.is_alive()).collect();
        Ok(seen(alive.is_empty(), format!("{alive:?}")))
    })?;
    let after = Host::now()?;
    ensure!(after == *before, "before: {before:?}\nafter: {after:?}");
    ensure!(!bed.state().exists(), "{} is left", bed.state().display());
    Ok(())
}

fn usable_in_time_and_gone() -> Result<()> {
    let options = options("bed-alone");
    metallb_testbed::build(&options)?;
    metallb_testbed::down(&options)?;
    let before = Host::now()?;
    let start = Instant::now();
    let bed = Bed::up(options.clone())?;
    let took = start.elapsed();
    ensure!(took < USABLE_WITHIN, "up took {took:?}");
    ensure!(Bed::up(options.clone())?.status() == bed.status(), "a second up changed what runs");
    bed.apply(WEB)?;
    wait_web(&bed)?;
    down_without_trace(&bed, &before)?;
    metallb_testbed::down(&options).context("a second down")?;
    Bed::attach(options).err().context("attached to a bed that is gone").map(drop)
}

fn two_beds() -> Result<()> {
    let before = Host::now()?;
    let (one, two) = (Bed::up(options("bed-one").with_nodes(1))?, Bed::up(options("bed-two").with_nodes(1))?);
    one.apply(WEB)?;
    let missing = two.get_json(&["deployments", "--all-namespaces"])?;
    ensure!(missing["items"].as_array().is_some_and(Vec::is_empty), "the beds share objects: {missing}");
    one.down()?;
    wait_node(&two, "n1", true)?;
    // The kernel settings stay as long as a bed needs them.
    let now = Host::now()?.shared;
    ensure!(now.is_held_by_others() || now != before.shared, "restored too soon: {now:?}");
    down_without_trace(&two, &before)
}

/// Brings a bed up in a process of its own.
fn bring_up(name: &str) -> Result<Child> {
    Ok(Command::new(std::env::current_exe()?).args([VICTIM, name]).spawn()?)
}

fn one_bed_at_once() -> Result<()> {
    let before = Host::now()?;
    let options = options("bed-twice");
    let (mut one, mut two) = (bring_up("bed-twice")?, bring_up("bed-twice")?);
    let ended = [one.wait()?, two.wait()?];
    ensure!(ended.iter().all(ExitStatus::success), "two at once ended with {ended:?}");
    let bed = Bed::attach(options.clone())?;
    let lost: Vec<_> =
        bed.status().into_iter().filter(|part| !matches!(part.state, State::Runs(_))).collect();
    ensure!(lost.is_empty(), "{lost:?}");
    let names = bed.processes().into_iter().filter_map(|process| daemon_name(process.pid));
    let servers = names.filter(|name| name == "kube-apiserver").count();
    ensure!(servers == 1, "{servers} API servers");
    down_without_trace(&bed, &before)?;

    let mut one = bring_up("bed-twice")?;
    wait::until("machines", SOON, || Ok(seen(bed.state().join("machines/n1").exists(), "not there yet")))?;
    metallb_testbed::down(&options)?;
    let ended = one.wait()?;
    ensure!(ended.success(), "taken down before it was up: {ended:?}");
    ensure!(Host::now()? == before, "it left {:?} instead of {before:?}", Host::now()?);
    Ok(())
}

/// What a process of the cluster runs as: all daemons are one program, the first argument chooses.
fn daemon_name(pid: i32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    line.split(|byte| *byte == 0).nth(1).map(|name| String::from_utf8_lossy(name).into_owned())
}

fn crash_of_the_switch() -> Result<()> {
    let before = Host::now()?;
    let bed = Bed::up(options("bed-crash"))?;
    bed.freeze_node("n3")?;
    let parts = bed.status();
    let pid = parts.iter().find_map(|part| match part.state {
        State::Runs(pid) if part.machine == "switch" => Some(pid),
        State::Runs(_) | State::Frozen | State::Gone => None,
    });
    let switch = pid.and_then(Process::of).context("no switch")?;
    switch.signal(Signal::SIGKILL)?;
    let again = Bed::up(options("bed-crash"))?;
    wait_node(&again, "n3", true)?;
    again.freeze_node("n2")?;
    down_without_trace(&again, &before)
}

fn crash_of_bringing_up() -> Result<()> {
    let before = Host::now()?;
    let folder = options("bed-victim").state.join("machines");
    for stage in ["switch", "n3/init.stat", "n1/root/var/log/testbed/kubelet.log"] {
        let mut victim = bring_up("bed-victim")?;
        wait::until(stage, SOON, || Ok(seen(folder.join(stage).exists(), "not there yet")))?;
        victim.kill()?;
        victim.wait()?;
        metallb_testbed::down(&options("bed-victim"))?;
        ensure!(
            Host::now()? == before,
            "killed at {stage}, it left {:?} instead of {before:?}",
            Host::now()?
        );
    }
    Ok(())
}

fn services(bed: &Bed) -> Result<()> {
    let service = bed.get_json(&["service", "web"])?;
    let addresses = service["spec"]["clusterIPs"].as_array().context("no addresses")?;
    ensure!(addresses.len() == 2, "{addresses:?}");
    for address in addresses.iter().filter_map(Value::as_str) {
        let url =
            if address.contains(':') { format!("http://[{address}]/") } else { format!("http://{address}/") };
        for node in bed.node_names() {
            wait::until(&format!("answer at {url} on {node}"), SOON, || {
                let answer = bed.run(&node, &["curl", "--silent", "--max-time", "2", &url])?.stdout;
                Ok(seen(answer.starts_with("web-"), answer))
            })?;
        }
    }
    Ok(())
}

fn spawned_command(bed: &Bed) -> Result<()> {
    let mut running = bed.spawn("client", &["ping", "-i", "0.2", &bed.v4("n1")?.to_string()])?;
    running.wait_for("icmp_seq=2", SOON)?;
    let with_it = bed.run("client", &["pgrep", "-x", "ping"])?.stdout;
    ensure!(!with_it.trim().is_empty(), "no ping runs");
    drop(running);
    wait::until("end of ping", SOON, || {
        let output = bed.try_run("client", &["pgrep", "-x", "ping"])?;
        Ok(seen(!output.status.success(), output.stdout))
    })
}

fn socket_in_machine(bed: &Bed) -> Result<()> {
    let address = (bed.v4("client")?, 0);
    let socket = bed.in_network_of("client", || Ok(UdpSocket::bind(address)?))?;
    ensure!(UdpSocket::bind(address).is_err(), "the host has the client's address");
    socket.send_to(b"hello", (bed.v4("n1")?, 9))?;
    let neighbours = || Ok(bed.run("client", &["ip", "neighbour"])?.stdout);
    let mac = bed.mac("n1")?;
    wait::until("n1 among the client's neighbours", SOON, || {
        neighbours().map(|all: String| seen(all.contains(&mac), all))
    })
}

fn frozen_node(bed: &Bed) -> Result<()> {
    bed.freeze_node("n3")?;
    wait_node(bed, "n3", false)?;
    let refused = bed.run("n3", &["true"]).err().context("a frozen machine ran a command")?;
    ensure!(refused.to_string().contains("thaw"), "{refused}");
    bed.thaw_node("n3")?;
    wait_node(bed, "n3", true)
}

fn unplugged_node(bed: &Bed) -> Result<()> {
    bed.unplug("n2")?;
    ensure!(!reaches(bed, "n2", "client")?, "an unplugged node reaches the client");
    wait_node(bed, "n2", false)?;
    bed.plug("n2")?;
    wait_node(bed, "n2", true)
}

fn node_cut_from_api(bed: &Bed) -> Result<()> {
    bed.cut_api("n1")?;
    wait_node(bed, "n1", false)?;
    ensure!(reaches(bed, "n1", "n2")? && reaches(bed, "n1", "cp")?, "more than the API is cut");
    bed.restore_api("n1")?;
    wait_node(bed, "n1", true)
}

fn power_cut(bed: &Bed) -> Result<()> {
    bed.power_off("n3")?;
    wait_node(bed, "n3", false)?;
    bed.power_on("n3")?;
    wait_node(bed, "n3", true)?;
    wait_web(bed)
}

fn api_server_stopped(bed: &Bed) -> Result<()> {
    bed.stop_api()?;
    ensure!(bed.api_get("/readyz").is_err(), "the API server still answers");
    bed.start_api_again()?;
    bed.kubectl(&["get", "service", "web"])?;
    bed.kill("n1", Daemon::Kubelet)?;
    wait_node(bed, "n1", false)?;
    bed.heal()
}

fn container_killed(bed: &Bed) -> Result<()> {
    let pods = bed.get_json(&["pods", "--selector=app=web"])?;
    let pod = pods["items"][0]["metadata"]["name"].as_str().context("no pod")?;
    let restarts = || -> Result<u64> {
        let pod = bed.get_json(&["pod", pod])?;
        Ok(pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or_default())
    };
    let before = restarts()?;
    bed.signal_container("default", pod, "web", Signal::SIGKILL)?;
    wait::until("restart", SOON, || Ok(seen(restarts()? > before, format!("{before} restarts"))))
}

fn collected(bed: &Bed) -> Result<()> {
    let folder = bed.state().join("collected");
    bed.collect(&folder)?;
    let objects = fs::read_to_string(folder.join("objects.yaml"))?;
    ensure!(objects.contains("testbed.local/web:1"), "the pods are missing in {} bytes", objects.len());
    ensure!(fs::read_to_string(folder.join("n1/addresses"))?.contains("172.30.0.11"), "no addresses");
    ensure!(folder.join("cp/daemons/kube-apiserver.log").exists(), "no log of the API server");
    for (node, pod) in web_pods(bed)? {
        let logs = names(folder.join(&node).join("pods"))?;
        ensure!(logs.iter().any(|log| log.contains(&pod)), "no logs of {pod} on {node}: {logs:?}");
    }
    let errors = fs::read_to_string(folder.join("errors"))?;
    ensure!(errors.is_empty(), "{errors}");
    Ok(())
}

/// Where the scheduler put each replica; two of them leave one node without.
fn web_pods(bed: &Bed) -> Result<Vec<(String, String)>> {
    let pods = bed.get_json(&["pods", "--selector=app=web"])?;
    let pods = pods["items"].as_array().context("no list of pods")?;
    ensure!(pods.len() >= 2, "{} pods", pods.len());
    let place = |pod: &Value| {
        let (node, name) = (pod["spec"]["nodeName"].as_str()?, pod["metadata"]["name"].as_str()?);
        Some((node.to_owned(), name.to_owned()))
    };
    pods.iter().map(|pod| place(pod).context("a pod without a node")).collect()
}

fn reaches(bed: &Bed, from: &str, to: &str) -> Result<bool> {
    let address = bed.v4(to)?.to_string();
    Ok(bed.try_run(from, &["ping", "-c", "1", "-W", "1", &address])?.status.success())
}

fn wait_node(bed: &Bed, node: &str, ready: bool) -> Result<()> {
    let what = if ready { "ready" } else { "no longer ready" };
    wait::until(&format!("{node} {what}"), SOON, || {
        let node = bed.get_json(&["node", node])?;
        let conditions = node["status"]["conditions"].as_array().context("no conditions")?;
        let is_ready = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
        Ok(seen(is_ready == ready, &node["status"]["conditions"]))
    })
}

fn wait_web(bed: &Bed) -> Result<()> {
    wait::until("web pods ready", SOON, || {
        let web = bed.get_json(&["deployment", "web"])?;
        Ok(seen(web["status"]["readyReplicas"] == 2, &web["status"]))
    })
}

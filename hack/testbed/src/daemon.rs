//! The daemons of the cluster: where each runs, how it is started, and how it is found again.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use crate::address::{
    API_PORT, POD_NETWORK_V4, POD_NETWORK_V6, Place, SERVICE_NETWORK_V4, SERVICE_NETWORK_V6,
};
use crate::command::{self, Input};
use crate::config::FOLDER;
use crate::machine::Machine;
use crate::pki::{ADMIN, API_SERVER, Pki, SCHEDULER};
use crate::process::{Process, Stat, innermost_pid};
use crate::wait::{self, Seen};

/// A daemon of the control plane or of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Kubernetes' own")]
pub enum Daemon {
    Etcd,
    ApiServer,
    ControllerManager,
    Scheduler,
    Containerd,
    Kubelet,
    KubeProxy,
}

const ALL: [Daemon; 7] = [
    Daemon::Etcd,
    Daemon::ApiServer,
    Daemon::ControllerManager,
    Daemon::Scheduler,
    Daemon::Containerd,
    Daemon::Kubelet,
    Daemon::KubeProxy,
];

/// How long a daemon may take to appear, or to go when killed.
const DEADLINE: Duration = Duration::from_secs(10);

/// Writes down who it is and becomes the daemon. Its name for the outside is a line of `/proc/PID/stat`.
const START: &str = r#"name=$1; shift
read -r stat </proc/self/stat
echo "$stat" >"/run/testbed/$name.new" && mv "/run/testbed/$name.new" "/run/testbed/$name.stat"
exec "$@" >>"/var/log/testbed/$name.log" 2>&1 </dev/null"#;

impl Daemon {
    /// The daemons a place runs, in the order in which they start.
    pub fn of(place: Place) -> &'static [Daemon] {
        match place {
            Place::ControlPlane => {
                &[Daemon::Etcd, Daemon::ApiServer, Daemon::ControllerManager, Daemon::Scheduler]
            }
            Place::Node(_) => &[Daemon::Containerd, Daemon::Kubelet, Daemon::KubeProxy],
            Place::Client | Place::Router => &[],
        }
    }

    /// Whether the API can't be without it.
    pub(crate) fn is_of_the_api(self) -> bool {
        matches!(self, Daemon::Etcd | Daemon::ApiServer)
    }

    fn name(self) -> &'static str {
        match self {
            Daemon::Etcd => "etcd",
            Daemon::ApiServer => "kube-apiserver",
            Daemon::ControllerManager => "kube-controller-manager",
            Daemon::Scheduler => "kube-scheduler",
            Daemon::Containerd => "containerd",
            Daemon::Kubelet => "kubelet",
            Daemon::KubeProxy => "kube-proxy",
        }
    }

    /// Its log, as the machine sees it.
    pub fn log(self) -> String {
        format!("/var/log/testbed/{self}.log")
    }

    /// The command line, with `more` flags at its end. `kube` is the multi-call executable.
    fn command_line(self, place: Place, (kube, pki): (&Path, &Pki), more: &[String]) -> Vec<String> {
        let program = match self {
            Daemon::Containerd => vec!["containerd".to_owned()],
            Daemon::Etcd
            | Daemon::ApiServer
            | Daemon::ControllerManager
            | Daemon::Scheduler
            | Daemon::Kubelet
            | Daemon::KubeProxy => vec![text(kube), self.name().to_owned()],
        };
        let flags = match self {
            Daemon::Etcd => etcd(),
            Daemon::ApiServer => api_server(pki),
            Daemon::ControllerManager => controller_manager(pki),
            Daemon::Scheduler => scheduler(pki),
            Daemon::Containerd => vec![flag("config", format!("{FOLDER}/containerd.toml"))],
            Daemon::Kubelet => kubelet(place, pki),
            Daemon::KubeProxy => vec![flag("config", format!("{FOLDER}/kube-proxy.json")), flag("v", 1)],
        };
        program.into_iter().chain(flags).chain(more.iter().cloned()).collect()
    }

    /// Starts it, with `more` flags, and returns when it has a process. Nothing supervises it: once ended, it stays away.
    pub(crate) fn start(
        self,
        machine: &Machine,
        place: Place,
        of_bed: (&Path, &Pki),
        more: &[String],
    ) -> Result<()> {
        if !Daemon::of(place).contains(&self) {
            bail!("{self} does not run on {place}");
        }
        if self.process(machine).is_some() {
            return Ok(());
        }
        let stat = self.stat_file(machine)?;
        if stat.exists() {
            fs::remove_file(&stat)?;
        }
        let mut command = match self {
            // All nodes make their packet filters anew and start pods at once: elsewhere that takes no time of any other node's,
            // and seldom all that the own one has.
            Daemon::Containerd | Daemon::Kubelet | Daemon::KubeProxy => machine.enter_background()?,
            _ => machine.enter_detached()?,
        };
        command.args(["setsid", "--fork", "sh", "-c", START, "sh", self.name()]);
        command.args(self.command_line(place, of_bed, more));
        command.stdout(Stdio::null());
        let what = format!("start of {self} on {place}");
        command::finish(&what, command, Input::Nothing, DEADLINE)?.success(&what)?;
        wait::until_soon(&what, DEADLINE, || Ok(wait::seen(stat.exists(), "no process yet")))
    }

    fn stat_file(self, machine: &Machine) -> Result<std::path::PathBuf> {
        machine.path(&format!("{FOLDER}/{self}.stat"))
    }

    /// Its process, if it runs. The machine knows it by another pid than we do; the start time is the same.
    pub(crate) fn process(self, machine: &Machine) -> Option<Process> {
        let inside = Stat::parse(&fs::read_to_string(self.stat_file(machine).ok()?).ok()?)?.process;
        machine.group.processes().into_iter().find(|process| {
            process.started == inside.started
                && innermost_pid(process.pid) == Some(inside.pid)
                && process.is_alive()
        })
    }

    /// Its process, or an error that shows how it ended.
    pub(crate) fn running(self, machine: &Machine) -> Result<Process> {
        self.process(machine).with_context(|| {
            format!("{self} on {} is not running; {}", machine.name, self.last_words(machine))
        })
    }

    /// Kills it and returns when it is gone.
    pub(crate) fn kill(self, machine: &Machine) -> Result<()> {
        let Some(process) = self.process(machine) else { return Ok(()) };
        process.signal(Signal::SIGKILL)?;
        wait::until_soon(&format!("end of {self}"), DEADLINE, || {
            Ok(if process.is_alive() { Seen::NotYet("still alive".into()) } else { Seen::Done(()) })
        })
    }

    /// The end of its log.
    pub(crate) fn last_words(self, machine: &Machine) -> String {
        let file = machine.kept(&self.log());
        let log = fs::read_to_string(&file).unwrap_or_default();
        let last: Vec<_> = log.lines().rev().take(3).collect();
        let last: Vec<_> = last.into_iter().rev().collect();
        format!("the end of {}:\n{}", file.display(), last.join("\n"))
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Daemon {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Daemon> {
        let known = || ALL.map(Daemon::name).join(", ");
        ALL.into_iter()
            .find(|daemon| daemon.name() == name)
            .with_context(|| format!("no daemon is called {name:?}: use one of {}", known()))
    }
}

fn flag(name: &str, value: impl fmt::Display) -> String {
    format!("--{name}={value}")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// On the machine's memory, and for it alone: the cluster does not outlive the bed.
fn etcd() -> Vec<String> {
    let (client, peer) = ("http://127.0.0.1:2379", "http://127.0.0.1:2380");
    vec![
        flag("data-dir", "/run/etcd"),
        "--unsafe-no-fsync".to_owned(),
        flag("log-level", "warn"),
        flag("listen-client-urls", client),
        flag("advertise-client-urls", client),
        flag("listen-peer-urls", peer),
        flag("initial-advertise-peer-urls", peer),
        flag("initial-cluster", format!("default={peer}")),
    ]
}

/// `enable-aggregator-routing`: `cp` has no kube-proxy, so webhooks are called at their pods' addresses.
fn api_server(pki: &Pki) -> Vec<String> {
    vec![
        flag("etcd-servers", "http://127.0.0.1:2379"),
        flag("advertise-address", Place::ControlPlane.v4()),
        flag("secure-port", API_PORT),
        flag("client-ca-file", text(&pki.ca())),
        flag("tls-cert-file", text(&pki.certificate(API_SERVER))),
        flag("tls-private-key-file", text(&pki.key(API_SERVER))),
        flag("kubelet-client-certificate", text(&pki.certificate(ADMIN))),
        flag("kubelet-client-key", text(&pki.key(ADMIN))),
        flag("kubelet-preferred-address-types", "InternalIP"),
        flag("service-account-issuer", "https://kubernetes.default.svc"),
        flag("service-account-key-file", text(&pki.service_account_public_key())),
        flag("service-account-signing-key-file", text(&pki.service_account_key())),
        flag("service-cluster-ip-range", format!("{SERVICE_NETWORK_V4},{SERVICE_NETWORK_V6}")),
        flag("authorization-mode", "Node,RBAC"),
        // The second as on OpenShift: who gives an object an owner must be allowed to delete it.
        flag("enable-admission-plugins", "NodeRestriction,OwnerReferencesPermissionEnforcement"),
        flag("allow-privileged", true),
        flag("enable-aggregator-routing", true),
        flag("profiling", false),
        flag("v", 1),
    ]
}

/// As admin: credentials for each of its parts would cost seconds until the first service account exists.
fn controller_manager(pki: &Pki) -> Vec<String> {
    let mut flags = as_user(pki, ADMIN);
    flags.extend([
        flag("kube-api-qps", 200),
        flag("kube-api-burst", 400),
        flag("service-account-private-key-file", text(&pki.service_account_key())),
        flag("root-ca-file", text(&pki.ca())),
        flag("cluster-cidr", format!("{POD_NETWORK_V4},{POD_NETWORK_V6}")),
        flag("allocate-node-cidrs", false),
        flag("leader-elect", false),
        flag("node-monitor-period", "1s"),
        flag("node-monitor-grace-period", "4s"),
        flag("v", 1),
    ]);
    flags
}

fn scheduler(pki: &Pki) -> Vec<String> {
    let mut flags = as_user(pki, SCHEDULER);
    flags.extend([flag("leader-elect", false), flag("v", 1)]);
    flags
}

fn as_user(pki: &Pki, user: &str) -> Vec<String> {
    let conf = text(&pki.kubeconfig(user));
    ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"]
        .map(|name| flag(name, &conf))
        .to_vec()
}

fn kubelet(node: Place, pki: &Pki) -> Vec<String> {
    vec![
        flag("config", format!("{FOLDER}/kubelet.json")),
        flag("kubeconfig", text(&pki.kubeconfig(&node.to_string()))),
        flag("hostname-override", node),
        flag("node-ip", format!("{},{}", node.v4(), node.v6())),
        flag("v", 1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(daemon: Daemon, place: Place) -> String {
        let pki = Pki::in_folder("/pki".into());
        daemon.command_line(place, (Path::new("/cache/kube"), &pki), &["--more".to_owned()]).join(" ")
    }

    #[test]
    fn more_flags_come_last() {
        let line = line(Daemon::ApiServer, Place::ControlPlane);
        assert!(line.ends_with(" --v=1 --more"), "{line}");
    }

    #[test]
    fn names_are_read_back() {
        for daemon in ALL {
            assert_eq!(daemon.to_string().parse::<Daemon>().unwrap(), daemon);
        }
        let error = "docker".parse::<Daemon>().unwrap_err().to_string();
        assert!(error.contains("kube-proxy"), "{error}");
    }

    #[test]
    fn the_multi_call_executable_gets_the_name_first() {
        assert!(line(Daemon::Etcd, Place::ControlPlane).starts_with("/cache/kube etcd --data-dir="));
        assert!(line(Daemon::Containerd, Place::Node(1)).starts_with("containerd --config="));
    }

    #[test]
    fn a_kubelet_is_its_own_user_with_both_addresses() {
        let line = line(Daemon::Kubelet, Place::Node(3));
        assert!(line.contains("--kubeconfig=/pki/n3.conf"), "{line}");
        assert!(line.contains("--node-ip=172.30.0.13,fd00:30::13"), "{line}");
    }

    #[test]
    fn each_daemon_runs_somewhere() {
        for daemon in ALL {
            let places = Place::all(1).into_iter().filter(|place| Daemon::of(*place).contains(&daemon));
            assert_eq!(places.count(), 1, "{daemon}");
        }
    }
}

//! Checks before a bed starts: each missing thing is one line that says what to install or grant.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use crate::build;
use crate::cgroup::Tree;
use crate::command::{self, Input, PATH};
use crate::images::BUSYBOX;
use crate::machine::PRIVATE_FOLDERS;
use crate::options::Options;

/// Programs the bed or its tests call, and the Debian package of each.
const TOOLS: [(&str, &str); 22] = [
    ("arping", "iputils-arping"),
    ("busybox", "busybox-static"),
    ("conntrack", "conntrack"),
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("curl", "curl"),
    ("ethtool", "ethtool"),
    ("gcc", "gcc"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("mount", "util-linux"),
    ("ndisc6", "ndisc6"),
    ("nft", "nftables"),
    ("nsenter", "util-linux"),
    ("pgrep", "procps"),
    ("ping", "iputils-ping"),
    ("runc", "runc"),
    ("setpriv", "util-linux"),
    ("setsid", "util-linux"),
    ("tcpdump", "tcpdump"),
    ("unshare", "util-linux"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
];

/// Rights of root that container engines take away by default: bit and name.
const CAPABILITIES: [(u32, &str); 8] = [
    (1, "DAC_OVERRIDE"),
    (5, "KILL"),
    (12, "NET_ADMIN"),
    (13, "NET_RAW"),
    (18, "SYS_CHROOT"),
    (19, "SYS_PTRACE"),
    (21, "SYS_ADMIN"),
    (27, "MKNOD"),
];

/// What the kernel must be able to do, tried in namespaces of its own.
struct Trial {
    script: &'static str,
    /// Loaded if the trial fails, and only then: a module such as `br_netfilter` changes the host.
    module: Option<&'static str>,
    /// What it means if the trial fails then, too.
    failure: &'static str,
}

const TRIALS: [Trial; 7] = [
    Trial {
        script: "true",
        module: None,
        failure: "namespaces: this process may not make them; run outside of a container or in a privileged one",
    },
    Trial {
        script: "ip link add veth0 type veth peer name veth1",
        module: Some("veth"),
        failure: "network: the kernel has no veth; load the module veth",
    },
    Trial {
        script: "ip link add br0 type bridge",
        module: Some("bridge"),
        failure: "network: the kernel has no bridge; load the module bridge",
    },
    Trial {
        script: "test -e /proc/sys/net/bridge",
        module: Some("br_netfilter"),
        failure: "network: no bridge filter; load the module br_netfilter",
    },
    Trial {
        script: "test -e /proc/net/if_inet6",
        module: None,
        failure: "network: the kernel has IPv6 switched off; switch it on",
    },
    Trial {
        script: "nft add table bridge a",
        module: Some("nf_tables"),
        failure: "network: the kernel has no nftables for bridges; use one with NF_TABLES_BRIDGE",
    },
    Trial {
        script: "nft -f - <<X\ntable inet a {\nchain c {\ntype nat hook postrouting priority 0\nmasquerade\n}\n}\nX",
        module: Some("nft_masq"),
        failure: "network: the kernel has no nftables masquerading; load the module nft_masq",
    },
];

const DEADLINE: Duration = Duration::from_secs(10);

const NEEDS_ROOT: &str = "root is needed: run the same command with sudo";

/// For whoever is about to touch a bed: without root, nothing about it can even be seen truly.
pub(crate) fn need_root() -> Result<()> {
    if !geteuid().is_root() {
        bail!(NEEDS_ROOT);
    }
    Ok(())
}

/// Fails with all that is missing, a line each. Leaves nothing but modules it had to load.
pub(crate) fn check(options: &Options) -> Result<Tree> {
    let tree = Tree::of_host().and_then(|tree| tree.check().map(|()| tree));
    let mut missing = missing_rights()?;
    missing.extend(missing_tools());
    missing.extend(build::missing_go(&options.cache));
    missing.extend(hidden_folders(options));
    missing.extend(tree.as_ref().err().map(|error| format!("{error:#}")));
    // Trials need the tools, so they wait until those are there.
    if missing.is_empty() {
        missing.extend(TRIALS.iter().filter_map(failure));
        missing.extend(overlay_failure(options));
    }
    if !missing.is_empty() {
        bail!("the test bed can't start here:\n{}", missing.join("\n"));
    }
    tree
}

fn missing_rights() -> Result<Vec<String>> {
    if need_root().is_err() {
        return Ok(vec![NEEDS_ROOT.to_owned()]);
    }
    let status = fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    Ok(missing_capabilities(&status))
}

fn missing_capabilities(status: &str) -> Vec<String> {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).unwrap_or_default();
    let missing: Vec<_> =
        CAPABILITIES.iter().filter(|(bit, _)| effective >> bit & 1 == 0).map(|(_, name)| *name).collect();
    if missing.is_empty() {
        Vec::new()
    } else {
        vec![format!("root lacks {}; grant them", missing.join(", "))]
    }
}

fn missing_tools() -> Vec<String> {
    let mut missing: Vec<String> = TOOLS
        .iter()
        .filter(|(tool, _)| !is_installed(tool))
        .map(|(tool, package)| format!("no {tool}: run hack/install.sh or install Debian's {package}"))
        .collect();
    if is_installed("busybox") && !Path::new(BUSYBOX).exists() {
        missing.push(format!("no {BUSYBOX}: link it to the static busybox"));
    }
    missing
}

fn is_installed(tool: &str) -> bool {
    PATH.split(':').any(|folder| Path::new(folder).join(tool).exists())
}

/// A machine covers some folders with its own: what all machines need must not lie below them.
fn hidden_folders(options: &Options) -> Vec<String> {
    let folders = [("state", &options.state), ("cache", &options.cache)];
    let hides = |path: &PathBuf| {
        PRIVATE_FOLDERS.iter().chain(&["/run", "/dev/shm"]).find(|own| path.starts_with(own))
    };
    folders
        .iter()
        .filter_map(|(what, path)| Some((what, path, hides(path)?)))
        .map(|(what, path, own)| {
            format!("the {what} folder {} must not lie below {own}; choose another", path.display())
        })
        .collect()
}

fn failure(trial: &Trial) -> Option<String> {
    let works = works(|| succeeds(trial.script), || trial.module.is_some_and(load));
    (!works).then(|| trial.failure.to_owned())
}

/// Whether the feature is there, or is once its module was loaded.
fn works(trial: impl Fn() -> bool, load: impl FnOnce() -> bool) -> bool {
    trial() || load() && trial()
}

fn load(module: &str) -> bool {
    let mut command = command::clean("modprobe");
    command.args(["--quiet", module]);
    command::finish("modprobe", command, Input::Nothing, DEADLINE).is_ok_and(|output| output.status.success())
}

/// In new namespaces, so that a trial leaves nothing.
fn succeeds(script: &str) -> bool {
    let mut command = command::clean("unshare");
    command.args(["--net", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--fork", "sh", "-c", script]);
    command::finish(script, command, Input::Nothing, DEADLINE).is_ok_and(|output| output.status.success())
}

/// containerd stacks image layers on the state folder's file system, which some refuse. Tried beside
/// the state folder, where no other command on this bed interferes.
fn overlay_failure(options: &Options) -> Option<String> {
    let beds = options.state.parent().unwrap_or(&options.state);
    let folder = beds.join(format!(".overlay-trial-{}", std::process::id()));
    let script = format!(
        "set -e\ncd '{}'\nmkdir -p lower upper work merged\n\
         mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged",
        folder.display()
    );
    let made = fs::create_dir_all(&folder).is_ok();
    let works = made && works(|| succeeds(&script), || load("overlay"));
    let _left = fs::remove_dir_all(&folder);
    // Refused when it holds beds, or anything else.
    let _kept = fs::remove_dir(beds);
    (!works).then(|| {
        format!("{} can't carry an overlay; put TESTBED_STATE on ext4 or xfs", options.state.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_in_the_list_of_packages() {
        let list = include_str!("../../install.sh");
        for (tool, package) in TOOLS {
            assert!(list.contains(&format!("\t{package}\n")), "{tool} of {package}");
        }
    }

    #[test]
    fn missing_capabilities_are_named_in_one_line() {
        assert_eq!(missing_capabilities("Name:\tx\nCapEff:\t000001ffffffffff\n"), Vec::<String>::new());
        let missing = missing_capabilities("CapEff:\t00000000a80425fb\n");
        assert_eq!(missing, ["root lacks NET_ADMIN, SYS_PTRACE, SYS_ADMIN; grant them"]);
        assert_eq!(missing_capabilities("").len(), 1);
    }

    #[test]
    fn folders_a_machine_would_hide_are_refused() {
        let options = Options::named("tb");
        let at = |state: &str| Options { state: state.into(), cache: "/c".into(), ..options.clone() };
        assert!(hidden_folders(&at("/srv/x/tb")).is_empty());
        assert_eq!(hidden_folders(&at("/var/tmp/x/tb")).len(), 1);
        assert_eq!(hidden_folders(&at("/run/tb")).len(), 1);
    }

    #[test]
    fn a_module_is_loaded_only_if_its_feature_is_missing() {
        assert!(works(|| true, || unreachable!("loaded without need")));
        let loaded = std::cell::Cell::new(false);
        assert!(works(
            || loaded.get(),
            || {
                loaded.set(true);
                true
            }
        ));
        assert!(!works(|| false, || true));
        assert!(!works(|| false, || false));
    }
}

//! The command `testbed`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use nix::sys::signal::Signal;

use crate::daemon::Daemon;
use crate::{Bed, Options, down, preflight};

/// A real Kubernetes cluster, of real nodes, in namespaces of this machine.
#[derive(Debug, Parser)]
#[command(name = "testbed", max_term_width = 100)]
pub struct Cli {
    /// The bed. Beds with different names run side by side.
    #[arg(long, global = true, env = "TESTBED_NAME", default_value = "tb")]
    name: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that this host has all a bed needs: a line for each thing that is missing.
    Check,
    /// Build Kubernetes and the images into the cache, unless they are there.
    Build,
    /// Bring the bed up; harmless if it is up.
    Up {
        /// How many nodes; without any, etcd and the API server run alone.
        #[arg(long, default_value_t = 3)]
        nodes: u8,
    },
    /// Take the bed down, however much of it there is; leaves nothing behind.
    Down,
    /// Show what runs.
    Status,
    /// Run a command inside a machine: cp, n1 …, client or router.
    In {
        machine: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Run kubectl as administrator.
    Kubectl {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Put an image archive on all nodes.
    Load { archive: PathBuf },
    /// Cause a fault, or cure it.
    #[command(subcommand)]
    Fault(Fault),
    /// Write logs, events, objects and network state into a folder.
    Collect { folder: PathBuf },
}

#[derive(Debug, Subcommand)]
enum Fault {
    /// Kill a daemon: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, containerd, kubelet, kube-proxy.
    Kill { machine: String, daemon: Daemon },
    /// Start a daemon that was killed.
    Start { machine: String, daemon: Daemon },
    /// Stop a daemon where it stands.
    Freeze { machine: String, daemon: Daemon },
    /// Let a frozen daemon go on.
    Thaw { machine: String, daemon: Daemon },
    /// Kill a kubelet and start it again.
    RestartKubelet { node: String },
    /// Freeze a whole node, pods included.
    FreezeNode { node: String },
    /// Let a frozen node go on.
    ThawNode { node: String },
    /// Pull a machine's cable out of the switch.
    Unplug { machine: String },
    /// Put the cable back.
    Plug { machine: String },
    /// Drop what passes between a node and the API server.
    CutApi { node: String },
    /// Let it pass again.
    RestoreApi { node: String },
    /// Kill the API server.
    StopApi,
    /// Start the API server again.
    StartApi,
    /// Cut a node's power.
    PowerOff { node: String },
    /// Boot it again.
    PowerOn { node: String },
    /// Send a signal (such as SIGKILL, SIGSTOP, SIGCONT) to a pod's container.
    Signal { namespace: String, pod: String, container: String, signal: Signal },
    /// Cure everything that can be cured.
    Heal,
}

/// Does what the command line says.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let options = Options::named(&cli.name);
    match cli.command {
        Command::Check => preflight::check(&options).map(drop)?,
        Command::Build => crate::build(&options)?,
        Command::Up { nodes } => Bed::up(options.with_nodes(nodes)).map(drop)?,
        Command::Down => down(&options)?,
        Command::Status => status(&Bed::attach(options)?)?,
        Command::In { machine, command } => return attached(&Bed::attach(options)?, &machine, &command),
        Command::Kubectl { args } => {
            let bed = Bed::attach(options)?;
            let command: Vec<String> = bed.kubectl_command().into_iter().chain(args).collect();
            return attached(&bed, "cp", &command);
        }
        Command::Load { archive } => Bed::attach(options)?.load_image(&archive)?,
        Command::Fault(fault) => inflict(&Bed::attach(options)?, fault)?,
        Command::Collect { folder } => Bed::attach(options)?.collect(&folder)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn status(bed: &Bed) -> Result<()> {
    let parts: Vec<_> = bed.status().iter().map(ToString::to_string).collect();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\ncontrol groups: {}", parts.join("\n"), bed.cgroup_kind())?;
    writeln!(out, "KUBECONFIG={} (reached from cp and client)", bed.kubeconfig().display())?;
    writeln!(out, "logs: {}/machines/*/root/var/log", bed.state().display())?;
    Ok(())
}

fn attached(bed: &Bed, machine: &str, command: &[String]) -> Result<ExitCode> {
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let status = bed.run_attached(machine, &command)?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

fn inflict(bed: &Bed, fault: Fault) -> Result<()> {
    match fault {
        Fault::Kill { machine, daemon } => bed.kill(&machine, daemon),
        Fault::Start { machine, daemon } => bed.start(&machine, daemon),
        Fault::Freeze { machine, daemon } => bed.freeze(&machine, daemon),
        Fault::Thaw { machine, daemon } => bed.thaw(&machine, daemon),
        Fault::RestartKubelet { node } => bed.restart_kubelet(&node),
        Fault::FreezeNode { node } => bed.freeze_node(&node),
        Fault::ThawNode { node } => bed.thaw_node(&node),
        Fault::Unplug { machine } => bed.unplug(&machine),
        Fault::Plug { machine } => bed.plug(&machine),
        Fault::CutApi { node } => bed.cut_api(&node),
        Fault::RestoreApi { node } => bed.restore_api(&node),
        Fault::StopApi => bed.stop_api(),
        Fault::StartApi => bed.start_api_again(),
        Fault::PowerOff { node } => bed.power_off(&node),
        Fault::PowerOn { node } => bed.power_on(&node),
        Fault::Signal { namespace, pod, container, signal } => {
            bed.signal_container(&namespace, &pod, &container, signal)
        }
        Fault::Heal => bed.heal(),
    }
}

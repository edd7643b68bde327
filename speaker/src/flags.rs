//! The command line and environment (contract 02 §1.1), and the settings they amount to.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Parser};
use metallb_process::go_bool;
use metallb_serve::{TlsError, TlsSettings};
use metallb_telemetry::logs::{Level, UnknownLevel};
use thiserror::Error;

use crate::membership::Heartbeats;
use crate::snapshot::SnapshotSettings;

#[cfg(test)]
mod tests;

/// The port members talk on when none is given.
const MEMBER_PORT: u16 = 7946;
/// Between two heartbeats, when nothing is given.
const LIVENESS_PERIOD: Duration = Duration::from_millis(100);
/// What is older says too little about now, when nothing is given.
const SNAPSHOT_MAX_AGE: Duration = Duration::from_hours(24);
/// The file of the key among the files of the memberlist Secret.
const SECRET_KEY_FILE: &str = "secretkey";

/// Announces the addresses of Services from this node.
#[derive(Clone, Debug, Parser)]
#[command(name = "speaker", version, args_override_self = true, disable_help_subcommand = true)]
pub struct Flags {
    /// Namespace MetalLB runs in; by default that of the service account.
    #[arg(long, env = "METALLB_NAMESPACE", default_value = "")]
    pub namespace: String,
    /// Name of the node this speaker runs on.
    #[arg(long, env = "METALLB_NODE_NAME", default_value = "")]
    pub node_name: String,
    /// Name of the pod this speaker runs in.
    #[arg(long, env = "METALLB_POD_NAME", default_value = "")]
    pub pod_name: String,
    /// Accepted and ignored.
    #[arg(long, env = "METALLB_HOST", default_value = "")]
    pub host: String,
    /// Address members talk on; without one every node counts as a member.
    #[arg(long, env = "METALLB_ML_BIND_ADDR", default_value = "")]
    pub ml_bindaddr: String,
    /// Port members talk on.
    #[arg(long, env = "METALLB_ML_BIND_PORT", default_value = "")]
    pub ml_bindport: String,
    /// Labels of the speaker pods; without them every node counts as a member.
    #[arg(long, env = "METALLB_ML_LABELS", default_value = "")]
    pub ml_labels: String,
    /// Folder that holds the members' shared key.
    #[arg(long, env = "METALLB_ML_SECRET_KEY_PATH", default_value = "")]
    pub ml_secret_key_path: String,
    /// Whether members are far apart.
    #[arg(long, value_parser = go_bool, default_value = "false", default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub ml_wan_config: bool,
    /// UDP port of the heartbeats between speakers, by default the one after memberlist's; 0 sends none, and memberlist
    /// alone notices deaths.
    #[arg(long, env = "METALLB_LIVENESS_PORT", default_value = "")]
    pub liveness_port: String,
    /// Milliseconds between two heartbeats, 20 to 10000, by default 100.
    #[arg(long, env = "METALLB_LIVENESS_PERIOD", default_value = "")]
    pub liveness_period: String,
    /// File in which is kept what is known of the cluster, for a restart while the API server is away; by default none.
    #[arg(long, env = "METALLB_SNAPSHOT_PATH", default_value = "")]
    pub snapshot_path: String,
    /// Seconds after which such a file is not used any more, by default 86400.
    #[arg(long, env = "METALLB_SNAPSHOT_MAX_AGE", default_value = "")]
    pub snapshot_max_age: String,
    /// Port of the metrics over HTTPS; 0 serves none.
    #[arg(long, default_value_t = 9120)]
    pub port: u16,
    /// Port of the probes on 127.0.0.1.
    #[arg(long, default_value_t = 17472)]
    pub health_probe_port: u16,
    /// Accepted and ignored: there is no Go profiler to serve.
    #[arg(long, default_value = "")]
    pub pprof_bind_address: String,
    /// all, debug, info, warn, error or none.
    #[arg(long, default_value = "info")]
    pub log_level: String,
    /// Serve only Services of this load balancer class; empty serves those without one.
    #[arg(long, default_value = "")]
    pub lb_class: String,
    /// Announce from nodes labelled node.kubernetes.io/exclude-from-external-load-balancers as well.
    #[arg(long, value_parser = go_bool, default_value = "false", default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub ignore_exclude_lb: bool,
    /// Milliseconds by which BGP configuration is held back.
    #[arg(long, env = "METALLB_BGP_DEBOUNCE_TIMEOUT", default_value = "")]
    pub bgp_debounce_timeout: String,
    /// Namespace of frr-k8s; by default MetalLB's own.
    #[arg(long, env = "FRRK8S_NAMESPACE", default_value = "")]
    pub frrk8s_namespace: String,
    /// Pass passwords to frr-k8s by the name of their Secret.
    #[arg(long, value_parser = go_bool, default_value = "false", default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub frrk8s_secret_passthrough: bool,
    /// VersionTLS12 or VersionTLS13.
    #[arg(long, default_value = "VersionTLS13")]
    pub tls_min_version: String,
    /// TLS 1.2 cipher suites by IANA name, comma separated.
    #[arg(long, default_value = "")]
    pub tls_cipher_suites: String,
    /// Curves by number, comma separated.
    #[arg(long, default_value = "")]
    pub tls_curve_preferences: String,
    /// Folder with tls.crt and tls.key for the metrics; by default a certificate is made.
    #[arg(long, default_value = "")]
    pub metrics_cert_dir: String,
    /// The API server to use instead of that of the pod.
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// BGP implementation: native, frr or frr-k8s.
    #[arg(long, env = "METALLB_BGP_TYPE", default_value = "native", hide = true)]
    pub bgp_type: String,
}

/// What the flags amount to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// MetalLB's namespace; empty if the service account's is meant.
    pub namespace: String,
    /// This node.
    pub node: String,
    /// This pod; empty if it has none.
    pub pod: String,
    /// How members are found; none when every node counts.
    pub members: Option<MemberSettings>,
    /// Where what is known is kept; none keeps nothing.
    pub snapshot: Option<SnapshotSettings>,
    /// Port of the metrics; none serves none.
    pub metrics_port: Option<u16>,
    /// Port of the probes.
    pub probe_port: u16,
    /// What is logged.
    pub log_level: Level,
    /// The load balancer class served; empty for none.
    pub class: String,
    /// Whether the exclude label is ignored.
    pub ignore_exclude_label: bool,
    /// How TLS is spoken.
    pub tls: TlsSettings,
    /// The API server's kubeconfig, if not the pod's own.
    pub kubeconfig: Option<PathBuf>,
    /// The BGP implementation asked for.
    pub bgp: BgpType,
}

/// How the other speakers are found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MemberSettings {
    /// Labels of the speakers' pods.
    pub labels: String,
    /// Where members talk to this one.
    pub address: IpAddr,
    /// On which port.
    pub port: u16,
    /// The file of the shared secret, if there is one.
    pub secret: Option<PathBuf>,
    /// Whether members are far apart.
    pub is_wan: bool,
    /// Heartbeats, if they are sent.
    pub heartbeats: Option<Heartbeats>,
}

/// The BGP implementations of the original. One engine serves them all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BgpType {
    /// Speak BGP in this process.
    Native,
    /// Configure an FRR in the same pod.
    Frr,
    /// Write FRRConfigurations.
    FrrK8s,
}

/// A flag or variable can't be used.
#[derive(Debug, Error)]
pub enum FlagError {
    /// The node is not named.
    #[error("no node name: set --node-name or METALLB_NODE_NAME to the node this speaker runs on")]
    NoNodeName,
    /// Not a port.
    #[error("invalid --ml-bindport (METALLB_ML_BIND_PORT) {0:?}: give a number from 1 to 65535")]
    MemberPort(String),
    /// The heartbeats' port is none, or memberlist's.
    #[error(
        "invalid --liveness-port (METALLB_LIVENESS_PORT) {0:?}: give a number from 1 to 65535 other than \
         memberlist's, or 0 for no heartbeats"
    )]
    LivenessPort(String),
    /// The time between heartbeats is none.
    #[error("invalid --liveness-period (METALLB_LIVENESS_PERIOD) {0:?}: give milliseconds from 20 to 10000")]
    LivenessPeriod(String),
    /// The members' address is none.
    #[error("invalid --ml-bindaddr (METALLB_ML_BIND_ADDR) {0:?}: give an IP address of this node")]
    MemberAddress(String),
    /// The shared key is missing.
    #[error("reading the members' key {path} (--ml-secret-key-path)")]
    MemberKey {
        /// The file.
        path: PathBuf,
        /// Why it can't be read.
        #[source]
        source: std::io::Error,
    },
    /// Not a time.
    #[error("invalid --snapshot-max-age (METALLB_SNAPSHOT_MAX_AGE) {0:?}: give seconds above 0")]
    SnapshotAge(String),
    /// Not a positive number.
    #[error("invalid --bgp-debounce-timeout (METALLB_BGP_DEBOUNCE_TIMEOUT) {0:?}: give milliseconds above 0")]
    Debounce(String),
    /// METALLB_BGP_TYPE is unknown.
    #[error("unsupported BGP implementation type: {0}")]
    BgpType(String),
    /// Passing Secrets through needs frr-k8s.
    #[error(
        "--frrk8s-secret-passthrough requires METALLB_BGP_TYPE=frr-k8s and a non-empty --frrk8s-namespace"
    )]
    Passthrough,
    /// The log level is unknown.
    #[error("--log-level")]
    LogLevel(#[from] UnknownLevel),
    /// A TLS flag is wrong.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl fmt::Display for BgpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Frr => "frr",
            Self::FrrK8s => "frr-k8s",
        })
    }
}

impl Flags {
    /// Checks every flag and reads the members' key once, as the original does.
    ///
    /// # Errors
    /// Names the flag that can't be used.
    pub fn parse_settings(self) -> Result<Settings, FlagError> {
        if self.node_name.is_empty() {
            return Err(FlagError::NoNodeName);
        }
        check_debounce(&self.bgp_debounce_timeout)?;
        let bgp = parse_bgp_type(&self.bgp_type)?;
        if self.frrk8s_secret_passthrough && (bgp != BgpType::FrrK8s || self.frrk8s_namespace.is_empty()) {
            return Err(FlagError::Passthrough);
        }
        let tls = TlsSettings::parse(
            &self.tls_min_version,
            &self.tls_cipher_suites,
            &self.tls_curve_preferences,
            &self.metrics_cert_dir,
        )?;
        let members = self.parse_members()?;
        let snapshot = parse_snapshot(&self.snapshot_path, &self.snapshot_max_age)?;
        Ok(Settings {
            members,
            snapshot,
            tls,
            bgp,
            log_level: self.log_level.parse()?,
            namespace: self.namespace,
            node: self.node_name,
            pod: self.pod_name,
            metrics_port: (self.port != 0).then_some(self.port),
            probe_port: self.health_probe_port,
            class: self.lb_class,
            ignore_exclude_label: self.ignore_exclude_lb,
            kubeconfig: self.kubeconfig,
        })
    }

    fn parse_members(&self) -> Result<Option<MemberSettings>, FlagError> {
        let port = match self.ml_bindport.as_str() {
            "" => MEMBER_PORT,
            text => parse_port(text)?,
        };
        let folder = Some(self.ml_secret_key_path.as_str()).filter(|folder| !folder.is_empty());
        let secret = folder.map(|folder| Path::new(folder).join(SECRET_KEY_FILE));
        // As the original does, whether there are members or not.
        secret.as_deref().map(check_key).transpose()?;
        if self.ml_labels.is_empty() || self.ml_bindaddr.is_empty() {
            return Ok(None);
        }
        let address = self.ml_bindaddr.parse();
        let address = address.map_err(|_| FlagError::MemberAddress(self.ml_bindaddr.clone()))?;
        let heartbeats = self.parse_heartbeats(port)?;
        let (labels, is_wan) = (self.ml_labels.clone(), self.ml_wan_config);
        Ok(Some(MemberSettings { labels, address, port, secret, is_wan, heartbeats }))
    }

    fn parse_heartbeats(&self, members: u16) -> Result<Option<Heartbeats>, FlagError> {
        let invalid = || FlagError::LivenessPort(self.liveness_port.clone());
        let port = match self.liveness_port.as_str() {
            "" => port_after(members),
            text => text.parse().ok().filter(|port| *port != members).ok_or_else(invalid)?,
        };
        let period = match self.liveness_period.as_str() {
            "" => LIVENESS_PERIOD,
            text => parse_period(text).ok_or_else(|| FlagError::LivenessPeriod(text.to_owned()))?,
        };
        Ok((port != 0).then_some(Heartbeats { port, period }))
    }
}

/// The port after memberlist's, which the operator gives as well.
fn port_after(port: u16) -> u16 {
    port.checked_add(1).unwrap_or(port - 1)
}

fn parse_port(text: &str) -> Result<u16, FlagError> {
    let port = text.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| FlagError::MemberPort(text.to_owned()))
}

fn check_key(path: &Path) -> Result<(), FlagError> {
    let unreadable = |source| FlagError::MemberKey { path: path.to_owned(), source };
    std::fs::read(path).map(drop).map_err(unreadable)
}

fn parse_snapshot(path: &str, max_age: &str) -> Result<Option<SnapshotSettings>, FlagError> {
    let max_age = match max_age {
        "" => SNAPSHOT_MAX_AGE,
        text => {
            let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
            Duration::from_secs(seconds.ok_or_else(|| FlagError::SnapshotAge(text.to_owned()))?)
        }
    };
    Ok((!path.is_empty()).then(|| SnapshotSettings { path: path.into(), max_age }))
}

/// Only meaningful once BGP is served, but checked in every mode.
fn parse_period(text: &str) -> Option<Duration> {
    text.parse().ok().filter(|milliseconds| (20..=10_000).contains(milliseconds)).map(Duration::from_millis)
}

fn check_debounce(text: &str) -> Result<(), FlagError> {
    let is_positive = text.parse::<u32>().is_ok_and(|milliseconds| milliseconds > 0);
    if text.is_empty() || is_positive { Ok(()) } else { Err(FlagError::Debounce(text.to_owned())) }
}

fn parse_bgp_type(text: &str) -> Result<BgpType, FlagError> {
    match text {
        "" | "native" => Ok(BgpType::Native),
        "frr" => Ok(BgpType::Frr),
        "frr-k8s" => Ok(BgpType::FrrK8s),
        other => Err(FlagError::BgpType(other.to_owned())),
    }
}

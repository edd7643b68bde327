//! The command line and environment of the original (contract 01 §7.1), checked once.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgAction, Parser};
use metallb_allocator::UnknownPool;
use metallb_config::BgpType;
use metallb_process::{NamespaceError, go_bool, namespace};
use metallb_serve::{TlsError, TlsSettings};
use metallb_telemetry::logs::{Level, UnknownLevel};

use crate::webhooks::{CertificateSource, WebhookSettings};

#[cfg(test)]
mod tests;

/// Assigns addresses to Services of type LoadBalancer.
#[derive(Clone, Debug, Parser)]
#[command(name = "controller", args_override_self = true, disable_help_subcommand = true)]
pub struct Flags {
    /// HTTPS port of the metrics; 0 serves none.
    #[arg(long, default_value_t = 9120)]
    port: u16,
    /// MetalLB's namespace; by default the pod's own.
    #[arg(long, env = "METALLB_NAMESPACE", default_value = "")]
    namespace: String,
    /// Memberlist Secret to create if it is missing; empty creates none.
    #[arg(long, env = "METALLB_ML_SECRET_NAME", default_value = "")]
    ml_secret_name: String,
    /// The controller's Deployment, which owns that Secret.
    #[arg(long, env = "METALLB_DEPLOYMENT", default_value = "")]
    deployment: String,
    /// One of all, debug, info, warn, error, none.
    #[arg(long, default_value = "info")]
    log_level: String,
    /// Accepted for compatibility: there is no profiler.
    #[arg(long, default_value = "")]
    pprof_bind_address: String,
    /// HTTP port of the probes; 0 serves none.
    #[arg(long, default_value_t = 17472)]
    health_probe_port: u16,
    /// Leaves the webhooks' certificates to others.
    #[arg(long, value_parser = go_bool, default_value = "false", default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    disable_cert_rotation: bool,
    /// Folder of the webhooks' certificates.
    #[arg(long, default_value = "/tmp/k8s-webhook-server/serving-certs")]
    cert_dir: String,
    /// Service of the webhooks, as their certificates name it.
    #[arg(long, default_value = "metallb-webhook-service")]
    cert_service_name: String,
    /// The loadBalancerClass served; empty serves Services without a class.
    #[arg(long, default_value = "")]
    lb_class: String,
    /// One of enabled, disabled, onlywebhook.
    #[arg(long, default_value = "enabled")]
    webhook_mode: String,
    /// Secret of the webhooks' certificates.
    #[arg(long, default_value = "metallb-webhook-cert")]
    webhook_secret: String,
    /// The controller's pod, which owns what it reports.
    #[arg(long, env = "METALLB_POD_NAME", default_value = "")]
    pod_name: String,
    /// Allows HTTP/2 on the webhooks' port.
    #[arg(long, value_parser = go_bool, default_value = "false", default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    webhook_http2: bool,
    /// VersionTLS12 or VersionTLS13; by default the latter.
    #[arg(long, default_value = "")]
    tls_min_version: String,
    /// Cipher suites by IANA name, separated by commas.
    #[arg(long, default_value = "")]
    tls_cipher_suites: String,
    /// Curves by number, separated by commas.
    #[arg(long, default_value = "")]
    tls_curve_preferences: String,
    /// Folder of the metrics' certificate; without one a certificate is made at start.
    #[arg(long, default_value = "")]
    metrics_cert_dir: String,
    /// What a Service gets that asks for a pool that does not exist: Pending or AnyAutoAssign.
    #[arg(long, default_value = "Pending")]
    unknown_pool: String,
    /// Lets several replicas agree on one that assigns addresses.
    #[arg(long, value_parser = go_bool, default_value = "true", default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    leader_elect: bool,
    /// How to reach the API server when not in a pod.
    #[arg(long, default_value = "")]
    kubeconfig: String,
    /// The BGP engine: native, frr or frr-k8s.
    #[arg(skip = std::env::var("METALLB_BGP_TYPE").unwrap_or_default())]
    bgp_type: String,
}

/// A flag has a value the controller can't start with.
#[derive(Debug, thiserror::Error)]
pub enum FlagsError {
    /// No such mode.
    #[error("invalid --webhook-mode {0:?}: use one of enabled, disabled, onlywebhook")]
    WebhookMode(String),
    /// No such choice.
    #[error("invalid --unknown-pool {0:?}: use one of Pending, AnyAutoAssign")]
    UnknownPool(String),
    /// No such log level.
    #[error("--log-level")]
    LogLevel(#[source] UnknownLevel),
    /// The flags of TLS are wrong.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// MetalLB's namespace can't be told.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
}

/// What the controller does about webhooks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WebhookMode {
    /// Assigns addresses and serves webhooks.
    Enabled,
    /// Assigns addresses.
    Disabled,
    /// Serves webhooks.
    OnlyWebhook,
}

impl FromStr for WebhookMode {
    type Err = FlagsError;

    fn from_str(text: &str) -> Result<Self, FlagsError> {
        match text {
            "enabled" => Ok(Self::Enabled),
            "disabled" => Ok(Self::Disabled),
            "onlywebhook" => Ok(Self::OnlyWebhook),
            other => Err(FlagsError::WebhookMode(other.to_owned())),
        }
    }
}

/// Flags and environment after validation. Behind this no text is parsed again.
#[derive(Clone, Debug)]
pub struct Settings {
    /// MetalLB's namespace.
    pub namespace: String,
    /// How much is logged.
    pub log_level: Level,
    /// HTTPS port of the metrics, if they are served.
    pub metrics_port: Option<u16>,
    /// HTTP port of the probes, if they are served.
    pub probe_port: Option<u16>,
    /// TLS of the metrics.
    pub tls: TlsSettings,
    /// What to do about webhooks.
    pub webhook_mode: WebhookMode,
    /// How the webhooks are served; nothing if they are not.
    pub webhooks: Option<WebhookSettings>,
    /// The loadBalancerClass served; empty for none.
    pub class: String,
    /// What a Service gets that asks for a pool that does not exist.
    pub unknown_pool: UnknownPool,
    /// Whether there may be other replicas.
    pub leader_elect: bool,
    /// Memberlist Secret to create; empty for none.
    pub memberlist_secret: String,
    /// The controller's Deployment; may be empty.
    pub deployment: String,
    /// The controller's pod; may be empty.
    pub pod: String,
    /// Kubeconfig, if one is given by flag.
    pub kubeconfig: Option<PathBuf>,
    /// What the log says once about values without effect.
    pub remarks: Vec<&'static str>,
}

impl Flags {
    /// Checks the values.
    ///
    /// # Errors
    /// When one is unknown or contradicts another, or the namespace can't be told.
    pub fn validate(self) -> Result<Settings, FlagsError> {
        let webhook_mode = self.webhook_mode.parse()?;
        let unknown_pool = parse_unknown_pool(&self.unknown_pool)?;
        let log_level = self.log_level.parse().map_err(FlagsError::LogLevel)?;
        let tls = TlsSettings::parse(
            &self.tls_min_version,
            &self.tls_cipher_suites,
            &self.tls_curve_preferences,
            &self.metrics_cert_dir,
        )?;
        let remarks = self.remarks();
        let webhooks = self.webhooks();
        Ok(Settings {
            namespace: namespace(&self.namespace)?,
            log_level,
            metrics_port: (self.port != 0).then_some(self.port),
            probe_port: (self.health_probe_port != 0).then_some(self.health_probe_port),
            tls,
            webhook_mode,
            webhooks: (webhook_mode != WebhookMode::Disabled).then_some(webhooks),
            class: self.lb_class,
            unknown_pool,
            leader_elect: self.leader_elect,
            memberlist_secret: self.ml_secret_name,
            deployment: self.deployment,
            pod: self.pod_name,
            kubeconfig: (!self.kubeconfig.is_empty()).then(|| self.kubeconfig.into()),
            remarks,
        })
    }

    fn webhooks(&self) -> WebhookSettings {
        let certificate = if self.disable_cert_rotation {
            CertificateSource::Files(self.cert_dir.clone().into())
        } else {
            let (name, service) = (self.webhook_secret.clone(), self.cert_service_name.clone());
            CertificateSource::Secret { name, service }
        };
        WebhookSettings { certificate, http2: self.webhook_http2, bgp_type: BgpType::parse(&self.bgp_type) }
    }

    fn remarks(&self) -> Vec<&'static str> {
        let remark = |applies: bool, text: &'static str| applies.then_some(text);
        let frr = "METALLB_BGP_TYPE=frr is deprecated: use native or frr-k8s";
        let pprof = "--pprof-bind-address has no effect: there is no profiler";
        [remark(self.bgp_type == "frr", frr), remark(!self.pprof_bind_address.is_empty(), pprof)]
            .into_iter()
            .flatten()
            .collect()
    }
}

fn parse_unknown_pool(text: &str) -> Result<UnknownPool, FlagsError> {
    match text {
        "Pending" => Ok(UnknownPool::Pending),
        "AnyAutoAssign" => Ok(UnknownPool::AnyAutoAssign),
        other => Err(FlagsError::UnknownPool(other.to_owned())),
    }
}

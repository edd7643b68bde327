//! The operator's environment: everything that is decided by whoever installs it, parsed at one door.
//!
//! Names nobody reads any more (`METALLB_BGP_TYPE`, `HTTPS_METRICS_PORT`, `FRR_HTTPS_METRICS_PORT`) are ignored,
//! so that old manifests keep working.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU16;

mod semver;
#[cfg(test)]
mod tests;

/// What the installer of the operator decided, and what it knows of its surroundings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Environment {
    /// Namespace of the `MetalLB` resource and of everything that runs (`OPERATOR_NAMESPACE`).
    pub namespace: String,
    /// Images of the workloads.
    pub images: Images,
    /// Ports of the workloads.
    pub ports: Ports,
    /// TLS settings of the workloads' metrics endpoints.
    pub tls: Tls,
    /// What of it was left out, for the user; nothing as parsed.
    pub tls_remarks: Vec<String>,
    /// Which kind of monitor Prometheus is told by.
    pub monitors: Monitors,
    /// Whether NetworkPolicies guard the controller and the operator (unless `DISABLE_NETWORK_POLICIES=true`).
    pub network_policies: bool,
    /// The Service of the API servers (`KUBERNETES_SERVICE_HOST`, `KUBERNETES_SERVICE_PORT`).
    pub api_service: ApiService,
    /// Ports API servers listen on behind it, which the operator finds; none as parsed.
    pub api_ports: BTreeSet<u16>,
    /// Whether those can't be found: then they are what was opened before, which may be wrong.
    pub api_is_hidden: bool,
    /// Whether the operator itself reaches an API server in a way of its own (`KUBECONFIG`, or a flag).
    pub api_is_elsewhere: bool,
    /// Where the operator itself serves metrics to others, which a flag says.
    pub operator_metrics: Option<u16>,
    /// Where an external frr-k8s reads its configuration (`FRRK8S_EXTERNAL_NAMESPACE`).
    pub external_namespace: Option<String>,
    /// Whether OpenShift's network operator deploys frr-k8s (`DEPLOY_FRRK8S_FROM_CNO`).
    pub frr_k8s_from_cno: bool,
}

/// Images of the workloads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Images {
    /// `CONTROLLER_IMAGE`
    pub controller: String,
    /// `SPEAKER_IMAGE`
    pub speaker: String,
    /// `FRR_IMAGE`. The original demands it in every mode. Here no FRR runs: it is accepted, not needed, and unused.
    pub frr: Option<String>,
}

/// Ports of the workloads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ports {
    /// The speakers' membership protocol, TCP and UDP (`MEMBER_LIST_BIND_PORT`).
    pub memberlist: NonZeroU16,
    /// HTTPS metrics of the controller and the speakers (`METRICS_PORT`).
    pub metrics: NonZeroU16,
    /// HTTP probes of the controller and the speakers (`OPERAND_LIVENESS_PORT`).
    pub probes: NonZeroU16,
}

impl Ports {
    /// The speakers' heartbeats, UDP: the port after memberlist's.
    #[must_use]
    pub fn liveness(&self) -> NonZeroU16 {
        let before = || NonZeroU16::new(self.memberlist.get() - 1).unwrap_or(self.memberlist);
        self.memberlist.checked_add(1).unwrap_or_else(before)
    }
}

/// The Service of the API servers, as Kubernetes tells it to every pod.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ApiService {
    /// Nothing was told that makes sense.
    #[default]
    Untold,
    /// Its address and port.
    At(IpAddr, u16),
    /// Its port, and a name, which has to be looked up first: some clusters tell pods where it is from outside.
    Named(u16),
}

/// TLS settings, handed on to the workloads word for word; absent means the flag is left out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tls {
    /// `TLS_CIPHER_SUITES`
    pub cipher_suites: Option<String>,
    /// `TLS_CURVE_PREFERENCES`
    pub curve_preferences: Option<String>,
    /// `TLS_MIN_VERSION`
    pub min_version: Option<String>,
}

/// Which kind of monitor Prometheus is told by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Monitors {
    /// No monitor at all.
    None,
    /// `DEPLOY_PODMONITORS=true`
    Pods,
    /// `DEPLOY_SERVICEMONITORS=true`
    Services,
}

/// The environment makes no sense; the operator must not start.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum EnvironmentError {
    /// There is no namespace to work in.
    #[error("missing mandatory OPERATOR_NAMESPACE env variable")]
    NamespaceMissing,
    /// An image is not named.
    #[error("{name} environment value not set")]
    ImageMissing {
        /// The variable.
        name: &'static str,
    },
    /// A port is not a number from 1 to 65535.
    #[error("failed to convert {value} from {name} to int: {cause}")]
    Port {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        cause: std::num::ParseIntError,
    },
    /// Two kinds of monitors are asked for.
    #[error("pod monitors and service monitors are mutually exclusive, only one can be enabled")]
    BothMonitors,
    /// `CNO_MIN_FRRK8S_VERSION` is not a version.
    #[error("invalid cno min frrk8s supported version: {value} is not of the form 1.2.3 or 1.2.3-pre")]
    Version {
        /// Its value.
        value: String,
    },
}

/// Ports of containers that do not exist here; their values must be numbers all the same.
const UNUSED_PORTS: [&str; 5] = [
    "FRR_METRICS_PORT",
    "FRRK8S_METRICS_PORT",
    "FRRK8S_HTTPS_METRICS_PORT",
    "FRRK8S_FRR_METRICS_PORT",
    "FRRK8S_FRR_HTTPS_METRICS_PORT",
];

const MEMBERLIST_PORT: NonZeroU16 = known_port(7946);
const METRICS_PORT: NonZeroU16 = known_port(9120);
const PROBES_PORT: NonZeroU16 = known_port(17472);

const fn known_port(number: u16) -> NonZeroU16 {
    match NonZeroU16::new(number) {
        Some(port) => port,
        None => NonZeroU16::MIN,
    }
}

impl Environment {
    /// Parses the variables; an empty value counts as absent.
    ///
    /// # Errors
    /// The first thing wrong, in the order of the documentation's table.
    pub fn parse(variables: &BTreeMap<String, String>) -> Result<Self, EnvironmentError> {
        let variables = Variables(variables);
        let namespace = variables.text("OPERATOR_NAMESPACE").ok_or(EnvironmentError::NamespaceMissing)?;
        let environment = Self {
            namespace,
            images: variables.images()?,
            ports: variables.ports()?,
            tls: variables.tls(),
            tls_remarks: Vec::new(),
            monitors: variables.monitors()?,
            network_policies: !variables.is_true("DISABLE_NETWORK_POLICIES"),
            api_service: variables.api_service(),
            api_ports: BTreeSet::new(),
            api_is_hidden: false,
            api_is_elsewhere: variables.text("KUBECONFIG").is_some(),
            operator_metrics: None,
            external_namespace: variables.text("FRRK8S_EXTERNAL_NAMESPACE"),
            frr_k8s_from_cno: variables.is_true("DEPLOY_FRRK8S_FROM_CNO"),
        };
        variables.check_version()?;
        Ok(environment)
    }
}

/// Typed access to the raw variables.
struct Variables<'a>(&'a BTreeMap<String, String>);

impl Variables<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// Only the exact word `true` switches something on.
    fn is_true(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value == "true")
    }

    fn image(&self, name: &'static str) -> Result<String, EnvironmentError> {
        self.text(name).ok_or(EnvironmentError::ImageMissing { name })
    }

    fn port(&self, name: &'static str, default: NonZeroU16) -> Result<NonZeroU16, EnvironmentError> {
        let Some(value) = self.text(name) else { return Ok(default) };
        value.parse().map_err(|cause| EnvironmentError::Port { name, value, cause })
    }

    fn api_service(&self) -> ApiService {
        let port = self.text("KUBERNETES_SERVICE_PORT").and_then(|port| port.parse().ok());
        match (self.text("KUBERNETES_SERVICE_HOST"), port) {
            (Some(host), Some(port)) => match host.parse() {
                Ok(address) => ApiService::At(address, port),
                Err(_) => ApiService::Named(port),
            },
            _ => ApiService::Untold,
        }
    }

    fn images(&self) -> Result<Images, EnvironmentError> {
        Ok(Images {
            controller: self.image("CONTROLLER_IMAGE")?,
            speaker: self.image("SPEAKER_IMAGE")?,
            frr: self.text("FRR_IMAGE"),
        })
    }

    fn ports(&self) -> Result<Ports, EnvironmentError> {
        for name in UNUSED_PORTS {
            self.port(name, PROBES_PORT)?;
        }
        Ok(Ports {
            memberlist: self.port("MEMBER_LIST_BIND_PORT", MEMBERLIST_PORT)?,
            metrics: self.port("METRICS_PORT", METRICS_PORT)?,
            probes: self.port("OPERAND_LIVENESS_PORT", PROBES_PORT)?,
        })
    }

    fn tls(&self) -> Tls {
        Tls {
            cipher_suites: self.text("TLS_CIPHER_SUITES"),
            curve_preferences: self.text("TLS_CURVE_PREFERENCES"),
            min_version: self.text("TLS_MIN_VERSION"),
        }
    }

    fn monitors(&self) -> Result<Monitors, EnvironmentError> {
        match (self.is_true("DEPLOY_PODMONITORS"), self.is_true("DEPLOY_SERVICEMONITORS")) {
            (true, true) => Err(EnvironmentError::BothMonitors),
            (true, false) => Ok(Monitors::Pods),
            (false, true) => Ok(Monitors::Services),
            (false, false) => Ok(Monitors::None),
        }
    }

    fn check_version(&self) -> Result<(), EnvironmentError> {
        match self.text("CNO_MIN_FRRK8S_VERSION") {
            Some(value) if !semver::is_version(&value) => Err(EnvironmentError::Version { value }),
            _ => Ok(()),
        }
    }
}

//! From a MetalLB resource to the objects that run it, and from their state back to its conditions.
//!
//! Must not know: any client, what is in the cluster now, the clock, or where randomness comes from.

mod backend;
mod build;
mod conditions;
mod config_map;
mod controller;
mod desired;
mod disruption_budget;
mod environment;
mod install;
mod kinds;
mod labels;
mod monitors;
mod network_policy;
mod openshift;
mod operator_webhooks;
mod pod;
mod pods;
mod rbac;
mod readiness;
mod secrets;
mod settings;
mod speaker;
mod tls_profile;
mod webhooks;

pub use backend::{Backend, Platform};
pub use build::{BuildError, DEFINITION, MemberlistKey, Owner, build};
pub use conditions::{Reason, State, conditions};
pub use config_map::EXCLUDED_INTERFACES;
pub use desired::{Desired, Mode};
pub use environment::{ApiService, Environment, EnvironmentError, Images, Monitors, Ports, Tls};
pub use install::{Install, InstallImages, OPERATOR_DEPLOYMENT, install};
pub use kinds::{ApiServer, Kind, PodMonitor, SecurityContextConstraints, ServiceMonitor, kinds};
pub use labels::{ACCOUNT, FRR_K8S_WEBHOOKS, OWNED_BY};
pub use operator_webhooks::{
    OPERATOR_WEBHOOK_CERT_SECRET, OPERATOR_WEBHOOK_CONFIGURATION, OPERATOR_WEBHOOK_PATH, Unanswered,
    operator_webhooks,
};
pub use pods::{stuck_pod, unready_pod};
pub use readiness::{Readiness, controller_shortcoming, readiness, speaker_shortcoming};
pub use settings::{Options, Policy, Settings, SpecError, Workload, read_spec};
pub use tls_profile::TlsProfile;

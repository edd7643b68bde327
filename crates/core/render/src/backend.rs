//! Which BGP back-end serves: asked for, or the platform's default.

use metallb_api::MetalLBSpec;

use crate::environment::Environment;
use crate::settings::SpecError;

/// What kind of cluster this is; back-ends and rendering differ.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Platform {
    /// Any Kubernetes that is not OpenShift.
    #[default]
    Kubernetes,
    /// OpenShift.
    OpenShift,
}

/// The BGP back-end, under the names users know.
///
/// The engine in the speakers serves each of them: the speaker learns the name by `METALLB_BGP_TYPE`, and nothing runs
/// beside it. The names that stand for frr-k8s are refused, since no frr-k8s is run or talked to: whoever asks for it is told so,
/// instead of waiting for sessions that never come up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Backend {
    /// The speaker itself.
    Native,
    /// What FRR beside the speaker did.
    Frr,
}

/// Names of the back-ends that are known and not served.
const FRR_K8S: &str = "frr-k8s";
const FRR_K8S_EXTERNAL: &str = "frr-k8s-external";

impl Backend {
    /// The rules on the back-end that hold everywhere.
    ///
    /// # Errors
    /// When the name is unknown, or an external frr-k8s has no namespace.
    pub(crate) fn check(spec: &MetalLBSpec, environment: &Environment) -> Result<(), SpecError> {
        match asked_for(spec) {
            "" | "native" | "frr" | FRR_K8S => Ok(()),
            FRR_K8S_EXTERNAL if has_namespace(spec, environment) => Ok(()),
            FRR_K8S_EXTERNAL => Err(SpecError::ExternalNamespaceMissing),
            _ => Err(SpecError::UnknownBackend),
        }
    }

    /// What the spec asks for, once it is checked; when it is silent, the default, which is the same on every platform:
    /// the original's default on OpenShift is frr-k8s.
    ///
    /// # Errors
    /// When the platform or this release does not serve it.
    pub(crate) fn resolve(spec: &MetalLBSpec, platform: Platform) -> Result<Self, SpecError> {
        match (asked_for(spec), platform) {
            ("native", Platform::OpenShift) => Err(SpecError::NativeOnOpenShift),
            ("native", Platform::Kubernetes) => Ok(Self::Native),
            (FRR_K8S, _) => Err(SpecError::UnservedBackend { name: FRR_K8S }),
            (FRR_K8S_EXTERNAL, _) => Err(SpecError::UnservedBackend { name: FRR_K8S_EXTERNAL }),
            _ => Ok(Self::Frr),
        }
    }

    /// The value of `METALLB_BGP_TYPE`; absent means native.
    #[must_use]
    pub fn bgp_type(self) -> Option<&'static str> {
        match self {
            Self::Native => None,
            Self::Frr => Some("frr"),
        }
    }

    /// What the user of this back-end should know.
    #[must_use]
    pub fn remark(self) -> &'static str {
        match self {
            Self::Native => "BGP is not spoken yet",
            Self::Frr => {
                "bgpBackend frr is served by the engine in the speakers, no FRR runs; BGP is not spoken yet"
            }
        }
    }
}

fn asked_for(spec: &MetalLBSpec) -> &str {
    spec.bgp_backend.as_deref().unwrap_or_default()
}

fn has_namespace(spec: &MetalLBSpec, environment: &Environment) -> bool {
    let asked = spec.frrk8s_config.as_ref().and_then(|config| config.namespace.as_deref());
    asked.is_some_and(|namespace| !namespace.is_empty()) || environment.external_namespace.is_some()
}

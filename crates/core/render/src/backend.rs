//! Which BGP back-end serves: asked for, or the platform's default.

use metallb_api::MetalLBSpec;

use crate::environment::Environment;
use crate::settings::SpecError;

/// What kind of cluster this is; back-end defaults differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Platform {
    /// Any Kubernetes that is not OpenShift.
    Kubernetes,
    /// OpenShift.
    OpenShift,
}

/// The BGP back-end, under the names users know.
///
/// So far the embedded engine serves every name: the speaker learns it by `METALLB_BGP_TYPE`, and nothing else
/// runs beside it.
///
/// That is why the original's rule by platform is lifted, which refuses `frr-k8s-external` outside OpenShift with
/// `unsupported bgp backend frr-k8s-external`: no frr-k8s is talked to, so that none can be missing. Its namespace is
/// still asked for, as the webhook asks for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Backend {
    /// The speaker itself.
    Native,
    /// FRR beside the speaker.
    Frr,
    /// frr-k8s, deployed with MetalLB.
    FrrK8s,
    /// frr-k8s, deployed by somebody else.
    FrrK8sExternal {
        /// Where it reads its configuration.
        namespace: String,
        /// Whether password Secrets are passed on by name.
        secret_passthrough: bool,
    },
}

impl Backend {
    /// What the spec asks for; when it is silent, the default of the platform.
    ///
    /// # Errors
    /// When the name is unknown, or an external frr-k8s has no namespace.
    pub fn resolve(
        spec: &MetalLBSpec,
        environment: &Environment,
        platform: Platform,
    ) -> Result<Self, SpecError> {
        match spec.bgp_backend.as_deref().unwrap_or_default() {
            "native" => Ok(Self::Native),
            "frr" => Ok(Self::Frr),
            "frr-k8s" => Ok(Self::FrrK8s),
            "frr-k8s-external" => Self::external(spec, environment),
            "" => Self::of_platform(spec, environment, platform),
            _ => Err(SpecError::UnknownBackend),
        }
    }

    fn of_platform(
        spec: &MetalLBSpec,
        environment: &Environment,
        platform: Platform,
    ) -> Result<Self, SpecError> {
        match platform {
            Platform::Kubernetes => Ok(Self::Frr),
            Platform::OpenShift if environment.frr_k8s_from_cno => Self::external(spec, environment),
            Platform::OpenShift => Ok(Self::FrrK8s),
        }
    }

    fn external(spec: &MetalLBSpec, environment: &Environment) -> Result<Self, SpecError> {
        let asked = spec.frrk8s_config.as_ref();
        let namespace = asked
            .and_then(|config| config.namespace.clone())
            .filter(|namespace| !namespace.is_empty())
            .or_else(|| environment.external_namespace.clone())
            .ok_or(SpecError::ExternalNamespaceMissing)?;
        let secret_passthrough = asked.and_then(|config| config.secret_passthrough).unwrap_or_default();
        Ok(Self::FrrK8sExternal { namespace, secret_passthrough })
    }

    /// The value of `METALLB_BGP_TYPE`; absent means native.
    #[must_use]
    pub fn bgp_type(&self) -> Option<&'static str> {
        match self {
            Self::Native => None,
            Self::Frr => Some("frr"),
            Self::FrrK8s | Self::FrrK8sExternal { .. } => Some("frr-k8s"),
        }
    }
}

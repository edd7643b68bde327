//! Labels of what is rendered. Selectors are immutable in Kubernetes: these values never change.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Label of cluster-scoped objects, with the operator's namespace as its value.
///
/// An object outside namespaces can't have the resource as its owner: this is how the operator finds its own.
pub const OWNED_BY: &str = "metallb.io/owned-by";

/// Annotation of the templates of pods: UID of the service account they were made under.
pub const ACCOUNT: &str = "metallb.io/account";

/// What the original leaves behind when its resource goes, in the way of every write to frr-k8s' configuration.
pub const FRR_K8S_WEBHOOKS: &str = "frr-k8s-validating-webhook-configuration";

/// A part of MetalLB that runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Component {
    Controller,
    Speaker,
}

impl Component {
    /// Its name: of the workload, the service account, and in labels.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Speaker => "speaker",
        }
    }

    /// Labels of its pods, which are also what selects them.
    pub(crate) fn pod_labels(self) -> BTreeMap<String, String> {
        map([("app", "metallb"), ("component", self.name())])
    }

    pub(crate) fn selector(self) -> LabelSelector {
        LabelSelector { match_labels: Some(self.pod_labels()), ..LabelSelector::default() }
    }

    /// Labels of the workload object.
    pub(crate) fn object_labels(self) -> BTreeMap<String, String> {
        let mut labels = common();
        labels.insert("component".to_owned(), self.name().to_owned());
        labels
    }
}

/// Labels every release of the original's operator has put on its workloads; dashboards filter by them.
pub(crate) fn common() -> BTreeMap<String, String> {
    map([
        ("helm.sh/chart", "metallb-0.0.0"),
        ("app", "metallb"),
        ("app.kubernetes.io/version", "v0.0.0"),
        ("app.kubernetes.io/managed-by", "Helm"),
    ])
}

/// Labels of service accounts and roles.
pub(crate) fn app() -> BTreeMap<String, String> {
    map([("app", "metallb")])
}

/// A map of strings from pairs.
pub(crate) fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

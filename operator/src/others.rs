//! What belongs to somebody else, however much it looks like ours.
//!
//! Names outside of namespaces are fixed, and the same wherever MetalLB was installed and by whatever means. Taking such an object from an
//! installation that runs would take its rights away, and it would go with our resource.

use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, Subject};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::{Client, Resource, ResourceExt as _};
use metallb_api::names::WEBHOOK_CONFIGURATION;
use metallb_render::{DEFINITION, Desired, OWNED_BY};
use serde_json::Value;

use crate::dereference::Found;
use crate::disposition::{Disposition, explain};
use crate::inventory::Listed;

mod resource;

/// Label of what the chart installs. What the original's operator makes of the same chart is without it.
const CHART: (&str, &str) = ("app.kubernetes.io/name", "metallb");

/// An object is somebody else's.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{object} is not ours: {whose}; delete it if nobody needs it, or label it {OWNED_BY}={namespace} to hand it over"
)]
pub struct Foreign {
    object: String,
    whose: String,
    namespace: String,
}

/// MetalLB runs here already, by other means.
#[derive(Debug, thiserror::Error)]
pub enum OthersError {
    /// It can't be seen whether it does.
    #[error("could not look for another MetalLB: {}", explain(.0))]
    Read(kube::Error),
    /// In another namespace, whose webhooks are asked.
    #[error(
        "another MetalLB is installed: {WEBHOOKS} {WEBHOOK_CONFIGURATION} is not ours: {whose}; two of them would give away the same \
         addresses, so nothing is applied. Remove that MetalLB first; if it is gone, delete that configuration"
    )]
    Webhooks {
        /// Why it is not ours.
        whose: String,
    },
    /// In another namespace, by its own resource.
    #[error(
        "another MetalLB is installed: MetalLB {namespace}/metallb, whose controller or operator is there; two of them would give away \
         the same addresses, so nothing is applied. Delete that resource, or this one"
    )]
    Resource {
        /// Where it is.
        namespace: String,
    },
    /// In another namespace, where what is asked for runs already.
    #[error(
        "loadBalancerClass {class:?}: MetalLB {namespace}/metallb serves it; two of them would give away the same addresses, so \
         nothing is applied. Set loadBalancerClass back, or delete that resource first"
    )]
    Class {
        /// What is asked for; empty for the Services without a class.
        class: String,
        /// Where the other one is.
        namespace: String,
    },
    /// By its chart, in our namespace.
    #[error(
        "MetalLB was installed by Helm: {object}; two of them would give away the same addresses, so nothing is applied. Uninstall that \
         release first, as docs/operator.md says under Helm"
    )]
    Chart {
        /// One of its workloads.
        object: String,
    },
}

impl OthersError {
    /// What it means for the next pass. Of these objects only the resources are followed.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Read(cause) => Disposition::of(cause),
            Self::Webhooks { .. } | Self::Resource { .. } | Self::Class { .. } | Self::Chart { .. } => {
                Disposition::Refused
            }
        }
    }
}

const WEBHOOKS: &str = "ValidatingWebhookConfiguration";

/// Looks for another MetalLB, which must not be joined by this one: with the help of what there is, and of the resources
/// of other namespaces. Says so if one runs that should give way to this one.
///
/// # Errors
/// When this one is to give way, or that can't be seen.
pub async fn look_for_others(
    client: &Client,
    found: &Found,
    elsewhere: &[Found],
    listed: &Listed,
) -> Result<Option<String>, OthersError> {
    let namespace = found.namespace.as_str();
    let is_asked = is_asked(client, namespace, listed).await?;
    if let Some(object) =
        of_chart::<DaemonSet>(namespace, listed).or_else(|| of_chart::<Deployment>(namespace, listed))
    {
        return Err(OthersError::Chart { object });
    }
    let neighbours = resource::neighbours(client, found, is_asked, elsewhere).await?;
    let remark = |namespace: &String| {
        format!(
            "MetalLB {namespace}/metallb runs as well: two of them give away the same addresses, so delete one"
        )
    };
    let remarks: Vec<String> = neighbours.iter().map(remark).collect();
    Ok(Some(remarks.join("; ")).filter(|text| !text.is_empty()))
}

/// Whether API servers ask us about pools.
///
/// # Errors
/// When they ask somebody else, or that can't be seen.
async fn is_asked(client: &Client, namespace: &str, listed: &Listed) -> Result<bool, OthersError> {
    if bears_our_label(listed, namespace) {
        return Ok(true);
    }
    let configurations = of_cluster::<ValidatingWebhookConfiguration>(client);
    let live = configurations.get_opt(WEBHOOK_CONFIGURATION).await.map_err(OthersError::Read)?;
    let Some(live) = live else { return Ok(false) };
    let claim = standing(client, claims(&live, WEBHOOKS, namespace)).await.map_err(OthersError::Read)?;
    match claim {
        Some(Claim { whose, .. }) => Err(OthersError::Webhooks { whose }),
        None => Ok(asks_us(&live, namespace)),
    }
}

/// Whether webhooks that nobody else has a claim to are ours: by our label, or because they ask our Service.
fn asks_us(live: &DynamicObject, namespace: &str) -> bool {
    let webhooks = live.data.get("webhooks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let asked = |webhook: &Value| webhook.pointer("/clientConfig/service/namespace").cloned();
    live.labels().get(OWNED_BY).is_some_and(|ours| ours == namespace)
        || webhooks.iter().filter_map(asked).any(|asked| asked == namespace)
}

/// Whether the webhooks are ours by their label, so that it need not be read whom they ask.
fn bears_our_label(listed: &Listed, namespace: &str) -> bool {
    let mut configurations = listed.of::<ValidatingWebhookConfiguration>();
    let found = configurations.find(|found| found.name_any() == WEBHOOK_CONFIGURATION);
    found.and_then(|found| found.labels().get(OWNED_BY)).is_some_and(|ours| ours == namespace)
}

/// A workload of the chart among these.
fn of_chart<K: Resource<DynamicType = ()>>(namespace: &str, listed: &Listed) -> Option<String> {
    let (label, name) = CHART;
    let has_label = |found: &&DynamicObject| found.labels().get(label).is_some_and(|value| value == name);
    let found = listed.of::<K>().filter(has_label).find(|found| !is_ours(found))?;
    Some(format!("{} {namespace}/{}", K::kind(&()), found.name_any()))
}

/// The chart's workloads have other names, and a label is soon put on ours by somebody.
fn is_ours(found: &DynamicObject) -> bool {
    ["controller", "speaker"].contains(&found.name_any().as_str())
}

fn of_cluster<K: Resource<DynamicType = ()>>(client: &Client) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &ApiResource::erase::<K>(&()))
}

/// Why an object of the whole cluster, as it is now, is not ours to apply; None if it is.
///
/// # Errors
/// When it can't be seen whose it is.
pub async fn objection(
    client: &Client,
    desired: &Desired,
    live: &DynamicObject,
    all: &[Desired],
) -> Result<Option<Foreign>, kube::Error> {
    let Some(namespace) = desired.object.labels().get(OWNED_BY) else { return Ok(None) };
    let kind = desired.resource.kind.as_str();
    let claims = match kind {
        "ClusterRole" if !live.labels().contains_key(OWNED_BY) && !goes_with_us(live) => {
            claims_on_role(client, binding_of(desired, all), namespace).await?
        }
        _ => claims(live, kind, namespace),
    };
    let claim = standing(client, claims).await?;
    Ok(claim.map(|Claim { whose, .. }| refusal(kind, live, whose, namespace)))
}

/// Whether it has the owner that we give to what belongs to the whole cluster.
fn goes_with_us(live: &DynamicObject) -> bool {
    live.owner_references().iter().any(|owner| owner.name == DEFINITION)
}

/// The binding that is to be applied for this role.
fn binding_of<'a>(role: &Desired, all: &'a [Desired]) -> &'a str {
    all.iter().find(|desired| role_of(desired) == Some(role.name())).map(Desired::name).unwrap_or_default()
}

/// The role that a binding of the whole cluster is for.
pub(crate) fn role_of(desired: &Desired) -> Option<&str> {
    let role = desired.object.data.pointer("/roleRef/name").and_then(Value::as_str)?;
    desired.is::<ClusterRoleBinding>(desired.name()).then_some(role)
}

/// A role does not say for whom it is; its binding does.
async fn claims_on_role(client: &Client, binding: &str, namespace: &str) -> Result<Vec<Claim>, kube::Error> {
    let binding = of_cluster::<ClusterRoleBinding>(client).get_opt(binding).await?;
    Ok(match binding {
        Some(binding) => claims(&binding, "ClusterRoleBinding", namespace),
        None => vec![Claim::of_somebody("nothing says that MetalLB made it")],
    })
}

/// That somebody else has it.
struct Claim {
    whose: String,
    /// Where he is, if that is known.
    namespace: Option<String>,
}

impl Claim {
    fn of_somebody(whose: impl Into<String>) -> Self {
        Self { whose: whose.into(), namespace: None }
    }
}

/// A claim of somebody who is not gone with his namespace.
async fn standing(client: &Client, claims: Vec<Claim>) -> Result<Option<Claim>, kube::Error> {
    for claim in claims {
        let Some(namespace) = claim.namespace.as_deref() else { return Ok(Some(claim)) };
        if Api::<Namespace>::all(client.clone()).get_metadata_opt(namespace).await?.is_some() {
            return Ok(Some(claim));
        }
    }
    Ok(None)
}

/// Whose a live object is, by what it says itself: our label, another's, or for whom it works. None if it is ours.
fn claims(live: &DynamicObject, kind: &str, namespace: &str) -> Vec<Claim> {
    match live.labels().get(OWNED_BY) {
        Some(ours) if ours == namespace => Vec::new(),
        Some(theirs) => vec![Claim {
            whose: format!("it belongs to the MetalLB in namespace {theirs}"),
            namespace: Some(theirs.clone()),
        }],
        None => match kind {
            "ClusterRoleBinding" => bound_elsewhere(live, namespace),
            WEBHOOKS => asks_elsewhere(live, namespace),
            _ => Vec::new(),
        },
    }
}

fn refusal(kind: &str, live: &DynamicObject, whose: String, namespace: &str) -> Foreign {
    Foreign { object: format!("{kind} {}", live.name_any()), whose, namespace: namespace.to_owned() }
}

fn bound_elsewhere(live: &DynamicObject, namespace: &str) -> Vec<Claim> {
    let subjects = live.data.get("subjects").cloned().unwrap_or_default();
    // What is no list of subjects was not made by MetalLB.
    let Ok(subjects) = serde_json::from_value::<Option<Vec<Subject>>>(subjects) else {
        return vec![Claim::of_somebody("its subjects can't be read")];
    };
    let is_elsewhere = |subject: &Subject| {
        subject.kind != "ServiceAccount" || subject.namespace.as_deref() != Some(namespace)
    };
    let claim = |Subject { kind, namespace, name, .. }: Subject| {
        let place = namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        Claim { whose: format!("it grants rights to {kind} {place}{name}"), namespace }
    };
    subjects.into_iter().flatten().filter(is_elsewhere).map(claim).collect()
}

fn asks_elsewhere(live: &DynamicObject, namespace: &str) -> Vec<Claim> {
    let webhooks = live.data.get("webhooks").cloned().unwrap_or_default();
    let Ok(webhooks) = serde_json::from_value::<Option<Vec<ValidatingWebhook>>>(webhooks) else {
        return vec![Claim::of_somebody("its webhooks can't be read")];
    };
    served_elsewhere(&webhooks.unwrap_or_default(), namespace)
}

fn served_elsewhere(webhooks: &[ValidatingWebhook], namespace: &str) -> Vec<Claim> {
    let claim = |webhook: &ValidatingWebhook| match &webhook.client_config.service {
        Some(service) if service.namespace == namespace => None,
        Some(service) => Some(Claim {
            whose: format!("it asks Service {}/{}", service.namespace, service.name),
            namespace: Some(service.namespace.clone()),
        }),
        None => Some(Claim::of_somebody("it asks no Service")),
    };
    webhooks.iter().filter_map(claim).collect()
}

/// Who answers webhooks like these, if it is somebody else who is still there.
///
/// # Errors
/// When that can't be seen.
pub(crate) async fn answered_elsewhere(
    client: &Client,
    webhooks: &[ValidatingWebhook],
    namespace: &str,
) -> Result<Option<String>, kube::Error> {
    let claim = standing(client, served_elsewhere(webhooks, namespace)).await?;
    Ok(claim.map(|claim| claim.whose))
}

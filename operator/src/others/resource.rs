//! Another MetalLB by its resource, and by what runs there.
//!
//! What OLM installs has webhook configurations of other names; that its resource says `Available` may be old. So it counts
//! whether a controller is there, which gives away addresses, or an operator, which will make one.
//!
//! Of two that serve the same class one goes on, and both see which: see [`comes_before`]. The original gives way to nobody;
//! who goes on beside another one that runs says so.

use futures::future::try_join;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::ListParams;
use kube::{Api, Client, Error, ResourceExt as _};
use metallb_api::names::METALLB_NAME;
use metallb_render::OPERATOR_DEPLOYMENT;
use serde_json::Value;

use super::OthersError;
use crate::dereference::Found;

#[cfg(test)]
mod tests;

/// What is there in a namespace.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Crew {
    controller: bool,
    operator: bool,
}

/// One of two installations.
#[derive(Clone, Copy, Debug)]
struct Side<'a> {
    resource: &'a Found,
    crew: Crew,
    /// Whether API servers ask it about pools.
    is_asked: bool,
}

/// Where controllers run beside this one, though it goes on; what is in other namespaces is given.
///
/// # Errors
/// When one comes before it, or it can't be seen what runs there, or here.
pub(super) async fn neighbours(
    client: &Client,
    found: &Found,
    is_asked: bool,
    elsewhere: &[Found],
) -> Result<Vec<String>, OthersError> {
    let is_rival = |other: &&Found| other.name == METALLB_NAME && class(other) == class(found);
    let rivals: Vec<_> = elsewhere.iter().filter(is_rival).collect();
    let mut running = Vec::new();
    if rivals.is_empty() {
        return Ok(running);
    }
    let here = crew(client, &found.namespace).await.map_err(OthersError::Read)?;
    let this = Side { resource: found, crew: here, is_asked };
    for resource in rivals {
        // Were it asked, we would not have come so far.
        let there = crew(client, &resource.namespace).await.map_err(OthersError::Read)?;
        let other = Side { resource, crew: there, is_asked: false };
        let namespace = resource.namespace.clone();
        if comes_before(&other, &this) {
            return Err(OthersError::Resource { namespace });
        }
        if there.controller {
            running.push(namespace);
        }
    }
    Ok(running)
}

/// Whose Services it serves: those of one class, or those without.
fn class(found: &Found) -> &str {
    found.spec.get("loadBalancerClass").and_then(Value::as_str).unwrap_or_default()
}

async fn crew(client: &Client, namespace: &str) -> Result<Crew, Error> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let both = try_join(named(&deployments, "controller"), named(&deployments, OPERATOR_DEPLOYMENT));
    let (controller, operator) = both.await?;
    Ok(manned(controller.as_ref(), operator.as_ref()))
}

/// Listed, as the original may as well, not read; the right is limited to the names.
async fn named(deployments: &Api<Deployment>, name: &str) -> Result<Option<Deployment>, Error> {
    let list = deployments.list(&ListParams::default().fields(&format!("metadata.name={name}"))).await?;
    Ok(list.items.into_iter().next())
}

/// A controller that is wanted is there: its pod may be missing for a moment, or for long where something refuses it, and it
/// gives away addresses as soon as it comes. An operator is there with its pods.
fn manned(controller: Option<&Deployment>, operator: Option<&Deployment>) -> Crew {
    let is_ours = |it: &&Deployment| it.labels().get("app").is_some_and(|app| app == "metallb");
    Crew {
        controller: controller.filter(is_ours).is_some_and(|it| is_wanted(it) || has_pods(it)),
        operator: operator.is_some_and(has_pods),
    }
}

fn is_wanted(deployment: &Deployment) -> bool {
    deployment.spec.as_ref().is_some_and(|spec| spec.replicas != Some(0))
}

fn has_pods(deployment: &Deployment) -> bool {
    deployment.status.as_ref().and_then(|status| status.replicas).is_some_and(|pods| pods > 0)
}

/// Whether the other one goes on, and this one gives way: it is the one whose webhooks are asked; of two that are not, the
/// one whose controller is there; of two alike, the older. Never both, or two would keep each other for ever: nobody gives
/// way to one that can't begin.
fn comes_before(other: &Side<'_>, this: &Side<'_>) -> bool {
    if other.is_asked != this.is_asked {
        return other.is_asked;
    }
    let is_first = other.resource.is_older_than(this.resource) && !other.resource.is_being_deleted;
    match (other.crew.controller, this.crew.controller) {
        (true, true) => is_first,
        (true, false) => true,
        (false, true) => false,
        (false, false) => is_first && other.crew.operator && !other.resource.was_refused(),
    }
}

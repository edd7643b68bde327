//! Another MetalLB by its resource, and by what runs there.
//!
//! What OLM installs has webhook configurations of other names; that its resource says `Available` may be old. So it counts
//! whether a controller is there, which gives away addresses, or an operator, which will make one. A controller's class is
//! the one it runs with: its resource may ask for another one already.
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
    controller: Controller,
    operator: bool,
}

/// The controller of an installation, by the class of the Services it gives addresses to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Controller {
    /// None is there.
    #[default]
    Absent,
    /// Of another class than the one in question.
    Other,
    /// Of another class, too, but pods of before may be left, whose class nothing says.
    Changing,
    /// Of the class in question.
    Rival,
}

/// One of two installations.
#[derive(Clone, Copy, Debug)]
struct Side<'a> {
    resource: &'a Found,
    crew: Crew,
    /// Whether API servers ask it about pools.
    is_asked: bool,
}

impl Side<'_> {
    /// Whether it gives away addresses that the other one is to give away.
    fn works_beside(&self, other: &Self) -> bool {
        match self.crew.controller {
            Controller::Rival => true,
            Controller::Changing => matches!(other.crew.controller, Controller::Absent | Controller::Other),
            Controller::Absent | Controller::Other => false,
        }
    }

    /// Whether it has a controller, which serves another class than it is to serve from now on.
    fn changes_class(&self) -> bool {
        matches!(self.crew.controller, Controller::Other | Controller::Changing)
    }
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
    let others: Vec<_> = elsewhere.iter().filter(|other| other.name == METALLB_NAME).collect();
    let mut running = Vec::new();
    if others.is_empty() {
        return Ok(running);
    }
    let wanted = class(found);
    let here = crew(client, &found.namespace, wanted).await.map_err(OthersError::Read)?;
    let this = Side { resource: found, crew: here, is_asked };
    for resource in others {
        // Were it asked, we would not have come so far.
        let there = crew(client, &resource.namespace, wanted).await.map_err(OthersError::Read)?;
        let other = Side { resource, crew: there, is_asked: false };
        let works = other.works_beside(&this);
        if !works && class(resource) != wanted {
            continue;
        }
        let namespace = resource.namespace.clone();
        if comes_before(&other, &this) {
            return Err(match works && this.changes_class() {
                true => OthersError::Class { class: wanted.to_owned(), namespace },
                false => OthersError::Resource { namespace },
            });
        }
        if works {
            running.push(namespace);
        }
    }
    Ok(running)
}

/// Whose Services it serves: those of one class, or those without.
fn class(found: &Found) -> &str {
    found.spec.get("loadBalancerClass").and_then(Value::as_str).unwrap_or_default()
}

async fn crew(client: &Client, namespace: &str, class: &str) -> Result<Crew, Error> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let both = try_join(named(&deployments, "controller"), named(&deployments, OPERATOR_DEPLOYMENT));
    let (controller, operator) = both.await?;
    Ok(manned(controller.as_ref(), operator.as_ref(), class))
}

/// Listed, as the original may as well, not read; the right is limited to the names.
async fn named(deployments: &Api<Deployment>, name: &str) -> Result<Option<Deployment>, Error> {
    let list = deployments.list(&ListParams::default().fields(&format!("metadata.name={name}"))).await?;
    Ok(list.items.into_iter().next())
}

/// A controller that is wanted is there: its pod may be missing for a moment, or for long where something refuses it, and it
/// gives away addresses as soon as it comes. An operator is there with its pods.
fn manned(controller: Option<&Deployment>, operator: Option<&Deployment>, class: &str) -> Crew {
    let is_ours = |it: &&Deployment| it.labels().get("app").is_some_and(|app| app == "metallb");
    let controller = match controller.filter(is_ours).filter(|it| is_wanted(it) || has_pods(it)) {
        None => Controller::Absent,
        Some(it) if served(it) == class => Controller::Rival,
        Some(it) if is_rolled_out(it) => Controller::Other,
        Some(_) => Controller::Changing,
    };
    Crew { controller, operator: operator.is_some_and(has_pods) }
}

/// The class of the Services that this controller is for, as it is told by a flag.
fn served(controller: &Deployment) -> &str {
    let pod = controller.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let mut args = pod.into_iter().flat_map(|pod| &pod.containers).flat_map(|it| it.args.iter().flatten());
    args.find_map(|arg| arg.strip_prefix("--lb-class=")).unwrap_or_default()
}

/// Whether no pod is of an earlier form.
fn is_rolled_out(deployment: &Deployment) -> bool {
    deployment.status.as_ref().is_some_and(|status| {
        status.observed_generation == deployment.metadata.generation
            && status.updated_replicas.unwrap_or_default() == status.replicas.unwrap_or_default()
    })
}

fn is_wanted(deployment: &Deployment) -> bool {
    deployment.spec.as_ref().is_some_and(|spec| spec.replicas != Some(0))
}

fn has_pods(deployment: &Deployment) -> bool {
    deployment.status.as_ref().and_then(|status| status.replicas).is_some_and(|pods| pods > 0)
}

/// Whether the other one goes on, and this one gives way: it is the one whose webhooks are asked; of two that are not, the
/// one whose controller is there; of two alike, the older. Never both, or two would keep each other for ever: nobody gives
/// way to one that can't begin. But who is asked does not begin beside one that works: the original gives way to
/// nobody, and one of ours would go on running.
fn comes_before(other: &Side<'_>, this: &Side<'_>) -> bool {
    let (works_there, works_here) = (other.works_beside(this), this.works_beside(other));
    if other.is_asked {
        return true;
    }
    if this.is_asked {
        return works_there && !works_here;
    }
    let is_first = other.resource.is_older_than(this.resource) && !other.resource.is_being_deleted;
    match (works_there, works_here) {
        (true, true) => is_first,
        (true, false) => true,
        (false, true) => false,
        (false, false) => is_first && other.crew.operator && !other.resource.was_refused(),
    }
}

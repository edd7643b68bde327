//! What belongs to a resource and is no longer wanted: found by its owner or by its label, whoever made it and when.
//!
//! Nothing is remembered about it anywhere: a switch turned off, an upgrade, an operator of the original before us all come out the
//! same. Objects in its namespace name the resource as their owner. Objects of the whole cluster can't: they carry a
//! label with our namespace instead.

use std::collections::BTreeSet;

use futures::future::try_join;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Preconditions};
use kube::core::{PartialObjectMeta, TypeMeta};
use kube::{Client, Resource, ResourceExt};
use metallb_api::MetalLB;
use metallb_render::{Desired, FRR_K8S_WEBHOOKS, Kind, OWNED_BY, Platform, kinds};
use serde_json::Value;

use crate::ahead::ask_all;
use crate::deeds::DELETED;
use crate::disposition::{Disposition, explain, is_out_of_reach};

mod lease;

/// Label of what the operator keeps in its namespace.
const OPERANDS: &str = "app=metallb";
/// Names of the Deployment and the DaemonSet.
const WORKLOADS: [&str; 2] = ["controller", "speaker"];

/// Some leftovers are still there.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {}", explain(.cause))]
pub struct PruneError {
    what: String,
    /// What the API server answered.
    pub cause: kube::Error,
}

impl PruneError {
    /// What it means for the next pass.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::of(&self.cause)
    }
}

/// What is ours in the cluster.
#[derive(Clone)]
pub struct Inventory<'a> {
    /// The API server.
    pub client: &'a Client,
    /// Where the resource is.
    pub namespace: &'a str,
    /// Which kinds there are.
    pub platform: Platform,
}

/// What stays.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The resource.
    pub uid: &'a str,
    /// What it asks for.
    pub objects: &'a [Desired],
    /// Whether that runs. Until then nothing goes that may still do the work, or that such pods may need.
    pub runs: bool,
}

/// What was cleared away, whether all of it was or not.
#[derive(Debug, Default)]
pub struct Cleared {
    /// What was deleted, one line an object.
    pub deleted: Vec<String>,
    /// The first failure; everything else was deleted all the same.
    pub failure: Option<PruneError>,
}

/// One object found: its metadata, and all of it where its kind is small.
type Found = DynamicObject;
/// A kind, and what there is of it.
type List = (Kind, Result<Vec<Found>, PruneError>);

/// What there is of every kind: whatever is in our namespace, and what may be ours outside of it.
#[derive(Debug)]
pub struct Listed(Vec<List>);

impl Listed {
    /// What there is of kind `K`; nothing if that could not be listed.
    pub fn of<K: Resource<DynamicType = ()>>(&self) -> impl Iterator<Item = &Found> {
        let lists = self.0.iter().filter(|(kind, _)| is::<K>(&kind.resource));
        lists.filter_map(|(_, found)| found.as_ref().ok()).flatten()
    }

    /// What there is of a wanted object, which may be nothing; `None` if the lists don't tell.
    pub(crate) fn whole(&self, desired: &Desired) -> Option<Option<&Found>> {
        let (kind, found) =
            self.0.iter().find(|(kind, _)| kind.is_small && kind.resource == desired.resource)?;
        let found = found.as_ref().ok()?.iter().find(|found| found.name_any() == desired.name());
        // Of the whole cluster only what bears our label is listed.
        (kind.namespaced || found.is_some()).then_some(found)
    }
}

impl Inventory<'_> {
    /// Lists every kind. One that is refused keeps none of the others, and is told when it comes to [`Inventory::prune`].
    ///
    /// # Errors
    /// When the API server is out of reach, or which workloads there are can't be seen: somebody else's may be among them.
    pub async fn list(&self) -> Result<Listed, PruneError> {
        let mut lists = Vec::new();
        for (kind, found) in self.list_all(kinds(self.platform)).await {
            let is_workload = is::<DaemonSet>(&kind.resource) || is::<Deployment>(&kind.resource);
            match found {
                Err(error) if is_workload || is_out_of_reach(&error.cause) => return Err(error),
                found => lists.push((kind, found)),
            }
        }
        Ok(Listed(lists))
    }

    /// Deletes what belongs to the resource and is not wanted, of what was listed before that was applied: what has come
    /// since then is wanted, or is found with the next pass.
    pub async fn prune(&self, listed: Listed, wanted: &Wanted<'_>) -> Cleared {
        let names: BTreeSet<(&str, &str, &str)> = wanted
            .objects
            .iter()
            .map(|object| (object.resource.group.as_str(), object.resource.kind.as_str(), object.name()))
            .collect();
        let is_leftover = |kind: &Kind, found: &Found| {
            let (name, resource) = (found.metadata.name.as_deref().unwrap_or_default(), &kind.resource);
            let belongs = match kind.namespaced {
                true => is_owned_by(&found.metadata, wanted.uid),
                false => self.is_ours(kind, &found.metadata),
            };
            let may_go = wanted.runs || !kind.serves_pods;
            may_go && belongs && !names.contains(&(resource.group.as_str(), resource.kind.as_str(), name))
        };
        self.delete_all(listed.0, is_leftover).await
    }

    /// Deletes every object of the whole cluster that is ours, whether the resource went away just now or while no
    /// operator was running. Objects in the namespace go with their owner, but for the controllers' Lease, which has none.
    ///
    /// Workloads that are still there keep what they need: they are on their way out, or were left behind on purpose
    /// (`--cascade=orphan`) and go on working.
    pub async fn remove_leftovers(&self) -> Cleared {
        let [controller, speaker] =
            match try_join(self.exists::<Deployment>(), self.exists::<DaemonSet>()).await {
                Ok((controller, speaker)) => [controller, speaker],
                Err(failure) => return Cleared { failure: Some(failure), ..Cleared::default() },
            };
        let goes = |kind: &Kind| match kind.serves_pods {
            true => !controller && !speaker,
            // The controller answers the webhooks.
            false => !controller,
        };
        let kinds = kinds(self.platform).into_iter().filter(|kind| !kind.namespaced && goes(kind)).collect();
        let listed = self.list_all(kinds).await;
        let mut cleared = self.delete_all(listed, |kind, found| self.is_ours(kind, &found.metadata)).await;
        if !controller {
            self.remove_lease(&mut cleared).await;
        }
        cleared
    }

    async fn remove_lease(&self, cleared: &mut Cleared) {
        match lease::remove(self.client, self.namespace).await {
            Ok(false) => {}
            Ok(true) => cleared.deleted.push(format!("Lease {}/{}{DELETED}", self.namespace, lease::NAME)),
            Err(cause) => {
                let what = format!("could not delete Lease {}/{}", self.namespace, lease::NAME);
                cleared.failure.get_or_insert(PruneError { what, cause });
            }
        }
    }

    /// Whether a workload of this kind is there that the operator made.
    async fn exists<K: Resource<DynamicType = ()>>(&self) -> Result<bool, PruneError> {
        let resource = ApiResource::erase::<K>(&());
        let listed = self.api(&resource, true).list_metadata(&ListParams::default().labels(OPERANDS)).await;
        let what = || format!("could not list every {}", resource.kind);
        let listed = listed.map_err(|cause| PruneError { what: what(), cause })?;
        Ok(listed.items.iter().any(|found| WORKLOADS.contains(&found.name_any().as_str())))
    }

    async fn delete_all(&self, listed: Vec<List>, is_leftover: impl Fn(&Kind, &Found) -> bool) -> Cleared {
        let (mut deleted, mut failures) = (Vec::new(), Vec::new());
        for (kind, found) in listed {
            let found = found.unwrap_or_else(|error| {
                failures.push(error);
                Vec::new()
            });
            for object in found {
                let is_leftover = match is_leftover(&kind, &object) {
                    true => Ok(true),
                    false => self.is_foreign_leftover(&kind, &object).await,
                };
                let cleared = match is_leftover {
                    Ok(false) => continue,
                    Ok(true) => self.delete(&kind.resource, &object).await,
                    Err(error) => Err(error),
                };
                match cleared {
                    Ok(()) => deleted.push(format!("{}{DELETED}", place(&kind.resource, &object))),
                    Err(error) => failures.push(error),
                }
            }
        }
        Cleared { deleted, failure: failures.into_iter().next() }
    }

    async fn list_all(&self, kinds: Vec<Kind>) -> Vec<List> {
        let lists = ask_all(kinds.iter().map(|kind| self.list_one(kind)).collect()).await;
        let named = |(kind, found): (Kind, Result<Vec<Found>, kube::Error>)| {
            let what = format!("could not list every {}", kind.resource.kind);
            (kind, found.map_err(|cause| PruneError { what, cause }))
        };
        kinds.into_iter().zip(lists).map(named).collect()
    }

    async fn list_one(&self, kind: &Kind) -> Result<Vec<Found>, kube::Error> {
        let (api, scope) = (self.api(&kind.resource, kind.namespaced), self.scope(kind));
        let listed = match kind.is_small {
            true => api.list(&scope).await.map(|list| typed(list.items, &kind.resource)),
            false => api.list_metadata(&scope).await.map(|list| list.items.into_iter().map(bare).collect()),
        };
        match listed {
            Ok(list) => Ok(list),
            Err(kube::Error::Api(status)) if kind.is_optional && status.code == 404 => Ok(Vec::new()),
            Err(cause) => Err(cause),
        }
    }

    /// Of the whole cluster only what bears our label is read, but for the few webhook configurations, since one
    /// without it may be in the way.
    fn scope(&self, kind: &Kind) -> ListParams {
        if kind.namespaced || is::<ValidatingWebhookConfiguration>(&kind.resource) {
            return ListParams::default();
        }
        ListParams::default().labels(&format!("{OWNED_BY}={}", self.namespace))
    }

    /// An object outside of namespaces is ours by its label and its name: somebody may have copied one with its labels.
    fn is_ours(&self, kind: &Kind, metadata: &ObjectMeta) -> bool {
        let label = metadata.labels.as_ref().and_then(|labels| labels.get(OWNED_BY));
        let name = metadata.name.as_deref().unwrap_or_default();
        kind.names.contains(&name) && label.is_some_and(|namespace| namespace == self.namespace)
    }

    /// The original's webhook of frr-k8s, which it leaves behind and which then refuses every write to frr-k8s'
    /// configuration. It is ours to clear away if it asks a Service in our namespace.
    async fn is_foreign_leftover(&self, kind: &Kind, found: &Found) -> Result<bool, PruneError> {
        let is_it =
            is::<ValidatingWebhookConfiguration>(&kind.resource) && found.name_any() == FRR_K8S_WEBHOOKS;
        if !is_it || !is_owned_by_any(&found.metadata) {
            return Ok(false);
        }
        let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        let read = webhooks.get_opt(FRR_K8S_WEBHOOKS).await;
        let what = || format!("could not read {}", place(&kind.resource, found));
        let read = read.map_err(|cause| PruneError { what: what(), cause })?;
        let webhooks = read.and_then(|configuration| configuration.webhooks);
        let mut services = webhooks.into_iter().flatten().filter_map(|webhook| webhook.client_config.service);
        Ok(services.any(|service| service.namespace == self.namespace))
    }

    /// Deletes just this object, not one that has come in its place.
    async fn delete(&self, kind: &ApiResource, found: &Found) -> Result<(), PruneError> {
        let preconditions = Preconditions { uid: found.metadata.uid.clone(), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        match self.api(kind, found.metadata.namespace.is_some()).delete(&found.name_any(), &params).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(cause) => {
                let namespace = found.metadata.namespace.as_deref().unwrap_or_default();
                let (version, kind, name) = (&kind.api_version, &kind.kind, found.name_any());
                // The original's words.
                let what = format!("could not delete ({version}, Kind={kind}) {namespace}/{name}");
                Err(PruneError { what, cause })
            }
        }
    }

    fn api(&self, kind: &ApiResource, namespaced: bool) -> Api<DynamicObject> {
        match namespaced {
            true => Api::namespaced_with(self.client.clone(), self.namespace, kind),
            false => Api::all_with(self.client.clone(), kind),
        }
    }
}

/// Items of a list don't say what they are.
fn typed(mut items: Vec<Found>, resource: &ApiResource) -> Vec<Found> {
    let types = TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() };
    items.iter_mut().for_each(|item| item.types = Some(types.clone()));
    items
}

fn bare(PartialObjectMeta { metadata, .. }: PartialObjectMeta<DynamicObject>) -> Found {
    DynamicObject { types: None, metadata, data: Value::Null }
}

fn is<K: Resource<DynamicType = ()>>(kind: &ApiResource) -> bool {
    *kind == ApiResource::erase::<K>(&())
}

fn is_owned_by(metadata: &ObjectMeta, uid: &str) -> bool {
    let mut owners = metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.uid == uid && owner.controller == Some(true))
}

fn is_owned_by_any(metadata: &ObjectMeta) -> bool {
    let mut owners = metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.kind == MetalLB::kind(&()))
}

fn place(kind: &ApiResource, found: &Found) -> String {
    match &found.metadata.namespace {
        Some(namespace) => format!("{} {namespace}/{}", kind.kind, found.name_any()),
        None => format!("{} {}", kind.kind, found.name_any()),
    }
}

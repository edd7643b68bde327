//! The TLS profile of an OpenShift cluster, read with every pass: a change is followed without a restart.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::{Client, Error, Resource};
use metallb_render::{ApiServer, Platform, Tls, TlsProfile};

use crate::disposition::{Disposition, explain};

/// The profile can't be read.
#[derive(Debug, thiserror::Error)]
#[error("could not read APIServer cluster: {}", explain(.0))]
pub struct ClusterTlsError(Error);

impl ClusterTlsError {
    /// What it means for the next pass.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::of(&self.0)
    }
}

/// The cluster's TLS profile where there is one.
///
/// A cluster that has OpenShift's routes and not its configuration has none.
///
/// # Errors
/// When it can't be read.
pub async fn read_profile(
    client: &Client,
    platform: Platform,
) -> Result<Option<TlsProfile>, ClusterTlsError> {
    if platform != Platform::OpenShift {
        return Ok(None);
    }
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<ApiServer>(&()));
    let found = api.get_opt("cluster").await.map_err(ClusterTlsError)?;
    Ok(found.map(|found| TlsProfile::parse(&found.data)))
}

/// What the controller runs with now, or the speakers if it is gone: with the profile out of sight that stays, since any
/// other would replace every pod.
pub async fn running_tls(client: &Client, namespace: &str) -> Option<Tls> {
    let args = match args_of::<Deployment>(client, namespace, "controller").await {
        Some(args) => args,
        None => args_of::<DaemonSet>(client, namespace, "speaker").await?,
    };
    let of = |flag: &str| args.iter().find_map(|arg| arg.strip_prefix(flag).map(str::to_owned));
    Some(Tls {
        cipher_suites: of("--tls-cipher-suites="),
        curve_preferences: of("--tls-curve-preferences="),
        min_version: of("--tls-min-version="),
    })
}

/// How the first container of a workload's pods is started.
async fn args_of<K>(client: &Client, namespace: &str, name: &str) -> Option<Vec<String>>
where
    K: Resource<DynamicType = ()>,
{
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let mut live = api.get_opt(name).await.ok()??;
    let args = live.data.pointer_mut("/spec/template/spec/containers/0/args")?;
    serde_json::from_value(args.take()).ok()
}

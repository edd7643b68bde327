//! The TLS profile of an OpenShift cluster, read with every pass: a change is followed without a restart.

use kube::api::{Api, ApiResource, DynamicObject};
use kube::{Client, Error};
use metallb_render::{ApiServer, Environment, Platform, TlsProfile, TlsProfileError};

use crate::disposition::{Disposition, explain};

/// The profile can't be followed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterTlsError {
    /// It can't be read.
    #[error("could not read APIServer cluster: {}", explain(.0))]
    Read(Error),
    /// It can't be used.
    #[error(transparent)]
    Profile(#[from] TlsProfileError),
}

impl ClusterTlsError {
    /// What it means for the next pass. An edit of the profile wakes us.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Read(cause) => Disposition::of(cause),
            Self::Profile(_) => Disposition::Invalid,
        }
    }
}

/// What the installer decided, with the cluster's TLS profile where there is one, and a remark about it.
///
/// A cluster that has OpenShift's routes and not its configuration has no profile: there the variables count.
///
/// # Errors
/// When the profile can't be read or used.
pub async fn follow_cluster(
    client: &Client,
    environment: &Environment,
    platform: Platform,
) -> Result<(Environment, String), ClusterTlsError> {
    let unchanged = || (environment.clone(), String::new());
    if platform != Platform::OpenShift {
        return Ok(unchanged());
    }
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<ApiServer>(&()));
    let Some(found) = api.get_opt("cluster").await.map_err(ClusterTlsError::Read)? else {
        return Ok(unchanged());
    };
    let TlsProfile { tls, remark } = TlsProfile::parse(&found.data)?;
    Ok((Environment { tls, ..environment.clone() }, remark))
}

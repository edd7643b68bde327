//! A Lease (`coordination.k8s.io/v1`) as client-go's leader election keeps it: read, written, watched.

use futures::{Stream, StreamExt, future};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::runtime::watcher;
use kube::{Api, Client};

use crate::pace::paced;

/// What a Lease says, and what is to stand in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LeaseTerms {
    /// `holderIdentity`; empty when nobody holds it.
    pub holder: String,
    /// `leaseDurationSeconds`.
    pub seconds: i32,
    /// `acquireTime` in microseconds since 1970. None is the moment of writing.
    pub acquired: Option<i64>,
    /// `leaseTransitions`.
    pub transitions: i32,
}

/// One version of a Lease.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LeaseVersion {
    /// Its `resourceVersion`.
    pub version: String,
    /// What it says.
    pub terms: LeaseTerms,
}

/// Why a Lease was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// There is another version of it, or none where one was expected.
    #[error("the Lease changed")]
    Conflict,
    /// This account may not.
    #[error("not allowed: {0}")]
    Forbidden(String),
    /// Nobody knows what came of it.
    #[error(transparent)]
    Failed(kube::Error),
}

/// What a watch of a Lease shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LeaseNews {
    /// This version.
    Is(LeaseVersion),
    /// It is not there.
    Gone,
}

/// One Lease in the cluster. Clones are the same.
#[derive(Clone, Debug)]
pub struct LeaseHandle {
    api: Api<Lease>,
    namespace: String,
    name: &'static str,
}

impl LeaseHandle {
    /// The Lease `name` in `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &'static str) -> Self {
        Self { api: Api::namespaced(client, namespace), namespace: namespace.to_owned(), name }
    }

    /// Reads it; None if there is none.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn read(&self) -> Result<Option<LeaseVersion>, LeaseError> {
        Ok(self.api.get_opt(self.name).await.map_err(sort)?.as_ref().map(parse))
    }

    /// Replaces version `over` of it, or makes it.
    ///
    /// # Errors
    /// When it was not written, or nobody knows.
    pub async fn write(&self, over: Option<&str>, terms: &LeaseTerms) -> Result<LeaseVersion, LeaseError> {
        let lease = self.build(over, terms);
        let parameters = PostParams::default();
        let written = match over {
            Some(_) => self.api.replace(self.name, &parameters, &lease).await,
            None => self.api.create(&parameters, &lease).await,
        };
        written.map(|lease| parse(&lease)).map_err(|error| match error {
            // 404: there was one when somebody looked, and it was deleted.
            kube::Error::Api(status) if matches!(status.code, 404 | 409) => LeaseError::Conflict,
            error => sort(error),
        })
    }

    /// Its versions as they come; never ends. What goes wrong is tried again.
    pub fn watch(&self) -> impl Stream<Item = LeaseNews> + Send + use<> {
        let only = watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        let mut there = false;
        let news = paced(watcher(self.api.clone(), only).boxed()).map(move |event| match event {
            Ok(watcher::Event::Apply(lease) | watcher::Event::InitApply(lease)) => {
                there = true;
                Some(LeaseNews::Is(parse(&lease)))
            }
            Ok(watcher::Event::Delete(_)) => Some(LeaseNews::Gone),
            Ok(watcher::Event::Init) => {
                there = false;
                None
            }
            Ok(watcher::Event::InitDone) => (!there).then_some(LeaseNews::Gone),
            // Whoever holds or wants the Lease notices by its own requests, and says so.
            Err(_) => None,
        });
        news.filter_map(future::ready)
    }

    fn build(&self, over: Option<&str>, terms: &LeaseTerms) -> Lease {
        let now = jiff::Timestamp::now();
        let acquired = terms.acquired.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
        Lease {
            metadata: ObjectMeta {
                name: Some(self.name.to_owned()),
                namespace: Some(self.namespace.clone()),
                resource_version: over.map(str::to_owned),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(terms.holder.clone()),
                lease_duration_seconds: Some(terms.seconds),
                acquire_time: Some(MicroTime(acquired.unwrap_or(now))),
                renew_time: Some(MicroTime(now)),
                lease_transitions: Some(terms.transitions),
                ..LeaseSpec::default()
            }),
        }
    }
}

fn sort(error: kube::Error) -> LeaseError {
    match error {
        kube::Error::Api(status) if status.code == 403 => LeaseError::Forbidden(status.message.clone()),
        error => LeaseError::Failed(error),
    }
}

fn parse(lease: &Lease) -> LeaseVersion {
    let spec = lease.spec.clone().unwrap_or_default();
    LeaseVersion {
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        terms: LeaseTerms {
            holder: spec.holder_identity.unwrap_or_default(),
            seconds: spec.lease_duration_seconds.unwrap_or_default(),
            acquired: spec.acquire_time.map(|MicroTime(time)| time.as_microsecond()),
            transitions: spec.lease_transitions.unwrap_or_default(),
        },
    }
}

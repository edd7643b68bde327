//! Keeps the `ServiceL2Status` objects true, in a task of its own: announcing never waits for the API server.

mod index;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, Client};
use metallb_announce::tighten;
use metallb_api::ServiceL2Status;
use metallb_api::names::{LABEL_ANNOUNCING_NODE, LABEL_SERVICE_NAME, LABEL_SERVICE_NAMESPACE};
use metallb_cluster::{Pace, Store, Watches};
use metallb_config::ServiceKey;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::digest::Digest;
use crate::tidy::Tidy;
use index::{Index, KnownStatus};
use steps::{Step, Wanted, steps};

/// Services written about at the same time: enough to hide the API server's latency, too few to burden it.
const AT_ONCE: usize = 8;
/// Services looked at before others have a turn.
const LOOKED_AT: usize = 64;
/// Two nodes that both believe they announce would delete and create in turn: each one waits this long.
const REST: Duration = Duration::from_secs(1);

/// Takes wishes and never waits.
#[derive(Debug)]
pub(crate) struct StatusWriter {
    /// Unbounded, since the owner must not wait; the task takes wishes in at once, whatever it is writing, and keeps
    /// only the last one of each Service.
    wishes: mpsc::UnboundedSender<Wish>,
}

#[derive(Debug)]
enum Wish {
    /// This node announces the Service on these interfaces; none means all.
    Announced(ServiceKey, Vec<String>),
    /// This node does not announce the Service.
    Withdrawn(ServiceKey),
    /// From now on no wish means that a Service is not announced.
    Complete,
    /// Until that nothing is written.
    Incomplete,
}

/// Whose objects are written, and where.
#[derive(Clone, Debug)]
pub(crate) struct StatusSettings {
    /// MetalLB's namespace.
    pub(crate) namespace: String,
    /// This node.
    pub(crate) node: String,
    /// This pod, with which its objects go; empty if there is none.
    pub(crate) pod: String,
}

impl StatusWriter {
    /// Starts the task. It ends when this is dropped.
    pub(crate) fn start(client: Client, settings: StatusSettings) -> Self {
        let (wishes, received) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let owner = own_pod(&client, &settings).await;
            Task::new(client, settings, owner).run(received).await;
        });
        Self { wishes }
    }

    pub(crate) fn announced(&self, service: ServiceKey, interfaces: Vec<String>) {
        self.wish(Wish::Announced(service, interfaces));
    }

    pub(crate) fn withdrawn(&self, service: ServiceKey) {
        self.wish(Wish::Withdrawn(service));
    }

    /// Every Service has been looked at once: objects about others are left over from an earlier life.
    pub(crate) fn complete(&self) {
        self.wish(Wish::Complete);
    }

    /// Others say what they announce: nothing is written until [`Self::complete`].
    pub(crate) fn hold_back(&self) {
        self.wish(Wish::Incomplete);
    }

    fn wish(&self, wish: Wish) {
        // The task ends only after this.
        let _ = self.wishes.send(wish);
    }
}

/// The owner of all objects; tried until the API server answers. A pod that is not there owns nothing.
async fn own_pod(client: &Client, settings: &StatusSettings) -> Option<OwnerReference> {
    let StatusSettings { namespace, pod, node: _ } = settings;
    if pod.is_empty() {
        return None;
    }
    for pause in Pace::default() {
        match metallb_cluster::pod_owner(client, namespace, pod).await {
            Ok(owner) => return Some(owner),
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                let error = status.message;
                tracing::error!(
                    pod,
                    namespace,
                    error,
                    "own pod not readable, status objects will outlive it: check METALLB_POD_NAME and the role"
                );
                return None;
            }
            Err(error) => tracing::debug!(pod, %error, "own pod not read yet, trying again"),
        }
        tokio::time::sleep(pause).await;
    }
    None
}

struct Task {
    api: Api<ServiceL2Status>,
    settings: StatusSettings,
    owner: Option<OwnerReference>,
    watches: Watches,
    store: Store<KnownStatus>,
    index: Index,
    wishes: BTreeMap<Digest, Wanted>,
    is_complete: bool,
    /// Services to look at.
    dirty: BTreeSet<Digest>,
    /// Services that are being written about.
    busy: BTreeSet<Digest>,
    /// Services not to be written about before.
    resting: BTreeMap<Digest, Instant>,
    writing: FuturesUnordered<BoxFuture<'static, Written>>,
    pace: Pace,
    /// Nothing is begun before: the API server serves nobody.
    paused_until: Option<Instant>,
    tidy: Tidy,
}

/// The outcome of a Service's steps.
struct Written {
    service: Digest,
    /// For people: its name, or that of an object about it.
    about: String,
    created: bool,
    result: Result<(), kube::Error>,
}

impl Task {
    fn new(client: Client, settings: StatusSettings, owner: Option<OwnerReference>) -> Self {
        let api = Api::namespaced(client, &settings.namespace);
        let mut watches = Watches::default();
        let store = watches.add_held(api.clone(), watcher::Config::default(), "servicel2statuses.metallb.io");
        Self {
            api,
            settings,
            owner,
            watches,
            store,
            index: Index::default(),
            wishes: BTreeMap::new(),
            is_complete: false,
            dirty: BTreeSet::new(),
            busy: BTreeSet::new(),
            resting: BTreeMap::new(),
            writing: FuturesUnordered::new(),
            pace: Pace::default(),
            paused_until: None,
            tidy: Tidy::default(),
        }
    }

    async fn run(mut self, mut wishes: mpsc::UnboundedReceiver<Wish>) {
        loop {
            let wake = self.begin_writing();
            tokio::select! {
                wish = wishes.recv() => match wish {
                    Some(wish) => self.take(wish),
                    None => return,
                },
                () = self.watches.changed() => {
                    let touched = self.index.refresh(&self.store, &self.settings.namespace);
                    self.dirty.extend(touched);
                }
                Some(written) = self.writing.next(), if !self.writing.is_empty() => self.finish(written),
                () = until(wake) => {}
                () = self.tidy.due() => self.give_back(),
            }
        }
    }

    fn give_back(&mut self) {
        self.store.tighten();
        self.index.tighten();
        tighten(&mut self.wishes);
        self.tidy.give_back();
    }

    fn take(&mut self, wish: Wish) {
        match wish {
            Wish::Announced(service, interfaces) => {
                let digest = Digest::of(&service);
                self.wishes.insert(digest, Wanted { service, interfaces: interfaces.into_boxed_slice() });
                self.dirty.insert(digest);
            }
            Wish::Withdrawn(service) => {
                let digest = Digest::of(&service);
                self.wishes.remove(&digest);
                self.dirty.insert(digest);
            }
            Wish::Incomplete => self.is_complete = false,
            Wish::Complete => {
                self.is_complete = true;
                self.dirty.extend(self.index.services());
            }
        }
    }

    /// Starts as much as may be done at once; when to look again at what has to rest.
    fn begin_writing(&mut self) -> Option<Instant> {
        if !self.is_complete || !self.store.is_synced() {
            return None;
        }
        let now = Instant::now();
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Some(until);
        }
        self.resting.retain(|_, until| *until > now);
        let idle =
            self.dirty.iter().filter(|key| !self.busy.contains(*key) && !self.resting.contains_key(*key));
        // A few more than can be begun at once, since some turn out to need nothing: thousands may be waiting.
        let idle: Vec<Digest> = idle.take(LOOKED_AT).copied().collect();
        let has_more = idle.len() == LOOKED_AT;
        for service in idle {
            if self.writing.len() >= AT_ONCE {
                return None;
            }
            self.dirty.remove(&service);
            let steps = steps(&self.settings.node, self.wishes.get(&service), &self.index.of(service));
            if !steps.is_empty() {
                self.busy.insert(service);
                self.writing.push(Box::pin(self.write(service, steps)));
            }
        }
        if has_more {
            return Some(now);
        }
        self.dirty.iter().filter_map(|key| self.resting.get(key)).min().copied()
    }

    fn finish(&mut self, written: Written) {
        let Written { service, about, created, result } = written;
        self.busy.remove(&service);
        self.tidy.note(1);
        let now = Instant::now();
        match result {
            Ok(()) => {
                self.pace = Pace::default();
                self.paused_until = None;
                if created {
                    self.resting.insert(service, now + REST);
                }
            }
            Err(error) => {
                if may_concern_all(&error) {
                    self.pause(&error, now);
                } else {
                    let pause = self.pace.next().unwrap_or(REST);
                    tracing::warn!(service = about, %error, "ServiceL2Status not written, trying again");
                    self.resting.insert(service, now + pause);
                }
                self.dirty.insert(service);
            }
        }
    }

    /// Thousands may be waiting, and would fare no better. Told once until something is written again.
    fn pause(&mut self, error: &kube::Error, now: Instant) {
        if self.paused_until.is_some_and(|until| until > now) {
            return;
        }
        if self.paused_until.is_none() {
            tracing::warn!(%error, "no ServiceL2Status can be written, trying again");
        }
        self.paused_until = Some(now + self.pace.next().unwrap_or(REST));
    }

    fn write(&self, service: Digest, steps: Vec<Step>) -> impl Future<Output = Written> + Send + 'static {
        let writer =
            Writer { api: self.api.clone(), node: self.settings.node.clone(), owner: self.owner.clone() };
        let wanted = self.wishes.get(&service).map(|wanted| wanted.service.clone());
        async move {
            let created = steps.iter().any(|step| matches!(step, Step::Create(_)));
            let named = steps.first().map(|step| step.object().to_owned()).unwrap_or_default();
            let about = wanted.as_ref().map_or(named, ToString::to_string);
            // Who wants nothing said only has objects to delete.
            let result = writer.write(&wanted.unwrap_or_default(), steps).await;
            Written { service, about, created, result }
        }
    }
}

/// Carries out the steps for one Service.
struct Writer {
    api: Api<ServiceL2Status>,
    node: String,
    owner: Option<OwnerReference>,
}

impl Writer {
    async fn write(&self, service: &ServiceKey, steps: Vec<Step>) -> Result<(), kube::Error> {
        for step in steps {
            match step {
                Step::Create(name) => self.create(service, name).await?,
                // One that somebody removed is made anew as soon as the watch tells.
                Step::WriteStatus { name, interfaces } => {
                    ignore(404, self.write_status(service, &name, &interfaces).await)?
                }
                Step::Delete(name) => ignore(404, self.api.delete(&name, &DeleteParams::default()).await)?,
            }
        }
        Ok(())
    }

    async fn create(&self, service: &ServiceKey, name: String) -> Result<(), kube::Error> {
        let mut object = ServiceL2Status::default();
        object.metadata.name = Some(name);
        object.metadata.generate_name = Some(steps::PREFIX.to_owned());
        object.metadata.owner_references = self.owner.clone().map(|owner| vec![owner]);
        let labels = [
            (LABEL_ANNOUNCING_NODE, self.node.as_str()),
            (LABEL_SERVICE_NAME, &*service.name),
            (LABEL_SERVICE_NAMESPACE, &*service.namespace),
        ];
        let labels = labels.into_iter().map(|(label, value)| (label.to_owned(), value.to_owned()));
        object.metadata.labels = Some(labels.collect());
        // There already: the watch has not told yet.
        ignore(409, self.api.create(&PostParams::default(), &object).await)
    }

    async fn write_status(
        &self,
        service: &ServiceKey,
        name: &str,
        interfaces: &[String],
    ) -> Result<(), kube::Error> {
        let interfaces: Vec<_> = interfaces.iter().map(|name| json!({ "name": name })).collect();
        let status = json!({ "status": {
            "node": self.node,
            "serviceName": &*service.name,
            "serviceNamespace": &*service.namespace,
            "interfaces": interfaces,
        }});
        self.api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.map(drop)
    }
}

/// Whether the failure has nothing to do with the object: the API server is away, overloaded, or lets nobody write.
fn may_concern_all(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 401 | 403 | 429 | 500..),
        // What was written or answered could not be understood.
        kube::Error::SerdeError(_)
        | kube::Error::BuildRequest(_)
        | kube::Error::HttpError(_)
        | kube::Error::FromUtf8(_) => false,
        _ => true,
    }
}

/// Success when the API server answered this code: what was asked for is so already.
fn ignore<T>(code: u16, result: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(kube::Error::Api(status)) if status.code == code => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests;

/// Resolves at the moment, or never.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

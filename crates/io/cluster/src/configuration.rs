//! `ConfigurationState`: whether this component accepted the configuration (contract 01 §8.1, 02 §5.4).

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher;
use kube::{Api, Client};
use metallb_api::ConfigurationState;
use metallb_api::names::{LABEL_COMPONENT_TYPE, LABEL_NODE_NAME};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::pace::Pace;
use crate::store::Changes;
use crate::watches::Watches;

mod said;

use said::{Said, version};

/// How often the own pod is looked for until it can be read: the object goes with it then.
const LOOK_FOR_POD: Duration = Duration::from_secs(30);

/// Who reports.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Component {
    /// The controller.
    Controller,
    /// The speaker of this node.
    Speaker(String),
}

impl Component {
    fn object_name(&self) -> String {
        match self {
            Self::Controller => "controller".to_owned(),
            Self::Speaker(node) => format!("speaker-{node}"),
        }
    }

    /// Condition type and field manager.
    fn reporter(&self) -> (&'static str, &'static str) {
        match self {
            Self::Controller => ("poolReconcilerValid", "poolReconciler"),
            Self::Speaker(_) => ("configReconcilerValid", "configReconciler"),
        }
    }

    fn labels(&self) -> serde_json::Value {
        match self {
            Self::Controller => json!({ LABEL_COMPONENT_TYPE: "controller" }),
            Self::Speaker(node) => json!({ LABEL_COMPONENT_TYPE: "speaker", LABEL_NODE_NAME: node }),
        }
    }
}

/// Keeps the component's `ConfigurationState` true, in a task of its own: the owner never waits for it.
/// The task ends when this is dropped.
#[derive(Debug)]
pub struct ConfigurationReporter {
    errors: watch::Sender<Option<Vec<String>>>,
}

impl ConfigurationReporter {
    /// Starts reporting for one component. When `pod` can be read, the object goes with it.
    #[must_use]
    pub fn start(client: Client, namespace: &str, component: Component, pod: &str) -> Self {
        let (errors, wanted) = watch::channel(None);
        let api = Api::namespaced(client.clone(), namespace);
        let pod = OwnPod { client, namespace: namespace.to_owned(), name: pod.to_owned(), next: None };
        let said = Said { component, owner: None, written: None };
        tokio::spawn(Writer { api, pod, said }.run(wanted));
        Self { errors }
    }

    /// Says nothing until the next report: somebody else speaks for the component.
    pub fn pause(&self) {
        self.errors.send_if_modified(|last| last.take().is_some());
    }

    /// These errors stand now (none: the configuration is valid). Never waits.
    pub fn report(&self, errors: Vec<String>) {
        self.errors.send_if_modified(|last| {
            let news = last.as_ref() != Some(&errors);
            *last = Some(errors);
            news
        });
    }
}

/// The pod the component runs in.
struct OwnPod {
    client: Client,
    namespace: String,
    /// May be empty: then there is none.
    name: String,
    /// When to look again; None before the first time.
    next: Option<Instant>,
}

impl OwnPod {
    /// Resolves when it is time to look for it. Safe to cancel.
    async fn due(&self) {
        match self.next {
            _ if self.name.is_empty() => std::future::pending().await,
            Some(next) => tokio::time::sleep_until(next).await,
            None => {}
        }
    }

    async fn read(&mut self) -> Option<OwnerReference> {
        let read = crate::owner::pod_owner(&self.client, &self.namespace, &self.name).await;
        if let Err(error) = &read
            && self.next.is_none()
        {
            tracing::warn!(pod = self.name, %error, "own pod not readable, ConfigurationState gets no owner yet");
        }
        self.next = Some(Instant::now() + LOOK_FOR_POD);
        read.ok()
    }
}

/// The task: follows the object and what should stand in it.
struct Writer {
    api: Api<ConfigurationState>,
    pod: OwnPod,
    said: Said,
}

impl Writer {
    async fn run(mut self, mut wanted: watch::Receiver<Option<Vec<String>>>) {
        let name = self.said.component.object_name();
        let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut watches = Watches::default();
        let store = watches.add(self.api.clone(), only, "configurationstates.metallb.io");
        let mut pace = Pace::default();
        let mut again = None;
        loop {
            tokio::select! {
                asked = wanted.changed() => if asked.is_err() { return },
                () = watches.changed() => {}
                () = pause(again) => {}
                () = self.pod.due(), if self.said.owner.is_none() => self.said.owner = self.pod.read().await,
            }
            let errors = wanted.borrow_and_update().clone();
            let (Some(errors), true) = (errors, store.is_synced()) else { continue };
            let live = store.all().pop();
            if store.take_changes() != Changes::default() && live.is_none() {
                // Gone, perhaps before we saw it: it has to be made again, whatever we wrote.
                self.said.written = None;
            }
            again = match self.report(live.as_deref(), &errors).await {
                Ok(()) => {
                    pace.reset();
                    None
                }
                Err(error) => {
                    tracing::warn!(name, %error, "ConfigurationState not written, trying again");
                    pace.next()
                }
            };
        }
    }

    async fn report(
        &mut self,
        live: Option<&ConfigurationState>,
        errors: &[String],
    ) -> Result<(), kube::Error> {
        self.said.hear(live);
        let is_written = self.said.is_said(live, errors);
        let is_owned = live.map_or(is_written, |live| self.said.is_owned(live));
        let name = self.said.component.object_name();
        let (_, manager) = self.said.component.reporter();
        let params = PatchParams::apply(manager).force();
        if !is_owned {
            self.api.patch(&name, &params, &Patch::Apply(self.said.bare_object())).await?;
        }
        if is_written {
            return Ok(());
        }
        let patch = Patch::Apply(self.said.with_status(live, errors));
        let written = self.api.patch_status(&name, &params, &patch).await?;
        self.said.written = Some((errors.to_vec(), version(Some(&written))));
        Ok(())
    }
}

/// Resolves after the pause, or never.
async fn pause(length: Option<Duration>) {
    match length {
        Some(length) => tokio::time::sleep(length).await,
        None => std::future::pending().await,
    }
}

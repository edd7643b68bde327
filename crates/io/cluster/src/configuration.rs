//! `ConfigurationState`: whether this component accepted the configuration (contract 01 §8.1, 02 §5.4).

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, OwnerReference, Time};
use kube::api::{Patch, PatchParams};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher;
use kube::{Api, Client};
use metallb_api::names::{LABEL_COMPONENT_TYPE, LABEL_NODE_NAME};
use metallb_api::{ConfigurationResult, ConfigurationState, ConfigurationStateStatus};
use serde_json::json;
use tokio::sync::watch;

use crate::pace::Pace;
use crate::store::{Changes, Watches};

/// Longest message a condition may carry (bytes), by the schema.
const LONGEST_MESSAGE: usize = 32_768;

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
        let pod = (client, namespace.to_owned(), pod.to_owned());
        tokio::spawn(async move {
            let owner = own_pod(pod).await;
            Writer { api, said: Said { component, owner, written: None } }.run(wanted).await;
        });
        Self { errors }
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

async fn own_pod((client, namespace, pod): (Client, String, String)) -> Option<OwnerReference> {
    if pod.is_empty() {
        return None;
    }
    let read = crate::owner::pod_owner(&client, &namespace, &pod).await;
    read.inspect_err(
        |error| tracing::warn!(pod, %error, "own pod not readable, ConfigurationState gets no owner"),
    )
    .ok()
}

/// The task: follows the object and what should stand in it.
struct Writer {
    api: Api<ConfigurationState>,
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
        if self.said.is_said(live, errors) {
            return Ok(());
        }
        let name = self.said.component.object_name();
        let (_, manager) = self.said.component.reporter();
        let params = PatchParams::apply(manager).force();
        if live.is_none() {
            self.api.patch(&name, &params, &Patch::Apply(self.said.bare_object())).await?;
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

/// The version of an object. Versions of one object grow (KEP-5504); none is older than any.
fn version(object: Option<&ConfigurationState>) -> Option<u64> {
    object?.metadata.resource_version.as_ref()?.parse().ok()
}

/// What the object says and should say: decisions without I/O.
#[derive(Debug)]
struct Said {
    component: Component,
    owner: Option<OwnerReference>,
    /// The verdict last written, and the version of the object that came of it, until the watch shows
    /// that version: what it shows before is old news.
    written: Option<(Vec<String>, Option<u64>)>,
}

impl Said {
    /// Takes note of what the watch shows.
    fn hear(&mut self, live: Option<&ConfigurationState>) {
        let arrived = |since| live.is_some() && version(live) >= since;
        if self.written.as_ref().is_some_and(|(_, since)| arrived(*since)) {
            self.written = None;
        }
    }

    fn is_said(&self, live: Option<&ConfigurationState>, errors: &[String]) -> bool {
        if self.written.as_ref().is_some_and(|(said, _)| said == errors) {
            return true;
        }
        let Some(status) = live.and_then(|object| object.status.as_ref()) else { return false };
        let wanted = self.status(live, errors);
        status.result == wanted.result
            && status.error_summary == wanted.error_summary
            && status.conditions.as_deref().unwrap_or_default().contains(&self.condition(live, errors))
    }

    fn bare_object(&self) -> serde_json::Value {
        json!({
            "apiVersion": "metallb.io/v1beta1",
            "kind": "ConfigurationState",
            "metadata": {
                "name": self.component.object_name(),
                "labels": self.component.labels(),
                "ownerReferences": self.owner.as_slice(),
            },
        })
    }

    fn with_status(&self, live: Option<&ConfigurationState>, errors: &[String]) -> serde_json::Value {
        json!({
            "apiVersion": "metallb.io/v1beta1",
            "kind": "ConfigurationState",
            "metadata": { "name": self.component.object_name() },
            "status": self.status(live, errors),
        })
    }

    fn status(&self, live: Option<&ConfigurationState>, errors: &[String]) -> ConfigurationStateStatus {
        let condition = self.condition(live, errors);
        let valid = errors.is_empty();
        ConfigurationStateStatus {
            result: Some(if valid { ConfigurationResult::Valid } else { ConfigurationResult::Invalid }),
            error_summary: (!valid).then(|| condition.message.clone()),
            conditions: Some(vec![condition]),
        }
    }

    /// The condition for these errors; its transition time moves only when its status does.
    fn condition(&self, live: Option<&ConfigurationState>, errors: &[String]) -> Condition {
        let (kind, _) = self.component.reporter();
        let (status, reason, message) = match errors {
            [] => ("True", "Reconciled", String::new()),
            errors => ("False", "ConfigurationError", format!("configuration error: {}", errors.join("\n"))),
        };
        let conditions = live.and_then(|object| object.status.as_ref()?.conditions.as_ref());
        let same = conditions.into_iter().flatten().find(|old| old.type_ == kind && old.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: shorten(message),
            last_transition_time: same.map_or_else(now, |old| old.last_transition_time.clone()),
            observed_generation: None,
        }
    }
}

fn now() -> Time {
    // The API server keeps whole seconds.
    let seconds = jiff::Timestamp::now().as_second();
    Time(jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}

fn shorten(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller() -> Said {
        Said { component: Component::Controller, owner: None, written: None }
    }

    fn live(status: ConfigurationStateStatus) -> ConfigurationState {
        ConfigurationState { status: Some(status), ..ConfigurationState::default() }
    }

    #[test]
    fn a_verdict_already_said_is_not_written_again() {
        let said = controller();
        let errors = ["pool red: broken".to_owned()];
        let object = live(said.status(None, &errors));
        assert!(said.is_said(Some(&object), &errors));
        assert!(!said.is_said(Some(&object), &[]));
        assert!(!said.is_said(None, &errors));
    }

    #[test]
    fn a_write_is_not_repeated_before_its_echo_arrives() {
        let mut said = controller();
        let at = |version: &str| {
            let mut object = live(said.status(None, &["first".to_owned()]));
            object.metadata.resource_version = Some(version.to_owned());
            object
        };
        let (before, between, edited) = (at("6"), at("7"), at("9"));
        said.written = Some((vec![], Some(8)));
        for old_news in [None, Some(&before), Some(&between)] {
            said.hear(old_news);
            assert!(said.is_said(old_news, &[]));
        }
        said.hear(Some(&edited));
        assert!(!said.is_said(Some(&edited), &[]));
        assert!(!said.is_said(None, &[]), "a deleted object is made again");
    }

    #[test]
    fn the_transition_time_moves_only_when_the_status_does() {
        let said = controller();
        let mut old = said.status(None, &["first".to_owned()]);
        let long_ago = Time(jiff::Timestamp::UNIX_EPOCH);
        old.conditions.as_mut().unwrap()[0].last_transition_time = long_ago.clone();
        let old = live(old);
        let same = said.condition(Some(&old), &["second".to_owned()]);
        assert_eq!(
            (same.last_transition_time, same.message.as_str()),
            (long_ago.clone(), "configuration error: second")
        );
        assert_ne!(said.condition(Some(&old), &[]).last_transition_time, long_ago);
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let cut = shorten("ü".repeat(LONGEST_MESSAGE));
        assert!(cut.len() <= LONGEST_MESSAGE && cut.ends_with('ü'));
    }

    #[test]
    fn names_are_those_of_the_contract() {
        let speaker = Component::Speaker("n1".to_owned());
        assert_eq!(speaker.object_name(), "speaker-n1");
        assert_eq!(speaker.reporter(), ("configReconcilerValid", "configReconciler"));
        assert_eq!(Component::Controller.object_name(), "controller");
        assert_eq!(Component::Controller.reporter(), ("poolReconcilerValid", "poolReconciler"));
    }
}

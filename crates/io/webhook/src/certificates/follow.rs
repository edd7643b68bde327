//! Following one object.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use kube::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// What is known of an object.
#[derive(Clone, Debug)]
pub(super) enum Seen<K> {
    /// Nothing yet, for this reason.
    Unknown(String),
    /// It does not exist.
    Missing,
    /// It is like this.
    There(Arc<K>),
}

/// Follows the object with this name for ever. Safe to cancel.
pub(super) async fn follow<K>(api: Api<K>, name: String, seen: watch::Sender<Seen<K>>)
where
    K: kube::Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let one = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut events = pin!(watcher(api, one).default_backoff());
    let mut listed = None;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed = None,
            Ok(Event::InitApply(object)) => listed = Some(object),
            Ok(Event::InitDone) => {
                let object = listed.take();
                if object.is_none() {
                    tracing::info!(name, "object does not exist, going on without");
                }
                seen.send_replace(object.map_or(Seen::Missing, |object| Seen::There(Arc::new(object))));
            }
            Ok(Event::Apply(object)) => {
                seen.send_replace(Seen::There(Arc::new(object)));
            }
            Ok(Event::Delete(_)) => {
                seen.send_replace(Seen::Missing);
            }
            Err(error) => {
                tracing::debug!(name, %error, "watch failed, trying again");
                seen.send_if_modified(|seen| {
                    let unknown = matches!(seen, Seen::Unknown(_));
                    if unknown {
                        *seen = Seen::Unknown(error.to_string());
                    }
                    unknown
                });
            }
        }
    }
}

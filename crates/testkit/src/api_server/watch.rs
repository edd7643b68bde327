//! The stream of events behind a watch.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{Stream, StreamExt, stream};
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use serde_json::json;
use tokio::sync::watch;

use super::answer::{Refusal, Reply};
use super::request::Request;
use super::state::State;

/// Where a watcher stands.
struct Watcher {
    state: Arc<Mutex<State>>,
    request: Request,
    /// Version of the last event it has seen.
    seen: u64,
    ended: bool,
    news: watch::Receiver<u64>,
}

pub(super) fn reply(state: Arc<Mutex<State>>, request: Request, from: u64) -> Reply {
    let news = state.lock().unwrap_or_else(PoisonError::into_inner).news.subscribe();
    let watcher = Watcher { state, request, seen: from, ended: false, news };
    let frames = lines(watcher).map(|line| Ok::<_, Infallible>(Frame::data(Bytes::from(line))));
    Response::new(StreamBody::new(frames).boxed_unsync())
}

/// One line of JSON for each event; ends when there is a gap.
fn lines(watcher: Watcher) -> impl Stream<Item = String> + Send {
    stream::unfold(watcher, |mut watcher| async move {
        while !watcher.ended {
            if let Some(line) = watcher.next_line() {
                return Some((line, watcher));
            }
            if !watcher.ended {
                watcher.news.changed().await.ok()?;
            }
        }
        None
    })
}

impl Watcher {
    fn next_line(&mut self) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Mark first, then look: what comes in between is told next time.
        self.news.borrow_and_update();
        if state.fail_watches.is_some() {
            self.ended = true;
            return None;
        }
        if self.seen < state.oldest {
            self.ended = true;
            let gone = Refusal::new(410, "too old resource version").status();
            return Some(format!("{}\n", json!({"type": "ERROR", "object": gone})));
        }
        let event = state.event_after(self.seen, &self.request)?;
        self.seen = event.version;
        Some(format!("{}\n", json!({"type": event.kind, "object": event.object})))
    }
}

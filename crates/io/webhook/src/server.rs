//! The listener: accepts, shakes hands, hands over requests, and stops without refusing any.
//!
//! Each connection is a task of the [`Server`], which ends with it. Every step of a connection has a time limit, and
//! there are at most [`Limits::connections`] of them, so that nobody can exhaust the process from outside.

mod connection;
mod reply;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use rustls::ServerConfig;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::admission::{AdmissionRequest, Verdict};

/// Who answers.
pub trait Reviewer: Send + Sync + 'static {
    /// What is reviewed at a path of admission, for instance a kind.
    type Subject: Send;

    /// What is served at this path; nothing if the path is unknown.
    fn route(&self, path: &str) -> Option<Route<Self::Subject>>;

    /// Whether an object may be stored. Has to answer within the time an API server waits (10 s by default).
    fn admit(
        &self,
        subject: Self::Subject,
        request: AdmissionRequest,
    ) -> impl Future<Output = Verdict> + Send;

    /// The object in another version.
    ///
    /// # Errors
    /// When it can't be converted; the user reads the reason.
    fn convert(&self, object: Value, desired_api_version: &str) -> Result<Value, String>;
}

/// What a path serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route<S> {
    /// Admission reviews.
    Admission(S),
    /// Conversion reviews.
    Conversion,
}

/// What a client may use up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a body. An API server sends two objects of up to 1.5 MiB for admission, and whole lists for conversion.
    pub body: usize,
    /// Connections at once. An API server keeps some for later; when all places are taken, one of those has to go.
    pub connections: usize,
    /// For the handshake, and again for the body of a request.
    pub patience: Duration,
    /// A connection without a request is closed after this time. Longer than the 90 s of Go's clients: whoever closes
    /// first must not be the one who does not know whether a request is on its way.
    pub idle: Duration,
    /// How long connections are still accepted once the server is asked to stop: until then its address may be in use.
    pub linger: Duration,
    /// How long requests under way may take after that.
    pub finish: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 8 * 1024 * 1024,
            connections: 256,
            patience: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            linger: Duration::from_secs(3),
            finish: Duration::from_secs(5),
        }
    }
}

/// An HTTPS server for reviews.
pub struct Server<R> {
    reviewer: Arc<R>,
    tls: watch::Receiver<Arc<ServerConfig>>,
    limits: Limits,
}

impl<R: Reviewer> Server<R> {
    /// A server that speaks TLS as `tls` says; HTTP/2 if that offers `h2`.
    pub fn new(reviewer: R, tls: ServerConfig, limits: Limits) -> Self {
        // What is sent once stays.
        let (_, tls) = watch::channel(Arc::new(tls));
        Self::following(reviewer, tls, limits)
    }

    /// The same by the newest of these at each handshake.
    pub fn following(reviewer: R, tls: watch::Receiver<Arc<ServerConfig>>, limits: Limits) -> Self {
        Self { reviewer: Arc::new(reviewer), tls, limits }
    }

    /// Serves until `stop` resolves, then goes on for [`Limits::linger`] and lets requests under way finish.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let (leaving, left) = watch::channel(false);
        let connections = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let crowded = Arc::new(Notify::new());
        let (mut tasks, mut next) = (JoinSet::new(), None);
        let mut end = pin!(async {
            stop.await;
            leaving.send_replace(true);
            sleep(self.limits.linger).await;
        });
        loop {
            tokio::select! {
                () = &mut end => break,
                (stream, place) = accept(&listener, &mut next, &places, &crowded) => {
                    let visitor = connection::Visitor {
                        reviewer: self.reviewer.clone(),
                        limits: self.limits,
                        leaving: left.clone(),
                        graceful: connections.watcher(),
                        crowded: crowded.clone(),
                    };
                    let acceptor = TlsAcceptor::from(self.tls.borrow().clone());
                    tasks.spawn(async move {
                        visitor.serve(acceptor, stream).await;
                        drop(place);
                    });
                }
                Some(_) = tasks.join_next() => {}
            }
        }
        drop(listener);
        let unfinished = timeout(self.limits.finish, connections.shutdown()).await.is_err();
        tracing::debug!(unfinished, "webhook server stopped");
    }
}

/// The next connection, and a place for it. Safe to cancel: what is accepted stays in `next` until there is a place.
async fn accept(
    listener: &TcpListener,
    next: &mut Option<TcpStream>,
    places: &Arc<Semaphore>,
    crowded: &Notify,
) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        if next.is_none() {
            match listener.accept().await {
                Ok((stream, _)) => *next = Some(stream),
                // Out of file descriptors or an aborted connection: let others end first.
                Err(error) => {
                    tracing::debug!(%error, "accepting a connection failed");
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            }
        }
        if places.available_permits() == 0 {
            crowded.notify_one();
        }
        let Ok(place) = places.clone().acquire_owned().await else { continue };
        if let Some(stream) = next.take() {
            return (stream, place);
        }
    }
}

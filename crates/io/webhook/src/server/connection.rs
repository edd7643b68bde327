//! One connection, from handshake to end.

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::reply::reply;
use super::{Limits, Reviewer};

/// Bytes that a request's head may have.
const HEAD: usize = 32 * 1024;
/// Requests at once on one connection of HTTP/2.
const STREAMS: u32 = 32;

/// What a connection's task holds.
pub(super) struct Visitor<R> {
    pub(super) reviewer: Arc<R>,
    pub(super) limits: Limits,
    /// Turns true when clients shall look for another server.
    pub(super) leaving: watch::Receiver<bool>,
    pub(super) graceful: Watcher,
    /// Tells one connection after the other, the one that waits longest first, that somebody else needs its place.
    pub(super) crowded: Arc<Notify>,
}

impl<R: Reviewer> Visitor<R> {
    pub(super) async fn serve(self, acceptor: TlsAcceptor, stream: TcpStream) {
        // Answers are small and complete: waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        match timeout(self.limits.patience, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.answer(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }

    async fn answer(self, stream: TlsStream<TcpStream>) {
        let Self { reviewer, limits, leaving, graceful, crowded } = self;
        let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let (busy, requests) = watch::channel(0_usize);
        let service = service_fn(move |request: Request<Incoming>| {
            let (reviewer, leaving, busy) = (reviewer.clone(), leaving.clone(), Busy::of(&busy));
            async move {
                let _busy = busy;
                let version = request.version();
                let mut response = reply(reviewer.as_ref(), limits, request).await;
                if *leaving.borrow() && version < Version::HTTP_2 {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let stream = TokioIo::new(stream);
        let asked_to_go = room_needed(requests, crowded);
        if speaks_http2 {
            let mut http = http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new())
                .keep_alive_interval(limits.idle / 4)
                .max_concurrent_streams(STREAMS);
            until(graceful.watch(http.serve_connection(stream, service)), asked_to_go).await;
        } else {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(limits.idle).max_buf_size(HEAD);
            until(graceful.watch(http.serve_connection(stream, service)), asked_to_go).await;
        }
    }
}

/// The connection to its end, or to where it is dropped, which is only asked for while nothing is under way.
async fn until(connection: impl Future<Output = hyper::Result<()>>, asked_to_go: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended early");
            }
        }
        () = asked_to_go => tracing::debug!("idle connection closed, others need the place"),
    }
}

/// Resolves when this connection is asked to go. It waits for that only between requests, so those that are told
/// first are those that do nothing for the longest time.
async fn room_needed(mut requests: watch::Receiver<usize>, crowded: Arc<Notify>) {
    loop {
        if requests.wait_for(|under_way| *under_way == 0).await.is_err() {
            return std::future::pending().await;
        }
        tokio::select! {
            biased;
            _ = requests.changed() => {}
            () = crowded.notified() => return,
        }
    }
}

/// Counts a request as long as it is under way.
struct Busy(watch::Sender<usize>);

impl Busy {
    fn of(requests: &watch::Sender<usize>) -> Self {
        requests.send_modify(|under_way| *under_way += 1);
        Self(requests.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|under_way| *under_way -= 1);
    }
}

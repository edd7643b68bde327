//! Serving one connection, and accepting many without falling over.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::answer::{Answer, Query};

/// At most this many connections at once: scrapers and kubelets need a handful,
/// and a flood must not eat the memory of a daemon that moves addresses.
const CONNECTIONS: usize = 64;
/// How long a client may take to send its request head or finish its handshake.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Accepts for ever, giving each connection to `serve` in a task of its own.
///
/// Tasks end by themselves: every step of a connection has a time limit.
pub(crate) async fn accept<F, S>(listener: TcpListener, serve: S)
where
    S: Fn(TcpStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = serve(stream);
                tokio::spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            // Out of file descriptors or an aborted connection: let others end first.
            Err(error) => {
                tracing::debug!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Answers the requests of one connection until it ends.
pub(crate) async fn answer<I, F>(stream: I, reply: impl Fn(Query) -> F)
where
    I: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Answer>,
{
    let service = service_fn(|request: Request<Incoming>| {
        let query = Query::from_request(&request);
        let reads = query.reads;
        let answer = reply(query);
        async move {
            let answer = if reads { answer.await } else { Answer::new(405, "only GET is served\n") };
            Ok::<_, Infallible>(answer.into_response())
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(16 * 1024);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "connection ended early");
    }
}

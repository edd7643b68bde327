//! `/metrics` over HTTPS, for those who may read it (contract 01 §6).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::answer::{Answer, Query};
use crate::connection::PATIENCE;
use crate::tls::{TlsError, TlsSettings, follow_settings};
use crate::{bind, connection};

/// Where metrics are.
const METRICS: &str = "/metrics";

/// Whether a bearer may read what he asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Yes.
    Allowed,
    /// The token is missing or unknown: 401.
    Unauthenticated,
    /// The token is known and not entitled: 403.
    Forbidden,
    /// Nobody could be asked: 500.
    Unknown,
}

/// A document in JSON served beside the metrics, for those who may read its path.
pub struct Document {
    /// Where it is.
    pub path: &'static str,
    /// What it says.
    pub read: Box<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Serves `/metrics` on the first of `addresses` that can be had, for ever. `authorize` is asked for each request with its bearer token.
///
/// # Errors
/// When the certificate is unusable; never once it serves.
pub async fn metrics<E, A, F>(
    addresses: &[SocketAddr],
    tls: TlsSettings,
    encode: E,
    authorize: A,
) -> Result<(), TlsError>
where
    E: Fn() -> String + Send + Sync + 'static,
    A: Fn(Option<String>) -> F + Send + Sync + 'static,
    F: Future<Output = Verdict> + Send + 'static,
{
    metrics_and(Vec::new(), addresses, tls, encode, move |bearer, _| authorize(bearer)).await
}

/// As [`metrics`], with documents beside it. `authorize` is told the path as well.
///
/// # Errors
/// When the certificate is unusable; never once it serves.
pub async fn metrics_and<E, A, F>(
    documents: Vec<Document>,
    addresses: &[SocketAddr],
    tls: TlsSettings,
    encode: E,
    authorize: A,
) -> Result<(), TlsError>
where
    E: Fn() -> String + Send + Sync + 'static,
    A: Fn(Option<String>, &'static str) -> F + Send + Sync + 'static,
    F: Future<Output = Verdict> + Send + 'static,
{
    // What is sent once stays.
    let (_, config) = watch::channel(Arc::new(tls.server_config()?));
    Endpoint { documents, encode, authorize }.serve(addresses, config).await;
    Ok(())
}

/// As [`metrics`], by the newest settings at each handshake.
///
/// # Errors
/// When the first settings are unusable; never once it serves.
pub async fn metrics_following<E, A, F>(
    addresses: &[SocketAddr],
    mut tls: watch::Receiver<TlsSettings>,
    encode: E,
    authorize: A,
) -> Result<(), TlsError>
where
    E: Fn() -> String + Send + Sync + 'static,
    A: Fn(Option<String>) -> F + Send + Sync + 'static,
    F: Future<Output = Verdict> + Send + 'static,
{
    let first = tls.borrow_and_update().server_config()?;
    let (configs, config) = watch::channel(Arc::new(first));
    let authorize = move |bearer, _| authorize(bearer);
    let endpoint = Endpoint { documents: Vec::new(), encode, authorize };
    tokio::join!(
        follow_settings(tls, configs, TlsSettings::server_config),
        endpoint.serve(addresses, config)
    );
    Ok(())
}

struct Endpoint<E, A> {
    documents: Vec<Document>,
    encode: E,
    authorize: A,
}

impl<E, A, F> Endpoint<E, A>
where
    E: Fn() -> String + Send + Sync + 'static,
    A: Fn(Option<String>, &'static str) -> F + Send + Sync + 'static,
    F: Future<Output = Verdict> + Send + 'static,
{
    /// Serves for ever on the first of these addresses that can be had.
    async fn serve(self, addresses: &[SocketAddr], tls: watch::Receiver<Arc<ServerConfig>>) {
        let endpoint = Arc::new(self);
        let listener = bind::bind(addresses, "metrics").await;
        let serve = |stream| {
            let (acceptor, endpoint) = (TlsAcceptor::from(tls.borrow().clone()), endpoint.clone());
            async move { secure(acceptor, stream, endpoint).await }
        };
        connection::accept(listener, serve).await;
    }
}

async fn secure<E, A, F>(acceptor: TlsAcceptor, stream: TcpStream, endpoint: Arc<Endpoint<E, A>>)
where
    E: Fn() -> String,
    A: Fn(Option<String>, &'static str) -> F,
    F: Future<Output = Verdict>,
{
    match timeout(PATIENCE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => connection::answer(stream, |query| endpoint.reply(query)).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

impl<E, A, F> Endpoint<E, A>
where
    E: Fn() -> String,
    A: Fn(Option<String>, &'static str) -> F,
    F: Future<Output = Verdict>,
{
    async fn reply(&self, query: Query) -> Answer {
        let document = self.documents.iter().find(|document| document.path == query.path);
        let path = match document {
            Some(document) => document.path,
            None if query.path == METRICS => METRICS,
            None => return Answer::new(404, "not found\n"),
        };
        match (self.authorize)(query.bearer, path).await {
            Verdict::Allowed => match document {
                Some(document) => Answer::json((document.read)()),
                None => Answer::new(200, (self.encode)()),
            },
            Verdict::Unauthenticated => Answer::new(401, "a valid bearer token is needed\n"),
            Verdict::Forbidden => Answer::new(403, format!("not allowed to get {path}\n")),
            Verdict::Unknown => Answer::new(500, "the API server could not be asked who you are\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn metrics_and_documents_are_given_only_to_those_who_may_read_them() {
        for (verdict, status) in [
            (Verdict::Allowed, 200),
            (Verdict::Unauthenticated, 401),
            (Verdict::Forbidden, 403),
            (Verdict::Unknown, 500),
        ] {
            for (path, content) in [("/metrics", "secret"), ("/debug/x", "{}")] {
                let document = Document { path: "/debug/x", read: Box::new(|| "{}".to_owned()) };
                let authorize = |_, asked| {
                    assert_eq!(asked, path);
                    std::future::ready(verdict)
                };
                let endpoint =
                    Endpoint { documents: vec![document], encode: || "secret".to_owned(), authorize };
                let query = Query { path: path.to_owned(), reads: true, bearer: None };
                let answer = endpoint.reply(query).await;
                assert_eq!(answer.status, status);
                assert_eq!(answer.text == content, verdict == Verdict::Allowed, "{answer:?}");
            }
        }
    }

    /// Contract 01 §6, metrics listener: the path.
    #[tokio::test]
    async fn nothing_else_is_served_whoever_asks() {
        for path in ["/", "/metrics/", "/debug/pprof/", "/debug/ownership", "/healthz"] {
            let allowed = |_, _| std::future::ready(Verdict::Allowed);
            let encode = || "secret".to_owned();
            let endpoint = Endpoint { documents: Vec::new(), encode, authorize: allowed };
            let answer = endpoint.reply(Query { path: path.to_owned(), reads: true, bearer: None }).await;
            assert_eq!((answer.status, answer.text == "secret"), (404, false), "{path}");
        }
    }
}

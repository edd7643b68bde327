//! `/metrics` over HTTPS, for those who may read it (contract 01 §6).

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::answer::{Answer, Query};
use crate::connection::PATIENCE;
use crate::tls::{TlsError, TlsSettings};
use crate::{bind, connection};

/// Whether a bearer may read the metrics.
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
    let acceptor = TlsAcceptor::from(Arc::new(tls.server_config()?));
    let endpoint = Arc::new(Endpoint { encode, authorize });
    let listener = bind::bind(addresses, "metrics").await;
    let serve = |stream| {
        let (acceptor, endpoint) = (acceptor.clone(), endpoint.clone());
        async move { secure(acceptor, stream, endpoint).await }
    };
    connection::accept(listener, serve).await;
    Ok(())
}

struct Endpoint<E, A> {
    encode: E,
    authorize: A,
}

async fn secure<E, A, F>(acceptor: TlsAcceptor, stream: TcpStream, endpoint: Arc<Endpoint<E, A>>)
where
    E: Fn() -> String,
    A: Fn(Option<String>) -> F,
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
    A: Fn(Option<String>) -> F,
    F: Future<Output = Verdict>,
{
    async fn reply(&self, query: Query) -> Answer {
        if query.path != "/metrics" {
            return Answer::new(404, "not found\n");
        }
        match (self.authorize)(query.bearer).await {
            Verdict::Allowed => Answer::new(200, (self.encode)()),
            Verdict::Unauthenticated => Answer::new(401, "a valid bearer token is needed\n"),
            Verdict::Forbidden => Answer::new(403, "not allowed to get /metrics\n"),
            Verdict::Unknown => Answer::new(500, "the API server could not be asked who you are\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn metrics_are_given_only_to_those_who_may_read_them() {
        for (verdict, status) in [
            (Verdict::Allowed, 200),
            (Verdict::Unauthenticated, 401),
            (Verdict::Forbidden, 403),
            (Verdict::Unknown, 500),
        ] {
            let endpoint =
                Endpoint { encode: || "secret".to_owned(), authorize: |_| std::future::ready(verdict) };
            let query = Query { path: "/metrics".to_owned(), reads: true, bearer: None };
            let answer = endpoint.reply(query).await;
            assert_eq!(answer.status, status);
            assert_eq!(answer.text == "secret", verdict == Verdict::Allowed);
        }
    }

    /// Contract 01 §6, metrics listener: the path.
    #[tokio::test]
    async fn nothing_else_is_served_whoever_asks() {
        for path in ["/", "/metrics/", "/debug/pprof/", "/healthz"] {
            let allowed = |_| std::future::ready(Verdict::Allowed);
            let endpoint = Endpoint { encode: || "secret".to_owned(), authorize: allowed };
            let answer = endpoint.reply(Query { path: path.to_owned(), reads: true, bearer: None }).await;
            assert_eq!((answer.status, answer.text == "secret"), (404, false), "{path}");
        }
    }
}

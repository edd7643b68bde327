//! The client of the API server this daemon belongs to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Request;
use hyper_util::client::legacy::Builder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

/// How long a new connection may take. Failing early beats waiting: everything is retried.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the API server may take to begin its answer to anything but a watch.
const REQUEST: Duration = Duration::from_secs(15);
/// After this long without a word the other end is probed, so often, before it counts as gone.
const SILENCE: Duration = Duration::from_secs(5);
const PROBE: Duration = Duration::from_secs(2);
const PROBES: u32 = 3;
/// Connections kept for later. Each takes some 20 kB, and more with TLS; but where fewer are kept than write at once in the crowd that
/// thousands of Services are, some are closed and opened all the time.
const KEPT: usize = 32;
/// How long sent data or probes may stay unacknowledged.
const DEAF: Duration = Duration::from_secs(11);

/// No usable client configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file given is missing or malformed.
    #[error("reading kubeconfig {path}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: kube::config::KubeconfigError,
    },
    /// Neither in a pod nor with a kubeconfig.
    #[error("finding the API server: run in a pod, or set --kubeconfig or KUBECONFIG")]
    Infer(#[source] kube::config::InferConfigError),
    /// The configuration names something the client can't do.
    #[error("building the API client")]
    Build(#[source] kube::Error),
}

/// A client by the given kubeconfig, else by `KUBECONFIG` and its default, else by the pod's service account.
///
/// The API server is not contacted: it may be unreachable now and come later.
///
/// # Errors
/// When no configuration is found or it can't be used.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    let config = match kubeconfig {
        Some(path) => from_file(path).await?,
        None => Config::infer().await.map_err(ConnectError::Infer)?,
    };
    build(config).map_err(ConnectError::Build)
}

async fn from_file(path: &Path) -> Result<Config, ConnectError> {
    let wrong = |source| ConnectError::Kubeconfig { path: path.to_owned(), source };
    let kubeconfig = Kubeconfig::read_from(path).map_err(wrong)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(wrong)
}

/// kube's own stack, on a connection that notices when its other end is gone, and with a time limit for
/// everything but watches. What fails is tried again by whoever asked.
fn build(config: Config) -> Result<Client, kube::Error> {
    let https = config.rustls_https_connector_with_connector(connector())?;
    let stack = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(hyper_client().build(https));
    let limited = service_fn(move |request: Request<Body>| answer(stack.clone(), request));
    Ok(Client::new(limited, config.default_namespace))
}

/// Keeps few connections that nobody uses, and those for 90 s: after thousands of writes at once there are a hundred, each with its
/// buffers. Without a timer they stay until the next request.
fn hyper_client() -> Builder {
    let mut builder = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_max_idle_per_host(KEPT);
    builder
}

async fn answer<S>(stack: S, request: Request<Body>) -> Result<S::Response, BoxError>
where
    S: Service<Request<Body>, Error = BoxError>,
{
    if is_watch(&request) {
        return stack.oneshot(request).await;
    }
    tokio::time::timeout(REQUEST, stack.oneshot(request)).await?
}

fn is_watch(request: &Request<Body>) -> bool {
    let mut parameters = request.uri().query().unwrap_or_default().split('&');
    parameters.any(|parameter| matches!(parameter, "watch=true" | "watch=1"))
}

/// A path that is lost without a word (a cable, a firewall, a server that came back without its memory of us)
/// must not leave a daemon deaf: silence is probed, and ends the connection within [`DEAF`].
fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_nodelay(true);
    connector.set_keepalive(Some(SILENCE));
    connector.set_keepalive_interval(Some(PROBE));
    connector.set_keepalive_retries(Some(PROBES));
    connector.set_tcp_user_timeout(Some(DEAF));
    connector
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use kube::api::{ListParams, WatchParams};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Barrier;

    use super::*;

    /// A client of a server that takes connections and never answers.
    async fn of_a_silent_server() -> (Client, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        (build(Config::new(url)).unwrap(), listener)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_nobody_answers_ends() {
        let (client, _listener) = of_a_silent_server().await;
        let asked = tokio::time::Instant::now();
        let answer = Api::<ConfigMap>::all(client).list(&ListParams::default()).await;
        assert!(answer.is_err());
        assert!(asked.elapsed() <= REQUEST * 2, "{:?}", asked.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_may_be_silent_for_long() {
        let (client, _listener) = of_a_silent_server().await;
        let api = Api::<ConfigMap>::all(client);
        let parameters = WatchParams::default();
        let watch = api.watch(&parameters, "1");
        assert!(tokio::time::timeout(REQUEST * 10, watch).await.is_err());
    }

    /// Answers requests once so many have come at the same time.
    async fn serve(mut stream: TcpStream, all: Arc<Barrier>, open: Arc<AtomicUsize>) {
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n\
                      {\"metadata\":{},\"items\":[]}";
        let mut request = [0; 4096];
        while stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
            all.wait().await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        open.fetch_sub(1, Ordering::Relaxed);
    }

    #[tokio::test]
    async fn of_many_connections_few_are_kept() {
        const MANY: usize = 80;
        let (client, listener) = of_a_silent_server().await;
        let (all, open) = (Arc::new(Barrier::new(MANY)), Arc::new(AtomicUsize::new(0)));
        let count = open.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, all.clone(), count.clone()));
            }
        });
        let list = || {
            let api = Api::<ConfigMap>::all(client.clone());
            async move { api.list(&ListParams::default()).await.unwrap() }
        };
        join_all((0..MANY).map(|_| list())).await;
        let few = async {
            while open.load(Ordering::Relaxed) > KEPT {
                tokio::task::yield_now().await;
            }
        };
        assert!(
            tokio::time::timeout(REQUEST, few).await.is_ok(),
            "{} are open",
            open.load(Ordering::Relaxed)
        );
        assert_eq!(open.load(Ordering::Relaxed), KEPT);
    }
}

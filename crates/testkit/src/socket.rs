//! The API server in memory over a socket, as a process reaches it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::ApiServer;

/// A server is reached over a socket for as long as this lives.
#[derive(Debug)]
pub struct Socket {
    kubeconfig: PathBuf,
    _runtime: Runtime,
}

impl Socket {
    /// Serves over plain HTTP on this listener, in a thread of its own.
    ///
    /// # Panics
    /// When the listener can't be used.
    #[must_use]
    #[expect(clippy::unwrap_used, reason = "misuse of a test double fails the test")]
    pub fn serve(server: &ApiServer, listener: TcpListener) -> Self {
        listener.set_nonblocking(true).unwrap();
        let kubeconfig = write_kubeconfig(&format!("http://{}", listener.local_addr().unwrap()));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        runtime.spawn(accept(listener, server.client("default")));
        drop(entered);
        Self { kubeconfig, _runtime: runtime }
    }

    /// The flag by which a daemon finds it.
    #[must_use]
    pub fn flag(&self) -> String {
        format!("--kubeconfig={}", self.kubeconfig.display())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Left behind, it harms nobody.
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}

#[expect(clippy::unwrap_used, reason = "a test stops where it can't go on")]
fn write_kubeconfig(server: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("metallb-api-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{ "name": "c", "cluster": { "server": server } }],
        "users": [{ "name": "c", "user": {} }],
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "c" } }],
    });
    std::fs::write(&path, text.to_string()).unwrap();
    path
}

async fn accept(listener: tokio::net::TcpListener, client: Client) {
    while let Ok((stream, _)) = listener.accept().await {
        let client = client.clone();
        let answer = service_fn(move |request: hyper::Request<Incoming>| {
            let client = client.clone();
            async move { hand_on(client, request).await }
        });
        tokio::spawn(async move {
            // Who has gone away needs no answer.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn hand_on(
    client: Client,
    request: hyper::Request<Incoming>,
) -> std::io::Result<hyper::Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let request = hyper::Request::from_parts(head, Body::from(body.to_vec()));
    client.send(request).await.map_err(std::io::Error::other)
}

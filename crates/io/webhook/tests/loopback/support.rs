//! A client as an API server is one: it trusts a bundle, and speaks HTTP over TLS.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use metallb_webhook::{AdmissionRequest, Limits, Reviewer, Route, Server, Verdict};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ResolvesServerCert;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The name the certificates are for.
pub const NAME: &str = "metallb-webhook-service.metallb-system.svc";

/// Refuses objects called `bad`, and answers those called `slow` only when told.
pub struct Judge {
    pub release: Arc<Semaphore>,
}

impl Default for Judge {
    fn default() -> Self {
        Self { release: Arc::new(Semaphore::new(0)) }
    }
}

impl Reviewer for Judge {
    type Subject = ();

    fn route(&self, path: &str) -> Option<Route<()>> {
        match path {
            "/validate" => Some(Route::Admission(())),
            "/convert" => Some(Route::Conversion),
            _ => None,
        }
    }

    async fn admit(&self, (): (), request: AdmissionRequest) -> Verdict {
        match request.name.as_str() {
            "bad" => return Verdict::denied("bad is not good"),
            "slow" => self.release.acquire().await.unwrap().forget(),
            _ => {}
        }
        Verdict::default()
    }

    fn convert(&self, mut object: Value, version: &str) -> Result<Value, String> {
        object["apiVersion"] = json!(version);
        Ok(object)
    }
}

/// A running server.
pub struct Running {
    pub address: SocketAddr,
    pub stop: oneshot::Sender<()>,
    pub task: JoinHandle<()>,
}

pub async fn start(
    judge: Judge,
    certificates: Arc<dyn ResolvesServerCert>,
    protocols: &[&str],
    limits: Limits,
) -> Running {
    let mut tls = speaking(&rustls::version::TLS13, certificates);
    tls.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    run(Server::new(judge, tls, limits)).await
}

/// One that speaks nothing but this version.
pub fn speaking(
    version: &'static SupportedProtocolVersion,
    certificates: Arc<dyn ResolvesServerCert>,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(certificates)
}

pub async fn run(server: Server<Judge>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.serve(listener, async {
        let _ = stopped.await;
    }));
    Running { address, stop, task }
}

/// What a client that trusts `pem` uses.
pub fn trusting(pem: &[u8], protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub async fn connect(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(NAME).unwrap();
    TlsConnector::from(config).connect(name, TcpStream::connect(address).await?).await
}

/// An admission review of an object with this name.
pub fn review(name: &str) -> Vec<u8> {
    let request =
        json!({"uid": "u", "operation": "CREATE", "name": name, "object": {"metadata": {"name": name}}});
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    review.to_string().into_bytes()
}

pub async fn send(stream: &mut (impl AsyncWrite + Unpin), path: &str, body: &[u8]) {
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream.flush().await.unwrap();
}

/// Status, head and body of the next answer.
pub async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(u16, String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let mut words: VecDeque<&str> = head.split_whitespace().collect();
    words.pop_front();
    let status = words.pop_front().unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await?;
    Ok((status, head, body))
}

/// One question on a connection of its own.
pub async fn ask(address: SocketAddr, config: Arc<ClientConfig>, path: &str, body: &[u8]) -> (u16, Value) {
    let mut stream = connect(address, config).await.unwrap();
    send(&mut stream, path, body).await;
    let (status, _, body) = receive(&mut stream).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

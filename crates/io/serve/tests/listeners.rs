//! The listeners as a kubelet and a scraper see them, over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop where it is")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metallb_serve::{Probe, TlsSettings, Verdict, metrics, metrics_following, probes};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, SignatureScheme, SupportedProtocolVersion,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

async fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Connects as soon as somebody listens.
async fn connect(address: SocketAddr) -> TcpStream {
    loop {
        if let Ok(stream) = TcpStream::connect(address).await {
            return stream;
        }
        tokio::task::yield_now().await;
    }
}

async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str, token: Option<&str>) -> String {
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{bearer}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Metrics are served with a certificate nobody signed; scrapers are told to skip the check.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn client() -> TlsConnector {
    client_of(rustls::ALL_VERSIONS)
}

fn client_of(versions: &[&'static SupportedProtocolVersion]) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer))
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn probes_answer_over_plain_http_with_their_reason() {
    let address = free_port().await;
    let report = |probe| match probe {
        Probe::Health => (true, "ok".to_owned()),
        Probe::Ready => (false, "services: not yet".to_owned()),
    };
    tokio::spawn(async move { probes(&[address], report).await });
    let health = get(connect(address).await, "/healthz", None).await;
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("ok"), "{health}");
    let ready = get(connect(address).await, "/readyz", None).await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.ends_with("services: not yet"), "{ready}");
}

/// Contract 01 §6, probes: the kubelet of an IPv6 cluster asks over IPv6.
#[tokio::test]
async fn probes_answer_over_both_families() {
    let port = free_port().await.port();
    tokio::spawn(async move { probes(&metallb_serve::everywhere(port), |_| (true, "ok".to_owned())).await });
    for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        let answer = get(connect(address.parse().unwrap()).await, "/healthz", None).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{address}: {answer}");
    }
}

#[tokio::test]
async fn metrics_need_a_token_and_speak_tls_13() {
    let address = free_port().await;
    let tls = TlsSettings::parse("", "", "", "").unwrap();
    let authorize = |token: Option<String>| async move {
        match token.as_deref() {
            Some("scraper") => Verdict::Allowed,
            Some(_) => Verdict::Forbidden,
            None => Verdict::Unauthenticated,
        }
    };
    let encode = || "metallb_k8s_client_updates_total 3\n".to_owned();
    tokio::spawn(async move { metrics(&[address], tls, encode, authorize).await });
    for (token, status) in [(Some("scraper"), "200"), (Some("other"), "403"), (None, "401")] {
        let name = ServerName::try_from("localhost").unwrap();
        let stream = client().connect(name, connect(address).await).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let answer = get(stream, "/metrics", token).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert_eq!(answer.contains("metallb_k8s_client_updates_total 3"), status == "200");
    }
}

/// The certificate that metrics are served with where the flag names this folder.
async fn presented(folder: &str) -> Vec<u8> {
    let address = free_port().await;
    let tls = TlsSettings::parse("", "", "", folder).unwrap();
    tokio::spawn(async move { metrics(&[address], tls, String::new, |_| async { Verdict::Allowed }).await });
    let name = ServerName::try_from("localhost").unwrap();
    let stream = client().connect(name, connect(address).await).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap().first().unwrap().to_vec()
}

/// Contract 02 §1.1, `--metrics-cert-dir`.
#[tokio::test]
async fn the_certificate_is_that_of_the_folder_named_by_the_flag() {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["metrics".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let folder = std::env::temp_dir().join(format!("metallb-listeners-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    let theirs = certificate.der().to_vec();
    assert_eq!(presented(folder.to_str().unwrap()).await, theirs);
    assert_ne!(presented("").await, theirs, "without a folder one of its own");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn tls_12_is_refused_unless_the_flag_allows_it() {
    for (flag, accepted) in [("", false), ("VersionTLS13", false), ("VersionTLS12", true)] {
        let address = free_port().await;
        let tls = TlsSettings::parse(flag, "", "", "").unwrap();
        tokio::spawn(
            async move { metrics(&[address], tls, String::new, |_| async { Verdict::Allowed }).await },
        );
        let name = ServerName::try_from("localhost").unwrap();
        let connected = client_of(&[&rustls::version::TLS12]).connect(name, connect(address).await).await;
        assert_eq!(connected.is_ok(), accepted, "--tls-min-version={flag}");
    }
}

#[tokio::test]
async fn rubbish_on_the_wire_does_not_stop_the_next_client() {
    let address = free_port().await;
    tokio::spawn(async move { probes(&[address], |_| (true, "ok".to_owned())).await });
    for _ in 0..100 {
        let mut stream = connect(address).await;
        stream.write_all(b"\x16\x03\x01 not http at all\r\n\r\n").await.unwrap();
    }
    assert!(get(connect(address).await, "/healthz", None).await.starts_with("HTTP/1.1 200"));
}

/// Whether a client that speaks this version alone is answered.
async fn is_spoken(address: SocketAddr, version: &'static SupportedProtocolVersion) -> bool {
    let name = ServerName::try_from("localhost").unwrap();
    client_of(&[version]).connect(name, connect(address).await).await.is_ok()
}

#[tokio::test]
async fn each_handshake_goes_by_the_newest_settings_that_can_be_used() {
    use rustls::version::{TLS12, TLS13};

    let address = free_port().await;
    let parsed = |version: &str| TlsSettings::parse(version, "", "", "").unwrap();
    let (settings, newest) = tokio::sync::watch::channel(parsed("VersionTLS13"));
    let authorize = |_| std::future::ready(Verdict::Allowed);
    tokio::spawn(
        async move { metrics_following(&[address], newest, || "metrics".to_owned(), authorize).await },
    );
    assert!(is_spoken(address, &TLS13).await && !is_spoken(address, &TLS12).await);
    let name = ServerName::try_from("localhost").unwrap();
    let before = client_of(&[&TLS13]).connect(name, connect(address).await).await.unwrap();
    for (version, old_too) in [("VersionTLS12", true), ("VersionTLS13", false)] {
        settings.send_replace(parsed(version));
        let taken_over = async { while is_spoken(address, &TLS12).await != old_too {} };
        tokio::time::timeout(Duration::from_secs(10), taken_over).await.expect(version);
        assert!(is_spoken(address, &TLS13).await, "{version}");
    }
    let answer = get(before, "/metrics", Some("token")).await;
    assert!(answer.ends_with("metrics"), "who is connected stays so: {answer}");
    drop(settings);
    assert!(is_spoken(address, &TLS13).await, "nobody changes them any more");
}

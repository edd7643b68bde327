//! A kubelet, an API server and a scraper, as far as they talk to an operator.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use metallb_testbed::wait::{Seen, seen, until};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    StreamOwned, SupportedProtocolVersion,
};

use crate::program::DEADLINE;

/// A connection after its handshake.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Whether somebody takes connections there.
pub fn listens(address: &str) -> bool {
    TcpStream::connect(address.parse::<SocketAddr>().unwrap()).is_ok()
}

pub fn until_listening(address: &str) {
    until(address, DEADLINE, || Ok(seen(listens(address), "refused"))).unwrap();
}

/// The answer to a request, head and all.
fn ask(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // Who closes the connection without a farewell has answered all the same.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request without a body.
pub fn get(stream: impl Read + Write, path: &str) -> String {
    ask(stream, &format!("GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n"))
}

pub fn post(stream: impl Read + Write, path: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: operator\r\nContent-Length: {length}\r\n");
    ask(stream, &format!("{head}Content-Type: application/json\r\nConnection: close\r\n\r\n{body}"))
}

/// What a probe is answered; nothing where nobody listens.
pub fn probe(address: &str, path: &str) -> String {
    TcpStream::connect(address).map(|stream| get(stream, path)).unwrap_or_default()
}

pub fn until_ready(port: u16) {
    let address = format!("127.0.0.1:{port}");
    until("readiness", DEADLINE, || {
        let answer = probe(&address, "/readyz");
        Ok(seen(answer.starts_with("HTTP/1.1 200"), answer))
    })
    .unwrap();
}

/// Of a client of TLS: whom it trusts, which versions it speaks, and what inside.
pub struct Tls<'a> {
    /// Trusted authorities; without any, whoever answers.
    pub authorities: Option<&'a [u8]>,
    pub versions: &'a [&'static SupportedProtocolVersion],
    pub protocols: &'a [&'a str],
}

impl Default for Tls<'_> {
    fn default() -> Self {
        Self { authorities: None, versions: rustls::ALL_VERSIONS, protocols: &["h2", "http/1.1"] }
    }
}

impl Tls<'_> {
    /// Shakes hands with whoever listens there, by this name.
    pub fn connect(&self, address: &str, name: &str) -> Result<Stream, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(self.versions).unwrap();
        let mut config = match self.authorities {
            Some(pem) => builder.with_root_certificates(roots(pem)).with_no_client_auth(),
            None => {
                let anyone = Arc::new(AnyServer);
                builder.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth()
            }
        };
        config.alpn_protocols = self.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).map_err(|error| error.to_string())?;
        }
        Ok(StreamOwned::new(connection, stream))
    }

    /// The same as soon as somebody is there to shake hands with.
    pub fn until_connected(&self, address: &str, name: &str) -> Stream {
        until(address, DEADLINE, || Ok(self.connect(address, name).map_or_else(Seen::NotYet, Seen::Done)))
            .unwrap()
    }
}

/// What was agreed on to speak inside.
pub fn protocol(stream: &Stream) -> String {
    String::from_utf8(stream.conn.alpn_protocol().unwrap_or_default().to_vec()).unwrap()
}

fn roots(pem: &[u8]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    roots
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
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

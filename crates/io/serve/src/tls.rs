//! TLS of the listeners: the flags' grammar, and certificates from files or of our own making.

mod certificate;
mod grammar;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::ResolvesServerCert;
use tokio::sync::watch;

pub use grammar::TlsError;

/// How TLS is spoken, parsed from the flags once.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    provider: Arc<CryptoProvider>,
    versions: &'static [&'static rustls::SupportedProtocolVersion],
    cert_dir: Option<PathBuf>,
    remarks: Vec<String>,
}

impl TlsSettings {
    /// Parses `--tls-min-version`, `--tls-cipher-suites`, `--tls-curve-preferences` and `--metrics-cert-dir`
    /// (contract 01 §7.1): TLS 1.3 unless told otherwise, a certificate of our own when the folder has none.
    ///
    /// # Errors
    /// When a value is unknown, doubled or contradicts another; the message starts with the flag's name.
    pub fn parse(
        min_version: &str,
        cipher_suites: &str,
        curves: &str,
        cert_dir: &str,
    ) -> Result<Self, TlsError> {
        let versions = grammar::versions(min_version)?;
        let mut provider = ring::default_provider();
        let mut remarks = grammar::restrict_suites(&mut provider, cipher_suites, versions)?;
        remarks.extend(grammar::restrict_curves(&mut provider, curves)?);
        let cert_dir = (!cert_dir.is_empty()).then(|| PathBuf::from(cert_dir));
        Ok(Self { provider: Arc::new(provider), versions, cert_dir, remarks })
    }

    /// What was asked for and can't be had, for the log: a profile made for the original does not stop a daemon.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// What a listener of metrics needs; reads the certificate now and again whenever its files change.
    pub(crate) fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let resolver = certificate::Resolver::new(self.cert_dir.clone(), self.provider.clone())?;
        self.server_config_with(Arc::new(resolver), &["http/1.1"])
    }

    /// What a listener with certificates of its own needs; it offers these protocols, the first one preferred.
    ///
    /// # Errors
    /// When the settings leave nothing to speak.
    pub fn server_config_with(
        &self,
        certificates: Arc<dyn ResolvesServerCert>,
        protocols: &[&str],
    ) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(self.versions)
            .map_err(TlsError::Unusable)?
            .with_no_client_auth()
            .with_cert_resolver(certificates);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(config)
    }
}

/// Makes a configuration anew whenever the settings change, for a listener that goes by the newest at each handshake. Settings
/// that can't be used change nothing. Ends when nobody is left who could change them; safe to cancel.
pub async fn follow_settings(
    mut settings: watch::Receiver<TlsSettings>,
    configs: watch::Sender<Arc<ServerConfig>>,
    make: impl Fn(&TlsSettings) -> Result<ServerConfig, TlsError>,
) {
    while settings.changed().await.is_ok() {
        let made = make(&settings.borrow_and_update());
        match made {
            Ok(config) => drop(configs.send_replace(Arc::new(config))),
            Err(error) => tracing::warn!(%error, "TLS settings can't be used, those before stay"),
        }
    }
}

#[cfg(test)]
mod tests;

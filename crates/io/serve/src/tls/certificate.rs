//! The certificate of a listener: from files that may be replaced at any time, or self-signed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::grammar::TlsError;

/// Files are looked at again at most this often, on a handshake.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Hands out the current certificate.
#[derive(Debug)]
pub(super) struct Resolver {
    folder: Option<PathBuf>,
    provider: Arc<CryptoProvider>,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    /// When the files that `key` was read from were written; `None` for our own certificate.
    written: Option<SystemTime>,
    looked: Instant,
}

impl Resolver {
    pub(super) fn new(folder: Option<PathBuf>, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let key = Arc::new(self_signed(&provider)?);
        let resolver = Self {
            folder,
            provider,
            current: Mutex::new(Current { key, written: None, looked: Instant::now() }),
        };
        resolver.look(Instant::now());
        Ok(resolver)
    }

    /// Reads the files if they were written since the last time. Unusable files change nothing:
    /// an older certificate serves better than none.
    fn look(&self, now: Instant) {
        let Some(folder) = &self.folder else { return };
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.looked = now;
        let Ok(written) = fs::metadata(folder.join("tls.crt")).and_then(|file| file.modified()) else {
            return;
        };
        if current.written == Some(written) {
            return;
        }
        match read(folder, &self.provider) {
            Ok(key) => {
                current.key = Arc::new(key);
                current.written = Some(written);
                tracing::info!(folder = %folder.display(), "certificate read");
            }
            Err(error) => {
                tracing::warn!(folder = %folder.display(), error, "certificate unusable, keeping the one in use")
            }
        }
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let now = Instant::now();
        let looked = self.current.lock().unwrap_or_else(PoisonError::into_inner).looked;
        if now.saturating_duration_since(looked) >= LOOK_AGAIN {
            self.look(now);
        }
        Some(self.current.lock().unwrap_or_else(PoisonError::into_inner).key.clone())
    }
}

fn read(folder: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    let chain = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect)
        .map_err(|error| format!("{}: {error}", certificate.display()))?;
    let private =
        PrivateKeyDer::from_pem_file(&key).map_err(|error| format!("{}: {error}", key.display()))?;
    CertifiedKey::from_der(chain, private, provider).map_err(|error| format!("{}: {error}", key.display()))
}

fn self_signed(provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let key = KeyPair::generate().map_err(TlsError::SelfSigned)?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).map_err(TlsError::SelfSigned)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "metallb metrics");
    let certificate = params.self_signed(&key).map_err(TlsError::SelfSigned)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    CertifiedKey::from_der(vec![certificate.der().clone()], private, provider).map_err(TlsError::Key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Certificate and key as PEM, and the certificate as it is presented.
    fn pair() -> (String, String, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["x".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem(), certificate.der().to_vec())
    }

    fn write(folder: &Path, certificate: &str, key: &str, time: u64) {
        fs::write(folder.join("tls.key"), key).unwrap();
        let file = folder.join("tls.crt");
        fs::write(&file, certificate).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
        fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
    }

    /// Contract 01 §6, metrics listener.
    #[test]
    fn the_files_are_presented_once_they_are_there_and_again_when_they_are_replaced() {
        let folder = std::env::temp_dir().join(format!("metallb-metrics-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let resolver = Resolver::new(Some(folder.clone()), provider).unwrap();
        let presented = || {
            resolver.look(Instant::now());
            resolver.current.lock().unwrap().key.cert[0].to_vec()
        };
        let own = presented();
        assert_eq!(presented(), own, "without files one of its own");
        let ((first, first_key, first_der), (second, second_key, second_der)) = (pair(), pair());
        write(&folder, &first, &first_key, 1);
        assert_eq!(presented(), first_der);
        write(&folder, &second, "no key", 2);
        assert_eq!(presented(), first_der, "half replaced");
        write(&folder, &second, &second_key, 2);
        assert_eq!(presented(), second_der);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(presented(), second_der, "an old certificate serves better than none");
    }
}

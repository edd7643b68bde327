//! What clients are shown: one certificate, which may change at any time.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Presents the newest certificate to each new connection. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Presenter {
    current: Arc<RwLock<Option<Arc<CertifiedKey>>>>,
}

impl Presenter {
    /// Presents this certificate from now on. Connections that exist are not touched.
    pub fn present(&self, certificate: CertifiedKey) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(certificate));
    }

    /// What is presented; nothing before the first one.
    #[must_use]
    pub fn presented(&self) -> Option<Arc<CertifiedKey>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Presenter {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.presented()
    }
}

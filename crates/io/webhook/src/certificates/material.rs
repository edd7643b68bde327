//! What a Secret holds, read as far as it can be.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use metallb_certificates::{Authority, AuthorityId, Held, Leaf, UnixSeconds, Validity};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::bundle;

/// Keys of the Secret (contract 01 §9.1).
pub(super) const AUTHORITIES: &str = "ca.crt";
pub(super) const AUTHORITY_KEY: &str = "ca.key";
pub(super) const LEAF: &str = "tls.crt";
pub(super) const LEAF_KEY: &str = "tls.key";

/// Certificates and keys of a Secret. What can't be read is missing.
pub(super) struct Material {
    pub(super) authorities: Vec<CertificateDer<'static>>,
    authority_key: Option<Arc<dyn SigningKey>>,
    pub(super) chain: Vec<CertificateDer<'static>>,
    leaf_key: Option<Arc<dyn SigningKey>>,
}

impl Material {
    pub(super) fn parse(data: &BTreeMap<String, ByteString>, provider: &CryptoProvider) -> Self {
        let bytes = |name: &str| data.get(name).map_or(&[][..], |bytes| bytes.0.as_slice());
        Self {
            authorities: bundle::certificates(bytes(AUTHORITIES)),
            authority_key: key(bytes(AUTHORITY_KEY), provider),
            chain: bundle::certificates(bytes(LEAF)),
            leaf_key: key(bytes(LEAF_KEY), provider),
        }
    }

    /// What decisions need to know.
    pub(super) fn held(&self, names: &[String], now: UnixSeconds, provider: &CryptoProvider) -> Held {
        let key = self.authority_key.as_deref();
        let authorities = self.authorities.iter().filter_map(|certificate| authority(certificate, key));
        let authorities: Vec<Authority> = authorities.collect();
        Held { leaf: self.leaf(names, now, provider), authorities }
    }

    fn leaf(&self, names: &[String], now: UnixSeconds, provider: &CryptoProvider) -> Option<Leaf> {
        let certificate = self.chain.first()?;
        let issuer = self
            .authorities
            .iter()
            .find(|authority| bundle::vouches(std::slice::from_ref(*authority), &self.chain, now, provider));
        Some(Leaf {
            validity: validity(&parse(certificate)?),
            issuer: issuer.map(bundle::id),
            names_fit: bundle::names_fit(certificate, names),
            has_key: self.leaf_key.as_deref().is_some_and(|key| belongs(key, certificate)),
        })
    }

    /// The certificate with its key, ready to be presented; nothing if either is missing or they don't belong together.
    pub(super) fn certified(&self) -> Option<CertifiedKey> {
        let key = self.leaf_key.clone()?;
        belongs(key.as_ref(), self.chain.first()?).then(|| CertifiedKey::new(self.chain.clone(), key))
    }

    /// The authority with this id, and the key in the Secret.
    pub(super) fn signer(&self, id: AuthorityId) -> Option<(&CertificateDer<'static>, Arc<dyn SigningKey>)> {
        let certificate = self.authorities.iter().find(|certificate| bundle::id(certificate) == id)?;
        Some((certificate, self.authority_key.clone()?))
    }
}

fn authority(certificate: &CertificateDer<'static>, key: Option<&dyn SigningKey>) -> Option<Authority> {
    let parsed = parse(certificate)?;
    let signs = parsed.is_ca() && key.is_some_and(|key| belongs(key, certificate));
    Some(Authority { id: bundle::id(certificate), validity: validity(&parsed), signs })
}

fn key(pem: &[u8], provider: &CryptoProvider) -> Option<Arc<dyn SigningKey>> {
    let key = PrivateKeyDer::from_pem_slice(pem).ok()?;
    provider.key_provider.load_private_key(key).ok()
}

fn belongs(key: &dyn SigningKey, certificate: &CertificateDer<'_>) -> bool {
    let Some(parsed) = parse(certificate) else { return false };
    key.public_key().is_some_and(|public| public.as_ref() == parsed.public_key().raw)
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    X509Certificate::from_der(certificate).ok().map(|(_, parsed)| parsed)
}

fn validity(certificate: &X509Certificate<'_>) -> Validity {
    let validity = certificate.validity();
    Validity {
        from: UnixSeconds(validity.not_before.timestamp()),
        until: UnixSeconds(validity.not_after.timestamp()),
    }
}

#[cfg(test)]
mod tests;

//! Who trusts what: certificates of authorities in PEM, and whether they vouch for a server.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use metallb_certificates::{AuthorityId, UnixSeconds};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{RootCertStore, client};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

/// More certificates than that are in no bundle worth reading.
const MOST: usize = 64;

/// The certificates of a bundle; what can't be read is left out, whether the armour or what is inside.
pub(super) fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    let is_readable = |certificate: &CertificateDer<'_>| X509Certificate::from_der(certificate).is_ok();
    CertificateDer::pem_slice_iter(pem).take(MOST).flatten().filter(is_readable).collect()
}

/// What API servers can be told: the bundle as it is, or what can be read of it, for they refuse all for the sake of one
/// certificate. Nothing if none can be read: that trusts nobody.
pub(super) fn tellable(bundle: &[u8]) -> Option<Cow<'_, [u8]>> {
    let readable = certificates(bundle);
    let is_whole = CertificateDer::pem_slice_iter(bundle).count() == readable.len();
    let told = || match is_whole {
        true => Cow::Borrowed(bundle),
        false => Cow::Owned(readable.iter().map(pem).collect::<String>().into_bytes()),
    };
    (!readable.is_empty()).then(told)
}

/// The bundle and those of `more` that are not in it.
pub(super) fn with(bundle: &[u8], more: &[CertificateDer<'static>]) -> Vec<u8> {
    let there = certificates(bundle);
    let mut all = bundle.to_vec();
    for missing in more.iter().filter(|certificate| !there.contains(certificate)) {
        if !all.ends_with(b"\n") {
            all.push(b'\n');
        }
        all.extend(pem(missing).into_bytes());
    }
    all
}

/// A certificate as it stands in a bundle.
pub(super) fn pem(certificate: &CertificateDer<'static>) -> String {
    let text = STANDARD.encode(certificate);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n");
    format!("-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n", lines.collect::<String>())
}

pub(super) fn id(certificate: &CertificateDer<'_>) -> AuthorityId {
    AuthorityId(Sha256::digest(certificate).into())
}

/// The authorities of a bundle.
pub(super) fn ids(pem: &[u8]) -> BTreeSet<AuthorityId> {
    certificates(pem).iter().map(id).collect()
}

/// Whether one of `authorities` vouches for the server certificate that `chain` begins with.
pub(super) fn vouches(
    authorities: &[CertificateDer<'static>],
    chain: &[CertificateDer<'static>],
    now: UnixSeconds,
    provider: &CryptoProvider,
) -> bool {
    let Some((leaf, intermediates)) = chain.split_first() else { return false };
    let Ok(leaf) = ParsedCertificate::try_from(leaf) else { return false };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.iter().cloned());
    let algorithms = provider.signature_verification_algorithms.all;
    let seconds = u64::try_from(now.0).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    client::verify_server_cert_signed_by_trust_anchor(&leaf, &roots, intermediates, now, algorithms).is_ok()
}

/// Whether a certificate is for every one of these names.
pub(super) fn names_fit(certificate: &CertificateDer<'_>, names: &[String]) -> bool {
    let Ok(certificate) = ParsedCertificate::try_from(certificate) else { return false };
    let fits = |name: &String| {
        ServerName::try_from(name.as_str())
            .is_ok_and(|name| client::verify_server_name(&certificate, &name).is_ok())
    };
    names.iter().all(fits)
}

/// The crypto provider of the process, or ring's.
pub(super) fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()))
}

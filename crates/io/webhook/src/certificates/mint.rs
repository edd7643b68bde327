//! Making certificates (contract 01 §9.1).

use std::sync::Arc;
use std::time::Duration;

use metallb_certificates::{AUTHORITY_LIFETIME, BACKDATED, LEAF_LIFETIME, UnixSeconds};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SignatureAlgorithm,
};
use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use rustls::sign::SigningKey;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate and its key, both as PEM.
pub(super) struct Minted {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum MintError {
    /// The key of the authority is of a kind that can't sign here.
    #[error("the authority's key can't sign certificates")]
    Key,
    /// The authority can't be read.
    #[error("the authority's certificate can't be read")]
    Authority,
    /// Making it failed.
    #[error("making a certificate")]
    Make(#[from] rcgen::Error),
}

/// A new authority: `cert` of `metallb`, for ten years.
pub(super) fn authority(now: UnixSeconds) -> Result<Minted, MintError> {
    let key = KeyPair::generate()?;
    let mut params = params("cert", now, AUTHORITY_LIFETIME);
    params.distinguished_name.push(DnType::OrganizationName, "metallb");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    Ok(Minted { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
}

/// A new server certificate for these names, for a year.
pub(super) fn leaf(
    authority: &CertificateDer<'static>,
    key: Arc<dyn SigningKey>,
    names: &[String],
    now: UnixSeconds,
) -> Result<Minted, MintError> {
    let issuer = Issuer::from_ca_cert_der(authority, AuthorityKey::new(authority, key)?)?;
    let key = KeyPair::generate()?;
    let mut params = params(names.first().map_or("", String::as_str), now, LEAF_LIFETIME);
    params.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(Minted { certificate: params.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
}

fn params(common_name: &str, now: UnixSeconds, lifetime: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let moment =
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(now.0).unwrap_or_default());
    params.not_before = moment - BACKDATED;
    params.not_after = moment + lifetime;
    params
}

/// The key of an authority, whatever it was made by: rcgen alone would not take an RSA key in PKCS#1.
struct AuthorityKey {
    public: Vec<u8>,
    key: Arc<dyn SigningKey>,
    scheme: SignatureScheme,
    algorithm: &'static SignatureAlgorithm,
}

/// What an authority may sign with.
static ALGORITHMS: [(SignatureScheme, &SignatureAlgorithm); 4] = [
    (SignatureScheme::ECDSA_NISTP256_SHA256, &rcgen::PKCS_ECDSA_P256_SHA256),
    (SignatureScheme::ECDSA_NISTP384_SHA384, &rcgen::PKCS_ECDSA_P384_SHA384),
    (SignatureScheme::ED25519, &rcgen::PKCS_ED25519),
    (SignatureScheme::RSA_PKCS1_SHA256, &rcgen::PKCS_RSA_SHA256),
];

impl AuthorityKey {
    fn new(authority: &CertificateDer<'static>, key: Arc<dyn SigningKey>) -> Result<Self, MintError> {
        let usable = ALGORITHMS.iter().find(|(scheme, _)| key.choose_scheme(&[*scheme]).is_some());
        let (scheme, algorithm) = *usable.ok_or(MintError::Key)?;
        let (_, certificate) = X509Certificate::from_der(authority).map_err(|_| MintError::Authority)?;
        let public = certificate.public_key().subject_public_key.data.to_vec();
        Ok(Self { public, key, scheme, algorithm })
    }
}

impl PublicKeyData for AuthorityKey {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl rcgen::SigningKey for AuthorityKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signer = self.key.choose_scheme(&[self.scheme]).ok_or(rcgen::Error::RemoteKeyError)?;
        signer.sign(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

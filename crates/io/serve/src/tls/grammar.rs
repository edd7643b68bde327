//! The values of the TLS flags (contract 01 §7.1, 03 §3.3).

use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{NamedGroup, SupportedProtocolVersion};

/// A TLS flag that can't be used, or a certificate that can't.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// `--tls-min-version` is unknown.
    #[error("parsing tls-min-version: unknown version {0:?}, use VersionTLS12 or VersionTLS13")]
    Version(String),
    /// Suites were given for TLS 1.3, whose suites are fixed.
    #[error("parsing tls-cipher-suites: cipher suites cannot be configured with TLS 1.3")]
    SuitesWithTls13,
    /// A suite is unknown.
    #[error("parsing tls-cipher-suites: cipher suite {0:?} is unknown, use IANA names")]
    Suite(String),
    /// A curve is not a number, zero, or out of range.
    #[error("parsing tls-curve-preferences: invalid curve preference {0:?}, use a number from 1 to 65535")]
    CurveSyntax(String),
    /// A curve is listed twice.
    #[error("parsing tls-curve-preferences: duplicate curve preference {0}")]
    CurveTwice(u16),
    /// A curve is unknown, or none of those given is implemented.
    #[error("parsing tls-curve-preferences: curve {0} is not supported, use some of 23, 24, 29")]
    Curve(u16),
    /// The combination leaves nothing to speak.
    #[error("TLS settings leave nothing to speak")]
    Unusable(#[source] rustls::Error),
    /// Making a certificate failed.
    #[error("making a self-signed certificate")]
    SelfSigned(#[source] rcgen::Error),
    /// A private key can't be used.
    #[error("using the private key of the certificate")]
    Key(#[source] rustls::Error),
}

/// Curves the original knows besides ours: P-521 and the hybrids with ML-KEM.
const OTHER_CURVES: [u16; 4] = [25, 4587, 4588, 4589];

/// TLS 1.2 suites the original knows besides ours: all are weak, and a profile that lists them lists others, too.
const OTHER_SUITES: [&str; 16] = [
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
];

static FROM_TLS13: [&SupportedProtocolVersion; 1] = [&TLS13];
static FROM_TLS12: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

/// The protocol versions from the given minimum up; empty means TLS 1.3.
pub(super) fn versions(min: &str) -> Result<&'static [&'static SupportedProtocolVersion], TlsError> {
    match min {
        "" | "VersionTLS13" => Ok(&FROM_TLS13),
        "VersionTLS12" => Ok(&FROM_TLS12),
        other => Err(TlsError::Version(other.to_owned())),
    }
}

/// Leaves only the named TLS 1.2 suites (and those of TLS 1.3, which can't be chosen). Returns remarks about those that
/// exist but are not spoken here.
pub(super) fn restrict_suites(
    provider: &mut CryptoProvider,
    names: &str,
    versions: &[&SupportedProtocolVersion],
) -> Result<Vec<String>, TlsError> {
    let names: Vec<&str> = items(names).map(iana_of_old).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    if !versions.contains(&&TLS12) {
        return Err(TlsError::SuitesWithTls13);
    }
    let is_spoken = |name: &&str| provider.cipher_suites.iter().any(|suite| iana(*suite) == **name);
    let (spoken, missing): (Vec<&str>, Vec<&str>) = names.into_iter().partition(is_spoken);
    if let Some(unknown) = missing.iter().find(|name| !OTHER_SUITES.contains(name)) {
        return Err(TlsError::Suite((*unknown).to_owned()));
    }
    provider.cipher_suites.retain(|s| s.version() == &TLS13 || spoken.contains(&iana(*s).as_str()));
    Ok(missing
        .into_iter()
        .map(|name| format!("--tls-cipher-suites: {name} is not spoken here and left out"))
        .collect())
}

/// Go took two suites by these names before they had their final ones, and still does.
fn iana_of_old(name: &str) -> &str {
    match name {
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        other => other,
    }
}

/// The IANA name: rustls calls TLS 1.3 suites `TLS13_…` where IANA says `TLS_…`.
fn iana(suite: rustls::SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
}

/// Leaves only the numbered curves, in the order given. Returns remarks about those that exist but are not spoken here.
pub(super) fn restrict_curves(provider: &mut CryptoProvider, numbers: &str) -> Result<Vec<String>, TlsError> {
    let (mut chosen, mut seen, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for item in items(numbers) {
        let number =
            item.parse().ok().filter(|n| *n != 0).ok_or_else(|| TlsError::CurveSyntax(item.to_owned()))?;
        if seen.contains(&number) {
            return Err(TlsError::CurveTwice(number));
        }
        seen.push(number);
        match provider.kx_groups.iter().find(|group| group.name() == NamedGroup::from(number)) {
            Some(group) => chosen.push(*group),
            None if OTHER_CURVES.contains(&number) => missing.push(number),
            None => return Err(TlsError::Curve(number)),
        }
    }
    match (chosen.is_empty(), missing.first()) {
        (true, Some(number)) => return Err(TlsError::Curve(*number)),
        (true, None) => {}
        (false, _) => provider.kx_groups = chosen,
    }
    let remark = |number| format!("--tls-curve-preferences: curve {number} is not spoken here and left out");
    Ok(missing.into_iter().map(remark).collect())
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

//! OpenShift's TLS profile, which its admins choose for the whole cluster: `spec.tlsSecurityProfile` of `APIServer` `cluster`.
//!
//! It takes the place of the operator's own TLS variables. What the daemons don't speak is left out and named, of the profile
//! and of the variables: the original ends at the first such suite.

use serde_json::Value;

use crate::environment::Tls;

#[cfg(test)]
mod tests;

/// OpenSSL's names, and IANA's, of what the daemons speak.
const SPOKEN: [(&str, &str); 9] = [
    ("TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
    ("TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
    ("TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    ("ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    ("ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
];

impl Tls {
    /// What of the operator's variables has an effect, and a remark about what has none. Words nobody knows stay: who parses
    /// them refuses them by name.
    #[must_use]
    pub fn settled(self) -> (Self, Vec<String>) {
        let Self { cipher_suites, curve_preferences, min_version } = self;
        let too_old = min_version.as_deref().and_then(raised);
        let (min_version, mut remarks) = match too_old {
            Some((version, remark)) => (Some(version.to_owned()), vec![format!("TLS_MIN_VERSION: {remark}")]),
            None => (min_version, Vec::new()),
        };
        // Absent, it is the newest.
        let is_newest = min_version.as_deref().is_none_or(|version| version == "VersionTLS13");
        if is_newest && cipher_suites.is_some() {
            remarks.push(NO_CHOICE.to_owned());
        }
        let cipher_suites = cipher_suites.filter(|_| !is_newest);
        (Self { cipher_suites, curve_preferences, min_version }, remarks)
    }
}

const NO_CHOICE: &str =
    "TLS_CIPHER_SUITES has no effect with TLS 1.3: set TLS_MIN_VERSION=VersionTLS12 for it";

/// The version in place of one that is too old to be spoken here, and a remark about it.
fn raised(asked: &str) -> Option<(&'static str, String)> {
    let is_too_old = matches!(asked, "VersionTLS10" | "VersionTLS11");
    is_too_old.then(|| ("VersionTLS12", format!("{asked} is not spoken here, VersionTLS12 is the oldest")))
}

/// What a profile means for the daemons.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsProfile {
    /// Handed on to them.
    pub tls: Tls,
    /// What of it they don't speak; empty if nothing.
    pub remark: String,
}

impl TlsProfile {
    /// Reads the profile out of `APIServer` `cluster`. Without one, or with a type nobody knows, `Intermediate` holds; where a
    /// custom one asks for what is not spoken here, TLS 1.3, which is no weaker. That keeps nothing from running.
    #[must_use]
    pub fn parse(api_server: &Value) -> Self {
        let profile = api_server.pointer("/spec/tlsSecurityProfile").unwrap_or(&Value::Null);
        match profile.get("type").and_then(Value::as_str).unwrap_or_default() {
            // Its oldest versions are not spoken here, and its suites beyond the intermediate ones aren't either.
            "Old" => Self {
                remark: "TLS profile Old: TLS 1.0, TLS 1.1 and their suites are not spoken here".to_owned(),
                ..Self::intermediate()
            },
            "Modern" => Self { tls: since("VersionTLS13"), remark: String::new() },
            "Custom" => match profile.get("custom").filter(|custom| custom.is_object()) {
                Some(profile) => custom(profile),
                None => Self {
                    remark: "TLS profile Custom: APIServer cluster has no spec.tlsSecurityProfile.custom, \
                             Intermediate holds"
                        .to_owned(),
                    ..Self::intermediate()
                },
            },
            _ => Self::intermediate(),
        }
    }

    fn intermediate() -> Self {
        let suites = SPOKEN.map(|(_, iana)| iana).join(",");
        Self { tls: Tls { cipher_suites: Some(suites), ..since("VersionTLS12") }, remark: String::new() }
    }
}

fn since(version: &str) -> Tls {
    Tls { min_version: Some(version.to_owned()), ..Tls::default() }
}

fn custom(custom: &Value) -> TlsProfile {
    let asked = custom.get("minTLSVersion").and_then(Value::as_str).unwrap_or("VersionTLS12");
    let (mut version, mut remarks) = match (asked, raised(asked)) {
        (_, Some((version, remark))) => (version, vec![remark]),
        ("VersionTLS12" | "VersionTLS13", None) => (asked, Vec::new()),
        (other, None) => {
            ("VersionTLS13", vec![format!("{other} is not known here, VersionTLS13 is the newest")])
        }
    };
    let named: Vec<&str> = custom
        .get("ciphers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let (spoken, missing): (Vec<&str>, Vec<&str>) = named.iter().partition(|name| iana(name).is_some());
    if spoken.is_empty() && !named.is_empty() && version == "VersionTLS12" {
        version = "VersionTLS13";
        remarks.push("none of its suites is spoken here, only TLS 1.3 with its own".to_owned());
    }
    if !missing.is_empty() {
        remarks.push(format!("suites not spoken here: {}", missing.join(", ")));
    }
    let suites: Vec<&str> = spoken.into_iter().filter_map(iana).collect();
    // Those of TLS 1.3 can't be chosen.
    let chosen = version == "VersionTLS12" && !suites.is_empty();
    let tls = Tls { cipher_suites: chosen.then(|| suites.join(",")), ..since(version) };
    let remark = if remarks.is_empty() {
        String::new()
    } else {
        format!("TLS profile Custom: {}", remarks.join("; "))
    };
    TlsProfile { tls, remark }
}

fn iana(openssl: &str) -> Option<&'static str> {
    SPOKEN.iter().find(|(name, _)| *name == openssl).map(|(_, iana)| *iana)
}

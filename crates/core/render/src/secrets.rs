//! The Secrets the pods wait for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::labels;
use crate::pod::MEMBERLIST_SECRET;

/// Name of the Secret with the certificate of the operands' webhooks.
pub(crate) const WEBHOOK_CERT_SECRET: &str = "metallb-webhook-cert";

/// The key by which speakers know each other: 22 characters made of 16 random bytes.
#[derive(Clone, Eq, PartialEq)]
pub struct MemberlistKey(String);

impl MemberlistKey {
    /// The key made of these bytes, which must come from a good source of randomness.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        Self(STANDARD_NO_PAD.encode(random))
    }
}

impl std::fmt::Debug for MemberlistKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemberlistKey(secret)")
    }
}

pub(crate) fn memberlist(namespace: &str, key: &MemberlistKey) -> Secret {
    Secret {
        data: Some([("secretkey".to_owned(), ByteString(key.0.clone().into_bytes()))].into()),
        ..empty(namespace, MEMBERLIST_SECRET)
    }
}

/// Without content: whoever serves the webhooks fills it in, and stays the owner of what it wrote.
pub(crate) fn webhook_certificate(namespace: &str) -> Secret {
    empty(namespace, WEBHOOK_CERT_SECRET)
}

fn empty(namespace: &str, name: &str) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels::common()),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_22_characters_without_padding_and_is_never_printed() {
        let key = MemberlistKey::new([0xff; 16]);
        assert_eq!(key.0, "/////////////////////w");
        assert_eq!(format!("{key:?}"), "MemberlistKey(secret)");
    }
}

//! Objects that tell API servers whom to trust: their `caBundle`s.

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use metallb_certificates::AuthorityId;
use serde_json::{Value, json};

use super::bundle;

/// An object whose `caBundle`s follow the Secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// Every webhook of a `ValidatingWebhookConfiguration`, by its name.
    ValidatingWebhooks(String),
    /// The conversion of a `CustomResourceDefinition`, by its name.
    Conversion(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ValidatingWebhooks(name) => write!(f, "ValidatingWebhookConfiguration {name}"),
            Self::Conversion(name) => write!(f, "CustomResourceDefinition {name}"),
        }
    }
}

/// One `clientConfig`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Slot {
    /// Where it is in its object: a JSON pointer.
    path: String,
    /// Its `caBundle`, as PEM; empty if there is none.
    pub(super) pem: Vec<u8>,
}

impl Slot {
    pub(super) fn authorities(&self) -> BTreeSet<AuthorityId> {
        bundle::ids(&self.pem)
    }
}

impl Target {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::ValidatingWebhooks(name) | Self::Conversion(name) => name,
        }
    }

    /// Objects are read without types: a newer API server's fields are none of our business.
    pub(super) fn api(&self, client: Client) -> Api<DynamicObject> {
        let kind = match self {
            Self::ValidatingWebhooks(_) => ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
            Self::Conversion(_) => ApiResource::erase::<CustomResourceDefinition>(&()),
        };
        Api::all_with(client, &kind)
    }

    /// Every place for a `caBundle` in the object. Webhooks that ask a Service of another namespace are somebody else's.
    pub(super) fn slots(&self, object: &DynamicObject, namespace: &str) -> Vec<Slot> {
        let paths: Vec<String> = match self {
            Self::ValidatingWebhooks(_) => {
                let webhooks = object.data.get("webhooks").and_then(Value::as_array).map_or(0, Vec::len);
                (0..webhooks).map(|place| format!("/webhooks/{place}/clientConfig")).collect()
            }
            Self::Conversion(_) => vec!["/spec/conversion/webhook/clientConfig".to_owned()],
        };
        let slot = |path: String| {
            let config = object.data.pointer(&path)?;
            let pem: Option<ByteString> =
                config.get("caBundle").and_then(|bundle| serde_json::from_value(bundle.clone()).ok());
            let asked = config.pointer("/service/namespace").and_then(Value::as_str);
            let is_ours = matches!(self, Self::Conversion(_)) || asked.is_none_or(|asked| asked == namespace);
            is_ours.then(|| Slot { path, pem: pem.unwrap_or_default().0 })
        };
        paths.into_iter().filter_map(slot).collect()
    }

    /// Writes `pem` into every slot that differs; nothing is sent if none does.
    pub(super) async fn tell(
        &self,
        client: Client,
        object: &DynamicObject,
        pem: &[u8],
        (namespace, manager): (&str, &str),
    ) -> Result<Option<DynamicObject>, kube::Error> {
        let Some(changes) =
            changes(&self.slots(object, namespace), object.metadata.resource_version.as_deref(), pem)
        else {
            return Ok(None);
        };
        let api = self.api(client);
        api.patch(self.name(), &PatchParams::apply(manager), &Patch::Json::<()>(changes)).await.map(Some)
    }
}

/// A patch that does nothing to an object that has changed meanwhile.
fn changes(slots: &[Slot], version: Option<&str>, pem: &[u8]) -> Option<json_patch::Patch> {
    let bundle = ByteString(pem.to_vec());
    let differing = slots.iter().filter(|slot| slot.pem != pem);
    let add = differing
        .map(|slot| json!({"op": "add", "path": format!("{}/caBundle", slot.path), "value": bundle}));
    let add: Vec<Value> = add.collect();
    if add.is_empty() {
        return None;
    }
    let unchanged = json!({"op": "test", "path": "/metadata/resourceVersion", "value": version});
    serde_json::from_value(std::iter::once(unchanged).chain(add).collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_that_ask_a_service_elsewhere_have_no_place_for_our_authorities() {
        let ask =
            |namespace: &str| json!({"clientConfig": {"service": {"name": "s", "namespace": namespace}}});
        let of = |kind: &str, data: Value| -> DynamicObject {
            let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}});
            DynamicObject { data, ..serde_json::from_value(object).unwrap() }
        };
        let webhooks =
            json!({"webhooks": [ask("theirs"), ask("ours"), {"clientConfig": {"url": "https://x"}}]});
        let conversion = json!({"spec": {"conversion": {"webhook": ask("theirs")}}});
        for (target, object, expected) in [
            (
                Target::ValidatingWebhooks("x".to_owned()),
                of("ValidatingWebhookConfiguration", webhooks),
                &["/webhooks/1/clientConfig", "/webhooks/2/clientConfig"][..],
            ),
            // A definition is there once for all.
            (
                Target::Conversion("x".to_owned()),
                of("CustomResourceDefinition", conversion),
                &["/spec/conversion/webhook/clientConfig"],
            ),
        ] {
            let paths: Vec<String> =
                target.slots(&object, "ours").into_iter().map(|slot| slot.path).collect();
            assert_eq!(paths, expected);
        }
    }
}

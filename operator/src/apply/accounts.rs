//! Which service account the pods of a workload were made under.
//!
//! A pod's token is good for the account it was made for, and no other of the same name: where somebody deletes an account, its
//! pods are refused by the API server until their kubelet asks for another token, up to an hour later. So the template of a
//! workload names its account by UID, and who gets another one is rolled out anew.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::DynamicObject;
use metallb_render::{ACCOUNT, Desired};
use serde_json::{Value, json};

use super::is;

/// UIDs of the accounts, as far as they are known in a round, by their names.
#[derive(Debug, Default)]
pub(super) struct Accounts(BTreeMap<String, String>);

impl Accounts {
    /// Remembers the object, if it is an account.
    pub(super) fn note(&mut self, desired: &Desired, live: &DynamicObject) {
        if let Some(uid) = live.metadata.uid.as_ref().filter(|_| is::<ServiceAccount>(desired)) {
            self.0.insert(desired.name().to_owned(), uid.clone());
        }
    }

    /// A workload with the UID of its account in the template, or, where that is not known, with the one it had; everything
    /// else as it is.
    pub(super) fn tie<'a>(&self, desired: &'a Desired, live: Option<&DynamicObject>) -> Cow<'a, Desired> {
        if !is::<DaemonSet>(desired) && !is::<Deployment>(desired) {
            return Cow::Borrowed(desired);
        }
        let account = desired.object.data.pointer("/spec/template/spec/serviceAccountName");
        let known = account.and_then(Value::as_str).and_then(|account| self.0.get(account)).cloned();
        match known.or_else(|| before(live?)) {
            Some(uid) => Cow::Owned(tied(desired.clone(), &uid)),
            None => Cow::Borrowed(desired),
        }
    }
}

fn before(live: &DynamicObject) -> Option<String> {
    let uid = live.data.pointer("/spec/template/metadata/annotations")?.get(ACCOUNT)?;
    uid.as_str().map(str::to_owned)
}

fn tied(mut desired: Desired, uid: &str) -> Desired {
    if let Some(Value::Object(metadata)) = desired.object.data.pointer_mut("/spec/template/metadata") {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Value::Object(annotations) = annotations {
            annotations.insert(ACCOUNT.to_owned(), json!(uid));
        }
    }
    desired
}

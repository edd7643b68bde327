//! Which status objects a Service needs, and the steps from those that exist (contract 02 §5.2).

use std::collections::BTreeMap;

use metallb_api::ServiceL2Status;
use metallb_api::names::{LABEL_ANNOUNCING_NODE, LABEL_SERVICE_NAME, LABEL_SERVICE_NAMESPACE};
use metallb_config::ServiceKey;
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// Prefix of every name, as the original's.
pub(super) const PREFIX: &str = "l2-";
/// Bytes of the hash in a name: enough that no two of a cluster's Services collide.
const HASH_BYTES: usize = 8;

/// An object that exists. There is one for each Service of the cluster: as texts it took ten times the room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Live {
    /// The Service it is about, by its labels.
    pub(super) service: Digest,
    /// The node it is labelled with.
    node: Digest,
    said: Said,
}

/// What a status says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Said {
    /// It is not written yet.
    Nothing,
    /// Another node or Service than those of the labels.
    Wrong,
    /// The interfaces in their order.
    On(Digest),
}

/// What is to be said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Wanted {
    /// The Service this node announces.
    pub(super) service: ServiceKey,
    /// On which interfaces, in their order; none means all.
    pub(super) interfaces: Box<[String]>,
}

/// What to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// Create the object of this name; its status follows.
    Create(String),
    /// Write the status of the object of this name.
    WriteStatus {
        /// The object.
        name: String,
        /// The interfaces to name; none means all.
        interfaces: Vec<String>,
    },
    /// Delete the object of this name.
    Delete(String),
}

impl Step {
    /// The object it is about.
    pub(super) fn object(&self) -> &str {
        match self {
            Self::Create(name) | Self::WriteStatus { name, .. } | Self::Delete(name) => name,
        }
    }
}

impl Live {
    /// Reads an object; none without the labels of a speaker.
    pub(super) fn parse(object: &ServiceL2Status) -> Option<Self> {
        let labels = object.metadata.labels.as_ref()?;
        let service = ServiceKey {
            namespace: labels.get(LABEL_SERVICE_NAMESPACE)?.as_str().into(),
            name: labels.get(LABEL_SERVICE_NAME)?.as_str().into(),
        };
        let node = labels.get(LABEL_ANNOUNCING_NODE)?.as_str();
        let said = object.status.as_ref().map_or(Said::Nothing, |status| {
            let is_said = |value: &Option<String>, label: &str| value.as_deref().unwrap_or_default() == label;
            let is_of_labels = is_said(&status.node, node)
                && is_said(&status.service_namespace, &service.namespace)
                && is_said(&status.service_name, &service.name);
            let mut interfaces: Vec<String> =
                status.interfaces.iter().flatten().filter_map(|interface| interface.name.clone()).collect();
            interfaces.sort();
            if is_of_labels { Said::On(Digest::of(interfaces.as_slice())) } else { Said::Wrong }
        });
        Some(Self { service: Digest::of(&service), node: Digest::of(node), said })
    }
}

/// The name of a node's object about a Service: always the same, so that creating it twice is creating it once.
pub(super) fn object_name(node: &str, service: &ServiceKey) -> String {
    let hash = Sha256::digest(format!("{node}/{service}"));
    let hex: String = hash.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("{PREFIX}{hex}")
}

/// The steps for one Service. Who announces it keeps one object and removes all others; who does not removes its own.
pub(super) fn steps(me: &str, wish: Option<&Wanted>, live: &BTreeMap<String, Live>) -> Vec<Step> {
    let node = Digest::of(me);
    let is_mine = |live: &Live| live.node == node;
    let Some(Wanted { service, interfaces }) = wish else {
        let mine = live.iter().filter(|(_, live)| is_mine(live));
        return mine.map(|(name, _)| Step::Delete(name.clone())).collect();
    };
    // The node and the Service in a status can't be changed any more: an object that got them wrong must go.
    let is_usable = |live: &Live| is_mine(live) && live.said != Said::Wrong;
    let kept = live.iter().find(|(_, live)| is_usable(live));
    let others = live.keys().filter(|name| kept.is_none_or(|(kept, _)| kept != *name));
    let mut steps: Vec<Step> = others.map(|name| Step::Delete(name.clone())).collect();
    let name = kept.map_or_else(|| object_name(me, service), |(name, _)| name.clone());
    if kept.is_none() {
        steps.push(Step::Create(name.clone()));
    }
    if kept.is_none_or(|(_, live)| live.said != Said::On(Digest::of(interfaces))) {
        steps.push(Step::WriteStatus { name, interfaces: interfaces.to_vec() });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ME: &str = "n1";

    fn key() -> ServiceKey {
        ServiceKey { namespace: "default".into(), name: "web".into() }
    }

    fn object(node: &str, status: serde_json::Value) -> Live {
        let labels = json!({
            "metallb.io/node": node, "metallb.io/service-name": "web", "metallb.io/service-namespace": "default",
        });
        let object = json!({
            "apiVersion": "metallb.io/v1beta1", "kind": "ServiceL2Status",
            "metadata": { "name": "x", "labels": labels }, "spec": {}, "status": status,
        });
        Live::parse(&serde_json::from_value(object).unwrap()).unwrap()
    }

    fn written(node: &str, interfaces: &[&str]) -> Live {
        let interfaces: Vec<_> = interfaces.iter().map(|name| json!({ "name": name })).collect();
        let status = json!({ "node": node, "serviceName": "web", "serviceNamespace": "default", "interfaces": interfaces });
        object(node, status)
    }

    fn planned(wish: Option<&[&str]>, live: &[(&str, Live)]) -> Vec<Step> {
        let wish = wish.map(|names| Wanted {
            service: key(),
            interfaces: names.iter().map(|name| (*name).to_owned()).collect(),
        });
        let live = live.iter().map(|(name, live)| ((*name).to_owned(), *live)).collect();
        steps(ME, wish.as_ref(), &live)
    }

    fn delete(name: &str) -> Step {
        Step::Delete(name.to_owned())
    }

    fn write(name: &str, interfaces: &[&str]) -> Step {
        let interfaces = interfaces.iter().map(|name| (*name).to_owned()).collect();
        Step::WriteStatus { name: name.to_owned(), interfaces }
    }

    #[test]
    fn a_new_owner_creates_its_object_and_then_writes_the_status() {
        let name = object_name(ME, &key());
        assert!(name.starts_with("l2-") && name.len() == 19, "{name}");
        assert_eq!(planned(Some(&[]), &[]), [Step::Create(name.clone()), write(&name, &[])]);
    }

    #[test]
    fn an_owner_takes_over_and_removes_what_others_and_duplicates_say() {
        let live = [("l2-a", written(ME, &[])), ("l2-b", written(ME, &[])), ("l2-c", written("n2", &[]))];
        assert_eq!(planned(Some(&[]), &live), [delete("l2-b"), delete("l2-c")]);
    }

    #[test]
    fn nothing_is_done_when_everything_is_said() {
        assert_eq!(planned(Some(&["eth0", "eth1"]), &[("l2-a", written(ME, &["eth1", "eth0"]))]), []);
    }

    #[test]
    fn a_missing_or_outdated_status_is_written() {
        assert_eq!(planned(Some(&[]), &[("l2-a", object(ME, json!(null)))]), [write("l2-a", &[])]);
        assert_eq!(planned(Some(&["eth1"]), &[("l2-a", written(ME, &["eth0"]))]), [write("l2-a", &["eth1"])]);
        assert_eq!(planned(Some(&[]), &[("l2-a", written(ME, &["eth0"]))]), [write("l2-a", &[])]);
    }

    #[test]
    fn an_object_whose_unchangeable_fields_are_wrong_is_replaced() {
        let status = json!({ "node": "n7", "serviceName": "web", "serviceNamespace": "default" });
        let name = object_name(ME, &key());
        let expected = [delete("l2-a"), Step::Create(name.clone()), write(&name, &[])];
        assert_eq!(planned(Some(&[]), &[("l2-a", object(ME, status))]), expected);
    }

    #[test]
    fn who_does_not_announce_removes_only_its_own() {
        let live = [("l2-a", written(ME, &[])), ("l2-c", written("n2", &[]))];
        assert_eq!(planned(None, &live), [delete("l2-a")]);
        assert_eq!(planned(None, &[]), []);
    }

    #[test]
    fn objects_of_two_nodes_or_two_services_have_different_names() {
        let other = ServiceKey { namespace: "default/web".into(), name: "".into() };
        assert_ne!(object_name(ME, &key()), object_name("n2", &key()));
        assert_ne!(object_name(ME, &key()), object_name(ME, &other));
    }
}

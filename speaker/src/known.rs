//! What the speaker keeps of the cluster's objects: only what it looks at. Of a Service that is a tenth, of a slice of a
//! thousand endpoints the names of their nodes, and all of it is held once, here and in the view.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, ObjectReference, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use metallb_announce::{CONDITION_ANNOUNCED, NodeView, Said, ServiceFacts, SliceView};
use metallb_api::IPAddressPool;
use metallb_cluster::Held;
use metallb_config::{ServiceKey, service};
use serde::Deserialize;
use serde_json::Value;

#[cfg(test)]
mod tests;
mod texts;

pub(crate) use texts::Revision;
use texts::Uid;

/// A Service: what decides about it, and what an event says it is about.
#[derive(Debug)]
pub(crate) struct KnownService {
    pub(crate) facts: Arc<ServiceFacts>,
    /// What its condition `metallb.io/Announced` says, and since when its status is that.
    pub(crate) said: Option<(Said, Time)>,
    pub(crate) uid: Uid,
    /// Empty when it is known from a snapshot.
    pub(crate) resource_version: Revision,
}

impl KnownService {
    /// One that an earlier speaker knew.
    pub(crate) fn resumed(facts: Arc<ServiceFacts>, uid: &str) -> Self {
        Self { facts, said: None, uid: Uid::of(uid), resource_version: Revision::of("") }
    }

    /// A Service as events refer to it.
    pub(crate) fn reference(&self, key: &ServiceKey) -> ObjectReference {
        let text = |text: String| (!text.is_empty()).then_some(text);
        ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Service".to_owned()),
            namespace: Some(key.namespace.to_string()),
            name: Some(key.name.to_string()),
            uid: text(self.uid.to_string()),
            resource_version: text(self.resource_version.to_string()),
            ..ObjectReference::default()
        }
    }
}

impl Held for KnownService {
    type Kind = Service;

    fn read(object: &Value) -> Result<Self, serde_json::Error> {
        let object = Service::deserialize(object)?;
        Ok(Self {
            facts: Arc::new(ServiceFacts::of(&service::parse(&object))),
            said: said(&object),
            uid: Uid::of(object.metadata.uid.as_deref().unwrap_or_default()),
            resource_version: Revision::of(object.metadata.resource_version.as_deref().unwrap_or_default()),
        })
    }
}

fn said(service: &Service) -> Option<(Said, Time)> {
    let mut conditions = service.status.as_ref()?.conditions.iter().flatten();
    let Condition { status, reason, message, last_transition_time, .. } =
        conditions.find(|condition| condition.type_ == CONDITION_ANNOUNCED)?;
    Some((Said::read(status, reason, message), last_transition_time.clone()))
}

/// An EndpointSlice.
#[derive(Debug)]
pub(crate) struct KnownSlice {
    pub(crate) view: Arc<SliceView>,
}

impl Held for KnownSlice {
    type Kind = EndpointSlice;

    fn read(object: &Value) -> Result<Self, serde_json::Error> {
        let view = SliceView::parse(&EndpointSlice::deserialize(object)?);
        Ok(Self { view: Arc::new(view) })
    }
}

/// A node.
#[derive(Debug)]
pub(crate) struct KnownNode {
    pub(crate) view: NodeView,
}

impl Held for KnownNode {
    type Kind = Node;

    fn read(object: &Value) -> Result<Self, serde_json::Error> {
        Ok(Self { view: NodeView::parse(&Node::deserialize(object)?) })
    }

    /// Nodes report much more than they change.
    fn is_same(&self, before: &Self) -> bool {
        self.view == before.view
    }
}

/// A pool, without its status and version.
#[derive(Debug)]
pub(crate) struct KnownPool {
    pub(crate) object: Arc<IPAddressPool>,
}

impl Held for KnownPool {
    type Kind = IPAddressPool;

    fn read(object: &Value) -> Result<Self, serde_json::Error> {
        let mut object = IPAddressPool::deserialize(object)?;
        object.status = None;
        object.metadata.resource_version = None;
        Ok(Self { object: Arc::new(object) })
    }

    /// Its status changes with every Service that gets an address, just when that is to be announced.
    fn is_same(&self, before: &Self) -> bool {
        self.object == before.object
    }
}

/// A speaker's pod.
#[derive(Debug)]
pub(crate) struct KnownPod {
    /// Its address as it was read; empty if it has none.
    pub(crate) address: Box<str>,
}

impl Held for KnownPod {
    type Kind = Pod;

    fn read(object: &Value) -> Result<Self, serde_json::Error> {
        let address = Pod::deserialize(object)?.status.and_then(|status| status.pod_ip);
        Ok(Self { address: address.unwrap_or_default().into_boxed_str() })
    }

    fn is_same(&self, before: &Self) -> bool {
        self.address == before.address
    }
}

//! What earlier decisions left in the status of a Service.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use metallb_api::names;
use metallb_net::canonical;

/// One entry of `status.loadBalancer.ingress`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IngressEntry {
    /// An address, in canonical form.
    Address(IpAddr),
    /// A text that is no address.
    Unparsable(String),
    /// No address at all: somebody's host name.
    Other,
}

/// The condition `metallb.io/Allocated` as it is recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordedCondition {
    /// Whether it says that the Service has what it wants; None when it says neither.
    pub status: Option<bool>,
    /// The reason, for machines.
    pub reason: String,
    /// The message, for people.
    pub message: String,
}

pub(super) fn ingress(service: &Service) -> Vec<IngressEntry> {
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let entries = status.and_then(|balancer| balancer.ingress.as_ref()).into_iter().flatten();
    entries.map(|entry| parse_entry(entry.ip.as_deref())).collect()
}

fn parse_entry(ip: Option<&str>) -> IngressEntry {
    match ip.filter(|text| !text.is_empty()) {
        None => IngressEntry::Other,
        Some(text) => text.parse().map_or_else(
            |_| IngressEntry::Unparsable(text.to_owned()),
            |address| IngressEntry::Address(canonical(address)),
        ),
    }
}

pub(super) fn condition(service: &Service) -> Option<RecordedCondition> {
    let mut conditions = service.status.as_ref()?.conditions.iter().flatten();
    let found = conditions.find(|condition| condition.type_ == names::CONDITION_ALLOCATED)?;
    Some(RecordedCondition {
        status: match found.status.as_str() {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        },
        reason: found.reason.clone(),
        message: found.message.clone(),
    })
}

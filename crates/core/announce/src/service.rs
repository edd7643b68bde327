//! A Service, as far as announcing is concerned.

use std::net::IpAddr;

use metallb_config::ServiceView;
use metallb_config::service::IngressEntry;
use metallb_config::{L2Advertisement, Labels};
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// What decides about announcing a Service, and nothing else: a node may know ten thousand of them, and most of what
/// the API server tells about one (ports, selectors, requests) only matters to others.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct ServiceFacts {
    /// Whether `spec.type` is `LoadBalancer`. If not, nothing else of it is kept.
    pub is_load_balancer: bool,
    /// Whether `spec.externalTrafficPolicy` is `Local`.
    pub is_local: bool,
    /// Whether an allow-shared-ip annotation is there at all, even an empty one.
    pub has_sharing_annotation: bool,
    /// `spec.loadBalancerClass`.
    pub class: Option<Box<str>>,
    /// The addresses of its status in their order; None if one of its entries is no address.
    pub addresses: Option<Box<[IpAddr]>>,
    labels: LabelText,
}

/// Labels in the order of their keys: keys and values in turn. One text: a map would take ten times the room.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(from = "Vec<(String, String)>", into = "Vec<(String, String)>")]
struct LabelText(Box<str>);

/// No key and no value holds it.
const BETWEEN: &str = "\0";

impl LabelText {
    fn iter(&self) -> impl Iterator<Item = (String, String)> {
        let mut texts = self.0.split(BETWEEN).map(str::to_owned);
        std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for LabelText {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(labels: I) -> Self {
        let labels = labels.into_iter();
        let labels = labels.filter(|(key, value)| !key.contains(BETWEEN) && !value.contains(BETWEEN));
        let texts: Vec<&str> = labels.flat_map(<[&str; 2]>::from).collect();
        Self(texts.join(BETWEEN).into_boxed_str())
    }
}

impl From<Vec<(String, String)>> for LabelText {
    fn from(labels: Vec<(String, String)>) -> Self {
        labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }
}

impl From<LabelText> for Vec<(String, String)> {
    fn from(labels: LabelText) -> Self {
        labels.iter().collect()
    }
}

impl ServiceFacts {
    /// Takes what matters from a Service.
    #[must_use]
    pub fn of(view: &ServiceView) -> Self {
        if !view.is_load_balancer {
            return Self::default();
        }
        let labels = view.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Self {
            is_load_balancer: true,
            is_local: view.is_local,
            has_sharing_annotation: view.has_sharing_annotation,
            class: view.class.as_deref().map(Into::into),
            addresses: view.ingress.iter().map(address).collect(),
            labels: labels.collect(),
        }
    }

    /// Whether a speaker started with this `--lb-class` (empty: none) serves the Service.
    #[must_use]
    pub fn is_served_by(&self, class: &str) -> bool {
        self.class.as_deref().unwrap_or_default() == class
    }

    /// The advertisements that are for this Service.
    pub(crate) fn relevant<'a>(
        &self,
        advertisements: impl Iterator<Item = &'a L2Advertisement>,
    ) -> Vec<&'a L2Advertisement> {
        // Most advertisements are for all Services, whatever their labels: then no map is made.
        let mut labels = None;
        let mut is_relevant = |advertisement: &&L2Advertisement| {
            advertisement.services.is_empty()
                || advertisement.selects_service(labels.get_or_insert_with(|| self.labels()))
        };
        advertisements.filter(|advertisement| is_relevant(advertisement)).collect()
    }

    fn labels(&self) -> Labels {
        self.labels.iter().collect()
    }
}

fn address(entry: &IngressEntry) -> Option<IpAddr> {
    match entry {
        IngressEntry::Address(address) => Some(*address),
        IngressEntry::Unparsable(_) | IngressEntry::Other => None,
    }
}

//! The verdict on every Service at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use metallb_config::ServiceKey;

use crate::decision::{Verdict, decide};
use crate::endpoints::EndpointIndex;
use crate::outlook::{Outlook, outlook};
use crate::reason::SkipReason;
use crate::service::ServiceFacts;
use crate::world::World;

/// The Services there are.
pub type Services = BTreeMap<ServiceKey, Arc<ServiceFacts>>;

/// All that is known at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What all Services have in common.
    pub world: World,
    /// The Services.
    pub services: Services,
    /// Where they can be served.
    pub endpoints: EndpointIndex,
}

impl Snapshot {
    /// The verdict on one Service; one that is not there is deleted.
    #[must_use]
    pub fn verdict(&self, key: &ServiceKey) -> Verdict {
        match self.services.get(key) {
            Some(service) => decide(&self.world, service, &self.endpoints.of(key)),
            None => Verdict::Skip(SkipReason::ServiceDeleted),
        }
    }

    /// What there is to say about a Service, given the verdict on it.
    #[must_use]
    pub fn outlook(&self, key: &ServiceKey, verdict: &Verdict) -> Outlook {
        match self.services.get(key) {
            Some(service) => outlook(&self.world, service, &self.endpoints.of(key), verdict),
            None => Outlook::Unchanged,
        }
    }
}

/// What this node does about each Service.
pub type Plan = BTreeMap<ServiceKey, Verdict>;

/// The verdicts on all Services. Deciding about a single one again gives the same: nothing depends on the others.
#[must_use]
pub fn plan(snapshot: &Snapshot) -> Plan {
    snapshot.services.keys().map(|key| (key.clone(), snapshot.verdict(key))).collect()
}

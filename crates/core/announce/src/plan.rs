//! The verdict on every Service at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use metallb_config::ServiceKey;

use crate::decision::{Verdict, decide_for};
use crate::endpoints::EndpointIndex;
use crate::outlook::{Outlook, outlook};
use crate::precedence::{Known, Precedence};
use crate::reason::SkipReason;
use crate::service::ServiceFacts;
use crate::tenure::Tenure;
use crate::tight::tighten;
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
    /// The owners that the contract alone does not choose.
    pub precedence: Precedence,
}

impl Snapshot {
    /// Gives room back.
    pub fn tighten(&mut self) {
        tighten(&mut self.services);
        self.endpoints.tighten();
    }

    /// The verdict on one Service; one that is not there is deleted.
    #[must_use]
    pub fn verdict(&self, key: &ServiceKey) -> Verdict {
        match self.services.get(key) {
            Some(service) => {
                let chosen = self.precedence.owner(key);
                decide_for(&self.world, service, &self.endpoints.of(key), chosen)
            }
            None => Verdict::Skip(SkipReason::ServiceDeleted),
        }
    }

    /// Chooses owners anew after these Services were touched, or others told what they hold. Returns the Services with
    /// another owner than before.
    pub fn choose(
        &mut self,
        touched: &BTreeSet<ServiceKey>,
        tenure: &mut Tenure,
        now: Duration,
    ) -> BTreeSet<ServiceKey> {
        let Self { world, services, endpoints, precedence } = self;
        precedence.refresh(Known { world, services, endpoints }, touched, tenure, now)
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

/// The verdicts on all Services. Deciding about a single one again gives the same: nothing depends on the others but the
/// owners [chosen](Snapshot::choose) before.
#[must_use]
pub fn plan(snapshot: &Snapshot) -> Plan {
    snapshot.services.keys().map(|key| (key.clone(), snapshot.verdict(key))).collect()
}

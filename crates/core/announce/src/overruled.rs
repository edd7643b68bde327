//! What advertisements ask of an election and do not get.

use std::fmt;

use metallb_config::{OnLink, Preempt, Spread};

use crate::decision::relevant;
use crate::service::ServiceFacts;
use crate::world::{Speakers, World};

/// Fields that do not count for a Service, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Overruled {
    fields: Vec<&'static str>,
    /// Whether it is not known at all who takes part; else one does that knows nothing of them.
    is_unknown: bool,
}

impl Overruled {
    /// Those of a Service; none if all count.
    pub(crate) fn of(world: &World, service: &ServiceFacts) -> Option<Self> {
        let inputs = world.inputs();
        let pool = inputs.config.pool_of(service.addresses.as_deref()?).filter(|_| inputs.is_plain())?;
        let advertisements = relevant(pool, service);
        let preempt = advertisements.iter().any(|ad| ad.preempt != Preempt::Always).then_some("preempt");
        let spread = advertisements.iter().any(|ad| ad.spread != Spread::None).then_some("spread");
        let subnets = advertisements.iter().any(|ad| ad.on_link != OnLink::Ignore).then_some("subnets");
        let fields: Vec<&str> = [preempt, spread, subnets].into_iter().flatten().collect();
        let is_unknown = inputs.speakers == Speakers::EveryNode;
        (!fields.is_empty()).then_some(Self { fields, is_unknown })
    }
}

impl fmt::Display for Overruled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fields.as_slice() {
            [] => return Ok(()),
            [one] => write!(f, "{one} of its L2Advertisements does")?,
            [rest @ .., last] => write!(f, "{} and {last} of its L2Advertisements do", rest.join(", "))?,
        }
        f.write_str(" not count ")?;
        f.write_str(if self.is_unknown {
            "where speakers do not follow each other: set METALLB_ML_BIND_ADDR and METALLB_ML_LABELS, or memberlistEnabled of the MetalLB resource"
        } else {
            "beside a speaker that sends no heartbeats or is of an earlier version: replace it by one of this version, or see to its heartbeat port"
        })
    }
}

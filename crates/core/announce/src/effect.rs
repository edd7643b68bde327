//! What has to be done, as values: executors have no choice left.

use std::net::IpAddr;
use std::time::Duration;

use metallb_config::{Interfaces, ServiceKey};

use crate::decision::Announcement;
use crate::reason::SkipReason;

/// One step from what is installed to what is planned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Answer for the address on these interfaces from now on, and make it known.
    Announce {
        /// The address.
        address: IpAddr,
        /// Where.
        interfaces: Interfaces,
    },
    /// Make an address known again.
    Remind {
        /// The address.
        address: IpAddr,
    },
    /// Make an announced address known again every now and then.
    Refresh {
        /// The address.
        address: IpAddr,
        /// How often; none for never. Of whom nothing is said it is
        /// [as usual](metallb_config::L2Advertisement::REFRESH).
        every: Option<Duration>,
    },
    /// Answer no more.
    Withdraw {
        /// The address.
        address: IpAddr,
    },
    /// Another node announces the address from now on: answer until it is heard.
    HandOver {
        /// The address.
        address: IpAddr,
    },
    /// Tell people and the cluster about a Service.
    Tell {
        /// The Service.
        service: ServiceKey,
        /// What to tell.
        notice: Notice,
    },
}

impl Effect {
    /// Answers no more where it would until the heir is heard.
    pub fn end_at_once(&mut self) {
        if let Self::HandOver { address } = *self {
            *self = Self::Withdraw { address };
        }
    }
}

/// What there is to tell about a Service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Notice {
    /// This node announces it now, or announces it differently.
    Announced {
        /// How it is announced.
        announcement: Announcement,
        /// Whether the Service was not announced before with these addresses.
        is_new: bool,
    },
    /// This node no longer announces these addresses of it.
    Withdrawn {
        /// What was announced.
        addresses: Vec<IpAddr>,
        /// Why no more.
        reason: SkipReason,
    },
    /// This node did not announce it before and does not now, for a reason not told yet.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
    /// No pool holds its addresses any more; what is announced stays until the controller has decided.
    Orphaned {
        /// The addresses.
        addresses: Vec<IpAddr>,
    },
}

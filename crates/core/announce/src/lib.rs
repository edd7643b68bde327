//! Which node announces which address, on which interfaces, and why not.
//!
//! Must not know: ARP, NDP and sockets (`metallb-l2`, `metallb-linux`), how objects are fetched or written, the clock.

mod company;
mod condition;
mod decision;
mod effect;
mod election;
mod endpoints;
mod footing;
mod holders;
mod installed;
mod nobody;
mod node;
mod on_link;
mod outlook;
mod overruled;
mod plan;
mod precedence;
mod reason;
mod saved;
mod service;
mod shares;
mod shift;
mod tenure;
mod tight;
mod world;

#[cfg(test)]
mod testing;

pub use condition::{AnnouncedReason, CONDITION_ANNOUNCED, Condition, Said, Standing};
pub use decision::{Announcement, Verdict, decide};
pub use effect::{Effect, Notice};
pub use election::{Ballot, ballot, elect};
pub use endpoints::{EndpointIndex, Endpoints, SliceKey, SliceView};
pub use footing::Position;
pub use holders::{Holders, Roll};
pub use installed::Installed;
pub use nobody::{Barred, Nobody, Tally};
pub use node::NodeView;
pub use on_link::Subnets;
pub use outlook::{Outlook, outlook};
pub use overruled::Overruled;
pub use plan::{Plan, Services, Snapshot, plan};
pub use precedence::Precedence;
pub use reason::SkipReason;
pub use saved::{Moment, Saved, SavedError, SavedPod, SavedService, SavedSlice};
pub use service::ServiceFacts;
pub use shares::{Candidates, Shares};
pub use shift::{Cause, Change, Shift, shifts};
pub use tenure::{Outgoing, Tenure, wire as letters};
pub use tight::tighten;
pub use world::{Inputs, OwnInterfaces, Speakers, World};

//! ARP and NDP: frames, answers and their limits, multicast groups, gratuitous packets, hand-overs, others' claims; interfaces that
//! are left out.
//!
//! Must not know: Services, pools or nodes (that is `metallb-announce`), sockets, netlink or the clock.

mod arp;
mod burst;
mod conflict;
mod cover;
mod exclusion;
mod filters;
mod groups;
mod handover;
mod limit;
mod mld;
mod moment;
mod ndp;
mod refresh;
mod responder;
mod shares;
mod table;
mod wire;

pub use arp::{ArpError, ArpFrame, ArpOperation, ArpPacket, gratuitous_arp};
pub use burst::{Burst, Input, Round, Subject};
pub use conflict::{Claim, Conflict, Conflicts};
pub use cover::Cover;
pub use exclusion::{ExcludedNames, ExclusionFault};
pub use filters::Filters;
pub use groups::{GroupChange, group_changes, group_changes_of, solicited_node};
pub use handover::HandOvers;
pub use limit::Limiter;
pub use mld::membership_report;
pub use moment::Moment;
pub use ndp::{Advertisement, NdpError, Solicitation, gratuitous_advertisement};
pub use refresh::Refresh;
pub use responder::{Answer, Silence, answer_arp, answer_ndp, claim_arp, claim_ndp};
pub use shares::ShareLimits;
pub use table::{AnnouncedTable, Interfaces, Link};

//! ARP and NDP: frames, answers, multicast groups and gratuitous bursts.
//!
//! Must not know: Services, pools or nodes (that is `metallb-announce`), sockets, netlink or the clock.

mod arp;
mod burst;
mod groups;
mod moment;
mod ndp;
mod responder;
mod table;
mod wire;

pub use arp::{ArpError, ArpFrame, ArpOperation, ArpPacket, gratuitous_arp};
pub use burst::{Burst, Input, Round, Subject};
pub use groups::{GroupChange, group_changes, group_changes_of, solicited_node};
pub use moment::Moment;
pub use ndp::{Advertisement, NdpError, Solicitation, gratuitous_advertisement};
pub use responder::{Answer, Silence, answer_arp, answer_ndp};
pub use table::{AnnouncedTable, Interfaces, Link};

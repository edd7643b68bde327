//! The Linux kernel as announcing needs it: interfaces and their changes, packet sockets, multicast groups, the clock and a
//! timer, the scheduler. And the heap.
//!
//! Must not know: what frames mean or whether they are answered (`metallb-l2`), Services, or Kubernetes.
//! The only crate with `unsafe`.

mod address;
mod alarm;
mod clock;
mod closing;
pub mod code;
mod filter;
pub mod heap;
mod interface;
mod links;
mod multicast;
mod netlink;
mod packet;
mod reactor;
mod slice;

pub use alarm::Alarm;
pub use clock::{since_boot, time_of_day};
pub use filter::Targets;
pub use interface::{Ineligible, Interface, Protocols};
pub use links::{LinkError, LinkMonitor, News};
pub use multicast::Memberships;
pub use netlink::interfaces_in;
pub use packet::{LONGEST_FRAME, PacketSocket, Protocol, SocketError};
pub use slice::ask_for_short_turns;

//! Addresses, ranges and hardware addresses: arithmetic without I/O.
//!
//! Must not know: Kubernetes objects, pools, or what an address is used for.

mod family;
mod intervals;
mod mac;
mod prefix;
mod range;

pub use family::{IpFamily, canonical, to_bits};
pub use intervals::Intervals;
pub use mac::{MacAddr, MacError};
pub use prefix::{Prefix, PrefixError};
pub use range::{IpRange, RangeError};

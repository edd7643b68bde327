//! The original's side of a ring: HashiCorp's memberlist as a program of its own, and its golden vectors.
//!
//! Must not know: how we speak the protocol.

mod peer;
mod settings;
mod vectors;

pub use peer::{Peer, PeerOptions, Report};
pub use settings::settings;
pub use vectors::vectors;

//! Fast liveness: who of the members that speak it stands still, in a fraction of a second; a layer above memberlist,
//! which goes on deciding about everybody else (ADR 10). And the fence: whether this node itself may answer (ADR 11).
//!
//! [`Liveness`] is the machine: the caller brings the time, the datagrams and the members, and does what
//! [`Liveness::poll`] says. Must not know: sockets, clocks, memberlist's wire.

mod auth;
mod machine;
pub mod meta;
mod output;
mod settings;
mod watch;
pub mod wire;

pub use auth::{Keys, Plain};
pub use machine::{Liveness, Member};
pub use output::{Action, Counters, Note};
pub use settings::Settings;

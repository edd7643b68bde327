//! Which speakers are alive: HashiCorp memberlist's protocol as a pure machine, wire-compatible with the original's
//! speakers (contract 02 §1.3).
//!
//! [`wire`] turns bytes into messages and back; the [`machine`] decides what to send and who counts as a member.
//! Sockets, clocks and randomness are the caller's.

mod keyring;
pub mod machine;
mod settings;
pub mod wire;

pub use keyring::Keyring;
pub use machine::{Action, Event, Identity, Machine, Member, Note};
pub use settings::{Settings, SettingsError};

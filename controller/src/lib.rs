//! The controller: assigns addresses to Services and says in the cluster what it decided.
//!
//! Decisions are `metallb-allocator`'s and `metallb-config`'s. Here is who asks them when, and what carries them out:
//! one task owns the state ([`owner`]), the others only write what it decided.

mod configuration;
mod convert;
mod daemon;
mod flags;
mod gauges;
mod leadership;
#[cfg(test)]
mod logged;
mod memberlist;
mod owner;
mod pool_status;
mod record;
mod services;
mod telling;
mod tidy;
mod webhooks;
mod writer;

pub use convert::Conversion;
pub use daemon::{StartError, run};
pub use flags::{Flags, FlagsError, Settings, WebhookMode};
pub use leadership::{Campaign, Leadership, run_for_office};
pub use owner::{Controller, Options};
pub use webhooks::{CertificateSource, WebhookSettings};

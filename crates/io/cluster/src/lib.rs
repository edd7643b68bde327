//! The Kubernetes API as daemons need it: a client, stores that follow it, and the writes they share.
//!
//! Must not know: what objects mean, or what is decided about them.

mod apply;
mod authorize;
mod campaign;
mod client;
mod configuration;
mod events;
mod lease;
mod owner;
mod pace;
mod store;
mod watches;

pub use apply::*;
pub use authorize::{Access, may_get};
pub use campaign::{Campaign, Leadership, Office, Tenure, Term};
pub use client::{ConnectError, connect};
pub use configuration::{Component, ConfigurationReporter};
pub use events::{Event, EventSink, EventType};
pub use lease::{LeaseError, LeaseHandle, LeaseNews, LeaseTerms, LeaseVersion};
pub use owner::pod_owner;
pub use pace::Pace;
pub use store::{Changes, Held, Malformed, ObjectKey, Packed, Store, Version};
pub use watches::{Listener, Reach, Unsynced, Watches};

//! The certificates of a webhook server: kept in a Secret and made anew in time, or read from files.
//!
//! What has to be done is decided by `metallb-certificates`; here is what carries it out.

mod bundle;
mod files;
mod follow;
mod material;
mod mint;
mod presenter;
mod rotation;
mod targets;

pub use files::follow_files;
pub use presenter::Presenter;
pub use rotation::{Rotation, RotationSettings};
pub use targets::Target;

use std::time::{SystemTime, UNIX_EPOCH};

use metallb_certificates::UnixSeconds;

/// Now, by the system's clock.
fn now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixSeconds::default().after(since)
}

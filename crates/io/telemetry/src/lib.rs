//! What a daemon tells about itself: logs, metrics, health.
//!
//! Must not know: HTTP (that is `metallb-serve`), Kubernetes, or what the figures mean.

pub mod health;
pub mod logs;
pub mod metrics;

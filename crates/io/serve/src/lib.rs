//! What a daemon serves: probes over HTTP, metrics over HTTPS to those who may read them.
//!
//! Must not know: Kubernetes (who may read metrics is asked of the caller) or what is served.

mod answer;
mod bind;
mod connection;
mod metrics;
mod probes;
mod tls;

pub use answer::{Answer, Query};
pub use bind::{bind, everywhere};
pub use metrics::{Document, Verdict, metrics, metrics_and, metrics_following};
pub use probes::{Probe, probes};
pub use tls::{TlsError, TlsSettings, follow_settings};

//! Who of several replicas leads, as decided over a Lease.
//!
//! Must not know: Kubernetes clients, clocks, or what the leader does.

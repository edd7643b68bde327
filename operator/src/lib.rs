//! The operator: turns the `MetalLB` resource into running workloads, and keeps them so.
//!
//! One owner task looks at everything whenever anything changed: dereference → validate → build → apply → prune → status.
//! It follows a signal without payload instead of `kube`'s `Controller`, because the *absence* of a resource is a
//! state with work to do as well (see [`inventory`]), and a `Controller` only reconciles what exists.
//!
//! Must not know: what objects look like (that is `metallb-render`).

mod ahead;
pub mod api_ports;
pub mod apply;
pub mod build;
pub mod cluster_tls;
pub mod deeds;
pub mod definition;
pub mod dereference;
pub mod disposition;
pub mod flags;
pub mod guard;
pub mod inventory;
pub mod operator;
pub mod others;
pub mod own_tls;
pub mod owner;
pub mod platform;
pub mod progress;
pub mod register;
pub mod run;
pub mod status;
pub mod validate;
pub mod watches;
pub mod webhook;

//! A real Kubernetes cluster, of real nodes, in namespaces of one Linux machine.
//!
//! Must not know: what is tested on it. No crate of the product is used here.
//!
//! Start with [`Bed::up`]; the README tells how it is made.

mod address;
mod bed;
mod build;
mod cache;
mod cgroup;
pub mod cli;
mod collect;
mod command;
mod config;
mod daemon;
mod fault;
mod go;
mod host;
mod images;
mod inside;
mod kubectl;
mod machine;
mod options;
mod pki;
mod preflight;
mod process;
mod progress;
pub mod wait;
mod wire;

pub use bed::{Bed, Part, State, down};
pub use build::build;
pub use command::{CommandFailed, Output};
pub use daemon::Daemon;
pub use go::go_program;
pub use images::{PAUSE as PAUSE_IMAGE, WEB as WEB_IMAGE};
pub use inside::Running;
pub use nix::sys::signal::Signal;
pub use options::Options;
pub use process::Process;

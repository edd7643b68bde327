//! What every daemon shares as a process: flags in Go's style, its namespace, and stopping in time.
//!
//! Must not know: Kubernetes objects, sockets, or what the daemon does.

mod flags;
mod namespace;
mod shutdown;

pub use flags::{go_bool, go_style};
pub use namespace::{NamespaceError, namespace};
pub use shutdown::Shutdown;

//! What every daemon shares as a process: flags in Go's style, its namespace, how many files it may
//! have open, and stopping in time.
//!
//! Must not know: Kubernetes objects, sockets, or what the daemon does.

mod flags;
mod namespace;
mod open_files;
mod shutdown;

pub use flags::{go_bool, go_style};
pub use namespace::{NamespaceError, namespace};
pub use open_files::allow_open_files;
pub use shutdown::Shutdown;

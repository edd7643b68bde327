//! Waiting for a socket, or a timer, without blocking a thread.

use std::io;
use std::os::fd::AsRawFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Hands a non-blocking descriptor to the runtime's reactor. Nobody waits for writing: what can't be sent is dropped.
pub(crate) fn register<S: AsRawFd>(socket: S) -> io::Result<AsyncFd<S>> {
    // SAFETY: the sockets and timers of this crate own their descriptors, and this one moves into the AsyncFd, which no caller takes
    // apart: the descriptor stays open and the same until the AsyncFd is dropped.
    #[expect(unsafe_code, reason = "tokio asks the caller to vouch for the descriptor's lifetime")]
    let registered = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
    registered.map_err(io::Error::from)
}

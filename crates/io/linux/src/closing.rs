//! Closing sockets without waiting for it.
//!
//! The kernel takes back a packet socket only when no processor can be delivering to it any more: `close` sleeps for some
//! 16 ms, each time. It gives up the groups of a socket one by one, in some versions behind a lock that whoever removes an
//! interface holds. A thread that neighbours wait for does none of this by itself: with the hundred sockets of a trunk that
//! goes down it would answer nobody for seconds.
//!
//! So there is a thread that closes, as long as there is something to close: an idle one would cost memory for good. It is
//! none of a runtime: that waits at its end for what its threads do, starts hundreds of them where hundreds of sockets
//! go, and panics where none can be had.

use std::mem::{self, ManuallyDrop};
use std::ops::Deref;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use socket2::{SockFilter, Socket};

use crate::filter;

#[cfg(test)]
mod tests;

/// A socket that another thread closes once it is dropped.
#[derive(Debug)]
pub(crate) struct LateClosed(ManuallyDrop<Socket>);

impl LateClosed {
    pub(crate) fn new(socket: Socket) -> Self {
        Self(ManuallyDrop::new(socket))
    }
}

impl Deref for LateClosed {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.0
    }
}

impl AsRawFd for LateClosed {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Drop for LateClosed {
    fn drop(&mut self) {
        // SAFETY: the field is not used any more.
        #[expect(unsafe_code, reason = "a field can't be moved out of what is dropped otherwise")]
        let socket = unsafe { ManuallyDrop::take(&mut self.0) };
        close_later(socket);
    }
}

/// What the thread has not taken over yet.
static WAITING: Mutex<Waiting> = Mutex::new(Waiting { sockets: Vec::new(), has_thread: false });

struct Waiting {
    sockets: Vec<Socket>,
    /// It looks here before it ends.
    has_thread: bool,
}

fn waiting() -> MutexGuard<'static, Waiting> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn close_later(socket: Socket) {
    let mut waiting = waiting();
    waiting.sockets.push(socket);
    if waiting.has_thread {
        return;
    }
    if thread::Builder::new().name("closer".to_owned()).spawn(close_all).is_ok() {
        waiting.has_thread = true;
    } else {
        // No thread can be had: late is better than never.
        let sockets = mem::take(&mut waiting.sockets);
        drop(waiting);
        drop(sockets);
    }
}

fn close_all() {
    let mut deaf = Vec::new();
    loop {
        let mut waiting = waiting();
        if waiting.sockets.is_empty() && deaf.is_empty() {
            waiting.has_thread = false;
            return;
        }
        let arrived = mem::take(&mut waiting.sockets);
        drop(waiting);
        // All of them before one is closed, which takes its time.
        deaf.extend(arrived.into_iter().inspect(deafen));
        drop(deaf.pop());
    }
}

/// Nobody reads it any more: the kernel need neither look at frames for it nor keep them.
fn deafen(socket: &Socket) {
    let program: Vec<SockFilter> = filter::nothing().into_iter().map(SockFilter::from).collect();
    // Where there is no room for that it holds no more than its buffer.
    let _ = socket.attach_filter(&program);
}

//! Threads that neighbours wait for.

use std::io;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use metallb_linux::ask_for_short_turns;

/// An answer or a heartbeat is the work of some microseconds: the shortest turn there is will do.
const TURN: Duration = Duration::from_micros(100);

/// Starts a thread that runs as soon as the processor can be had, also beside others that are busy: whoever asks who has
/// an address, or whether this node lives, waits meanwhile.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(|| {
        // Without it nothing is wrong, only later.
        if let Err(error) = ask_for_short_turns(TURN) {
            tracing::debug!(%error, "the scheduler was not asked for short turns");
        }
        run();
    })
}

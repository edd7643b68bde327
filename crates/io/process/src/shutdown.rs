//! One request to stop, seen by every task.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// A request to stop: made once, seen by all holders of a clone.
#[derive(Clone, Debug)]
pub struct Shutdown {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(false)) }
    }
}

impl Shutdown {
    /// Stops on SIGTERM or SIGINT; a second one ends the process at once with status 1, after `last`: what has to be done
    /// even then.
    ///
    /// The listening task lives as long as the runtime: nobody needs to await it.
    ///
    /// # Errors
    /// When the signal handlers can't be installed.
    pub fn on_signals(last: fn()) -> std::io::Result<Self> {
        let shutdown = Self::default();
        let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn(listen(signals, shutdown.clone(), last));
        Ok(shutdown)
    }

    /// Asks everybody to stop.
    pub fn request(&self) {
        self.sender.send_replace(true);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.sender.borrow()
    }

    /// Resolves when somebody asked, at once if that already happened. Safe to cancel.
    pub async fn requested(&self) {
        // The sender lives in self, so waiting can only end by the value.
        let _ = self.sender.subscribe().wait_for(|asked| *asked).await;
    }
}

async fn listen((mut terminate, mut interrupt): (Signal, Signal), shutdown: Shutdown, last: fn()) {
    either(&mut terminate, &mut interrupt).await;
    tracing::info!("asked to stop");
    shutdown.request();
    either(&mut terminate, &mut interrupt).await;
    tracing::warn!("asked to stop again, ending at once");
    last();
    #[expect(clippy::disallowed_methods, reason = "the second signal means: now, whatever is still held")]
    std::process::exit(1)
}

async fn either(first: &mut Signal, second: &mut Signal) {
    tokio::select! {
        _ = first.recv() => {}
        _ = second.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_sees_a_request_made_before_or_after_it_waits() {
        let shutdown = Shutdown::default();
        let waiter = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        assert!(!shutdown.is_requested());
        shutdown.request();
        waiter.await.unwrap();
        shutdown.clone().requested().await;
        assert!(shutdown.is_requested());
    }
}

//! Follows the node's interfaces and publishes them, excluded ones left out.

use std::sync::Arc;
use std::time::Duration;

use metallb_linux::{Interface, LinkError, LinkMonitor};
use metallb_telemetry::logs;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::exclusion::Exclusion;

/// The interfaces that may be announced on, ordered by index.
pub type Interfaces = Arc<Vec<Interface>>;

/// Changes are told by the kernel; this often we look anyway, so that nothing missed stays missed and what failed
/// is tried again.
const RESCAN: Duration = Duration::from_secs(10);

/// Keeps the published list true. Ends when nobody follows it any more.
#[derive(Debug)]
pub struct InterfaceWatch {
    monitor: LinkMonitor,
    exclusion: Exclusion,
    published: watch::Sender<Interfaces>,
}

impl InterfaceWatch {
    /// Lists the interfaces once; the receiver holds them.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn new(exclusion: Exclusion) -> Result<(Self, watch::Receiver<Interfaces>), LinkError> {
        let monitor = LinkMonitor::new()?;
        let (published, interfaces) = watch::channel(Interfaces::default());
        let watch = Self { monitor, exclusion, published };
        watch.scan()?;
        Ok((watch, interfaces))
    }

    /// Publishes a list on every change, and every now and then. Safe to cancel.
    pub async fn run(self) {
        let mut pace = interval(RESCAN);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let waited = tokio::select! {
                waited = self.monitor.changed() => waited,
                _ = pace.tick() => Ok(()),
                () = self.published.closed() => return,
            };
            if let Err(error) = waited.and_then(|()| self.scan()) {
                tracing::error!(error = logs::chain(&error), "interfaces not listed, trying again");
                // A broken socket must not turn this loop into a busy one: wait for the next tick.
                pace.tick().await;
            }
        }
    }

    fn scan(&self) -> Result<(), LinkError> {
        let mut interfaces = self.monitor.list()?;
        interfaces.retain(|interface| !self.exclusion.excludes(&interface.name));
        self.published.send_replace(Arc::new(interfaces));
        Ok(())
    }
}

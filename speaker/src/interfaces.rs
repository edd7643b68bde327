//! Follows the node's interfaces and publishes them, excluded ones left out.

use std::sync::Arc;
use std::time::Duration;

use metallb_linux::{Interface, LinkError, LinkMonitor, News};
use metallb_telemetry::logs;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::exclusion::Exclusion;

/// The interfaces that may be announced on, ordered by index.
pub type Interfaces = Arc<Vec<Interface>>;

/// Changes are told by the kernel, and lost ones made up for; this often everything is listed anyway.
const RESCAN: Duration = Duration::from_mins(5);
/// After a change was looked at, those that follow within this are looked at together: a node on which thousands of
/// pods start has a storm of them. The first one is published at once.
const CALM: Duration = Duration::from_millis(20);
/// A failure is tried again after this.
const RETRY: Duration = Duration::from_secs(1);

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
        watch.publish();
        Ok((watch, interfaces))
    }

    /// Publishes a list on every change. Safe to cancel.
    pub async fn run(mut self) {
        let mut pace = interval(RESCAN);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The list is fresh.
        pace.reset();
        loop {
            let outcome = tokio::select! {
                waited = self.monitor.changed() => waited.and_then(|()| self.follow()),
                _ = pace.tick() => self.monitor.resync(),
                () = self.published.closed() => return,
            };
            let pause = match outcome {
                Ok(()) => {
                    self.publish();
                    CALM
                }
                Err(error) => {
                    tracing::error!(error = logs::chain(&error), "interfaces not followed, trying again");
                    // What failed may have lost news.
                    pace.reset_after(RETRY);
                    RETRY
                }
            };
            sleep(pause).await;
        }
    }

    fn follow(&mut self) -> Result<(), LinkError> {
        if self.monitor.take_news()? == News::Resynced {
            tracing::info!("too much changed at once, listed all interfaces anew");
        }
        Ok(())
    }

    fn publish(&self) {
        let interfaces = self.monitor.interfaces(|name| !self.exclusion.excludes(name));
        self.published.send_if_modified(|published| {
            let is_changed = **published != interfaces;
            if is_changed {
                *published = Arc::new(interfaces);
            }
            is_changed
        });
    }
}

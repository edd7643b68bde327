//! Goes on from what an earlier speaker of this node wrote down, where the API server does not tell soon.

use std::time::Duration;

use metallb_announce::Saved;
use metallb_cluster::Reach;
use metallb_linux::since_boot;
use metallb_telemetry::metrics::SnapshotMetrics;
use tokio::time::sleep;

use crate::snapshot::{Contents, Found};
use crate::stores::Stores;

/// A failure that is over by then was none: an API server that is there has told most of it, and better.
const PATIENCE: Duration = Duration::from_millis(500);
/// One that has said nothing by then is away as well: a path that swallows everything gives no error for seconds.
const SILENCE: Duration = Duration::from_secs(1);
/// How often it is looked in between.
const LOOK: Duration = Duration::from_millis(100);

/// What is known from before, until the API server has told everything.
#[derive(Debug)]
pub(crate) struct Resume {
    /// What was read, until it is needed.
    found: Option<Found>,
    contents: Contents,
    /// When the machine had run so long, this speaker started.
    started: Duration,
    /// When the machine will have run so long, what is acted on is too old.
    acting_until: Option<Duration>,
    metrics: SnapshotMetrics,
}

impl Resume {
    pub(crate) fn new(found: Option<Found>, contents: Contents, metrics: SnapshotMetrics) -> Self {
        Self { found, contents, started: since_boot(), acting_until: None, metrics }
    }

    /// Resolves when it is time to look whether the API server has told. Safe to cancel.
    pub(super) async fn due(&self) {
        match self.found {
            Some(_) => sleep(LOOK).await,
            None => std::future::pending().await,
        }
    }

    /// Whether enough is known to act on: from the API server, or from before. `now` is since the machine was started.
    pub(super) fn is_known(&mut self, stores: &Stores, now: Duration) -> bool {
        if stores.watches.all_synced() {
            if self.acting_until.take().is_some() {
                tracing::info!("the API server has told everything, the snapshot is not needed any more");
                self.metrics.resumed.set(0);
            }
            self.found = None;
            return true;
        }
        if self.is_away(stores, now)
            && let Some(found) = self.found.take()
        {
            self.resume(found);
        }
        if self.acting_until.is_some_and(|until| now > until) {
            self.expire();
        }
        self.acting_until.is_some()
    }

    fn is_away(&self, stores: &Stores, now: Duration) -> bool {
        let waited = now.saturating_sub(self.started);
        match stores.watches.reach() {
            Reach::Away => waited >= PATIENCE,
            Reach::Silent => waited >= SILENCE,
            // It will tell the rest.
            Reach::Answers => false,
        }
    }

    fn resume(&mut self, Found { saved, expires }: Found) {
        let (services, nodes) = (saved.services.len(), saved.nodes.len());
        tracing::warn!(services, nodes, "the API server does not tell, going on from the snapshot");
        self.contents.put_back(saved);
        self.acting_until = Some(expires);
        self.metrics.resumed.set(1);
    }

    /// Forgets what the API server has not told: what is too old is not acted on, and nothing is left to grow old.
    fn expire(&mut self) {
        tracing::warn!(
            "the snapshot is older than --snapshot-max-age by now, nothing is announced from it any more"
        );
        self.contents.put_back(Saved::default());
        self.acting_until = Some(Duration::MAX);
        self.metrics.resumed.set(0);
    }
}

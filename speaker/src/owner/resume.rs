//! Goes on from what an earlier speaker of this node wrote down, where the API server does not tell soon.

use std::time::Duration;

use metallb_announce::Saved;
use metallb_telemetry::metrics::SnapshotMetrics;
use tokio::time::{Instant, sleep_until};

use crate::snapshot::Contents;
use crate::stores::Stores;

/// An API server that is there has told most of it by then: what it tells is better.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is known from before, until the API server has told everything.
#[derive(Debug)]
pub(crate) struct Resume {
    /// What was read, until it is needed.
    saved: Option<Saved>,
    contents: Contents,
    due: Instant,
    is_acting: bool,
    metrics: SnapshotMetrics,
}

impl Resume {
    pub(crate) fn new(saved: Option<Saved>, contents: Contents, metrics: SnapshotMetrics) -> Self {
        Self { saved, contents, due: Instant::now() + PATIENCE, is_acting: false, metrics }
    }

    /// Resolves when it is time to look whether the API server has told. Safe to cancel.
    pub(super) async fn due(&self) {
        match self.saved {
            Some(_) => sleep_until(self.due).await,
            None => std::future::pending().await,
        }
    }

    /// Whether enough is known to act on: from the API server, or from before.
    pub(super) fn is_known(&mut self, stores: &Stores) -> bool {
        if stores.watches.all_synced() {
            if std::mem::take(&mut self.is_acting) {
                tracing::info!("the API server has told everything, the snapshot is not needed any more");
                self.metrics.resumed.set(0);
            }
            self.saved = None;
            return true;
        }
        let is_due = Instant::now() >= self.due || stores.watches.has_failed();
        if let Some(saved) = self.saved.take_if(|_| is_due) {
            let (services, nodes) = (saved.services.len(), saved.nodes.len());
            tracing::warn!(services, nodes, "the API server does not tell, going on from the snapshot");
            self.contents.put_back(saved);
            self.is_acting = true;
            self.metrics.resumed.set(1);
        }
        self.is_acting
    }
}

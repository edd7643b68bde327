//! The task that keeps the file up to date. The owner never waits for it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use metallb_cluster::Listener;
use metallb_linux::time_of_day;
use metallb_telemetry::logs;
use metallb_telemetry::metrics::SnapshotMetrics;
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};

use super::contents::Contents;
use super::file;
use super::moment::now;

#[cfg(test)]
mod tests;

/// Changes that follow each other are written together.
const SETTLE: Duration = Duration::from_secs(1);
/// Of the time, one part in so many is spent on writing at most.
const SHARE: u32 = 50;
/// How often it is noted that nothing changed: how old the file looks is at most this much too old.
const REFRESH: Duration = Duration::from_secs(60);

/// Keeps the file.
#[derive(Debug)]
pub(crate) struct Keeper {
    path: PathBuf,
    contents: Contents,
    changes: Listener,
    metrics: SnapshotMetrics,
    /// The checksum of the text in the file, once this process has written it.
    written: Option<u32>,
    /// Whether something changed that may not be in the file.
    is_behind: bool,
    /// Whether the last write failed: each time that begins it is said once.
    is_failing: bool,
}

#[derive(Debug, Error)]
enum WriteError {
    #[error("putting it into words")]
    Encode(#[source] serde_json::Error),
    #[error("telling which boot this is")]
    Boot(#[source] io::Error),
    #[error("writing {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the writing thread ended")]
    Ended,
}

impl Keeper {
    pub(crate) fn new(
        path: PathBuf,
        contents: Contents,
        changes: Listener,
        metrics: SnapshotMetrics,
    ) -> Self {
        Self { path, contents, changes, metrics, written: None, is_behind: false, is_failing: false }
    }

    /// Writes whenever something changed, until nobody follows the cluster any more. Aborting it at any moment leaves the
    /// old file or the new one.
    pub(crate) async fn run(mut self) {
        loop {
            let is_changed = match timeout(REFRESH, self.changes.changed()).await {
                Ok(true) => true,
                Ok(false) => return,
                Err(_) => false,
            };
            if is_changed {
                sleep(SETTLE).await;
                self.changes.catch_up();
            }
            let began = Instant::now();
            self.keep(is_changed).await;
            sleep(began.elapsed().saturating_mul(SHARE)).await;
        }
    }

    /// What is not known from the API server is not written, and does not look younger than it is.
    async fn keep(&mut self, is_changed: bool) {
        self.is_behind |= is_changed;
        if !self.contents.are_current() {
            return;
        }
        match self.write().await {
            Ok(()) => {
                self.is_failing = false;
                self.is_behind = false;
                self.metrics.written.set(i64::try_from(time_of_day().as_secs()).unwrap_or(i64::MAX));
            }
            Err(error) => {
                self.metrics.failures.inc();
                self.written = None;
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(
                        error = logs::chain(&error),
                        "snapshot not written: restarted while the API server is away, this speaker would announce nothing"
                    );
                }
            }
        }
    }

    /// Writes the file, or only when it was true if it holds the same already.
    async fn write(&mut self) -> Result<(), WriteError> {
        let (contents, path, before) = (self.contents.clone(), self.path.clone(), self.written);
        let unchanged = before.filter(|_| !self.is_behind);
        let write = move || {
            let now = now().map_err(WriteError::Boot)?;
            let (outcome, checksum) = if let Some(checksum) = unchanged {
                (file::touch(&path, &now), checksum)
            } else {
                let text = contents.take_down().encode().map_err(WriteError::Encode)?;
                let checksum = crc32fast::hash(&text);
                let is_same = before == Some(checksum);
                let outcome =
                    if is_same { file::touch(&path, &now) } else { file::write(&path, &now, &text) };
                (outcome, checksum)
            };
            outcome.map(|()| checksum).map_err(|source| WriteError::Write { path, source })
        };
        let checksum = tokio::task::spawn_blocking(write).await.map_err(|_| WriteError::Ended)??;
        self.written = Some(checksum);
        Ok(())
    }
}

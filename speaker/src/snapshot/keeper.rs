//! The task that keeps the file up to date. The owner never waits for it.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metallb_cluster::Listener;
use metallb_telemetry::logs;
use metallb_telemetry::metrics::SnapshotMetrics;
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};

use super::contents::Contents;
use super::file;

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
    /// Whether the last write failed: each time that begins it is said once.
    is_failing: bool,
}

#[derive(Debug, Error)]
enum WriteError {
    #[error("putting it into words")]
    Encode(#[source] serde_json::Error),
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
        Self { path, contents, changes, metrics, written: None, is_failing: false }
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
        if !self.contents.are_current() {
            return;
        }
        let is_due = is_changed || self.written.is_none();
        let outcome = if is_due { self.write().await } else { self.touch() };
        match outcome {
            Ok(()) => {
                self.is_failing = false;
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                self.metrics.written.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
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

    /// Writes the file unless it holds the same already.
    async fn write(&mut self) -> Result<(), WriteError> {
        let (contents, path, before) = (self.contents.clone(), self.path.clone(), self.written);
        let write = move || {
            let text = contents.take_down().encode().map_err(WriteError::Encode)?;
            let checksum = crc32fast::hash(&text);
            let outcome =
                if before == Some(checksum) { file::touch(&path) } else { file::write(&path, &text) };
            outcome.map(|()| checksum).map_err(|source| WriteError::Write { path, source })
        };
        let checksum = tokio::task::spawn_blocking(write).await.map_err(|_| WriteError::Ended)??;
        self.written = Some(checksum);
        Ok(())
    }

    fn touch(&self) -> Result<(), WriteError> {
        file::touch(&self.path).map_err(|source| WriteError::Write { path: self.path.clone(), source })
    }
}

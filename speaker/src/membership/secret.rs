//! The shared secret, and how a new one takes over.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use metallb_liveness::Keys;
use metallb_membership::Keyring;

/// A changed Secret reaches each node's files within about a minute and a half. Until then some read only the old one.
const HANDOVER: Duration = Duration::from_secs(180);

/// Follows the file of the secret.
///
/// A new secret is accepted at once, sent with once every node had time to read it, and the old one stays accepted
/// until there is a third.
#[derive(Debug)]
pub(super) struct Secret {
    path: Option<PathBuf>,
    /// What is sent with.
    current: Vec<u8>,
    /// What is accepted, too: the one before, or the one to come.
    other: Vec<u8>,
    /// When the other one is sent with.
    handover: Option<Duration>,
}

impl Secret {
    /// Reads the file for the first time; without a file there is no secret.
    pub(super) fn read(path: Option<&Path>) -> io::Result<Self> {
        let current = path.map(std::fs::read).transpose()?.unwrap_or_default();
        Ok(Self { path: path.map(Path::to_owned), current, other: Vec::new(), handover: None })
    }

    /// Looks at the file again. True when keys changed. A file that can't be read, or is empty, changes nothing.
    pub(super) fn review(&mut self, now: Duration) -> bool {
        let read = self.path.as_deref().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        self.take(read, now)
    }

    fn take(&mut self, read: Vec<u8>, now: Duration) -> bool {
        let is_known =
            read.is_empty() || read == self.current || self.handover.is_some() && read == self.other;
        if !is_known {
            self.other = read;
            self.handover = Some(now + HANDOVER);
            return true;
        }
        if read == self.current && self.handover.take().is_some() {
            // Taken back before it was in use.
            return true;
        }
        let is_due = self.handover.is_some_and(|due| now >= due);
        if is_due {
            std::mem::swap(&mut self.current, &mut self.other);
            self.handover = None;
        }
        is_due
    }

    pub(super) fn is_none(&self) -> bool {
        self.current.is_empty()
    }

    /// The keys of memberlist's packets.
    pub(super) fn keyring(&self) -> Keyring {
        Keyring::from_secret(&self.current).with_accepted(&self.other)
    }

    /// The keys of heartbeats.
    pub(super) fn keys(&self) -> Keys {
        let secrets = [&self.current, &self.other].into_iter().filter(|secret| !secret.is_empty());
        Keys::derive(secrets.map(Vec::as_slice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(current: &str) -> Secret {
        Secret { path: None, current: current.into(), other: Vec::new(), handover: None }
    }

    /// What is sent with, and what else is accepted.
    fn state(secret: &Secret) -> (&str, &str) {
        (str::from_utf8(&secret.current).unwrap(), str::from_utf8(&secret.other).unwrap())
    }

    #[test]
    fn a_new_secret_is_accepted_at_once_and_sent_with_when_every_node_had_time_to_read_it() {
        let mut secret = secret("old");
        let at = Duration::from_secs;
        for (when, file, changed, expected) in [
            (0, "old", false, ("old", "")),
            (1, "", false, ("old", "")),
            (5, "new", true, ("old", "new")),
            (10, "new", false, ("old", "new")),
            (184, "new", false, ("old", "new")),
            (185, "new", true, ("new", "old")),
            (190, "new", false, ("new", "old")),
            // A third one: the first is forgotten.
            (300, "third", true, ("new", "third")),
            // Taken back.
            (310, "new", true, ("new", "third")),
            (900, "new", false, ("new", "third")),
        ] {
            assert_eq!(secret.take(file.into(), at(when)), changed, "{file} at {when}");
            assert_eq!(state(&secret), expected, "{file} at {when}");
        }
    }

    #[test]
    fn without_a_file_there_is_no_secret() {
        let mut secret = Secret::read(None).unwrap();
        assert!(secret.is_none() && secret.keyring().is_plain() && secret.keys().is_plain());
        assert!(!secret.review(Duration::from_secs(9)));
        assert!(Secret::read(Some(Path::new("/nowhere/secretkey"))).is_err());
    }
}

//! The shared secret, and how a new one takes over.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use metallb_liveness::{Keys, Plain};
use metallb_membership::{Keyring, Settings};

/// A changed Secret reaches each node's files within about a minute and a half. Until then some read only the old one.
const HANDOVER: Duration = Duration::from_secs(180);

/// Follows the file of the secret.
///
/// A new secret is accepted at once, sent with once every node had time to read it, and the old one stays accepted
/// until there is a third. If there was none before, what is not encrypted stays accepted until every node had time to
/// send with the new one.
#[derive(Debug)]
pub(super) struct Secret {
    path: Option<PathBuf>,
    /// What is sent with.
    current: Vec<u8>,
    /// What is accepted, too: the one before, or the one to come.
    other: Vec<u8>,
    /// When the other one is sent with.
    handover: Option<Duration>,
    /// Until when others may have no secret yet.
    first: Option<Duration>,
}

impl Secret {
    /// Reads the file for the first time; without a file there is no secret.
    pub(super) fn read(path: Option<&Path>) -> io::Result<Self> {
        let current = path.map(std::fs::read).transpose()?.unwrap_or_default();
        Ok(Self { path: path.map(Path::to_owned), current, other: Vec::new(), handover: None, first: None })
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
        // An empty file takes nothing back: it was the start.
        if !read.is_empty() && read == self.current && self.handover.take().is_some() {
            // Taken back before it was in use.
            return true;
        }
        if self.handover.take_if(|due| now >= *due).is_some() {
            std::mem::swap(&mut self.current, &mut self.other);
            self.first = self.other.is_empty().then_some(now + HANDOVER);
            return true;
        }
        self.first.take_if(|until| now >= *until).is_some()
    }

    /// What becomes of that which is not encrypted, if there is a secret.
    fn plain(&self) -> Option<Plain> {
        match (self.current.is_empty(), self.first) {
            (true, _) => Some(Plain::Sent),
            (false, Some(_)) => Some(Plain::Accepted),
            (false, None) => None,
        }
    }

    /// memberlist's settings as they are at the moment.
    pub(super) fn settings(&self, profile: &Settings) -> Settings {
        let plain = self.plain();
        Settings {
            gossip_verify_incoming: profile.gossip_verify_incoming && plain.is_none(),
            gossip_verify_outgoing: profile.gossip_verify_outgoing && plain != Some(Plain::Sent),
            ..profile.clone()
        }
    }

    /// The keys of those who send with the new secret already: they may not know the old one.
    pub(super) fn ahead(&self) -> Option<Keyring> {
        self.handover.map(|_| Keyring::from_secret(&self.other))
    }

    /// How far the change of the secret is, for the log.
    pub(super) fn phase(&self) -> &'static str {
        match (self.handover, self.first) {
            (Some(_), _) => "accepting the new one, sending as before",
            (None, Some(_)) => "sending with the first one, accepting what is not encrypted",
            (None, None) => "sending with the one that is in force",
        }
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
        let keys = Keys::derive(secrets.map(Vec::as_slice));
        let plain = self.plain();
        keys.beside(plain)
    }
}

#[cfg(test)]
impl Secret {
    /// One that stays.
    pub(super) fn of(secret: &str) -> Self {
        Self { path: None, current: secret.into(), other: Vec::new(), handover: None, first: None }
    }

    /// One that is about to be another one.
    pub(super) fn changing(old: &str, new: &str) -> Self {
        let mut secret = Self::of(old);
        assert!(secret.take(new.into(), Duration::ZERO));
        secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent with, and what else is accepted.
    fn state(secret: &Secret) -> (&str, &str) {
        (str::from_utf8(&secret.current).unwrap(), str::from_utf8(&secret.other).unwrap())
    }

    #[test]
    fn a_new_secret_is_accepted_at_once_and_sent_with_when_every_node_had_time_to_read_it() {
        let mut secret = Secret::of("old");
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
    fn a_first_secret_is_not_sent_with_before_every_node_accepts_it_nor_asked_for_before_every_node_sends_with_it()
     {
        let mut secret = Secret::of("");
        let at = Duration::from_secs;
        let lan = Settings::lan();
        for (when, file, changed, accepts_plain, sends_plain, is_ahead) in [
            (0, "", false, true, true, false),
            (5, "first", true, true, true, true),
            (10, "first", false, true, true, true),
            // A file that can't be read for a moment.
            (11, "", false, true, true, true),
            (185, "first", true, true, false, false),
            (364, "first", false, true, false, false),
            (365, "first", true, false, false, false),
            (999, "first", false, false, false, false),
        ] {
            assert_eq!(secret.take(file.into(), at(when)), changed, "{file} at {when}");
            let settings = secret.settings(&lan);
            assert_eq!(settings.gossip_verify_incoming, !accepts_plain, "at {when}");
            assert_eq!(settings.gossip_verify_outgoing, !sends_plain, "at {when}");
            assert_eq!(secret.keys().is_plain(), accepts_plain, "at {when}");
            assert_eq!(secret.ahead().is_some(), is_ahead, "at {when}");
            assert_eq!(secret.keyring().is_plain(), when < 5, "at {when}");
        }
        let lax = Settings { gossip_verify_incoming: false, gossip_verify_outgoing: false, ..lan };
        assert_eq!(secret.settings(&lax), lax, "what the file says stays");
    }

    #[test]
    fn without_a_file_there_is_no_secret() {
        let mut secret = Secret::read(None).unwrap();
        assert!(secret.is_none() && secret.keyring().is_plain() && secret.keys().is_plain());
        assert!(!secret.review(Duration::from_secs(9)));
        assert!(Secret::read(Some(Path::new("/nowhere/secretkey"))).is_err());
    }
}

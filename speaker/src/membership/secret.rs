//! The shared secret, and how a new one takes over.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use metallb_liveness::{Keys, Plain};
use metallb_membership::{Keyring, Settings};

/// Earlier secrets that are accepted, at most.
const MOST: usize = 4;
/// How long they are, in times of [`RingSettings::handover`](super::RingSettings::handover): an hour.
const KEPT: u32 = 20;

/// Follows the file of the secret.
///
/// A new secret is accepted at once, sent with once every node had time to read it, and the old one stays accepted for
/// long after. If there was none before, what is not encrypted stays accepted until every node had time to send with the
/// new one. The original's speakers never read the file again: while there are some that know only the old one, that is
/// sent with.
#[derive(Debug)]
pub(super) struct Secret {
    path: Option<PathBuf>,
    /// What every node takes to read a changed file.
    handover: Duration,
    /// What is sent with.
    current: Vec<u8>,
    /// What is to be sent with.
    next: Option<Next>,
    /// What is accepted, too, the latest first: others may send with one that was replaced, or taken back, since.
    former: Vec<Vec<u8>>,
    /// Until when.
    kept: Duration,
    /// Until when others may have no secret yet.
    first: Option<Duration>,
}

/// A secret to come.
#[derive(Debug)]
struct Next {
    secret: Vec<u8>,
    /// When it is sent with.
    due: Duration,
    /// Whether somebody does not know it and never will.
    waits: bool,
}

impl Secret {
    /// Reads the file for the first time; without a file there is no secret.
    pub(super) fn read(path: Option<&Path>, handover: Duration) -> io::Result<Self> {
        let current = path.map(std::fs::read).transpose()?.unwrap_or_default();
        Ok(Self { path: path.map(Path::to_owned), ..Self::new(current, handover) })
    }

    fn new(current: Vec<u8>, handover: Duration) -> Self {
        let (former, kept) = (Vec::new(), Duration::ZERO);
        Self { path: None, handover, current, next: None, former, kept, first: None }
    }

    /// Looks at the file again. True when keys changed. A file that can't be read, or is empty, changes nothing.
    pub(super) fn review(&mut self, now: Duration) -> bool {
        let read = self.path.as_deref().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        self.take(read, now)
    }

    /// Some members do not know the secret to come, and do not read the file. True at the first look that finds any.
    pub(super) fn wait(&mut self, now: Duration) -> bool {
        let Some(next) = &mut self.next else { return false };
        next.due = now + self.handover;
        !std::mem::replace(&mut next.waits, true)
    }

    fn take(&mut self, read: Vec<u8>, now: Duration) -> bool {
        let is_next = |next: &Next| read.is_empty() || read == next.secret;
        // An empty file takes nothing back: it was the start.
        let is_known = match &self.next {
            Some(next) => is_next(next),
            None => read.is_empty() || read == self.current,
        };
        if !is_known {
            self.turn_to(read, now);
            return true;
        }
        if let Some(next) = self.next.take_if(|next| now >= next.due) {
            let before = std::mem::replace(&mut self.current, next.secret);
            self.first = before.is_empty().then_some(now + self.handover);
            self.keep(before, now);
            return true;
        }
        let has_old = self.next.is_none() && now >= self.kept && !self.former.is_empty();
        if has_old {
            self.former.clear();
        }
        self.first.take_if(|until| now >= *until).is_some() || has_old
    }

    /// The file holds another one than is to come; perhaps the one that is in use.
    fn turn_to(&mut self, read: Vec<u8>, now: Duration) {
        self.former.retain(|secret| *secret != read);
        if let Some(replaced) = self.next.take() {
            self.keep(replaced.secret, now);
        }
        if read != self.current {
            self.next = Some(Next { secret: read, due: now + self.handover, waits: false });
        }
    }

    /// Goes on accepting one. Nothing is forgotten while another one takes over: some may send with any of them.
    fn keep(&mut self, secret: Vec<u8>, now: Duration) {
        self.kept = now + self.handover * KEPT;
        if !secret.is_empty() {
            self.former.insert(0, secret);
            self.former.truncate(MOST);
        }
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
        self.next.as_ref().map(|next| Keyring::from_secret(&next.secret))
    }

    /// How far the change of the secret is, for the log.
    pub(super) fn phase(&self) -> &'static str {
        match (&self.next, self.first) {
            (Some(_), _) => "accepting the new one, sending as before",
            (None, Some(_)) => "sending with the first one, accepting what is not encrypted",
            (None, None) => "sending with the one that is in force",
        }
    }

    pub(super) fn is_none(&self) -> bool {
        self.current.is_empty()
    }

    /// All that are accepted, that with which is sent first.
    fn accepted(&self) -> impl Iterator<Item = &[u8]> {
        let next = self.next.as_ref().map(|next| next.secret.as_slice());
        [self.current.as_slice()].into_iter().chain(next).chain(self.former.iter().map(Vec::as_slice))
    }

    /// The keys of memberlist's packets.
    pub(super) fn keyring(&self) -> Keyring {
        self.accepted().fold(Keyring::plain(), Keyring::with_accepted)
    }

    /// The keys of heartbeats.
    pub(super) fn keys(&self) -> Keys {
        let next = self.next.as_ref().map(|next| next.secret.as_slice());
        let known = self.accepted().filter(|secret| Some(*secret) != next);
        Keys::derive(known).ahead(next).beside(self.plain())
    }
}

#[cfg(test)]
impl Secret {
    /// One that stays.
    pub(super) fn of(secret: &str) -> Self {
        Self::new(secret.into(), super::settings::HANDOVER)
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
    fn state(secret: &Secret) -> String {
        secret.accepted().map(|secret| str::from_utf8(secret).unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_new_secret_is_accepted_at_once_and_sent_with_when_every_node_had_time_to_read_it() {
        let mut secret = Secret::of("old");
        let at = Duration::from_secs;
        for (when, file, changed, expected) in [
            (0, "old", false, "old"),
            (1, "", false, "old"),
            (5, "new", true, "old new"),
            (10, "new", false, "old new"),
            (184, "new", false, "old new"),
            (185, "new", true, "new old"),
            (190, "new", false, "new old"),
            // A third one: some send with the first still.
            (300, "third", true, "new third old"),
            // Taken back: some may have been started with it.
            (310, "new", true, "new third old"),
            (900, "new", false, "new third old"),
            (3909, "new", false, "new third old"),
            (3910, "new", true, "new"),
            (3911, "new", false, "new"),
        ] {
            assert_eq!(secret.take(file.into(), at(when)), changed, "{file} at {when}");
            assert_eq!(state(&secret), expected, "{file} at {when}");
        }
    }

    #[test]
    fn every_secret_of_several_changes_in_a_row_stays_accepted_while_a_node_may_send_with_it() {
        // Two nodes read the same changes, the second a minute and a half later.
        let [mut soon, mut late] = ["a", "a"].map(Secret::of);
        let file = |when| match when {
            ..0 => "a",
            0..200 => "b",
            200..260 => "c",
            260..300 => "b",
            _ => "d",
        };
        for when in 0..4_400_i64 {
            let now = Duration::from_secs(when.unsigned_abs());
            soon.take(file(when).into(), now);
            late.take(file(when - 90).into(), now);
            for (from, to) in [(&soon, &late), (&late, &soon)] {
                assert!(to.accepted().any(|known| known == from.current), "{from:?} {to:?} at {when}");
            }
            assert!(soon.accepted().count() <= MOST + 2);
        }
        assert_eq!((state(&soon), state(&late)), ("d".to_owned(), "d".to_owned()), "at the end");
        for change in 0..20 {
            late.take(format!("{change}").into(), Duration::from_secs(5_000 + change));
        }
        assert_eq!(state(&late), "d 19 18 17 16 15", "no more than so many");
    }

    #[test]
    fn the_old_secret_is_sent_with_while_somebody_never_reads_the_new_one() {
        let mut secret = Secret::of("old");
        let at = Duration::from_secs;
        assert!(!secret.wait(at(0)), "nothing changes");
        assert!(secret.take("new".into(), at(2)));
        assert!(secret.wait(at(2)), "to be said");
        for when in (4..1_000).step_by(2) {
            assert!(!secret.wait(at(when)), "it was said");
            assert!(!secret.take("new".into(), at(when)));
        }
        assert_eq!(state(&secret), "old new");
        // The last of them went at 998.
        assert!(!secret.take("new".into(), at(1_177)));
        assert!(secret.take("new".into(), at(1_178)));
        assert_eq!(state(&secret), "new old");
        assert!(secret.take("third".into(), at(1_200)) && secret.wait(at(1_200)), "said of each change");
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
        let mut secret = Secret::read(None, Duration::ZERO).unwrap();
        assert!(secret.is_none() && secret.keyring().is_plain() && secret.keys().is_plain());
        assert!(!secret.review(Duration::from_secs(9)));
        assert!(Secret::read(Some(Path::new("/nowhere/secretkey")), Duration::ZERO).is_err());
    }
}

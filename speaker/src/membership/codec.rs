//! How this member writes and reads at the moment: its settings, and its keys.

use metallb_membership::Keyring;
use metallb_membership::Settings;
use metallb_membership::wire::message::{Message, StreamMessage};
use metallb_membership::wire::packet::{self, PacketError, Sealing};
use metallb_membership::wire::stream::{self, Reader, StreamError};

use super::secret::Secret;

/// Never changed: a new secret makes a new one, and exchanges under way end with that they began with.
#[derive(Clone, Debug)]
pub(super) struct Codec {
    pub(super) settings: Settings,
    keyring: Keyring,
    ahead: Option<Ahead>,
}

/// While a new secret takes over: how those are spoken to who send with it already. One that was just started knows no
/// other.
#[derive(Clone, Debug)]
struct Ahead {
    settings: Settings,
    keyring: Keyring,
}

impl Codec {
    /// How to speak with this secret.
    pub(super) fn new(secret: &Secret, profile: &Settings) -> Self {
        let strict =
            Settings { gossip_verify_incoming: true, gossip_verify_outgoing: true, ..profile.clone() };
        let ahead = secret.ahead().map(|keyring| Ahead { settings: strict, keyring });
        Self { settings: secret.settings(profile), keyring: secret.keyring(), ahead }
    }

    /// The messages of a datagram, and whether its sender is ahead.
    pub(super) fn open(&self, datagram: &[u8]) -> Result<(Vec<Message>, bool), PacketError> {
        if let Some(Ahead { settings, keyring }) = &self.ahead
            && let Ok(messages) = packet::open(datagram, keyring, settings)
        {
            return Ok((messages, true));
        }
        packet::open(datagram, &self.keyring, &self.settings).map(|messages| (messages, false))
    }

    /// A datagram of these bodies.
    pub(super) fn seal(&self, bodies: &[Vec<u8>], with_checksum: bool, is_ahead: bool) -> Vec<u8> {
        let (keyring, settings) = self.with(is_ahead);
        packet::seal(bodies, &Sealing { keyring, settings, with_checksum, nonce: rand::random() })
    }

    /// What to write for a message.
    pub(super) fn write(&self, message: &StreamMessage, is_ahead: bool) -> Vec<u8> {
        let (keyring, settings) = self.with(is_ahead);
        stream::encode(message, keyring, settings, rand::random())
    }

    fn with(&self, is_ahead: bool) -> (&Keyring, &Settings) {
        match self.ahead.as_ref().filter(|_| is_ahead) {
            Some(Ahead { settings, keyring }) => (keyring, settings),
            None => (&self.keyring, &self.settings),
        }
    }

    /// What reads from the other side.
    pub(super) fn reader(&self) -> Readers {
        let ahead = self.ahead.as_ref().map(|Ahead { settings, keyring }| Reader::new(keyring, settings));
        Readers { usual: Reader::new(&self.keyring, &self.settings), ahead }
    }
}

/// Reads one message, whoever writes it.
#[derive(Debug)]
pub(super) struct Readers {
    usual: Reader,
    ahead: Option<Reader>,
}

impl Readers {
    /// How many times what is pushed is kept.
    pub(super) fn copies(&self) -> usize {
        1 + usize::from(self.ahead.is_some())
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.usual.push(bytes);
        self.ahead.iter_mut().for_each(|reader| reader.push(bytes));
    }

    /// The message, as soon as all of it is there, and whether its writer is ahead.
    pub(super) fn next_message(&mut self) -> Result<Option<(StreamMessage, bool)>, StreamError> {
        match self.ahead.as_mut().map(Reader::next_message) {
            Some(Ok(Some(message))) => return Ok(Some((message, true))),
            Some(Err(_)) => self.ahead = None,
            Some(Ok(None)) | None => {}
        }
        Ok(self.usual.next_message()?.map(|message| (message, false)))
    }
}

#[cfg(test)]
mod tests {
    use metallb_membership::wire::message::Ping;

    use super::*;

    fn ping() -> StreamMessage {
        StreamMessage::Ping(Ping {
            sequence: 7,
            node: "n1".to_owned(),
            source: None,
            source_node: String::new(),
        })
    }

    fn read(reader: &Codec, bytes: &[u8]) -> Result<Option<(StreamMessage, bool)>, StreamError> {
        let mut readers = reader.reader();
        // In pieces, as it comes.
        let (last, first) = bytes.split_last().unwrap();
        readers.push(first);
        assert_eq!(readers.next_message(), Ok(None));
        readers.push(&[*last]);
        readers.next_message()
    }

    #[test]
    fn one_that_knows_only_the_new_secret_is_answered_with_it_while_all_others_hear_the_old_one() {
        let lan = Settings::lan();
        for (old, new) in [("old", "new"), ("", "first")] {
            let codec = |secret: &Secret| Codec::new(secret, &lan);
            let (changing, started) = (codec(&Secret::changing(old, new)), codec(&Secret::of(new)));
            let settled = codec(&Secret::of(old));
            let body = vec![packet::encode(&Message::Nack { sequence: 7 })];
            for (from, is_ahead, why) in
                [(&started, true, "a new process"), (&settled, false, "one that has not read it")]
            {
                let sealed = from.seal(&body, false, false);
                assert_eq!(changing.open(&sealed).unwrap().1, is_ahead, "{why}");
                assert_eq!(
                    read(&changing, &from.write(&ping(), false)).unwrap(),
                    Some((ping(), is_ahead)),
                    "{why}"
                );
                let answer = changing.seal(&body, false, is_ahead);
                assert_eq!(from.open(&answer).unwrap().0, [Message::Nack { sequence: 7 }], "{why}");
                let answer = read(from, &changing.write(&ping(), is_ahead)).unwrap();
                assert_eq!(answer, Some((ping(), false)), "{why}");
            }
        }
    }
}

//! The datagrams.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version: 1 |
//! | 1 | kind: 0 heartbeat, 1 suspect, 2 down, 3 alive, 4 ask |
//! | 8 | boot of the sender |
//! | 8 | boot of the receiver: a datagram for somebody else, or for an earlier life, is void |
//! | 8 | sequence: of heartbeats, or of claims |
//! | 1 + 8 | heartbeat: flags; the highest sequence heard from the receiver |
//! | 8 + 8 + 1 | claim: boot of whom it is about; its last sequence known to the sender; evidence |
//! | 16 | tag over all before, where there are keys |
//!
//! Numbers are big-endian. All heartbeats of one moment have the same sequence, whoever gets them.

use thiserror::Error;

use crate::Keys;
use crate::auth::KeyId;

/// No datagram of this layer is longer.
pub const MAX_LENGTH: usize = 100;

/// The version spoken.
const VERSION: u8 = 1;

/// A datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Datagram {
    /// The sender's boot.
    pub from: u64,
    /// The receiver's boot.
    pub to: u64,
    /// Grows with each heartbeat, or each claim, of the sender.
    pub sequence: u64,
    /// What it says.
    pub body: Body,
}

/// What a datagram says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Body {
    /// The sender is there.
    Heartbeat {
        /// What it says to the receiver in particular.
        flags: Flags,
        /// The receiver's last sequence it heard.
        echo: u64,
    },
    /// What the sender knows about somebody else.
    Claim(Claim),
}

/// Bits of a heartbeat; unknown ones are ignored.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Flags(pub u8);

impl Flags {
    /// The sender watches the receiver and wants its heartbeats.
    pub const WANT: Self = Self(1);
    /// The sender holds the receiver to be down.
    pub const DOWN: Self = Self(2);
    /// The sender was said to be down, and was well all the time.
    pub const REFUTE: Self = Self(4);
    /// Answer with a heartbeat at once.
    pub const PROMPT: Self = Self(8);
    /// With [`Self::DOWN`]: the sender hears the receiver well, which came and went too often of late.
    pub const HELD: Self = Self(16);
    /// The sender answers for what it owns, or did once since its process started.
    pub const ANSWERS: Self = Self(32);

    /// Whether that bit is set.
    #[must_use]
    pub fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    /// With that bit, if so.
    #[must_use]
    pub fn with(self, flag: Self, set: bool) -> Self {
        Self(if set { self.0 | flag.0 } else { self.0 })
    }
}

/// What is said about a member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Claim {
    /// Whether it lives.
    pub verdict: Verdict,
    /// Its boot.
    pub about: u64,
    /// Its last sequence the sender knows.
    pub beat: u64,
    /// Why.
    pub evidence: Evidence,
}

/// What is said of its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The sender does not hear it: who does?
    Suspect,
    /// It does not count any more.
    Down,
    /// It counts: the sender hears it.
    Alive,
    /// The sender holds it to be down: is it still? Asked of others, and of itself.
    Ask,
}

/// What speaks against a member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Evidence {
    /// No heartbeats.
    Silent,
    /// Its port is closed: the process is gone.
    Refused,
}

/// Why bytes are no datagram to believe.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum WireError {
    /// Not of this layer.
    #[error("malformed datagram")]
    Malformed,
    /// The tag fits none of the keys.
    #[error("wrong tag")]
    Forged,
}

/// The bytes of a datagram, signed.
#[must_use]
pub fn encode(datagram: &Datagram, keys: &Keys) -> Vec<u8> {
    encode_for(datagram, keys, None)
}

/// The same for one whose last heartbeat was signed with `theirs`.
pub(crate) fn encode_for(datagram: &Datagram, keys: &Keys, theirs: Option<KeyId>) -> Vec<u8> {
    let Datagram { from, to, sequence, body } = datagram;
    let mut bytes = Vec::with_capacity(64);
    bytes.extend([VERSION, kind(body)]);
    [from, to, sequence].iter().for_each(|number| bytes.extend(number.to_be_bytes()));
    match body {
        Body::Heartbeat { flags, echo } => {
            bytes.push(flags.0);
            bytes.extend(echo.to_be_bytes());
        }
        Body::Claim(Claim { verdict: _, about, beat, evidence }) => {
            bytes.extend(about.to_be_bytes());
            bytes.extend(beat.to_be_bytes());
            bytes.push(u8::from(*evidence == Evidence::Refused));
        }
    }
    keys.sign(&mut bytes, theirs);
    bytes
}

fn kind(body: &Body) -> u8 {
    match body {
        Body::Heartbeat { .. } => 0,
        Body::Claim(claim) => match claim.verdict {
            Verdict::Suspect => 1,
            Verdict::Down => 2,
            Verdict::Alive => 3,
            Verdict::Ask => 4,
        },
    }
}

/// The datagram in some bytes.
///
/// # Errors
/// When they are none, or nobody of the ring signed them.
pub fn decode(bytes: &[u8], keys: &Keys) -> Result<Datagram, WireError> {
    decode_signed(bytes, keys).map(|(datagram, _)| datagram)
}

/// The same, and the key it was signed with.
pub(crate) fn decode_signed(bytes: &[u8], keys: &Keys) -> Result<(Datagram, Option<KeyId>), WireError> {
    if bytes.len() > MAX_LENGTH || bytes.first() != Some(&VERSION) {
        return Err(WireError::Malformed);
    }
    let (signed, key) = keys.verify(bytes).ok_or(WireError::Forged)?;
    read(signed).map(|datagram| (datagram, key)).ok_or(WireError::Malformed)
}

fn read(bytes: &[u8]) -> Option<Datagram> {
    let (&[_, kind], rest) = bytes.split_first_chunk()?;
    let (from, rest) = number(rest)?;
    let (to, rest) = number(rest)?;
    let (sequence, rest) = number(rest)?;
    let (body, rest) = match kind {
        0 => heartbeat(rest)?,
        1 => claim(Verdict::Suspect, rest)?,
        2 => claim(Verdict::Down, rest)?,
        3 => claim(Verdict::Alive, rest)?,
        4 => claim(Verdict::Ask, rest)?,
        _ => return None,
    };
    rest.is_empty().then_some(Datagram { from, to, sequence, body })
}

fn heartbeat(bytes: &[u8]) -> Option<(Body, &[u8])> {
    let (&[flags], rest) = bytes.split_first_chunk()?;
    let (echo, rest) = number(rest)?;
    Some((Body::Heartbeat { flags: Flags(flags), echo }, rest))
}

fn claim(verdict: Verdict, bytes: &[u8]) -> Option<(Body, &[u8])> {
    let (about, rest) = number(bytes)?;
    let (beat, rest) = number(rest)?;
    let (&[evidence], rest) = rest.split_first_chunk()?;
    let evidence = match evidence {
        0 => Evidence::Silent,
        1 => Evidence::Refused,
        _ => return None,
    };
    Some((Body::Claim(Claim { verdict, about, beat, evidence }), rest))
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

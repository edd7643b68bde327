//! The next step.

use std::fmt;
use std::time::Duration;

use crate::held::{Authority, AuthorityId, Held, Leaf, UnixSeconds};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a new authority is valid (contract 01 §9.1).
pub const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// How long a new leaf is valid (contract 01 §9.1).
pub const LEAF_LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How long before now a new certificate begins: other machines' clocks may be behind (contract 01 §9.1).
pub const BACKDATED: Duration = Duration::from_secs(60 * 60);
/// Authorities kept beside a new one. More come together only when keys get lost again and again before replicas have
/// taken over a leaf; then certificates of the oldest lose their trust, because a Secret must not grow without end.
const KEPT: usize = 4;

/// When to renew, and how long to wait.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// A certificate that ends within this time is made anew.
    pub renew_before: Duration,
    /// How long every API server must have been told of an authority before it vouches for a leaf in use: they hear of
    /// a new `caBundle` a moment after it is written.
    pub settle: Duration,
    /// How long an old authority stays trusted, counted from the beginning of the new one.
    pub overlap: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { renew_before: 90 * DAY, settle: Duration::from_secs(30), overlap: 7 * DAY }
    }
}

/// Why something is made anew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// There is none, or none that can be read.
    Missing,
    /// It is not valid now: over, or not yet begun.
    Invalid,
    /// It ends soon.
    Ending,
    /// Its key is missing, or belongs to another certificate.
    NoKey,
    /// It is for other names.
    Names,
    /// No authority of the Secret vouches for it.
    Stranger,
    /// The authority was made anew and is trusted everywhere.
    NewAuthority,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is none",
            Self::Invalid => "it is not valid now",
            Self::Ending => "it ends soon",
            Self::NoKey => "its key is missing or belongs to another certificate",
            Self::Names => "it is for other names",
            Self::Stranger => "no authority vouches for it",
            Self::NewAuthority => "there is a new authority, and it is trusted",
        })
    }
}

/// What to change in the Secret; one write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Nothing.
    Keep,
    /// Nothing yet: a new authority has to be trusted everywhere before it signs.
    Wait,
    /// A new leaf, by the authority that signs.
    Leaf(Why),
    /// A new authority, put before those that stay trusted. The leaf stays.
    Authority {
        /// What is wrong with the one that signs.
        why: Why,
        /// The others that stay trusted.
        trusted: Vec<AuthorityId>,
    },
    /// A new authority and a leaf by it: there is no leaf worth keeping.
    Both {
        /// What is wrong with the authority that signs.
        why: Why,
        /// The others that stay trusted, because replicas may present certificates by them.
        trusted: Vec<AuthorityId>,
    },
    /// Old authorities go.
    Prune {
        /// Those that stay trusted.
        trusted: Vec<AuthorityId>,
    },
}

/// The next step. `known` is since when every API server has been told to trust the authority that signs, as far as
/// the caller saw it; nothing if one has not.
#[must_use]
pub fn plan(policy: &Policy, held: &Held, known: Option<UnixSeconds>, now: UnixSeconds) -> Step {
    let unusable = leaf_flaw(held, now);
    let signer = match signer(policy, held, now) {
        Ok(signer) => signer,
        Err(why) if unusable.is_some() => return Step::Both { why, trusted: worth_trusting(held, now) },
        Err(why) => return Step::Authority { why, trusted: worth_trusting(held, now) },
    };
    let by_signer = held.issuer().is_some_and(|issuer| issuer.id == signer.id);
    let is_settled = known.is_some_and(|since| since.after(policy.settle) <= now);
    match (unusable, &held.leaf) {
        (Some(why), _) => Step::Leaf(why),
        (None, _) if !by_signer && is_settled => Step::Leaf(Why::NewAuthority),
        (None, _) if !by_signer => Step::Wait,
        (None, Some(leaf)) if leaf.validity.until <= now.after(policy.renew_before) => {
            Step::Leaf(Why::Ending)
        }
        (None, _) => prune(policy, held, signer, now),
    }
}

/// The authority that signs, or why a new one is needed.
fn signer<'a>(policy: &Policy, held: &'a Held, now: UnixSeconds) -> Result<&'a Authority, Why> {
    let none = if held.authorities.is_empty() { Why::Missing } else { Why::NoKey };
    let signer = held.signer().ok_or(none)?;
    if !signer.validity.contains(now) {
        return Err(Why::Invalid);
    }
    if signer.validity.until <= now.after(policy.renew_before) { Err(Why::Ending) } else { Ok(signer) }
}

/// Why the leaf can't be used any more.
fn leaf_flaw(held: &Held, now: UnixSeconds) -> Option<Why> {
    let Some(Leaf { validity, issuer: _, names_fit, has_key }) = held.leaf else { return Some(Why::Missing) };
    let vouched = held.issuer().is_some_and(|issuer| issuer.validity.contains(now));
    let flaws = [
        (!has_key, Why::NoKey),
        (!validity.contains(now), Why::Invalid),
        (!names_fit, Why::Names),
        (!vouched, Why::Stranger),
    ];
    flaws.into_iter().find_map(|(applies, why)| applies.then_some(why))
}

/// Authorities that replicas may present certificates of: the newest few, and the one of the leaf.
fn worth_trusting(held: &Held, now: UnixSeconds) -> Vec<AuthorityId> {
    let issuer = held.issuer().map(|issuer| issuer.id);
    let valid = held.authorities.iter().filter(|authority| now <= authority.validity.until);
    let kept = valid.enumerate().filter(|(place, authority)| *place < KEPT || issuer == Some(authority.id));
    kept.map(|(_, authority)| authority.id).collect()
}

fn prune(policy: &Policy, held: &Held, signer: &Authority, now: UnixSeconds) -> Step {
    let overlaps = now < signer.validity.from.after(policy.overlap);
    let others = held.authorities.iter().filter(|authority| authority.id != signer.id);
    let trusted: Vec<AuthorityId> = others
        .clone()
        .filter(|other| overlaps && now <= other.validity.until)
        .map(|other| other.id)
        .collect();
    if trusted.len() < others.count() { Step::Prune { trusted } } else { Step::Keep }
}

#[cfg(test)]
mod tests;

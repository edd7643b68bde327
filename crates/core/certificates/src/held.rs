//! What a Secret holds, as far as decisions go.

use std::time::Duration;

/// A moment in whole seconds since 1970.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct UnixSeconds(pub i64);

impl UnixSeconds {
    /// This moment and some time.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)))
    }
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Validity {
    /// From this moment.
    pub from: UnixSeconds,
    /// Until this moment.
    pub until: UnixSeconds,
}

impl Validity {
    /// Whether it is valid at this moment.
    #[must_use]
    pub fn contains(self, now: UnixSeconds) -> bool {
        self.from <= now && now <= self.until
    }
}

/// Tells authorities apart: a digest of the certificate.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AuthorityId(pub [u8; 32]);

/// A certificate that vouches for others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Authority {
    /// Which one.
    pub id: AuthorityId,
    /// When it is valid.
    pub validity: Validity,
    /// Whether the Secret has its key, so that it can sign.
    pub signs: bool,
}

/// The certificate that servers present.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Leaf {
    /// When it is valid.
    pub validity: Validity,
    /// The authority of the same Secret that vouches for it, if one does.
    pub issuer: Option<AuthorityId>,
    /// Whether it is for the names that clients use.
    pub names_fit: bool,
    /// Whether the Secret has its key.
    pub has_key: bool,
}

/// What is usable of a Secret; what can't be read is not there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Held {
    /// Authorities, the newest first.
    pub authorities: Vec<Authority>,
    /// The certificate to serve with.
    pub leaf: Option<Leaf>,
}

impl Held {
    /// The authority that signs.
    #[must_use]
    pub fn signer(&self) -> Option<&Authority> {
        self.authorities.iter().find(|authority| authority.signs)
    }

    /// The authority that vouches for the leaf.
    #[must_use]
    pub fn issuer(&self) -> Option<&Authority> {
        let issuer = self.leaf?.issuer?;
        self.authorities.iter().find(|authority| authority.id == issuer)
    }
}

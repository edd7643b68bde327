//! Whom a Secret belongs to that is made in place of one that has gone.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use metallb_certificates::UnixSeconds;

/// A Secret that was made and went is made again after this: its owner may have gone.
const AGAIN: Duration = Duration::from_secs(10);

/// The owners of the Secret that was seen last, and whether they can be trusted to be there.
#[derive(Debug, Default)]
pub(super) struct Owners {
    owners: Vec<OwnerReference>,
    /// When this process made one, and whether it has gone again soon after.
    made: Option<(UnixSeconds, bool)>,
}

impl Owners {
    pub(super) fn all(&self) -> &[OwnerReference] {
        &self.owners
    }

    /// As one that is made in its place may say it: who makes it need not be allowed to hold up an owner's deletion, and
    /// whoever looks after it may give it another one to look after it.
    pub(super) fn see(&mut self, secret: &Secret, now: UnixSeconds) {
        let owners = secret.metadata.owner_references.iter().flatten().cloned();
        let plain = |owner| OwnerReference { block_owner_deletion: None, controller: None, ..owner };
        self.owners = owners.map(plain).collect();
        self.made.take_if(|(at, _)| !is_recent(*at, now));
    }

    pub(super) fn made(&mut self, now: UnixSeconds) {
        self.made = Some((now, false));
    }

    /// Whether the missing Secret may be made. One that goes as soon as it is made has an owner that is gone, while whoever
    /// serves the webhooks stays: after a while it is made without.
    pub(super) fn may_make(&mut self, now: UnixSeconds) -> bool {
        match &mut self.made {
            Some((at, has_gone)) if is_recent(*at, now) => {
                *has_gone = true;
                false
            }
            Some((_, true)) => {
                self.owners.clear();
                true
            }
            Some((_, false)) | None => true,
        }
    }
}

/// Not if the clock has been put back since: nobody waits until it is there again.
fn is_recent(at: UnixSeconds, now: UnixSeconds) -> bool {
    at <= now && now < at.after(AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UnixSeconds {
        UnixSeconds(1_000_000 + seconds)
    }

    fn owned() -> Secret {
        let owner = OwnerReference { controller: Some(true), ..OwnerReference::default() };
        let mut secret = Secret::default();
        secret.metadata.owner_references = Some(vec![owner]);
        secret
    }

    /// Made at the hundredth second.
    #[test]
    fn one_that_goes_at_once_is_made_after_a_while_and_without_its_owner() {
        for (looks, expected, owners) in [
            (&[101, 105, 110, 111][..], &[false, false, true, true][..], 0),
            // It stood for a while.
            (&[110], &[true], 1),
            // The clock was put back.
            (&[50], &[true], 1),
            (&[101, 50], &[false, true], 0),
        ] {
            let mut it = Owners::default();
            it.see(&owned(), at(0));
            assert!(it.may_make(at(99)), "nobody made one");
            it.made(at(100));
            let found: Vec<bool> = looks.iter().map(|look| it.may_make(at(*look))).collect();
            assert_eq!((found.as_slice(), it.all().len()), (expected, owners), "{looks:?}");
        }
    }

    #[test]
    fn one_that_came_back_and_stood_is_made_for_its_owner_the_next_time() {
        let mut it = Owners::default();
        it.made(at(0));
        assert!(!it.may_make(at(1)));
        it.see(&owned(), at(2));
        assert!(!it.may_make(at(3)), "it went soon after again");
        it.see(&owned(), at(60));
        assert!(it.may_make(at(61)));
        assert_eq!(it.all(), [OwnerReference::default()]);
    }
}

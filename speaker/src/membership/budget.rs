//! Bytes that strangers may have us keep, over all their connections together: whether they know the secret shows only
//! when all of a message is there.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is left. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Semaphore>);

impl Budget {
    pub(super) fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Nothing taken yet; so many bytes are not counted.
    pub(super) fn share(&self, free: usize) -> Share {
        Share { budget: self.clone(), free, held: None }
    }
}

/// What one connection has taken. Dropping this gives it back.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    free: usize,
    held: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Takes so many bytes more. False if they are not there.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let counted = bytes.saturating_sub(self.free);
        self.free -= bytes - counted;
        let counted = u32::try_from(counted).unwrap_or(u32::MAX);
        let Ok(more) = self.budget.0.clone().try_acquire_many_owned(counted) else { return false };
        match self.held.as_mut() {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_may_take_little_and_few_may_take_much_until_they_are_done() {
        let budget = Budget::of(100);
        let mut shares: Vec<Share> = (0..20).map(|_| budget.share(10)).collect();
        assert!(shares.iter_mut().all(|share| share.take(4) && share.take(6)), "that little is free");
        let (first, rest) = shares.split_first_mut().unwrap();
        assert!(first.take(60) && rest[0].take(40) && !rest[1].take(1));
        assert!(!first.take(1) && first.take(0));
        shares.remove(0);
        assert!(shares[0].take(60) && !shares[1].take(1));
        drop(shares);
        assert!(budget.share(0).take(100));
    }
}

//! A number in place of a value.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::LazyLock;

/// Stands for a value where ten thousand of them would take too much room. Good within one process: the key is drawn when that
/// starts, so that nobody can find two values with the same digest.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Digest(u64);

impl Digest {
    /// That of a value. Equal values that can be borrowed from each other have the same.
    pub(crate) fn of<T: Hash + ?Sized>(value: &T) -> Self {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(KEY.hash_one(value))
    }
}

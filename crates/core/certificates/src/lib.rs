//! When the certificates of a webhook server have to be made anew, and who is trusted meanwhile.
//!
//! Must not know: clocks, keys, or where certificates are stored.
//!
//! A Secret holds authorities (`ca.crt`, the signing one first) and the leaf that servers present (`tls.crt`). API
//! servers trust what is written into their `caBundle`s: all authorities of the Secret. A new authority is told to them
//! before anything is signed by it, and an old one stays trusted for a while after, so that whatever a replica presents
//! is trusted:
//!
//! ```text
//!   authorities  leaf by   caBundle
//!   A            A         A            the authority has to be made anew
//!   B A          A         A            Step::Authority
//!   B A          A         B A          the caBundles follow the Secret
//!   B A          B         B A          Step::Leaf, once all have trusted B for Policy::settle
//!   B            B         B A          Step::Prune, after Policy::overlap
//!   B            B         B
//! ```
//!
//! [`plan`] gives the next step from what is there, not from what was done: whoever takes over in the middle goes on.

mod held;
mod plan;
mod serving;

pub use held::{Authority, AuthorityId, Held, Leaf, UnixSeconds, Validity};
pub use plan::{AUTHORITY_LIFETIME, BACKDATED, LEAF_LIFETIME, Policy, Step, Why, plan};
pub use serving::takes_over;

//! When the certificates of a webhook server have to be made anew, and who is trusted meanwhile.
//!
//! Must not know: clocks, keys, or where certificates are stored.

//! The surroundings in which members read and write.

use metallb_membership::{Keyring, Settings};

/// Without a secret, with one, and with one beside which plain packets are taken; without and with compression.
pub(crate) fn surroundings() -> [(Keyring, Settings); 3] {
    let lax = Settings { gossip_verify_incoming: false, ..Settings::lan() };
    let uncompressed = Settings { enable_compression: false, ..Settings::lan() };
    let keyring = || Keyring::from_secret(b"old").with_accepted(b"new");
    [(Keyring::plain(), Settings::lan()), (keyring(), uncompressed), (keyring(), lax)]
}

//! Streams of memberlist.

mod oracle;

use metallb_membership::wire::message::StreamMessage;
use metallb_membership::wire::stream::{self, Reader, StreamError};
use metallb_membership::{Keyring, Settings};

use crate::{binary, members};

pub(crate) const SEEDS: &[&str] = &[
    "x0085a44e6f6465a26e31a55365714e6f07aa536f7572636541646472a4c000020baa536f757263654e6f6465a26e32aa536f75726365506f7274cd1f0a",
    "x0982a4416c676f00a3427566da003b00011422e5e40d9932a2dcc42835a54c9c8207544d795347ce983241c89091430a1800010b2452b458a6e0c184324456bc08e58d1c3acd3e280808",
    "x0282a75061796c6f6164c0a55365714e6f07",
    "x0982a4416c676f00a3427566b70005083a05254c1e366fc29001566a4a99384ede1c0808",
    "x0d81a54572726f72da003f52656d6f7465206e6f646520737461746520697320656e6372797074656420616e6420656e6372797074696f6e206973206e6f7420636f6e66696775726564",
    "x0982a4416c676f00a3427566da004a001b042a55448e9c3772b401f821a54c9b3774ca8070f3868cc43974c2440491660e88326ec6c8c9032722191061dc9c042992249d346fdc70f448910e883131cda43953474e19320101",
    "x0683a44a6f696ec3a54e6f64657301ac5573657253746174654c656e0087a441646472b000000000000000000000ffffc000020cab496e6361726e6174696f6e01a44d657461a86d65746164617461a44e616d65a26e32a4506f7274cd1f0aa5537461746500a356736ea6010502000000",
    "x0683a44a6f696ec3a54e6f64657301ac5573657253746174654c656e0087a441646472b000000000000000000000ffffc000020bab496e6361726e6174696f6e01a44d657461c0a44e616d65a26e31a4506f7274cd1f0aa5537461746500a356736ea6010502000000",
    "x0982a4416c676f00a3427566da0071000d0c22a5e44d1a37c34a397943a6cc9c00acaacc2923670a9d3074ca3029e306c0215241c89091030b80c99328fffd03064000835549dc8c0923c70dc6346fdc0420d5a4cc45546d7c862183310c292761828a72238314943772e834fba0a094458c65008cb232c78da90005049c0c08",
    "x0982a4416c676f00a3427566da006b000d0c22a5e44d1a37c34a397943a6cc9c00acaacc2923670a9d3074ca3029e306c0215241c89091030b80c99328fffd030640c0825549dc8c0923c70dc6346fdc0420d5a4cc4560a49c84695346949b18a4a0bc9143a7d90705a52c622c03609495396e4c052820e06440",
    "x0a0000008e019eecc6c87663498353dd58eab1e72b4da192181596fba3bc2c9ae877259a9f716ac3867efc2c4ab289b1fb231c345b5884fdddc30f7c38b3e4c1ac70910246e0359ce1f97d02c44dd0a2237b334eeebc50cdc8c373724d1082efaa04b42806590ecef9918cb903fb161ed225bd47bd833a9a385c40213f59bdfeea7ee0d61d6cf50fe860a4826e1d91c5442062",
    "x0a0000008601df6edb6ff8a2c540ef3f1c7edd9a11da688bf4aed85a213a65bb8e5cd3f36da1298c926651d10b3bc76f99e01fc10229f7092b2c51a90962f3dec27889bc9e2db808169e2f997caf2372350f4f0a7b05ceb3e5e14fe729da891237918b6f3cd22a8159241de6f237adfa27149decf4bd28e2fa4c4edfddfe14be595e988ca4922f22fc499d",
    "x0a0000009d01424b36a6c3333f3d8fe349d583ad3d04e4c3f6abac084e655381069035bc2fc7b53766f7f97bc0b5b70a80d9bee7f03029b0bd5dfc64f831bdbd9594a8a6911fb4c7057d15c560ef6f6d2c1e11fbac6846e905467aeadbf32e37af4c1ccbfef165e4c13c3a088e24c065f89f98f9593eea339225573fc1c59f08b6cba7bd90ceb6a0f4b0f2da5a470c0efea64bccb4f2bf8f49d4e41ce6029c173905",
    "x0a0000009701a997fae1fed42198fad3a33fa661376f32012a18a3dd45ef6816c94cd649afeb110a52852a63b36e5c6c33a56f483e95c69440b132be2aa5da22b3ef6f273f6f5fc3cbb061842da4ae8f18bf448ea3b199255d033c016f618e107643efe64df5bd086f9091267c90139063fe776705dae319a3e9525e18e5a77c03a1bddfaf60e6901b47d7b813e3a49f75c4a989ea2c9ee551696223",
    "x0683a44a6f696ec3a54e6f64657301ac5573657253746174654c656e617469",
    "x",
];

/// Longest reason of a refusal that is read to its end.
const LONGEST_REASON: usize = 1024;

/// A stream: a push/pull says what another codec reads there. In pieces it reads as it does in one, and what was read reads the same when it was written again.
pub fn streams(data: &[u8]) {
    let bytes = binary::of(data);
    let size = 1 + usize::from(data.last().copied().unwrap_or_default());
    if let Ok(Some(message)) = read([&*bytes], &Keyring::plain(), &Settings::lan()) {
        oracle::check(&bytes, &message);
    }
    for (keyring, settings) in &members::surroundings() {
        let whole = read(bytes.chunks(bytes.len().max(1)), keyring, settings);
        let pieces = read(bytes.chunks(size), keyring, settings);
        // In pieces, what is wrong may show later: a reader waits for all that was announced.
        let message = |outcome: &Result<Option<StreamMessage>, _>| outcome.as_ref().ok().cloned().flatten();
        assert_eq!(message(&whole), message(&pieces), "{whole:?} {pieces:?}");
        let Ok(Some(message)) = whole else { continue };
        if matches!(&message, StreamMessage::Error(reason) if reason.len() > LONGEST_REASON) {
            continue;
        }
        let written = stream::encode(&message, keyring, settings, [7; 12]);
        assert_eq!(read([written.as_slice()], keyring, settings), Ok(Some(message)));
    }
}

fn read<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    keyring: &Keyring,
    settings: &Settings,
) -> Result<Option<StreamMessage>, StreamError> {
    let mut reader = Reader::new(keyring, settings);
    for piece in pieces {
        reader.push(piece);
        let message = reader.next_message()?;
        if message.is_some() {
            return Ok(message);
        }
    }
    Ok(None)
}

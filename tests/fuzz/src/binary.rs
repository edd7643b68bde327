//! Bytes the targets are fed with, though seeds are text.

use std::borrow::Cow;

/// The bytes as they are; behind an `x`, those that its digits say in hexadecimal. Any character counts as a digit, so
/// that a mutation is never lost.
pub(crate) fn of(data: &[u8]) -> Cow<'_, [u8]> {
    let Some((b'x', digits)) = data.split_first() else { return Cow::Borrowed(data) };
    let (pairs, _) = digits.as_chunks();
    Cow::Owned(pairs.iter().map(|[high, low]| digit(*high) << 4 | digit(*low)).collect())
}

fn digit(character: u8) -> u8 {
    match character {
        b'a'..=b'f' => character - b'a' + 10,
        _ => character & 0x0f,
    }
}

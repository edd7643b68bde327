//! Bytes as the text the targets are fed with.

use std::borrow::Cow;

/// The bytes as text; what is none is replaced, as the API server does.
pub(crate) fn of(data: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(data)
}

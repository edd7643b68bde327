//! Reading and writing fixed fields of a frame without indexing.

/// Length of an Ethernet header.
pub(crate) const ETHERNET_HEADER: usize = 14;

/// The `N` bytes at `offset`, or nothing when the frame ends before.
pub(crate) fn read<const N: usize>(frame: &[u8], offset: usize) -> Option<[u8; N]> {
    frame.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

/// The big-endian number at `offset`.
pub(crate) fn read_u16(frame: &[u8], offset: usize) -> Option<u16> {
    read(frame, offset).map(u16::from_be_bytes)
}

/// A frame under construction: fields are appended in the order of the wire.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    #[must_use]
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    #[must_use]
    pub(crate) fn u16(self, value: u16) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Zeros up to the given length.
    #[must_use]
    pub(crate) fn padded_to(mut self, length: usize) -> Self {
        self.0.resize(self.0.len().max(length), 0);
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

//! The presentation language of TLS (RFC 8446 §3) as far as ledger entries use it: fixed fields and vectors, big-endian.

/// Takes fields off the front of a message. `None` means that the message ended too early.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    pub(super) fn octets(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.octets(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A vector with two octets of length.
    pub(super) fn vector(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.octets(length.into())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value, if nothing follows it.
    pub(super) fn finish<T>(self, value: T) -> Option<T> {
        self.is_empty().then_some(value)
    }
}

/// Appends a vector with two octets of length. The caller's types keep it within 65,535 octets.
pub(super) fn push_vector(message: &mut Vec<u8>, content: &[u8]) {
    message.extend((content.len() as u16).to_be_bytes());
    message.extend(content);
}

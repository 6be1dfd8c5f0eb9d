//! What ECDSA and SM2 share: the two forms of a signature (r, s).

use der::{Decode, Encode, asn1::UintRef};

use crate::crypto::Error;

#[derive(der::Sequence)]
struct Pair<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// DER SEQUENCE of r and s → r ‖ s, each `width` octets.
pub(super) fn to_fixed(signature: &[u8], width: usize) -> Result<Vec<u8>, Error> {
    let pair = Pair::from_der(signature).map_err(|_| Error::Signature)?;
    let mut fixed = vec![0; 2 * width];
    for (half, number) in fixed.chunks_mut(width).zip([pair.r, pair.s]) {
        let octets = number.as_bytes();
        let start = width.checked_sub(octets.len()).ok_or(Error::Signature)?;
        half[start..].copy_from_slice(octets);
    }
    Ok(fixed)
}

/// r ‖ s → DER SEQUENCE of r and s.
pub(super) fn from_fixed(signature: &[u8], width: usize) -> Result<Vec<u8>, Error> {
    if signature.len() != 2 * width {
        return Err(Error::Signature);
    }
    let (r, s) = signature.split_at(width);
    let pair = Pair { r: UintRef::new(r).map_err(|_| Error::Signature)?, s: UintRef::new(s).map_err(|_| Error::Signature)? };
    pair.to_der().map_err(|_| Error::Signature)
}

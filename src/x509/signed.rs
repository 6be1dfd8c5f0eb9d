//! The shape every signed object shares: SEQUENCE { toBeSigned, signatureAlgorithm, signature, … }.

use der::{AnyRef, Decode, Encode, Header, Reader, SliceReader, Tag, Tagged, asn1::BitString, referenced::OwnedToRef};
use spki::AlgorithmIdentifierOwned;

use super::Error;
use crate::crypto::{self, PublicKey, Scheme, Strength, VerifyingKey};

/// A certificate, CRL, request or basic OCSP response as received: the bytes that were signed, untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<'a> {
    /// The whole TLV that the signature covers.
    pub tbs: &'a [u8],
    pub algorithm: AlgorithmIdentifierOwned,
    /// The content of the BIT STRING.
    pub signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Splits an object that ends after its signature. Trailing bytes are refused.
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        let (signed, rest) = Self::parse_with_rest(der)?;
        if rest.is_empty() { Ok(signed) } else { Err(Error::malformed("signed object", "bytes after the signature")) }
    }

    /// The same, with what follows the signature inside the outer SEQUENCE (the certificates of an OCSP response).
    pub fn parse_with_rest(der: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        Self::split(der).map_err(|error| Error::malformed("signed object", error))
    }

    fn split(der: &'a [u8]) -> der::Result<(Self, &'a [u8])> {
        let content = AnyRef::from_der(der)?;
        content.tag().assert_eq(Tag::Sequence)?;
        let mut reader = SliceReader::new(content.value())?;
        let tbs = reader.tlv_bytes()?;
        let algorithm = AlgorithmIdentifierOwned::decode(&mut reader)?;
        let signature = AnyRef::decode(&mut reader)?;
        signature.tag().assert_eq(Tag::BitString)?;
        // A signature is whole octets: the count of unused bits is 0.
        let signature = signature.value().strip_prefix(&[0]).ok_or_else(|| Tag::BitString.value_error())?;
        let rest = &content.value()[usize::try_from(reader.position())?..];
        Ok((Self { tbs, algorithm, signature }, rest))
    }

    /// Checks the signature over the received bytes. The algorithm must be one of the key's.
    pub fn verify(&self, key: &PublicKey) -> Result<(), Error> {
        if !key.algorithm().accepts_signature_algorithm(&self.algorithm) {
            return Err(crypto::Error::UnknownAlgorithm(self.algorithm.oid.to_string()).into());
        }
        Ok(key.verify(self.tbs, self.signature)?)
    }

    /// The same with the key of anybody, and no less than that strength.
    pub fn verify_with(&self, key: &VerifyingKey, strength: Strength) -> Result<(), Error> {
        let scheme = Scheme::parse(self.algorithm.owned_to_ref())?;
        Ok(key.verify_with_strength(strength, scheme, self.tbs, self.signature)?)
    }
}

/// Puts a signature behind the bytes it covers. `rest` follows inside the outer SEQUENCE, usually empty.
pub fn assemble(tbs: &[u8], algorithm: &AlgorithmIdentifierOwned, signature: &[u8], rest: &[u8]) -> Result<Vec<u8>, Error> {
    let encode = || -> der::Result<Vec<u8>> {
        let mut content = tbs.to_vec();
        content.extend(algorithm.to_der()?);
        content.extend(BitString::from_bytes(signature)?.to_der()?);
        content.extend_from_slice(rest);
        let mut der = Header::new(Tag::Sequence, content.len().try_into()?).to_der()?;
        der.extend(content);
        Ok(der)
    };
    encode().map_err(|error| Error::malformed("signed object", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::ALGORITHMS;

    #[test]
    fn what_is_assembled_is_split_again_and_verifies() {
        for algorithm in ALGORITHMS {
            let key = algorithm.load(&algorithm.generate().unwrap()).unwrap();
            let tbs = [0x30, 3, 2, 1, 5];
            let der = assemble(&tbs, &algorithm.signature_algorithm(), &key.sign(&tbs).unwrap(), &[]).unwrap();
            let signed = Signed::parse(&der).unwrap();
            assert_eq!(signed.tbs, tbs);
            signed.verify(key.public_key()).unwrap();
        }
    }

    #[test]
    fn trailing_bytes_and_signatures_of_another_algorithm_are_refused() {
        let p256 = ALGORITHMS[0].load(&ALGORITHMS[0].generate().unwrap()).unwrap();
        let tbs = [0x30, 3, 2, 1, 5];
        let signature = p256.sign(&tbs).unwrap();
        let der = assemble(&tbs, &ALGORITHMS[0].signature_algorithm(), &signature, &[5, 0]).unwrap();
        assert!(Signed::parse(&der).is_err());
        let der = assemble(&tbs, &ALGORITHMS[2].signature_algorithm(), &signature, &[]).unwrap();
        assert!(Signed::parse(&der).unwrap().verify(p256.public_key()).is_err());
        for length in 0..der.len() {
            assert!(Signed::parse(&der[..length]).is_err());
        }
    }
}

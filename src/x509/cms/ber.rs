//! BER read as DER: what producers of CMS write around the parts that are signed (X.690 §8 against §10).
//!
//! Indefinite and long lengths become the shortest definite ones, strings in segments become whole. The order of a SET is kept,
//! and so is everything in primitive values, so a certificate that was DER comes out as it went in.

use super::Error;

const WHAT: &str = "BER";
/// How deep elements may nest. Certificates, the deepest things in a SignedData, need about ten levels.
const MAX_DEPTH: usize = 32;
const INDEFINITE: u8 = 0x80;
const CONSTRUCTED: u8 = 0x20;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const EXPLICIT_0: u8 = 0xa0;
pub(super) const END_OF_CONTENTS: [u8; 2] = [0, 0];

/// The identifier and length octets of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The first identifier octet: class, constructed or not, number (31: more octets follow).
    pub identifier: u8,
    pub identifier_length: usize,
    /// `None`: up to end-of-contents octets.
    pub length: Option<u64>,
    /// Octets of identifier and length together.
    pub size: usize,
}

impl Header {
    /// The most octets of a header that is read.
    pub const MAX_SIZE: usize = 16;

    pub fn parse(octets: &[u8]) -> Result<Self, Error> {
        let identifier = *octets.first().ok_or_else(cut_short)?;
        let mut size = 1;
        if identifier & 0x1f == 0x1f {
            while octets.get(size).ok_or_else(cut_short)? & 0x80 != 0 {
                size += 1;
                if size > 5 {
                    return Err(Error::malformed(WHAT, "a tag number beyond 2^28"));
                }
            }
            size += 1;
        }
        let identifier_length = size;
        let first = *octets.get(size).ok_or_else(cut_short)?;
        size += 1;
        let length = match first {
            INDEFINITE if identifier & CONSTRUCTED == 0 => return Err(Error::malformed(WHAT, "a primitive element without length")),
            INDEFINITE => None,
            short if short < 0x80 => Some(u64::from(short)),
            long => {
                let count = usize::from(long & 0x7f);
                let digits = octets.get(size..size + count).ok_or_else(cut_short)?;
                size += count;
                if count > 8 {
                    return Err(Error::malformed(WHAT, "a length of more than eight octets"));
                }
                Some(digits.iter().fold(0, |length, digit| length << 8 | u64::from(*digit)))
            }
        };
        Ok(Self { identifier, identifier_length, length, size })
    }

    pub fn is_constructed(&self) -> bool {
        self.identifier & CONSTRUCTED != 0
    }

    /// Whether it is a segmented form of one of the string types, which DER has in one piece only.
    fn is_segmented_string(&self) -> bool {
        self.is_constructed() && matches!(self.identifier & !CONSTRUCTED, 0x03 | 0x04 | 0x0c | 0x12..=0x16 | 0x19..=0x1c | 0x1e)
    }
}

/// Appends the first element of `input` as DER; answers what follows it.
pub(super) fn element<'a>(input: &'a [u8], depth: usize, der: &mut Vec<u8>) -> Result<&'a [u8], Error> {
    let header = Header::parse(input)?;
    let (identifier, after) = (&input[..header.identifier_length], &input[header.size..]);
    if depth >= MAX_DEPTH {
        return Err(Error::malformed(WHAT, format_args!("nested deeper than {MAX_DEPTH}")));
    }
    let start = der.len();
    let rest = if header.is_segmented_string() {
        segments(&header, after, depth + 1, der)?
    } else if header.is_constructed() {
        children(header.length, after, |input, der| element(input, depth + 1, der), der)?
    } else {
        let (value, rest) = split(after, header.length.unwrap_or(0))?;
        der.extend_from_slice(value);
        rest
    };
    let mut prefix = identifier.to_vec();
    if header.is_segmented_string() {
        prefix[0] &= !CONSTRUCTED;
    }
    push_length(&mut prefix, (der.len() - start) as u64);
    der.splice(start..start, prefix);
    Ok(rest)
}

/// The segments of a string, without their headers.
fn segments<'a>(header: &Header, input: &'a [u8], depth: usize, der: &mut Vec<u8>) -> Result<&'a [u8], Error> {
    let primitive = header.identifier & !CONSTRUCTED;
    if primitive == 0x03 {
        // Nobody writes them, and their unused bits would have to be carried over from one to the next.
        return Err(Error::malformed(WHAT, "a BIT STRING in segments"));
    }
    let segment = |input: &'a [u8], der: &mut Vec<u8>| {
        let inner = Header::parse(input)?;
        if inner.identifier & !CONSTRUCTED != primitive && inner.identifier & !CONSTRUCTED != OCTET_STRING {
            return Err(Error::malformed(WHAT, "a segment of another type than its string"));
        }
        if inner.is_constructed() {
            if depth >= MAX_DEPTH {
                return Err(Error::malformed(WHAT, format_args!("nested deeper than {MAX_DEPTH}")));
            }
            return segments(&inner, &input[inner.size..], depth + 1, der);
        }
        let (value, rest) = split(&input[inner.size..], inner.length.unwrap_or(0))?;
        der.extend_from_slice(value);
        Ok(rest)
    };
    children(header.length, input, segment, der)
}

/// Every element of a constructed one; answers what follows it.
fn children<'a>(
    length: Option<u64>,
    input: &'a [u8],
    mut each: impl FnMut(&'a [u8], &mut Vec<u8>) -> Result<&'a [u8], Error>,
    der: &mut Vec<u8>,
) -> Result<&'a [u8], Error> {
    match length {
        Some(length) => {
            let (mut inside, rest) = split(input, length)?;
            while !inside.is_empty() {
                inside = each(inside, der)?;
            }
            Ok(rest)
        }
        None => {
            let mut inside = input;
            loop {
                match inside.strip_prefix(&END_OF_CONTENTS) {
                    Some(rest) => return Ok(rest),
                    None => inside = each(inside, der)?,
                }
            }
        }
    }
}

fn split(input: &[u8], length: u64) -> Result<(&[u8], &[u8]), Error> {
    usize::try_from(length).ok().and_then(|length| input.split_at_checked(length)).ok_or_else(cut_short)
}

fn cut_short() -> Error {
    Error::malformed(WHAT, "cut short")
}

/// The length in the shortest definite form (X.690 §10.1).
pub(super) fn push_length(out: &mut Vec<u8>, length: u64) {
    match length_size(length) {
        1 => out.push(length as u8),
        size => {
            out.push(INDEFINITE | (size - 1) as u8);
            out.extend_from_slice(&length.to_be_bytes()[size_of::<u64>() + 1 - size..]);
        }
    }
}

fn length_size(length: u64) -> usize {
    if length < 0x80 { 1 } else { 1 + (u64::BITS - length.leading_zeros()).div_ceil(8) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_der(ber: &[u8]) -> Result<Vec<u8>, Error> {
        let mut der = Vec::new();
        let rest = element(ber, 0, &mut der)?;
        if rest.is_empty() { Ok(der) } else { Err(cut_short()) }
    }

    #[test]
    fn ber_becomes_der_and_der_stays_where_it_is() {
        let cases = [
            ("definite", "3003020105", "3003020105"),
            ("indefinite", "30800201050000", "3003020105"),
            ("a long length", "308103020105", "3003020105"),
            ("a longer one", "30840000000302820001050000", ""),
            ("segments", "2480040101040202030000", "0403010203"),
            ("segments of segments", "24802407040101040202030000", "0403010203"),
            ("nested segments", "248024050401010400040202030000", "0403010203"),
            ("text in segments", "2c0604014104014200", ""),
            ("text in octet segments", "2c06040141040142", "0c024142"),
            ("a high tag", "bf8101800201050000", "bf810103020105"),
            ("a sequence in a sequence", "308030800201050000a0800400000000 00", "3009 3003020105 a0020400"),
        ];
        for (name, ber, der) in cases {
            let octets = |text: &str| hex::decode(text.replace(' ', "")).unwrap();
            match to_der(&octets(ber)) {
                Ok(found) => assert_eq!(hex::encode(found), hex::encode(octets(der)), "{name}"),
                Err(error) => assert!(der.is_empty(), "{name}: {error}"),
            }
        }
    }

    #[test]
    fn what_is_cut_short_too_deep_or_absurd_is_refused() {
        for (name, ber) in [
            ("empty", ""),
            ("no length", "30"),
            ("no content", "3003"),
            ("a length beyond memory", "3088ffffffffffffffff"),
            ("a length of nine octets", "3089000000000000000003020105"),
            ("a length of 126 octets", "30fe"),
            ("no end of contents", "3080020105"),
            ("a primitive without length", "04800000"),
            ("bits in segments", "23800302000100 00"),
            ("a number in octets", "2480020105 0000"),
            ("a tag without end", "bfffffffffffff01"),
            ("bytes behind", "300302010500"),
        ] {
            assert!(to_der(&hex::decode(ber.replace(' ', "")).unwrap()).is_err(), "{name}");
        }
        let deep = |depth: usize| [[0x30, 0x80].repeat(depth), [0, 0].repeat(depth)].concat();
        assert!(to_der(&deep(MAX_DEPTH)).is_ok() && to_der(&deep(MAX_DEPTH + 1)).is_err());
        assert!(to_der(&[0x30, 0x80].repeat(1_000_000)).is_err());
        assert!(to_der(&[0x24, 0x80].repeat(1_000_000)).is_err());
    }

    #[test]
    fn lengths_have_their_shortest_form() {
        for (length, expected) in [(0, "00"), (127, "7f"), (128, "8180"), (255, "81ff"), (256, "820100"), (65536, "83010000")] {
            let mut out = Vec::new();
            push_length(&mut out, length);
            assert_eq!(hex::encode(out), expected);
        }
    }
}

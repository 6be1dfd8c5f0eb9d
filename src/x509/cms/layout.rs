//! Where the parts of a SignedData lie in a file that may be larger than memory.
//!
//! The content, which may be anything and of any size, is not read: only where its octets are. All else is small, is read
//! once, and is put together again as a DER SignedData without content, which `SignedData::parse` reads.

use std::ops::Range;

use der::{Decode, asn1::ObjectIdentifier};

use super::{
    Dialect, Error,
    ber::{self, END_OF_CONTENTS, EXPLICIT_0, Header, OCTET_STRING, SEQUENCE},
};

/// Where the octets of the content are, piece by piece.
type Segments = Vec<Range<u64>>;

const WHAT: &str = "CMS SignedData";
/// The largest SignedData without its content: certificates, revocation lists and signers.
pub const MAX_REST: u64 = 16 << 20;
/// The largest version, list of digest algorithms or content type.
const MAX_PART: u64 = 64 * 1024;
/// The most segments of content: a gibibyte in the thousand octets that some producers write at a time.
pub const MAX_SEGMENTS: usize = 1 << 20;
/// How deep segments of content may nest.
const MAX_SEGMENT_DEPTH: usize = 4;

/// A SignedData taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The contentType of the ContentInfo: which standard's SignedData it is.
    pub outer_type: ObjectIdentifier,
    /// The SignedData as DER, but for the content.
    pub rest: Vec<u8>,
    /// The octets that were signed, in order; `None` when they are not in the file (a detached signature).
    pub content: Option<Vec<Range<u64>>>,
}

impl Layout {
    /// Of a file of `length` octets, of which `fetch` answers those in a range.
    pub fn locate<E: From<Error>>(length: u64, fetch: impl FnMut(Range<u64>) -> Result<Vec<u8>, E>) -> Result<Self, E> {
        Walk { fetch, position: 0, length }.signed_data()
    }

    /// Of a file in memory.
    pub fn of(file: &[u8]) -> Result<Self, Error> {
        // Ranges are within the length that is given.
        Self::locate(file.len() as u64, |range| Ok(slice(file, &range).to_vec()))
    }

    /// The content of a file in memory, segment by segment.
    pub fn segments<'a>(&self, file: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.content.iter().flatten().map(move |range| slice(file, range))
    }
}

fn slice<'a>(file: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    &file[range.start as usize..range.end as usize]
}

struct Walk<F> {
    fetch: F,
    position: u64,
    length: u64,
}

/// An element that was entered: where it ends, unless end-of-contents octets say so.
#[derive(Clone, Copy)]
struct Inside(Option<u64>);

impl<F, E> Walk<F>
where
    F: FnMut(Range<u64>) -> Result<Vec<u8>, E>,
    E: From<Error>,
{
    fn signed_data(mut self) -> Result<Layout, E> {
        let info = self.enter(SEQUENCE)?;
        let outer_type = self.object_identifier()?;
        if Dialect::find(outer_type).is_none() {
            return Err(self.other_content(info, outer_type)?.into());
        }
        let explicit = self.enter(EXPLICIT_0)?;
        let signed = self.enter(SEQUENCE)?;
        let (mut version, mut digests) = (Vec::new(), Vec::new());
        self.element(&mut version)?;
        self.element(&mut digests)?;
        let (content_type, content) = self.encapsulated()?;

        let mut fields = [version, digests, content_type].concat();
        self.remaining(signed, &mut fields)?;
        self.leave(explicit)?;
        self.leave(info)?;
        if self.position != self.length {
            return Err(malformed("bytes behind it").into());
        }
        let mut rest = vec![SEQUENCE];
        ber::push_length(&mut rest, fields.len() as u64);
        rest.extend(fields);
        Ok(Layout { outer_type, rest, content })
    }

    /// What is not SignedData is only looked at for being whole, where it is not too large for that.
    fn other_content(mut self, info: Inside, outer_type: ObjectIdentifier) -> Result<Error, E> {
        if self.length <= MAX_REST {
            self.remaining(info, &mut Vec::new())?;
            if self.position != self.length {
                return Err(malformed("bytes behind it").into());
            }
        }
        Ok(Error::OtherContent(outer_type))
    }

    /// EncapsulatedContentInfo (RFC 5652 §5.2): as DER without the content, and where that is.
    fn encapsulated(&mut self) -> Result<(Vec<u8>, Option<Segments>), E> {
        let info = self.enter(SEQUENCE)?;
        let mut content_type = Vec::new();
        self.element(&mut content_type)?;
        let mut content = None;
        if !self.is_at_end(info)? {
            let explicit = self.enter(EXPLICIT_0)?;
            content = Some(self.content()?);
            self.leave(explicit)?;
        }
        self.leave(info)?;
        let mut der = vec![SEQUENCE];
        ber::push_length(&mut der, content_type.len() as u64);
        der.extend(content_type);
        Ok((der, content))
    }

    fn content(&mut self) -> Result<Segments, E> {
        let header = self.header()?;
        let mut segments = Vec::new();
        match (header.identifier, header.length) {
            (OCTET_STRING, Some(length)) => segments.push(self.skip(length)?),
            (octets, length) if octets == OCTET_STRING | 0x20 => self.segments(length, 0, &mut segments)?,
            // PKCS #7 had any type here; its value is what was signed, without tag and length (RFC 5652 §5.2.1).
            (_, Some(length)) => segments.push(self.skip(length)?),
            (_, None) => return Err(malformed("content that is neither an OCTET STRING nor DER").into()),
        }
        Ok(segments)
    }

    fn segments(&mut self, length: Option<u64>, depth: usize, segments: &mut Segments) -> Result<(), E> {
        if depth > MAX_SEGMENT_DEPTH {
            return Err(malformed("content in segments of segments of segments").into());
        }
        let inside = self.inside(length)?;
        while !self.is_at_end(inside)? {
            let header = self.header()?;
            match (header.identifier & !0x20, header.is_constructed(), header.length) {
                (OCTET_STRING, true, length) => self.segments(length, depth + 1, segments)?,
                (OCTET_STRING, false, Some(length)) if segments.len() < MAX_SEGMENTS => segments.push(self.skip(length)?),
                (OCTET_STRING, ..) => return Err(malformed(format_args!("content in more than {MAX_SEGMENTS} segments")).into()),
                _ => return Err(malformed("a segment of content that is no OCTET STRING").into()),
            }
        }
        self.leave(inside)
    }

    /// What follows the content, up to the end of the SignedData.
    fn remaining(&mut self, signed: Inside, der: &mut Vec<u8>) -> Result<(), E> {
        let end = signed.0.unwrap_or(self.length);
        if end < self.position {
            return Err(malformed("the content is longer than what it is in").into());
        }
        let octets = self.fetch(self.position..end, MAX_REST)?;
        let mut rest = octets.as_slice();
        let is_end = |rest: &[u8]| rest.is_empty() || (signed.0.is_none() && rest.starts_with(&END_OF_CONTENTS));
        while !is_end(rest) {
            rest = ber::element(rest, 1, der)?;
        }
        self.position = end - rest.len() as u64;
        self.leave(signed)
    }

    fn object_identifier(&mut self) -> Result<ObjectIdentifier, E> {
        let mut der = Vec::new();
        self.element(&mut der)?;
        ObjectIdentifier::from_der(&der).map_err(|error| malformed(error).into())
    }

    /// A whole small element, as DER.
    fn element(&mut self, der: &mut Vec<u8>) -> Result<(), E> {
        let header = self.peek()?;
        let size = match header.length {
            Some(length) => length.saturating_add(header.size as u64),
            None => MAX_PART.min(self.length - self.position),
        };
        let end = self.position.checked_add(size).filter(|end| *end <= self.length).ok_or_else(|| malformed("cut short"))?;
        let octets = self.fetch(self.position..end, MAX_PART)?;
        let rest = ber::element(&octets, 1, der)?;
        self.position = end - rest.len() as u64;
        Ok(())
    }

    fn enter(&mut self, identifier: u8) -> Result<Inside, E> {
        let header = self.header()?;
        if header.identifier != identifier {
            return Err(malformed(format_args!("tag {:#04x} where {identifier:#04x} belongs", header.identifier)).into());
        }
        self.inside(header.length)
    }

    fn inside(&self, length: Option<u64>) -> Result<Inside, E> {
        let Some(length) = length else { return Ok(Inside(None)) };
        let end = self.position.checked_add(length).filter(|end| *end <= self.length);
        end.map(|end| Inside(Some(end))).ok_or_else(|| malformed("cut short").into())
    }

    fn is_at_end(&mut self, Inside(end): Inside) -> Result<bool, E> {
        match end {
            Some(end) => Ok(self.position >= end),
            None => {
                let until = self.position.saturating_add(2).min(self.length);
                Ok(self.fetch(self.position..until, MAX_PART)? == END_OF_CONTENTS)
            }
        }
    }

    fn leave(&mut self, inside: Inside) -> Result<(), E> {
        match inside.0 {
            Some(end) if end == self.position => Ok(()),
            None if self.is_at_end(inside)? => {
                self.position += END_OF_CONTENTS.len() as u64;
                Ok(())
            }
            Some(_) | None => Err(malformed("an element that does not end where it should").into()),
        }
    }

    fn skip(&mut self, length: u64) -> Result<Range<u64>, E> {
        let start = self.position;
        self.position = start.checked_add(length).filter(|end| *end <= self.length).ok_or_else(|| malformed("cut short"))?;
        Ok(start..self.position)
    }

    fn header(&mut self) -> Result<Header, E> {
        let header = self.peek()?;
        self.position += header.size as u64;
        Ok(header)
    }

    fn peek(&mut self) -> Result<Header, E> {
        let until = self.position.saturating_add(Header::MAX_SIZE as u64).min(self.length);
        Ok(Header::parse(&self.fetch(self.position..until, MAX_PART)?)?)
    }

    fn fetch(&mut self, range: Range<u64>, limit: u64) -> Result<Vec<u8>, E> {
        if range.end - range.start > limit {
            return Err(malformed(format_args!("a part of more than {limit} octets beside the content")).into());
        }
        (self.fetch)(range)
    }
}

fn malformed(why: impl std::fmt::Display) -> Error {
    Error::malformed(WHAT, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTER: &str = "06092a864886f70d010702";
    const DATA: &str = "06092a864886f70d010701";

    /// The shape of a SignedData: digest algorithms and signers are empty sets.
    fn definite(content: &str) -> Vec<u8> {
        let tlv = |tag: u8, content: &[u8]| {
            let mut out = vec![tag];
            ber::push_length(&mut out, content.len() as u64);
            [out, content.to_vec()].concat()
        };
        let octets = |text: &str| hex::decode(text).unwrap();
        let encapsulated = tlv(0x30, &[octets(DATA), octets(content)].concat());
        let signed = tlv(0x30, &[octets("0201013100"), encapsulated, octets("3100")].concat());
        tlv(0x30, &[octets(OUTER), tlv(0xa0, &signed)].concat())
    }

    #[test]
    fn the_content_is_found_and_all_else_is_the_same_der() {
        let detached = Layout::of(&definite("")).unwrap();
        assert_eq!((detached.content, hex::encode(&detached.rest)), (None, format!("3014020101 3100 300b {DATA} 3100").replace(' ', "")));
        for (name, content, expected) in [
            ("whole", "a0050403616263", vec!["abc"]),
            ("segments", "a00b24090401610400 04026263", vec!["a", "", "bc"]),
            ("segments of segments", "a080248024800401610402626300000000 0000", vec!["a", "bc"]),
            ("another type", "a0053003616263", vec!["abc"]),
        ] {
            let file = definite(&content.replace(' ', ""));
            let layout = Layout::of(&file).unwrap();
            let found: Vec<&[u8]> = layout.segments(&file).collect();
            assert_eq!(found, expected.iter().map(|segment| segment.as_bytes()).collect::<Vec<_>>(), "{name}");
            assert_eq!(layout.rest, detached.rest, "{name}");
        }
        let indefinite =
            format!("3080{OUTER}a080308002010131003080{DATA}a08024800403616263000000000000 3100 000000000000").replace(' ', "");
        let file = hex::decode(indefinite).unwrap();
        let layout = Layout::of(&file).unwrap();
        assert_eq!((layout.segments(&file).collect::<Vec<_>>(), layout.rest), (vec![&b"abc"[..]], detached.rest));
        for length in 0..file.len() {
            assert!(Layout::of(&file[..length]).is_err(), "{length}");
        }
        assert!(Layout::of(&[file, vec![0]].concat()).is_err());
    }

    #[test]
    fn absurd_lengths_and_endless_segments_are_refused() {
        let file = definite("a0050403616263");
        for index in 0..file.len() {
            for value in [0x80, 0x84, 0x88, 0x8f, 0xff] {
                let mut bent = file.clone();
                bent[index] = value;
                // Whatever comes of it, it comes soon and without more memory than the file.
                let _ = Layout::of(&bent);
            }
        }
        let prefix = format!("3080{OUTER}a080308002010131003080{DATA}a080");
        let with = |segments: Vec<u8>| [hex::decode(&prefix).unwrap(), segments].concat();
        let error = Layout::of(&with([vec![0x24, 0x80], [4, 0].repeat(MAX_SEGMENTS + 1)].concat())).unwrap_err();
        assert!(error.to_string().contains("segments"), "{error}");
        let error = Layout::of(&with([0x24, 0x80].repeat(1_000_000))).unwrap_err();
        assert!(error.to_string().contains("segments of segments"), "{error}");
    }

    /// The content is not fetched, whatever its size.
    #[test]
    fn only_what_is_not_content_is_read() {
        let content = vec![b'x'; 1 << 20];
        let mut string = vec![4];
        ber::push_length(&mut string, content.len() as u64);
        let mut explicit = vec![0xa0];
        ber::push_length(&mut explicit, (string.len() + content.len()) as u64);
        let file = definite(&hex::encode([explicit, string, content].concat()));
        let mut fetched = 0;
        let layout = Layout::locate(file.len() as u64, |range| {
            fetched += range.end - range.start;
            Ok::<_, Error>(slice(&file, &range).to_vec())
        });
        assert!(layout.unwrap().content.is_some_and(|content| content.len() == 1) && fetched < 1000, "{fetched}");
    }
}

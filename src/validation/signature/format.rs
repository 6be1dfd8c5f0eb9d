//! What kind of signature a file is, by its first octets.

use base64::{Engine, engine::general_purpose::STANDARD};

/// The formats that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Cms,
    Jws,
    /// Known by name only: what is signed inside of such a document is not looked at.
    Unsupported(&'static str),
}

impl Format {
    pub fn detect(file: &[u8]) -> Self {
        match file.trim_ascii_start() {
            _ if file.starts_with(b"\x30") => Self::Cms,
            start if start.starts_with(b"%PDF") => Self::Unsupported("pdf"),
            start if start.starts_with(b"PK\x03\x04") => Self::Unsupported(archive(file)),
            start if start.starts_with(b"<") => Self::Unsupported("xml"),
            start if start.starts_with(b"{") || start.starts_with(b"ey") => Self::Jws,
            _ => Self::Unsupported("unknown"),
        }
    }
}

/// An OFD document is a ZIP archive with that file in it (GB/T 33190); other archives may be anything.
fn archive(file: &[u8]) -> &'static str {
    const DOCUMENT: &[u8] = b"OFD.xml";
    if file.windows(DOCUMENT.len()).any(|window| window == DOCUMENT) { "ofd" } else { "zip" }
}

/// The octets of a CMS that stands in PEM (RFC 7468 §8, §9), or in bare base64; anything else as it is.
pub fn unarmoured(file: Vec<u8>) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&file) else { return file };
    let text = text.trim();
    let decoded = match text.strip_prefix("-----BEGIN ").and_then(|rest| rest.split_once("-----")) {
        Some((label, body)) if ["CMS", "PKCS7", "PKCS #7 SIGNED DATA"].contains(&label) => {
            body.split_once("-----END ").and_then(|(body, _)| decode(body))
        }
        Some(_) => None,
        None if text.starts_with('M') => decode(text),
        None => None,
    };
    decoded.unwrap_or(file)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect::<Vec<u8>>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_its_beginning_and_armour_is_taken_off() {
        for (file, format) in [
            (&b"\x30\x80"[..], Format::Cms),
            (b"%PDF-1.7", Format::Unsupported("pdf")),
            (b"PK\x03\x04...OFD.xml", Format::Unsupported("ofd")),
            (b"PK\x03\x04...META-INF", Format::Unsupported("zip")),
            (b"\n<?xml", Format::Unsupported("xml")),
            (b" {\"payload\"", Format::Jws),
            (b"eyJhbGciOiJFUzI1NiJ9.e30.AA", Format::Jws),
            (b"", Format::Unsupported("unknown")),
            (b"hello", Format::Unsupported("unknown")),
        ] {
            assert_eq!(Format::detect(file), format, "{file:?}");
        }
        let der = vec![0x30, 3, 2, 1, 5];
        for armoured in [b"-----BEGIN CMS-----\nMAMC\nAQU=\n-----END CMS-----\n".to_vec(), b"MAMCAQU=\n".to_vec(), der.clone()] {
            assert_eq!(unarmoured(armoured), der);
        }
        assert_eq!(unarmoured(b"-----BEGIN CERTIFICATE-----\nMAMC\n-----END".to_vec()), b"-----BEGIN CERTIFICATE-----\nMAMC\n-----END");
    }
}

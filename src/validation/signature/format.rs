//! What kind of signature a file is, by its first octets; and of a file that is none, what it is and what to do with it.

use base64::{Engine, engine::general_purpose::STANDARD};
use der::{
    Decode, Reader, SliceReader, Tag,
    asn1::{AnyRef, ObjectIdentifier},
};

use crate::{
    validation::report::Message,
    x509::{
        Certificate,
        cms::{Dialect, Layout},
        crl::CertificateList,
        ocsp::OcspResponse,
        request::CertificationRequest,
        tsp::{TimeStampRequest, TimeStampResponse},
    },
};

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
            start if start.starts_with(b"-----BEGIN ") => Self::Unsupported(armoured(file)),
            [] => Self::Unsupported("empty"),
            _ if is_mail(file) => Self::Unsupported("smime"),
            _ => Self::Unsupported("unknown"),
        }
    }
}

/// By the label of the first PEM block (RFC 7468). One of a CMS whose base64 is right was taken off by `unarmoured`.
fn armoured(file: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(file);
    match text.trim_start().strip_prefix("-----BEGIN ").and_then(|rest| rest.split_once("-----")) {
        Some(("CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE", _)) => "certificate",
        Some(("CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST", _)) => "certificate-request",
        Some(("X509 CRL", _)) => "crl",
        Some((label, _)) if label.ends_with("PRIVATE KEY") => "private-key",
        Some((label, _)) if CMS_LABELS.contains(&label) => "broken-armour",
        _ => "unknown",
    }
}

/// A mail or a part of one (RFC 8551).
fn is_mail(file: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&file[..file.len().min(4096)]).to_ascii_lowercase();
    head.lines().take_while(|line| !line.is_empty()).any(|line| line.starts_with("content-type:") || line.starts_with("mime-version:"))
}

/// What a file in DER is that is no SignedData.
pub fn recognise(file: &[u8]) -> Option<&'static str> {
    let Ok(outer) = AnyRef::from_der(file) else {
        return is_cut_short(file).then_some("cut-short");
    };
    let response = TimeStampResponse::parse(file);
    let kinds = [
        (Certificate::parse(file).is_ok(), "certificate"),
        (CertificateList::parse(file).is_ok(), "crl"),
        (CertificationRequest::parse(file).is_ok(), "certificate-request"),
        (TimeStampRequest::parse(file).is_ok(), "time-stamp-query"),
        (matches!(response, Ok(TimeStampResponse::Granted(_))), "time-stamp"),
        (matches!(response, Ok(TimeStampResponse::Rejected(_))), "time-stamp-refusal"),
        (OcspResponse::parse(file).is_ok(), "ocsp-response"),
    ];
    kinds.into_iter().find(|(is_it, _)| *is_it).map(|(_, name)| name).or_else(|| by_elements(outer))
}

/// A SEQUENCE by the tags of its elements.
fn by_elements(outer: AnyRef<'_>) -> Option<&'static str> {
    let mut reader = SliceReader::new(outer.value()).ok()?;
    let mut elements = Vec::new();
    while !reader.is_finished() && elements.len() < 4 {
        elements.push(AnyRef::decode(&mut reader).ok()?);
    }
    let tags: Vec<Tag> = elements.iter().map(der::Tagged::tag).collect();
    match tags[..] {
        // ECDSA and SM2: r and s.
        [Tag::Integer, Tag::Integer] => Some("bare-signature"),
        // PFX (RFC 7292 §4): version 3.
        [Tag::Integer, Tag::Sequence, ..] if elements[0].value() == [3] => Some("pkcs12"),
        // PrivateKeyInfo and ECPrivateKey (RFC 5208 §5, RFC 5915 §3).
        [Tag::Integer, Tag::Sequence, Tag::OctetString, ..] | [Tag::Integer, Tag::OctetString, ..] => Some("private-key"),
        // A ContentInfo of another type than SignedData.
        [Tag::ObjectIdentifier, Tag::ContextSpecific { .. }] => {
            let content_type = elements[0].decode_as::<ObjectIdentifier>().ok()?;
            Dialect::find(content_type).is_none().then_some("other-cms")
        }
        _ => None,
    }
}

/// DER that says to be longer than it is.
fn is_cut_short(file: &[u8]) -> bool {
    let [0x30, first, rest @ ..] = file else { return false };
    let (length, header) = match *first {
        short @ 0..=0x7f => (usize::from(short), 2),
        long @ 0x81..=0x84 => {
            let octets = usize::from(long & 0x7f);
            let Some(digits) = rest.get(..octets) else { return true };
            (digits.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), 2 + octets)
        }
        _ => return false,
    };
    // A gigabyte is more than anybody sends here; such a length is nonsense.
    length < 1 << 30 && file.len() < header + length
}

/// What a file of that kind is and what to do, for who asked whether a signature holds; `None` of those that have no word of their own.
pub fn hint(format: &str) -> Option<Message> {
    let (zh, en) = match format {
        "pdf" | "ofd" | "xml" | "zip" => (
            "不支持文件内部的签名;若另有签名文件,请验证该签名文件,并将本文件作为内容。",
            "Signatures inside of such a file are not supported; one beside it is verified with this file as its content (--content).",
        ),
        "empty" => ("文件是空的。", "The file is empty."),
        "certificate" => ("这是证书,不是签名;请用证书验证。", "This is a certificate, no signature: verify it as a certificate."),
        "certificate-request" => ("这是证书请求,不是签名。", "This is a certification request, no signature."),
        "crl" => ("这是吊销列表,不是签名。", "This is a revocation list, no signature."),
        "ocsp-response" => ("这是 OCSP 响应,不是签名。", "This is an OCSP response, no signature."),
        "private-key" => {
            ("这是私钥,不是签名;请妥善保管,勿发送他人。", "This is a private key, no signature: keep it, and send it to nobody.")
        }
        "pkcs12" => (
            "这是密钥文件(PKCS#12),不是签名;请妥善保管,勿发送他人。",
            "This is a key file (PKCS#12), no signature: keep it, and send it to nobody.",
        ),
        "time-stamp" => (
            "这是时间戳,不是签名;请用时间戳验证(hufu verify timestamp,或 format 为 time-stamp)。",
            "This is a time stamp, no signature: verify it as one (hufu verify timestamp, or the format time-stamp).",
        ),
        "time-stamp-query" => ("这是时间戳请求,不是签名。", "This is a request for a time stamp, no signature."),
        "time-stamp-refusal" => ("这是时间戳机构的拒绝答复,不是签名。", "This is the refusal of a time-stamping authority, no signature."),
        "bare-signature" => (
            "这是裸签名值;请连同内容和签名者证书验证(--raw,或 format 为 raw)。",
            "This is a bare signature value: verify it with the content and the signer's certificate (--raw, or the format raw).",
        ),
        "other-cms" => {
            ("这是其他类型的 CMS(例如加密数据),不是签名。", "This is a CMS of another type (enveloped data, for example), no signature.")
        }
        "broken-armour" => ("签名的 PEM 编码不完整或有误。", "The PEM of the signature is cut short or damaged."),
        "cut-short" => ("文件不完整:比其自身所标长度短。", "The file is cut short: it is shorter than it says itself."),
        "smime" => (
            "这是 S/MIME 邮件;请保存其中的 PKCS#7 部分(smime.p7s),并将被签名的部分作为内容。",
            "This is an S/MIME mail: save its PKCS#7 part (smime.p7s) and give the part that was signed as the content.",
        ),
        "unknown" => (
            "无法识别该文件;签名应为 CMS(DER 或 PEM)或 JWS。若将内容与签名位置颠倒,请对调。",
            "The file is not recognised; a signature is a CMS (DER or PEM) or a JWS. Is it the content, given in place of the signature?",
        ),
        _ => return None,
    };
    Some(Message { zh, en })
}

/// The same for who asked about a time stamp.
pub fn stamp_hint(format: &str) -> Option<Message> {
    let (zh, en) = match format {
        "cms" => ("这是签名,不是时间戳;请用签名验证。", "This is a signature, no time stamp: verify it as a signature."),
        "time-stamp-refusal" => ("时间戳机构拒绝了请求,没有签发时间戳。", "The authority refused the request; there is no time stamp."),
        "time-stamp-query" => ("这是时间戳请求,不是时间戳。", "This is a request for a time stamp, no time stamp."),
        "cut-short" => ("文件不完整:比其自身所标长度短。", "The file is cut short: it is shorter than it says itself."),
        "certificate" | "certificate-request" | "crl" | "ocsp-response" | "private-key" | "pkcs12" | "bare-signature" | "other-cms" => {
            ("这不是时间戳。", "This is no time stamp.")
        }
        _ => return None,
    };
    Some(Message { zh, en })
}

/// Why a file holds no certificate, in a sentence.
pub fn no_certificate(file: &[u8]) -> String {
    let kind = match Format::detect(file) {
        Format::Cms if Layout::of(file).is_ok() => Some("cms"),
        Format::Cms => recognise(file),
        Format::Jws => Some("jws"),
        Format::Unsupported(format) => Some(format),
    };
    let found = match kind {
        Some("empty") => "it is empty",
        Some("cut-short") => "it is cut short",
        Some("certificate") => "its certificate is damaged",
        Some("certificate-request") => "it is a certification request",
        Some("crl") => "it is a revocation list",
        Some("ocsp-response") => "it is an OCSP response",
        Some("private-key") => "it is a private key: keep it, and send it to nobody",
        Some("pkcs12") => "it is a key file (PKCS#12): keep it, and send it to nobody",
        Some("cms" | "jws" | "time-stamp" | "bare-signature" | "other-cms") => "it is a signature or another message",
        Some("time-stamp-query" | "time-stamp-refusal") => "it belongs to a time stamp",
        Some("pdf" | "ofd" | "xml" | "zip" | "smime") => "it is a document",
        Some(_) | None => "it is of no form that is known",
    };
    format!("no certificate in PEM or DER: {found}")
}

const CMS_LABELS: [&str; 3] = ["CMS", "PKCS7", "PKCS #7 SIGNED DATA"];

/// An OFD document is a ZIP archive with that file in it (GB/T 33190); other archives may be anything.
fn archive(file: &[u8]) -> &'static str {
    const DOCUMENT: &[u8] = b"OFD.xml";
    if file.windows(DOCUMENT.len()).any(|window| window == DOCUMENT) { "ofd" } else { "zip" }
}

/// The octets of a CMS that stands in PEM (RFC 7468 §8, §9), in bare base64, or in a mail that is nothing else (RFC 8551 §3.2);
/// anything else as it is.
pub fn unarmoured(file: Vec<u8>) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&file) else { return file };
    let text = text.trim();
    let decoded = match text.strip_prefix("-----BEGIN ").and_then(|rest| rest.split_once("-----")) {
        Some((label, body)) if CMS_LABELS.contains(&label) => body.split_once("-----END ").and_then(|(body, _)| decode(body)),
        Some(_) => None,
        None if is_mail(&file) => mail(text),
        None if text.starts_with('M') => decode(text),
        None => None,
    };
    decoded.unwrap_or(file)
}

/// The body of a mail whose whole content is a CMS in base64.
fn mail(text: &str) -> Option<Vec<u8>> {
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n")?;
    let head = head.to_ascii_lowercase();
    let says = |name: &str, values: &[&str]| {
        let value = head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        values.iter().any(|wanted| value.starts_with(wanted))
    };
    let is_cms = says("content-type:", &["application/pkcs7-mime", "application/x-pkcs7-mime"]);
    if is_cms && says("content-transfer-encoding:", &["base64"]) { decode(body) } else { None }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect::<Vec<u8>>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_signature_is_told_by_its_form() {
        for (der, expected) in [
            ("300602010102011f", Some("bare-signature")),
            ("300b020103300630040c026869", Some("pkcs12")),
            ("300806022a03a0020500", Some("other-cms")),
            ("300f06092a864886f70d010702a0020500", None),
            ("30820100020101", Some("cut-short")),
            ("3084ffffffff", None),
            ("3080", None),
            ("3000", None),
        ] {
            assert_eq!(recognise(&hex::decode(der).unwrap()), expected, "{der}");
        }
        for format in ["empty", "certificate", "time-stamp", "smime", "unknown", "pdf", "cut-short", "bare-signature"] {
            assert!(hint(format).is_some(), "{format}");
        }
    }

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
            (b"", Format::Unsupported("empty")),
            (b" \n", Format::Unsupported("empty")),
            (b"hello", Format::Unsupported("unknown")),
            (b"-----BEGIN CERTIFICATE-----\nMAMC", Format::Unsupported("certificate")),
            (b"-----BEGIN EC PRIVATE KEY-----\nMAMC", Format::Unsupported("private-key")),
            (b"-----BEGIN PKCS7-----\n?", Format::Unsupported("broken-armour")),
            (b"MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=\"b\"\n\n--b\n", Format::Unsupported("smime")),
        ] {
            assert_eq!(Format::detect(file), format, "{file:?}");
        }
        let der = vec![0x30, 3, 2, 1, 5];
        let mail = b"MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\nMAMC\r\nAQU=\r\n";
        let pem = b"-----BEGIN CMS-----\nMAMC\nAQU=\n-----END CMS-----\n";
        for armoured in [pem.to_vec(), mail.to_vec(), b"MAMCAQU=\n".to_vec(), der.clone()] {
            assert_eq!(unarmoured(armoured), der);
        }
        assert_eq!(unarmoured(b"-----BEGIN CERTIFICATE-----\nMAMC\n-----END".to_vec()), b"-----BEGIN CERTIFICATE-----\nMAMC\n-----END");
    }
}

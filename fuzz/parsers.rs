//! Every parser of bytes that come from outside, with what follows it until somebody trusted has a say. Fuzz targets and the test
//! `tests/it/robustness.rs` run them all: whatever the bytes are, an answer comes soon, without a panic and without much memory.

use hufu::{
    crypto::{PublicKey, VerifyingKey, jose::Jwk},
    ledger::{
        Entry, Note, NoteKey, Receipt, StatusProof,
        checkpoint::Checkpoint,
        record::{Depth, parse_bucket},
        tiles::{TileRequest, decode_bundle},
    },
    policy::Statement,
    services::{bearer::Bearer, codes::Code, court, staff::lines, trust::TrustBundle},
    validation::{
        Inputs, Purpose, Report, TrustStore,
        foreign::Files,
        signature::{cms::Moment, document, format::unarmoured, jws::Jws, time_stamp::Token},
        validate,
    },
    x509::{
        Certificate,
        crl::CertificateList,
        ocsp::{OcspRequest, OcspResponse},
        p7c,
        pkcs12::Opened,
        request::CertificationRequest,
        tsp::{TimeStampRequest, TimeStampResponse},
    },
};
use time::{OffsetDateTime, macros::datetime};

pub struct Parser {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);

/// One target each in `Cargo.toml`.
pub static PARSERS: &[Parser] = &[
    Parser { name: "certificate", run: |data| drop(Certificate::parse(data).map(|certificate| certificate.subject_text())) },
    Parser { name: "certificate_file", run: |data| drop(Certificate::parse_many(data)) },
    Parser { name: "path", run: path },
    Parser { name: "request", run: |data| drop(CertificationRequest::parse(data)) },
    Parser { name: "crl", run: |data| drop(CertificateList::parse(data)) },
    Parser { name: "ocsp_request", run: |data| drop(OcspRequest::parse(data)) },
    Parser { name: "ocsp_path", run: |data| text(data, |text| drop(OcspRequest::parse_path(text))) },
    Parser { name: "ocsp_response", run: |data| drop(OcspResponse::parse(data)) },
    Parser { name: "evidence", run: evidence },
    Parser { name: "signature", run: signature },
    Parser { name: "certs_only", run: |data| drop(p7c::parse(data)) },
    Parser { name: "jws", run: |data| text(data, |text| drop(Jws::parse(text, None))) },
    Parser { name: "jwk", run: jwk },
    Parser { name: "statement", run: |data| text(data, |text| drop(Statement::parse(text))) },
    Parser { name: "time_stamp_request", run: |data| drop(TimeStampRequest::parse(data)) },
    Parser { name: "time_stamp_response", run: |data| drop(TimeStampResponse::parse(data)) },
    Parser { name: "time_stamp_token", run: |data| drop(Token::parse(data).map(|token| token.time())) },
    Parser { name: "public_key", run: |data| drop((PublicKey::from_spki(data), VerifyingKey::from_spki(data))) },
    Parser { name: "leaf", run: |data| drop(Entry::decode(data)) },
    Parser { name: "note", run: |data| text(data, |text| drop(Note::parse(text).map(|note| Checkpoint::parse(note.text())))) },
    Parser { name: "note_key", run: |data| text(data, |text| drop(NoteKey::parse_vkey(text))) },
    Parser { name: "receipt", run: |data| text(data, |text| drop(Receipt::parse(text))) },
    Parser { name: "tile_path", run: |data| text(data, |text| drop(TileRequest::parse(text).map(|request| request.to_string()))) },
    Parser { name: "entry_bundle", run: |data| drop(decode_bundle(data)) },
    Parser { name: "bucket", run: bucket },
    Parser { name: "pkcs12", run: |data| drop(Opened::open(data, "passphrase")) },
    Parser { name: "roster", run: |data| drop(lines::read(data, &["CN".to_owned()].into())) },
    Parser { name: "code", run: |data| text(data, |text| drop(Code::parse(text))) },
    Parser { name: "bearer", run: |data| text(data, |text| drop(Bearer::parse(text))) },
    Parser { name: "trust_bundle", run: bundle },
    Parser { name: "court_evidence", run: court_evidence },
    Parser { name: "status_proof", run: |data| text(data, |text| drop(StatusProof::parse(text))) },
];

fn text(data: &[u8], parse: impl Fn(&str)) {
    if let Ok(text) = std::str::from_utf8(data) {
        parse(text);
    }
}

/// Certificates one behind the other: the first is in question, the last an anchor.
fn path(data: &[u8]) {
    let mut rest = data;
    let mut certificates = Vec::new();
    while let Some((one, behind)) = split(rest) {
        certificates.extend(Certificate::parse(one));
        rest = behind;
    }
    if let [leaf, bag @ ..] = &certificates[..] {
        let trust = TrustStore::of_roots(bag.last().map(std::slice::from_ref).unwrap_or_default());
        drop(validate(leaf, bag, &trust, &Inputs::new(NOW, Purpose::ServerAuth)));
    }
}

/// The first element, by its length in two octets.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x30, 0x82, high, low, ..] = data else { return None };
    data.split_at_checked(4 + usize::from(u16::from_be_bytes([*high, *low])))
}

/// What comes along as list and as response.
fn evidence(data: &[u8]) {
    let files = Files { lists: vec![data.to_vec()], responses: vec![data.to_vec()] };
    let evidence = files.read();
    assert!(evidence.lists().count() + evidence.responses().count() <= 2);
}

/// A CMS or JWS, whose certificates nobody knows, also in PEM or base64.
fn signature(data: &[u8]) {
    let moment = Moment { at: None, now: NOW };
    drop(document::judge(&unarmoured(data.to_vec()), document::Given::Nothing, &[], moment, &|_| Report::unknown(NOW)));
}

/// A bucket of the status map, of a map as shallow and as deep as there is.
fn bucket(data: &[u8]) {
    for depth in [Depth::new(1), Depth::new(24)].into_iter().flatten() {
        drop(parse_bucket(data, 0, depth));
    }
}

/// What somebody says is to be trusted.
fn bundle(data: &[u8]) {
    if let Ok(bundle) = TrustBundle::parse(data) {
        drop((bundle.roots(), bundle.authorities(), bundle.system_key(), bundle.trusted_logs()));
    }
}

/// Evidence for a court, whose logs nobody trusts.
fn court_evidence(data: &[u8]) {
    if let Ok(evidence) = serde_json::from_slice(data) {
        let bundle =
            TrustBundle { version: 1, roots: Vec::new(), authorities: Vec::new(), logs: Vec::new(), quorum: Vec::new(), system_key: None };
        drop(court::judge::judge(&bundle, &evidence, NOW.unix_timestamp().unsigned_abs()));
    }
}

fn jwk(data: &[u8]) {
    if let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(data) {
        drop(Jwk::parse(&members));
    }
}

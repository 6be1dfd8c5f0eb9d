//! Objects to begin with: one good one of each kind, and some that are absurd on purpose.

use anyhow::Context;
use hufu::{
    crypto::{ALGORITHMS, Algorithm, Digest, PrivateKey, algorithms},
    x509::{
        Certificate,
        cms::{Dialect, Draft, Envelope},
        crl::{CrlDraft, CrlReason, RevokedEntry},
        ocsp::{
            CertId,
            request::request,
            response::{CertStatus, ResponderId, ResponseData, SingleResponse, successful},
        },
        p7c,
        signed::assemble,
        tsp::{ID_CT_TST_INFO, MessageImprint, Number, TimeStampRequest, TstInfo, granted},
    },
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use time::{OffsetDateTime, macros::datetime};

const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);

pub type Object = (&'static str, Vec<u8>);

pub fn good() -> anyhow::Result<Vec<Object>> {
    let pair = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec!["www.example.com".to_owned()])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.use_authority_key_identifier_extension = true;
    let certificate = Certificate::parse(params.self_signed(&pair)?.der())?;
    let key = algorithms::P256.load(&pair.serialize_der())?;
    let octets = key.public_key().octets();
    let id = CertId::new(Digest::Sha1, certificate.subject().der(), octets, certificate.serial())?;
    let signature = sign(&*key, &certificate, Dialect::Cms.data(), b"content")?;
    let info = TstInfo {
        policy: "1.2.3.4".parse().ok().context("a policy")?,
        imprint: MessageImprint::of(Digest::Sha256, b"content"),
        serial: Number::positive(&[1, 2, 3]),
        time: NOW,
        accuracy: None,
        ordering: false,
        nonce: None,
        critical_unknown: Vec::new(),
    };
    let token = sign(&*key, &certificate, ID_CT_TST_INFO, &info.to_der()?)?;
    let mut objects = vec![
        ("certificate", certificate.der().to_vec()),
        ("certificate file", certificate.to_pem().into_bytes()),
        ("path", [certificate.der(), certificate.der()].concat()),
        ("request", CertificateParams::new(vec!["www.example.com".to_owned()])?.serialize_request(&pair)?.der().to_vec()),
        ("list", list(&*key, &certificate)?),
        ("OCSP request", request(Digest::Sha1, certificate.subject().der(), octets, &[certificate.serial()], None)?),
        ("OCSP response", response(&*key, id)?),
        ("certificates alone", p7c::certs_only(&[certificate.der().to_vec()])?),
        ("signature", signature),
        ("time-stamp response", granted(&token)?),
        ("time-stamp token", token),
        ("time-stamp request", time_stamp_request()?),
        ("public key", certificate.spki().to_vec()),
        ("JWS", b"eyJhbGciOiJFUzI1NiJ9.eyJ2IjoxfQ.MEUCIQDx7F1cK2m0kSk9m0q3wq8r3a7cJ5b1X9m0kSk9m0q3wgIg".to_vec()),
        ("JWS in JSON", br#"{"payload":"e30","signatures":[{"protected":"eyJhbGciOiJFUzI1NiJ9","signature":"AAAA"}]}"#.to_vec()),
        ("key in JSON", br#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA","alg":"ES256"}"#.to_vec()),
        (
            "note",
            "example.org/log\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\u{2014} example.org/log AAAAAAAA\n".as_bytes().to_vec(),
        ),
        ("roster", "工号,姓名,邮箱\nA-1,王芳,wang@example.gov.cn\nA-2,\"李,明\",\n".as_bytes().to_vec()),
        (
            "trust bundle",
            br#"{"version":1,"roots":[],"authorities":[],"logs":[{"name":"a","origin":"b","keys":["b+00+AA"]}],"quorum":["log"]}"#.to_vec(),
        ),
        ("tile path", b"tile/entries/x001/x234/067.p/8".to_vec()),
        ("entry bundle", [0, 3, 1, 2, 3, 0, 1, 9].to_vec()),
        (
            "proof",
            b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nexample.org/log\n2\n".to_vec(),
        ),
    ];
    // Keys of each family are read by other code.
    for algorithm in ALGORITHMS {
        let key = algorithm.load(&algorithm.generate()?)?;
        objects.push(("public key of a family", key.public_key().spki().to_vec()));
    }
    Ok(objects)
}

fn list(key: &dyn PrivateKey, certificate: &Certificate) -> anyhow::Result<Vec<u8>> {
    let entry = RevokedEntry { serial: vec![5], revoked_at: NOW, reason: Some(CrlReason::KeyCompromise), invalidity_date: Some(NOW) };
    let algorithm = key.public_key().algorithm().signature_algorithm();
    let draft = CrlDraft {
        issuer: certificate.subject_der(),
        this_update: NOW,
        next_update: NOW + time::Duration::days(1),
        number: 7,
        authority_key_identifier: vec![1; 20],
        distribution_point: Some("http://ca.example/1.crl".to_owned()),
        entries: vec![entry],
        signature_algorithm: algorithm.clone(),
    };
    let tbs = draft.tbs_der()?;
    Ok(assemble(&tbs, &algorithm, &key.sign(&tbs)?, &[])?)
}

fn response(key: &dyn PrivateKey, cert_id: CertId) -> anyhow::Result<Vec<u8>> {
    let single =
        SingleResponse { cert_id, status: CertStatus::Revoked { at: NOW, reason: None }, this_update: NOW, next_update: Some(NOW) };
    let responder = ResponderId::by_key(key.public_key().octets());
    let data = ResponseData { responder, produced_at: NOW, responses: vec![single], nonce: None };
    let tbs = data.tbs_der()?;
    Ok(successful(&tbs, &key.public_key().algorithm().signature_algorithm(), &key.sign(&tbs)?, &[])?)
}

fn sign(
    key: &dyn PrivateKey,
    certificate: &Certificate,
    content_type: der::asn1::ObjectIdentifier,
    content: &[u8],
) -> anyhow::Result<Vec<u8>> {
    let digest = Digest::Sha256;
    let draft = Draft {
        content_type,
        digest,
        content_digest: &digest.hash(content),
        certificate,
        signing_time: NOW,
        signature_algorithm: key.public_key().algorithm().signature_algorithm(),
    };
    let tbs = draft.to_be_signed()?;
    let signer = draft.signer_info(&tbs, &key.sign(&tbs)?, &[])?;
    let length = Some(content.len() as u64);
    Ok(Envelope::new(Dialect::Cms, content_type, length, digest, &[certificate.der().to_vec()], &signer)?.around(content))
}

fn time_stamp_request() -> anyhow::Result<Vec<u8>> {
    let imprint = MessageImprint::of(Digest::Sha256, b"content");
    Ok(TimeStampRequest { imprint, policy: None, nonce: Some(Number::positive(&[9])), wants_certificate: true, extensions: Vec::new() }
        .to_der()?)
}

/// A SignedData with a list of so many certificates in it that it is as large as what is read of it.
fn enclosed_list() -> anyhow::Result<Vec<u8>> {
    let algorithm = algorithms::P256.signature_algorithm();
    let entry = |number: u32| RevokedEntry {
        serial: [&[1][..], &number.to_be_bytes()].concat(),
        revoked_at: NOW,
        reason: Some(CrlReason::KeyCompromise),
        invalidity_date: None,
    };
    let draft = CrlDraft {
        issuer: vec![0x30, 0],
        this_update: NOW,
        next_update: NOW + time::Duration::days(1),
        number: 7,
        authority_key_identifier: vec![1; 20],
        distribution_point: None,
        entries: (0..27_000).map(entry).collect(),
        signature_algorithm: algorithm.clone(),
    };
    let list = assemble(&draft.tbs_der()?, &algorithm, b"signature", &[])?;
    let empty = Envelope::new(Dialect::Cms, Dialect::Cms.data(), Some(0), Digest::Sha256, &[], &[])?.around(&[]);
    // The signers, of whom there are none, come behind the lists; every length grows.
    let inside = empty.strip_suffix(&[0x31, 0]).context("no signers")?;
    let fields = inside.windows(3).position(|octets| octets == [2, 1, 1]).context("no version")?;
    let wrapped = |tag: u8, content: &[u8]| {
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
        [&[tag, 0x84], &length[..], content].concat()
    };
    let signed = wrapped(0x30, &[&inside[fields..], &wrapped(0xa1, &list), &[0x31, 0]].concat());
    let outer_type = der::Encode::to_der(&Dialect::Cms.signed_data())?;
    Ok(wrapped(0x30, &[outer_type, wrapped(0xa0, &signed)].concat()))
}

/// A million extensions, lengths beyond memory, nesting without end, lists without end, each a few MiB.
pub fn absurd() -> anyhow::Result<Vec<Object>> {
    const MIB: usize = 1 << 20;
    let wrapped = |content: Vec<u8>| {
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
        [vec![0x30, 0x84], length.to_vec(), content].concat()
    };
    let extension = [0x30, 7, 6, 2, 0x2a, 3, 4, 1, 0];
    let entry = [0x30, 0x12, 2, 1, 5, 0x17, 0x0d, b'3', b'0', b'0', b'1', b'0', b'1', b'0', b'0', b'0', b'0', b'0', b'0', b'Z'];
    Ok(vec![
        ("a list as long as is read, in a signature", enclosed_list()?),
        ("a million extensions", wrapped(wrapped(wrapped(extension.repeat(MIB))))),
        ("a million extensions of a version", wrapped(wrapped([vec![0xa0, 3, 2, 1, 2], extension.repeat(MIB)].concat()))),
        ("entries of a list without list", wrapped(wrapped(entry.repeat(MIB / 4)))),
        ("a length beyond memory", [vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff], vec![0; 64]].concat()),
        ("a length of a hundred octets", [vec![0x30, 0xe4], vec![0xff; 128]].concat()),
        ("nested definite", (0..2000).fold(vec![5, 0], |inner, _| wrapped(inner))),
        ("nested indefinite", [0x30, 0x80].repeat(MIB)),
        ("segments of segments", [0x24, 0x80].repeat(MIB)),
        ("a serial of a mebibyte", wrapped([vec![2, 0x83, 0x10, 0, 0], vec![1; MIB]].concat())),
        ("zeros", vec![0; 4 * MIB]),
        ("lines", b"\n".repeat(2 * MIB)),
        ("brackets", b"[".repeat(2 * MIB)),
        ("braces", br#"{"a":"#.repeat(MIB / 4)),
        ("begins of PEM", b"-----BEGIN CERTIFICATE-----\n".repeat(MIB / 16)),
        ("points", b".".repeat(2 * MIB)),
        ("base64 without end", b"A".repeat(4 * MIB)),
    ])
}

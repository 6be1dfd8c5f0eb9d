//! A CMS SignedData judged: every signer, its time, its counter-signatures (RFC 5652, ETSI EN 319 122-1, GM/T 0010).
//!
//! Begin with what was read of the file, push the content, finish with a judge of certificates. Memory does not grow with the
//! content: each hash function that a signer needs runs once over it.

use time::OffsetDateTime;

use super::{
    Asked, Judge, SignatureReason, SignatureReport, SignerReport,
    conclusion::{self, Unconcluded},
    signer::{Content, HashId, Signer},
    time_stamp::{self, Token},
};
use crate::{
    crypto::digest::Hasher,
    validation::{Check, CheckName, Verdict},
    world::rfc3339,
    x509::{
        Certificate,
        cms::{Dialect, ID_COUNTER_SIGNATURE, ID_SIGNATURE_TIME_STAMP, SignedData, SignerInfo},
    },
};

/// The largest content of which a signer may have signed every octet without a hash (Ed25519 without attributes).
const MAX_WHOLE: usize = 16 << 20;
/// The most time stamps of one signature that are looked at, and the most counter-signatures.
const MAX_STAMPS: usize = 4;
const MAX_COUNTER_SIGNATURES: usize = 8;
/// How deep counter-signatures of counter-signatures are followed.
const MAX_DEPTH: usize = 2;

/// The certificates that a signature is judged with: those that came in it, and more. Those that cannot be read name nobody.
pub fn certificates(signed: &SignedData<'_>, more: &[Certificate]) -> Vec<Certificate> {
    signed.certificates.iter().filter_map(|der| Certificate::parse(der).ok()).chain(more.iter().cloned()).collect()
}

/// When a verdict is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Of the verdict; `None`: now.
    pub at: Option<OffsetDateTime>,
    pub now: OffsetDateTime,
}

pub struct Verification<'a> {
    signed: &'a SignedData<'a>,
    certificates: &'a [Certificate],
    /// Each signer with its hash among `hashers`.
    signers: Vec<(Signer<'a>, Option<usize>)>,
    hashers: Vec<(HashId, Hasher)>,
    /// The content, where a signer needs all of it; `Some(None)` once it was too much.
    whole: Option<Option<Vec<u8>>>,
    has_content: bool,
}

impl<'a> Verification<'a> {
    pub fn begin(signed: &'a SignedData<'a>, certificates: &'a [Certificate]) -> Self {
        let mut verification = Self { signed, certificates, signers: Vec::new(), hashers: Vec::new(), whole: None, has_content: false };
        for info in &signed.signers {
            let signer = Signer::resolve(info, certificates);
            if signer.needs_whole_content() {
                verification.whole = Some(Some(Vec::new()));
            }
            let index = signer.hash().map(|(id, hasher)| verification.hasher(id, hasher));
            verification.signers.push((signer, index));
        }
        verification
    }

    fn hasher(&mut self, id: HashId, hasher: Hasher) -> usize {
        self.hashers.iter().position(|(known, _)| *known == id).unwrap_or_else(|| {
            self.hashers.push((id, hasher));
            self.hashers.len() - 1
        })
    }

    /// The next part of the content. Content of no octets is content too: push it once, empty.
    pub fn update(&mut self, part: &[u8]) {
        self.has_content = true;
        for (_, hasher) in &mut self.hashers {
            hasher.update(part);
        }
        if let Some(whole) = &mut self.whole {
            match whole {
                Some(octets) if octets.len() + part.len() <= MAX_WHOLE => octets.extend_from_slice(part),
                Some(_) | None => *whole = None,
            }
        }
    }

    /// The verdict on every signer, at the time that its token proves, or else at the moment asked for.
    pub fn finish(self, moment: Moment, judge: &Judge<'_>) -> SignatureReport {
        let content_type = Some(self.signed.content_type);
        let hashes: Vec<Vec<u8>> = self.hashers.into_iter().map(|(_, hasher)| hasher.finish()).collect();
        let context = Context { certificates: self.certificates, moment, judge };
        let mut reports = Vec::with_capacity(self.signers.len());
        for (signer, index) in &self.signers {
            let content = match (self.has_content, index, &self.whole) {
                (false, ..) => Content::Missing,
                (true, Some(index), _) => Content::Hash(&hashes[*index]),
                (true, None, Some(Some(whole))) if signer.needs_whole_content() => Content::Whole(whole),
                (true, None, _) => Content::Missing,
            };
            let mut checks = Vec::new();
            let mut checked = signer.check(content_type, content, &mut checks);
            // RFC 5652 §5.3: only plain data may be signed without attributes.
            if checked.is_ok() && signer.info.signed.is_none() && !self.signed.is_data() {
                checked = Err(SignatureReason::AttributesContradict);
                super::signer::record(&mut checks, CheckName::SignedAttributes, "RFC 5652 §5.3", &checked, None);
            }
            reports.push(context.conclude(signer, checked, checks, 0));
        }
        SignatureReport::new(format(self.signed.dialect), reports)
    }
}

pub fn format(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Cms => "cms",
        Dialect::Gm => "gm-t-0010",
    }
}

/// What all signers of one file have in common.
struct Context<'a> {
    certificates: &'a [Certificate],
    moment: Moment,
    judge: &'a Judge<'a>,
}

impl Context<'_> {
    fn conclude(&self, signer: &Signer<'_>, checked: Result<(), SignatureReason>, checks: Vec<Check>, depth: usize) -> SignerReport {
        let info = signer.info;
        let time_stamps = info.unsigned.values(ID_SIGNATURE_TIME_STAMP).take(MAX_STAMPS);
        let time_stamps: Vec<_> = time_stamps.map(|der| self.time_stamp(der, info.signature)).collect();
        let claimed = info.signed.as_ref().and_then(|signed| signed.signing_time().ok().flatten());
        let level = level(info, time_stamps.iter().any(|(_, time)| time.is_some()));
        let unconcluded = Unconcluded { certificate: signer.certificate, candidates: self.certificates, checked, checks, time_stamps };
        let mut report = conclusion::conclude(unconcluded, self.moment, self.judge);
        report.level = Some(level);
        report.claimed_time = claimed.map(rfc3339);
        if depth < MAX_DEPTH {
            let counter_signatures = info.unsigned.values(ID_COUNTER_SIGNATURE).take(MAX_COUNTER_SIGNATURES);
            report.counter_signatures = counter_signatures.map(|der| self.counter_signature(der, info.signature, depth + 1)).collect();
        }
        report
    }

    /// Over the signature value (RFC 5652 §11.4).
    fn counter_signature(&self, der: &[u8], signature: &[u8], depth: usize) -> SignerReport {
        let info = match SignerInfo::parse(der) {
            Ok(info) => info,
            Err(error) => return conclusion::unreadable(&error.to_string(), self.moment),
        };
        let signer = Signer::resolve(&info, self.certificates);
        let mut checks = Vec::new();
        let checked = signer.check_over(None, signature, &mut checks);
        self.conclude(&signer, checked, checks, depth)
    }

    /// Over the signature value (RFC 3161 Appendix A).
    fn time_stamp(&self, der: &[u8], signature: &[u8]) -> conclusion::Stamp {
        let token = match Token::parse(der) {
            Ok(token) => token,
            Err(error) => return (time_stamp::unreadable(&error.to_string()), None),
        };
        let hash = token.digest().map(|digest| digest.hash(signature));
        let report = token.judge(hash.as_deref(), self.certificates, &|asked: &Asked<'_>| (self.judge)(asked));
        let time = (report.verdict() == Verdict::Passed).then_some(token.time());
        (report, time)
    }
}

/// ETSI EN 319 122-1 §6.3, as far as the signature itself shows it.
fn level(info: &SignerInfo<'_>, is_stamped: bool) -> &'static str {
    let Some(signed) = &info.signed else { return "basic" };
    let is_baseline = matches!(signed.signing_time(), Ok(Some(_))) && matches!(signed.signing_certificates(), Ok(Some(_)));
    match (is_baseline, is_stamped) {
        (false, _) => "basic",
        (true, false) => "CAdES-B-B",
        (true, true) => "CAdES-B-T",
    }
}

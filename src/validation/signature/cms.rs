//! A CMS SignedData judged: every signer, its time, its counter-signatures (RFC 5652, ETSI EN 319 122-1, GM/T 0010).
//!
//! Begin with what was read of the file, push the content, finish with a judge of certificates. Memory does not grow with the
//! content: each hash function that a signer needs runs once over it.

use std::cell::Cell;

use der::{Decode, Tag, Tagged, asn1::AnyRef};
use time::OffsetDateTime;

use super::{
    Asked, Judge, SignatureReason, SignatureReport, SignerReport,
    conclusion::{self, Unconcluded},
    signer::{Content, HashId, Signer, record},
    time_stamp::{self, Token},
};
use crate::{
    crypto::{Digest, digest::Hasher},
    validation::{Check, CheckName, Reason, Report, Verdict, report::Hashed, revocation::Evidence},
    x509::{
        Certificate,
        cms::{
            Dialect, ID_COUNTER_SIGNATURE, ID_LEDGER_PROOFS, ID_REVOCATION_VALUES, ID_SIGNATURE_TIME_STAMP, RevocationValues, SignedData,
            SignerInfo, is_attribute_set,
        },
    },
};

/// The largest content of which a signer may have signed every octet without a hash (Ed25519 without attributes).
const MAX_WHOLE: usize = 16 << 20;
/// The most signers of one file that need a hash of the content of their own (SM2 without attributes).
const MAX_KEYED_HASHES: usize = 128;
/// The largest content that is looked at for being a set of attributes.
const MAX_ATTRIBUTE_SET: usize = 64 * 1024;
/// The most times that a certificate is judged for one file, each of which is a search for a path.
const MAX_JUDGED: usize = 1024;
/// The most time stamps of one signature that are looked at, and the most counter-signatures.
const MAX_STAMPS: usize = 4;
const MAX_COUNTER_SIGNATURES: usize = 8;
/// The most octets of lists and responses of one file that are read.
const MAX_ENCLOSED: usize = 1 << 20;
/// How deep counter-signatures of counter-signatures are followed.
const MAX_DEPTH: usize = 2;

/// The certificates that a signature is judged with: those that came in it, and more. Those that cannot be read name nobody.
pub fn certificates(signed: &SignedData<'_>, more: &[Certificate]) -> Vec<Certificate> {
    signed.certificates.iter().filter_map(|der| Certificate::parse(der).ok()).chain(more.iter().cloned()).collect()
}

/// Lists, responses and proofs that came in it: beside its certificates and with its signers. What is too much says nothing, and so
/// does what cannot be read.
pub(super) fn enclosed<'a>(signed: &SignedData<'a>) -> Evidence<'a> {
    let values = |id| signed.signers.iter().flat_map(move |signer: &SignerInfo<'a>| signer.unsigned.values(id));
    let attributes = values(ID_REVOCATION_VALUES).filter_map(|value| RevocationValues::parse(value).ok());
    let proofs = values(ID_LEDGER_PROOFS).filter_map(|value| AnyRef::from_der(value).ok());
    let (mut lists, mut responses, mut left) = (Vec::new(), Vec::new(), MAX_ENCLOSED);
    let mut take = |der: &[u8]| {
        let is_little = der.len() <= left;
        left -= if is_little { der.len() } else { 0 };
        is_little
    };
    for values in std::iter::once(signed.revocation.clone()).chain(attributes) {
        lists.extend(values.lists.into_iter().filter(|der| take(der)));
        responses.extend(values.responses.into_iter().filter(|der| take(der)));
    }
    let proofs = proofs.filter(|json| json.tag() == Tag::Utf8String).map(AnyRef::value).filter(|json| take(json)).collect();
    Evidence::read(lists, responses).with_proofs(proofs)
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
    signers: Vec<(Signer<'a>, Need)>,
    hashers: Vec<(HashId, Hasher)>,
    pushed: Pushed,
}

/// What a signer needs of the content.
#[derive(Clone, Copy)]
enum Need {
    /// The hash of that index.
    Hash(usize),
    /// Every octet.
    Whole,
    /// More than is given to so many signers.
    TooMuch,
}

/// What has come of the content.
enum Pushed {
    Nothing,
    Content {
        /// All of it, for signers that need it and while it is not too much.
        whole: Option<Vec<u8>>,
        /// Its beginning: all of it, if it can be a set of attributes.
        start: Vec<u8>,
    },
    /// Only its hash.
    Hash(HashId, Vec<u8>),
}

impl<'a> Verification<'a> {
    pub fn begin(signed: &'a SignedData<'a>, certificates: &'a [Certificate]) -> Self {
        let mut verification = Self { signed, certificates, signers: Vec::new(), hashers: Vec::new(), pushed: Pushed::Nothing };
        for info in &signed.signers {
            let signer = Signer::resolve(info, certificates);
            let need = match signer.hash() {
                Some((id, hasher)) => verification.hasher(id, hasher),
                None => Need::Whole,
            };
            verification.signers.push((signer, need));
        }
        verification
    }

    fn hasher(&mut self, id: HashId, hasher: Hasher) -> Need {
        if let Some(index) = self.hashers.iter().position(|(known, _)| *known == id) {
            return Need::Hash(index);
        }
        if id.is_keyed() && self.hashers.iter().filter(|(known, _)| known.is_keyed()).count() == MAX_KEYED_HASHES {
            return Need::TooMuch;
        }
        self.hashers.push((id, hasher));
        Need::Hash(self.hashers.len() - 1)
    }

    /// The next part of the content. Content of no octets is content too: push it once, empty.
    pub fn update(&mut self, part: &[u8]) {
        for (_, hasher) in &mut self.hashers {
            hasher.update(part);
        }
        if !matches!(self.pushed, Pushed::Content { .. }) {
            let is_needed = self.signers.iter().any(|(signer, _)| signer.needs_whole_content());
            self.pushed = Pushed::Content { whole: is_needed.then(Vec::new), start: Vec::new() };
        }
        if let Pushed::Content { whole: kept, start } = &mut self.pushed {
            *kept = kept.take().filter(|octets| octets.len() + part.len() <= MAX_WHOLE);
            kept.iter_mut().for_each(|octets| octets.extend_from_slice(part));
            start.extend_from_slice(&part[..part.len().min(MAX_ATTRIBUTE_SET + 1 - start.len())]);
        }
    }

    /// Instead of the content its hash, for who does not give the content away. It serves the signers who hash with that function
    /// and signed attributes; the others lack the content.
    pub fn content_hash(&mut self, digest: Digest, hash: &[u8]) {
        self.pushed = Pushed::Hash(HashId::plain(digest), hash.to_vec());
    }

    /// The content's hash by a function that a signer uses, once all of it was pushed; `None` when none hashes the content alone.
    pub fn hashed(&self) -> Option<Hashed> {
        let plain = self.hashers.iter().find(|(id, _)| !id.is_keyed());
        plain.map(|(id, hasher)| Hashed::new(id.digest(), &hasher.clone().finish()))
    }

    /// Whether `hashed` will answer.
    pub fn hashes_content(&self) -> bool {
        self.hashers.iter().any(|(id, _)| !id.is_keyed())
    }

    /// The verdict on every signer, at the time that its token proves, or else at the moment asked for.
    pub fn finish(self, moment: Moment, judge: &Judge<'_>) -> SignatureReport {
        let (ids, hashes): (Vec<HashId>, Vec<Vec<u8>>) = self.hashers.into_iter().map(|(id, hasher)| (id, hasher.finish())).unzip();
        let content_is_attributes = match &self.pushed {
            Pushed::Content { start, .. } => start.len() <= MAX_ATTRIBUTE_SET && is_attribute_set(start),
            Pushed::Nothing | Pushed::Hash(..) => false,
        };
        let evidence = &enclosed(self.signed);
        let (certificates, dialect) = (self.certificates, self.signed.dialect);
        let context = Context { certificates, evidence, content_is_attributes, dialect, moment, judge, left: Cell::new(MAX_JUDGED) };
        let mut reports = Vec::with_capacity(self.signers.len());
        for (signer, need) in &self.signers {
            let content = match (&self.pushed, *need) {
                (Pushed::Nothing, _) => Content::Missing,
                (Pushed::Content { .. }, Need::TooMuch) => Content::TooMuch,
                (Pushed::Content { .. }, Need::Hash(index)) => Content::Hash(&hashes[index]),
                (Pushed::Content { whole, .. }, Need::Whole) => whole.as_deref().map_or(Content::TooMuch, Content::Whole),
                // Without attributes the content itself was signed, and of what that is a hash says nothing (`may_lack_attributes`).
                (Pushed::Hash(id, hash), Need::Hash(index)) if ids[index] == *id && signer.info.signed.is_some() => Content::Hash(hash),
                (Pushed::Hash(id, _), _) => Content::HashAlone(id.digest()),
            };
            reports.push(context.judge_signer(signer, self.signed, content));
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

/// Of a signature with signing time and certificate among its signed attributes: ETSI EN 319 122-1 §6.3. One in the words of GM/T 0010 is
/// no CAdES, whatever its attributes.
pub fn level(dialect: Dialect, is_stamped: bool) -> &'static str {
    match (dialect, is_stamped) {
        (Dialect::Cms, false) => "CAdES-B-B",
        (Dialect::Cms, true) => "CAdES-B-T",
        (Dialect::Gm, false) => "GM/T 0010",
        (Dialect::Gm, true) => "GM/T 0010-T",
    }
}

/// What all signers of one file have in common.
struct Context<'a> {
    certificates: &'a [Certificate],
    evidence: &'a Evidence<'a>,
    content_is_attributes: bool,
    dialect: Dialect,
    moment: Moment,
    judge: &'a Judge<'a>,
    /// How many certificates may still be judged.
    left: Cell<usize>,
}

impl Context<'_> {
    fn judge_signer(&self, signer: &Signer<'_>, signed: &SignedData<'_>, content: Content<'_>) -> SignerReport {
        let mut checks = Vec::new();
        let mut checked = signer.check(Some(signed.content_type), content, &mut checks);
        if checked.is_ok() && signer.info.signed.is_none() {
            checked = self.may_lack_attributes(signed);
            let found = format!("no attributes, content type {}", signed.content_type);
            record(&mut checks, CheckName::SignedAttributes, "RFC 5652 §5.3: only plain data goes without", &checked, found);
        }
        self.conclude(signer, checked, checks, 0)
    }

    /// Content that is itself a set of attributes would pass a signature over those attributes off as one over content: whoever
    /// made it has signed something else.
    fn may_lack_attributes(&self, signed: &SignedData<'_>) -> Result<(), SignatureReason> {
        if signed.is_data() && !self.content_is_attributes { Ok(()) } else { Err(SignatureReason::AttributesContradict) }
    }

    fn conclude(&self, signer: &Signer<'_>, checked: Result<(), SignatureReason>, checks: Vec<Check>, depth: usize) -> SignerReport {
        let info = signer.info;
        let time_stamps = info.unsigned.values(ID_SIGNATURE_TIME_STAMP).take(MAX_STAMPS);
        let time_stamps: Vec<_> = time_stamps.map(|der| self.time_stamp(der, info.signature)).collect();
        let claimed = info.signed.as_ref().and_then(|signed| signed.signing_time().ok().flatten());
        let level = self.level(info, time_stamps.iter().any(|(_, time)| time.is_some()));
        let (certificate, candidates, evidence) = (signer.certificate, self.certificates, self.evidence);
        let unconcluded = Unconcluded { certificate, candidates, evidence, checked, checks, time_stamps, claimed };
        let mut report = conclusion::conclude(unconcluded, self.moment, &|asked: &Asked<'_>| self.ask(asked));
        report.level = Some(level);
        if depth < MAX_DEPTH {
            let counter_signatures = info.unsigned.values(ID_COUNTER_SIGNATURE).take(MAX_COUNTER_SIGNATURES);
            report.counter_signatures = counter_signatures.map(|der| self.counter_signature(der, info.signature, depth + 1)).collect();
        }
        report
    }

    /// Asks the judge, while it has not been asked too often.
    fn ask(&self, asked: &Asked<'_>) -> Report {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                (self.judge)(asked)
            }
            None => Report::without_status(Reason::TooMuchWork, asked.at.unwrap_or(self.moment.now)),
        }
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

    /// As far as the signature itself shows it.
    fn level(&self, info: &SignerInfo<'_>, is_stamped: bool) -> &'static str {
        let Some(signed) = &info.signed else { return "basic" };
        let is_baseline = matches!(signed.signing_time(), Ok(Some(_))) && matches!(signed.signing_certificates(), Ok(Some(_)));
        if is_baseline { level(self.dialect, is_stamped) } else { "basic" }
    }

    /// Over the signature value (RFC 3161 Appendix A).
    fn time_stamp(&self, der: &[u8], signature: &[u8]) -> conclusion::Stamp {
        let token = match Token::parse(der) {
            Ok(token) => token,
            Err(error) => return (time_stamp::unreadable(&error.to_string()), None),
        };
        let hash = token.digest().map(|digest| digest.hash(signature));
        // What came with the signature may be about those who stamped it.
        let ask = |asked: &Asked<'_>| self.ask(&Asked { evidence: &asked.evidence.and(self.evidence), ..*asked });
        let report = token.judge(hash.as_deref(), self.certificates, self.moment.now, &ask);
        let time = (report.verdict() == Verdict::Passed).then_some(token.not_later_than());
        (report, time)
    }
}

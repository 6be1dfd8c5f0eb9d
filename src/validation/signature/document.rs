//! A signature in memory judged, whichever format it is: what the service does, and the command line but for large files.

use super::{
    Judge, SignatureReason, SignatureReport,
    cms::{self, Moment, Verification},
    format::{Format, hint, recognise, unarmoured},
    jws::Jws,
    signer::record,
};
use crate::{
    crypto::Digest,
    validation::{
        Check, CheckName, Judgement, Outcome,
        report::{Hashed, Judged},
    },
    x509::{
        Certificate, Error,
        cms::{Layout, SignedData},
        tsp::ID_CT_TST_INFO,
    },
};

/// The content, as far as whoever asks gives it. A signature that carries its content must be over the same.
#[derive(Clone, Copy)]
pub enum Given<'a> {
    Nothing,
    Content(&'a [u8]),
    /// Its hash alone, which serves a CMS with signed attributes.
    Hash(Digest, &'a [u8]),
}

/// Judges a CMS or JWS. `more`: certificates that may be the signers' or belong to their paths.
pub fn judge(file: &[u8], given: Given<'_>, more: &[Certificate], moment: Moment, judge: &Judge<'_>) -> SignatureReport {
    let mut judged = Judged::new(moment.at, moment.now).file(file);
    judged.content = given.hashed();
    let file = unarmoured(file.to_vec());
    let report = match Format::detect(&file) {
        Format::Cms => {
            let report = judge_cms(&file, given, more, moment, judge, &mut judged);
            report.unwrap_or_else(|error| not_a_signature(&file, &error.to_string()))
        }
        Format::Jws => judge_jws(&file, given, more, moment, judge, &mut judged).unwrap_or_else(|error| unreadable("jws", &error)),
        Format::Unsupported(format) => SignatureReport::unsupported(format),
    };
    SignatureReport { judged: Some(judged), ..report }
}

fn judge_cms(
    file: &[u8],
    given: Given<'_>,
    more: &[Certificate],
    moment: Moment,
    judge: &Judge<'_>,
    judged: &mut Judged,
) -> Result<SignatureReport, Error> {
    let layout = Layout::of(file)?;
    let signed = SignedData::parse(&layout)?;
    if signed.content_type == ID_CT_TST_INFO {
        return Ok(SignatureReport::unsupported("time-stamp"));
    }
    let certificates = cms::certificates(&signed, more);
    let mut verification = Verification::begin(&signed, &certificates);
    match (&layout.content, given) {
        (Some(_), _) => {
            verification.update(&[]);
            let mut hasher = Digest::Sha256.hasher();
            layout.segments(file).for_each(|segment| {
                verification.update(segment);
                hasher.update(segment);
            });
            judged.content = Some(verification.hashed().unwrap_or_else(|| Hashed::new(Digest::Sha256, &hasher.finish())));
        }
        (None, Given::Content(content)) => {
            verification.update(content);
            judged.content = verification.hashed().or_else(|| given.hashed());
        }
        (None, Given::Hash(digest, hash)) => verification.content_hash(digest, hash),
        (None, Given::Nothing) => {}
    }
    let report = verification.finish(moment, judge);
    let is_other = layout.content.is_some() && !given.is(layout.segments(file));
    Ok(if is_other { of_other_content(report) } else { report })
}

fn judge_jws(
    file: &[u8],
    given: Given<'_>,
    more: &[Certificate],
    moment: Moment,
    judge: &Judge<'_>,
    judged: &mut Judged,
) -> Result<SignatureReport, String> {
    let text = std::str::from_utf8(file).map_err(|error| error.to_string())?;
    let detached = if let Given::Content(content) = given { Some(content) } else { None };
    let jws = Jws::parse(text.trim(), detached).map_err(|error| error.to_string())?;
    let payload = jws.payload();
    if payload.is_empty() && matches!(given, Given::Hash(..)) {
        return Ok(SignatureReport::unjudged("jws", SignatureReason::ContentMissing, Vec::new()));
    }
    let report = jws.judge(more, moment, judge);
    // An empty payload may have been signed as such (RFC 7515 Appendix F); what does not verify so is detached.
    if payload.is_empty() && matches!(given, Given::Nothing) && report.reason() == SignatureReason::SignatureBroken {
        return Ok(SignatureReport::unjudged("jws", SignatureReason::ContentMissing, Vec::new()));
    }
    judged.content.get_or_insert_with(|| Hashed::of(&payload));
    Ok(if given.is([&payload[..]].into_iter()) { report } else { of_other_content(report) })
}

impl Given<'_> {
    fn hashed(self) -> Option<Hashed> {
        match self {
            Self::Nothing => None,
            Self::Content(content) => Some(Hashed::of(content)),
            Self::Hash(digest, hash) => Some(Hashed::new(digest, hash)),
        }
    }

    /// Whether nothing else was given than the content that is in these parts.
    fn is<'a>(self, mut parts: impl Iterator<Item = &'a [u8]>) -> bool {
        match self {
            Self::Nothing => true,
            Self::Content(given) => parts.try_fold(given, |rest, part| rest.strip_prefix(part)).is_some_and(<[u8]>::is_empty),
            Self::Hash(digest, hash) => {
                let mut hasher = digest.hasher();
                parts.for_each(|part| hasher.update(part));
                hasher.finish() == hash
            }
        }
    }
}

/// The report on a signature that carries other content than it was shown with: whatever it is worth, it is not about that.
pub fn of_other_content(report: SignatureReport) -> SignatureReport {
    let check = Check::new(CheckName::Content, "RFC 5652 §5.2", Outcome::Failed, "the signature carries other content than was given");
    report.overruled(SignatureReason::ContentChanged, check)
}

/// On a file in DER or BER that is no SignedData: what it is, where that can be seen. `why`: what the parser says.
pub fn not_a_signature(file: &[u8], why: &str) -> SignatureReport {
    match recognise(file) {
        Some("cut-short") => {
            let report = unreadable("cms", why);
            let message = hint("cut-short").unwrap_or(report.judgement.message);
            SignatureReport { judgement: Judgement { message, ..report.judgement }, ..report }
        }
        Some(format) => SignatureReport::unsupported(format),
        None => unreadable("cms", why),
    }
}

/// On a file that its beginning promised to be of a format that it is not.
pub fn unreadable(format: &'static str, why: &str) -> SignatureReport {
    let mut checks = Vec::new();
    record::<()>(&mut checks, CheckName::Format, "RFC 5652 §5, RFC 7515 §5.2", &Err(SignatureReason::FormatError), why);
    SignatureReport::unjudged(format, SignatureReason::FormatError, checks)
}

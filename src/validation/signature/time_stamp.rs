//! Time-stamp tokens judged (RFC 3161 §2.3, §2.4.2, RFC 5816).

use const_oid::db::rfc5280;
use time::{Duration, OffsetDateTime};

use super::{
    Asked, Judge, SignatureReason, TimeStampReport, cms,
    conclusion::revoked_since,
    format::{recognise, stamp_hint},
    report::TokenReport,
    signer::{Signer, record},
};
use crate::{
    crypto::Digest,
    validation::{Check, CheckName, Judgement, Purpose, Reason, Report, Verdict, report::Remark},
    world::rfc3339,
    x509::{
        self, Certificate,
        cms::{Layout, SignedData},
        tsp::{ID_CT_TST_INFO, TimeStampResponse, TstInfo},
    },
};

const WHAT: &str = "time-stamp token";
/// What a TSTInfo, which is a few hundred octets, may have at most.
const MAX_INFO: usize = 64 * 1024;
/// How far the clocks of the authority and of the verifier may be apart.
const CLOCK_SKEW: Duration = Duration::minutes(5);

/// A token that was read. Nothing was checked but its form.
pub struct Token {
    layout: Layout,
    info: TstInfo,
    /// The DER of the TSTInfo: what was signed.
    content: Vec<u8>,
}

impl Token {
    /// From the ContentInfo. A token has exactly one signer (RFC 3161 §2.4.2).
    pub fn parse(file: &[u8]) -> Result<Self, x509::Error> {
        let layout = Layout::of(file)?;
        let signed = SignedData::parse(&layout)?;
        if signed.content_type != ID_CT_TST_INFO || signed.signers.len() != 1 {
            return Err(x509::Error::malformed(WHAT, "not a TSTInfo with one signer"));
        }
        if layout.segments(file).map(<[u8]>::len).sum::<usize>() > MAX_INFO {
            return Err(x509::Error::malformed(WHAT, "a TSTInfo of more than 64 KiB"));
        }
        let content: Vec<u8> = layout.segments(file).flatten().copied().collect();
        Ok(Self { info: TstInfo::parse(&content)?, content, layout })
    }

    pub fn info(&self) -> &TstInfo {
        &self.info
    }

    pub fn time(&self) -> OffsetDateTime {
        self.info.time
    }

    /// The latest that it can mean: what is stamped was there then.
    pub fn not_later_than(&self) -> OffsetDateTime {
        self.info.not_later_than()
    }

    /// What the stamped thing is to be hashed with; `None` when that is not known or not trusted any more.
    pub fn digest(&self) -> Option<Digest> {
        self.info.imprint.digest().filter(|digest| *digest != Digest::Sha1)
    }

    /// `hash`: of what is said to be stamped, by `digest`. `more`: certificates beside those in the token.
    pub fn judge(&self, hash: Option<&[u8]>, more: &[Certificate], now: OffsetDateTime, judge: &Judge<'_>) -> TimeStampReport {
        let mut checks = Vec::new();
        // Read before, by `parse`.
        let signed = SignedData::parse(&self.layout);
        let Ok(signed) = signed else { return unreadable("the token cannot be read again") };
        let certificates = cms::certificates(&signed, more);
        let signer = Signer::resolve(&signed.signers[0], &certificates);
        let checked = self.check_imprint(hash, &mut checks).and_then(|()| self.check_signer(&signer, &mut checks));
        let checked = checked.and_then(|()| self.check_time(now, &mut checks));
        let evidence = &cms::enclosed(&signed);
        let asked = |certificate| Asked { certificate, candidates: &certificates, evidence, at: None, purpose: Purpose::TimeStamping };
        let report = signer.certificate.map(|certificate| self.judge_authority(&asked(certificate), judge));
        let accepted = match &report {
            Some(report) if report.verdict() != Verdict::Passed => Err(SignatureReason::Certificate(report.reason())),
            Some(_) | None => Ok(()),
        };
        if let Some(report) = &report {
            record(&mut checks, CheckName::AuthorityCertificate, "RFC 3161 §4", &accepted, report.judgement.message.en);
        }
        let reason = match checked.and(accepted) {
            Ok(()) if report.as_ref().is_some_and(|report| report.reason() == Reason::ValidStatusNotProven) => {
                SignatureReason::ValidStatusNotProven
            }
            Ok(()) => SignatureReason::TimeStampValid,
            Err(reason) => reason,
        };
        let mut stamp = TimeStampReport::new(reason, Some(self.report()), signer.certificate, checks);
        stamp.remarks = report.as_ref().map(|report| report.remarks.clone()).unwrap_or_default();
        stamp.certificate = report;
        stamp
    }

    fn check_imprint(&self, hash: Option<&[u8]>, checks: &mut Vec<Check>) -> Result<(), SignatureReason> {
        let same = match (self.digest(), hash) {
            (None, _) => Err(SignatureReason::AlgorithmNotAccepted),
            (Some(_), None) => Err(SignatureReason::ContentMissing),
            (Some(_), Some(hash)) if hash == self.info.imprint.hash => Ok(()),
            (Some(_), Some(_)) => Err(SignatureReason::TimeStampOfOtherContent),
        };
        record(checks, CheckName::Imprint, "RFC 3161 §2.4.2", &same, hex::encode(&self.info.imprint.hash));
        same?;
        let unknown = self.info.critical_unknown.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let extensions = if unknown.is_empty() { Ok(()) } else { Err(SignatureReason::AttributesContradict) };
        record(checks, CheckName::Extensions, "RFC 3161 §2.4.2: none that is critical is known", &extensions, unknown);
        extensions
    }

    fn check_time(&self, now: OffsetDateTime, checks: &mut Vec<Check>) -> Result<(), SignatureReason> {
        let has_come = now.checked_add(CLOCK_SKEW).is_none_or(|latest| self.info.time <= latest);
        let has_come = if has_come { Ok(()) } else { Err(SignatureReason::TimeStampFromTheFuture) };
        record(checks, CheckName::Time, "ETSI EN 319 102-1 §5.4.2", &has_come, rfc3339(self.info.time));
        has_come
    }

    fn check_signer(&self, signer: &Signer<'_>, checks: &mut Vec<Check>) -> Result<(), SignatureReason> {
        signer.check_over(Some(ID_CT_TST_INFO), &self.content, checks)?;
        // The certificate must be named by its hash, or another one with the same key could take its place.
        let signed = signer.info.signed.as_ref();
        let named = match signed.map(|signed| signed.signing_certificates()) {
            Some(Ok(Some(_))) => Ok(()),
            Some(_) | None => Err(SignatureReason::AttributesContradict),
        };
        record(checks, CheckName::SigningCertificate, "RFC 3161 §2.4.2, RFC 5816", &named, "named by its hash");
        named?;
        let may_stamp = match signer.certificate {
            Some(certificate) if is_for_time_stamps_alone(certificate) => Ok(()),
            Some(_) | None => Err(SignatureReason::NotATimeStampAuthority),
        };
        record(checks, CheckName::Purpose, "RFC 3161 §2.3", &may_stamp, "timeStamping, critical and alone");
        may_stamp
    }

    /// The certificate counts at the time of the token, unless what is known of it now says that its key was in other hands: whoever
    /// has the key can make any time (RFC 3161 §4).
    fn judge_authority(&self, asked: &Asked<'_>, judge: &Judge<'_>) -> Report {
        let now = judge(asked);
        // By the state, for a certificate that has expired since may be revoked as well.
        let is_distrusted = match now.status.state {
            "revoked" => !self.is_older_than_harmless_revocation(&now),
            "suspended" => true,
            _ => now.reason() == Reason::AuthorityRevoked,
        };
        if is_distrusted { now } else { judge(&Asked { at: Some(self.info.time), ..*asked }) }
    }

    /// The reasons that a key is retired for. No reason is none of them.
    fn is_older_than_harmless_revocation(&self, report: &Report) -> bool {
        let is_harmless =
            matches!(report.status.reason, Some("unspecified" | "affiliationChanged" | "superseded" | "cessationOfOperation"));
        is_harmless && revoked_since(report).is_some_and(|since| self.info.time < since)
    }

    fn report(&self) -> TokenReport {
        TokenReport {
            time: rfc3339(self.info.time),
            accuracy_millis: self.info.accuracy.map(|accuracy| accuracy.0.whole_milliseconds() as i64),
            serial: self.info.serial.to_string(),
            policy: self.info.policy.to_string(),
            digest: self.info.imprint.algorithm.to_string(),
            nonce: self.info.nonce.as_ref().map(ToString::to_string),
        }
    }
}

/// The extended key usage is critical and timeStamping is all it says.
fn is_for_time_stamps_alone(certificate: &Certificate) -> bool {
    let is_critical = certificate.critical_extensions().any(|id| id == rfc5280::ID_CE_EXT_KEY_USAGE);
    is_critical && certificate.extended_key_usage().is_some_and(|purposes| purposes == [rfc5280::ID_KP_TIME_STAMPING])
}

/// On something that is no token.
pub fn unreadable(why: &str) -> TimeStampReport {
    let mut checks = Vec::new();
    record::<()>(&mut checks, CheckName::Format, "RFC 3161 §2.4.2", &Err(SignatureReason::FormatError), why);
    TimeStampReport::new(SignatureReason::FormatError, None, None, checks)
}

/// On a file that is no token, or no response with one: what it is, where that can be seen. `why`: what the parser says.
pub fn not_a_token(file: &[u8], why: &str) -> TimeStampReport {
    let is_signature = Layout::of(file).is_ok_and(|layout| SignedData::parse(&layout).is_ok());
    let format = if is_signature { Some("cms") } else { recognise(file) };
    let why = match TimeStampResponse::parse(file) {
        Ok(TimeStampResponse::Rejected(rejection)) => rejection.to_string(),
        Ok(TimeStampResponse::Granted(_)) | Err(_) => why.to_owned(),
    };
    let Some(message) = format.and_then(stamp_hint) else { return unreadable(&why) };
    let reason = if format == Some("cut-short") { SignatureReason::FormatError } else { SignatureReason::UnsupportedFormat };
    let mut checks = Vec::new();
    record::<()>(&mut checks, CheckName::Format, "RFC 3161 §2.4.2", &Err(reason), &why);
    let report = TimeStampReport::new(reason, None, None, checks);
    let refused = Remark::new("time-stamp-refused", format!("机构的答复:{why}"), format!("The authority says: {why}"));
    let remarks = if format == Some("time-stamp-refusal") { vec![refused] } else { Vec::new() };
    TimeStampReport { judgement: Judgement { message, ..report.judgement }, remarks, ..report }
}

//! From what was checked of a signature to its verdict: best signature time, then the certificate at that time
//! (ETSI EN 319 102-1 §5.5, §5.6).

use time::OffsetDateTime;

use super::{Asked, Judge, SignatureReason, SignerReport, TimeStampReport, cms::Moment, report::BestSignatureTime, signer::record};
use crate::{
    validation::{Check, CheckName, Purpose, Reason, Report, Verdict, purpose::may_sign, report::Remark, revocation::Evidence},
    world::{parse_rfc3339, rfc3339},
    x509::Certificate,
};

/// A time stamp, and the time if it may be relied upon.
pub(super) type Stamp = (TimeStampReport, Option<OffsetDateTime>);

/// A signature whose certificate has not been judged.
pub(super) struct Unconcluded<'a> {
    pub certificate: Option<&'a Certificate>,
    pub candidates: &'a [Certificate],
    pub evidence: &'a Evidence<'a>,
    pub checked: Result<(), SignatureReason>,
    pub checks: Vec<Check>,
    pub time_stamps: Vec<Stamp>,
    /// When the signer says that it was.
    pub claimed: Option<OffsetDateTime>,
}

pub(super) fn conclude(unconcluded: Unconcluded<'_>, moment: Moment, judge: &Judge<'_>) -> SignerReport {
    let Unconcluded { certificate, candidates, evidence, checked, mut checks, time_stamps, claimed } = unconcluded;
    let stamped = time_stamps.iter().filter_map(|(_, time)| *time).min();
    // The earliest time at which the signature is known to have been there (ETSI EN 319 102-1 §5.5.4 (1)).
    let (best, at) = match (stamped, moment.at) {
        (Some(time), at) if at.is_none_or(|at| time <= at) => (BestSignatureTime::new(time, "time-stamp"), Some(time)),
        (_, Some(at)) => (BestSignatureTime::new(at, "asked"), Some(at)),
        (_, None) => (BestSignatureTime::new(moment.now, "now"), None),
    };
    // Also of a signature that does not hold: whose it pretends to be is worth knowing.
    let report = certificate.map(|certificate| judge(&Asked { certificate, candidates, evidence, at, purpose: Purpose::DocumentSigning }));
    let accepted = match (&report, certificate) {
        (Some(report), Some(certificate)) if report.verdict() != Verdict::Passed => Err(refusal(report, certificate, claimed)),
        (Some(_), Some(certificate)) if !may_sign(certificate) => Err(SignatureReason::Certificate(Reason::PurposeNotAllowed)),
        (Some(_), Some(_)) | (None, _) | (_, None) => Ok(()),
    };
    // Whoever asks about a time before that contradicts the signer, who has no reason to make it later.
    let contradicts = best.source == "asked" && claimed.zip(moment.at).is_some_and(|(claimed, at)| claimed > at);
    let in_time = if contradicts { Err(SignatureReason::SignedAfterAskedTime) } else { Ok(()) };
    if let Some(report) = &report {
        let found = format!("{}: {}", best.time, report.judgement.message.en);
        record(&mut checks, CheckName::CertificateAtThatTime, "ETSI EN 319 102-1 §5.2.6", &accepted, found);
    }
    if let (Some(claimed), "asked") = (claimed, best.source) {
        record(&mut checks, CheckName::Time, "ETSI EN 319 102-1 §5.5.4", &in_time, format!("the signer claims {}", rfc3339(claimed)));
    }
    let stamp_is_proven = || {
        let relied_upon = time_stamps.iter().filter(|(_, time)| best.source == "time-stamp" && *time == stamped);
        relied_upon.map(|(stamp, _)| stamp.judgement.reason).any(|reason| reason == SignatureReason::TimeStampValid)
    };
    let is_proven = report.as_ref().is_none_or(|report| report.reason() != Reason::ValidStatusNotProven);
    let reason = match checked.and(accepted).and(in_time) {
        Ok(()) if is_proven && (best.source != "time-stamp" || stamp_is_proven()) => SignatureReason::SignatureValid,
        Ok(()) => SignatureReason::ValidStatusNotProven,
        Err(reason) => reason,
    };
    let remarks = remarks(report.as_ref(), &time_stamps);
    let mut signer = SignerReport::new(reason, certificate, best, checks);
    signer.remarks = remarks;
    signer.claimed_time = claimed.map(rfc3339);
    signer.certificate = report;
    signer.time_stamps = time_stamps.into_iter().map(|(report, _)| report).collect();
    signer
}

/// What a certificate that is not good says about a signature by it. What became of the certificate since says nothing about a
/// signature that may be older (ETSI EN 319 102-1 §5.3.4, table 6); only against itself a signer's own word of the time counts.
fn refusal(report: &Report, certificate: &Certificate, claimed: Option<OffsetDateTime>) -> SignatureReason {
    let is_younger_than = |since: Option<OffsetDateTime>| claimed.zip(since).is_some_and(|(claimed, since)| claimed >= since);
    match report.reason() {
        Reason::Revoked if !is_younger_than(revoked_since(report)) => SignatureReason::RevokedNoProofOfTime,
        Reason::Expired if !is_younger_than(Some(certificate.not_after())) => SignatureReason::ExpiredNoProofOfTime,
        reason => SignatureReason::Certificate(reason),
    }
}

/// Since when a revoked certificate is not trusted: the invalidityDate counts before the revocation itself (RFC 5280 §5.3.2).
pub(super) fn revoked_since(report: &Report) -> Option<OffsetDateTime> {
    let times = [&report.status.since, &report.status.invalid_since];
    times.into_iter().flatten().filter_map(|time| parse_rfc3339(time)).min()
}

/// What was noted about the certificate, and every time stamp that does not count, with why.
fn remarks(report: Option<&Report>, time_stamps: &[Stamp]) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = report.map(|report| report.remarks.clone()).unwrap_or_default();
    for (stamp, _) in time_stamps {
        if stamp.verdict() != Verdict::Passed {
            let time = stamp.token.as_ref().map_or("?", |token| token.time.as_str());
            let message = stamp.judgement.message;
            remarks.push(Remark::new(
                "time-stamp-not-counted",
                format!("时间戳({time})不予采信:{}", message.zh),
                format!("The time stamp of {time} does not count: {}", message.en),
            ));
        }
        remarks.extend(stamp.remarks.iter().cloned());
    }
    remarks
}

/// On a signature that cannot be read.
pub(super) fn unreadable(why: &str, moment: Moment) -> SignerReport {
    let mut checks = Vec::new();
    record::<()>(&mut checks, CheckName::Format, "RFC 5652 §5.3", &Err(SignatureReason::FormatError), why);
    let best = BestSignatureTime::new(moment.at.unwrap_or(moment.now), if moment.at.is_some() { "asked" } else { "now" });
    SignerReport::new(SignatureReason::FormatError, None, best, checks)
}

//! From what was checked of a signature to its verdict: best signature time, then the certificate at that time
//! (ETSI EN 319 102-1 §5.5, §5.6).

use time::OffsetDateTime;

use super::{Asked, Judge, SignatureReason, SignerReport, TimeStampReport, cms::Moment, report::BestSignatureTime, signer::record};
use crate::{
    validation::{Check, CheckName, Purpose, Reason, Verdict},
    x509::Certificate,
};

/// A time stamp, and the time if it may be relied upon.
pub(super) type Stamp = (TimeStampReport, Option<OffsetDateTime>);

/// A signature whose certificate has not been judged.
pub(super) struct Unconcluded<'a> {
    pub certificate: Option<&'a Certificate>,
    pub candidates: &'a [Certificate],
    pub checked: Result<(), SignatureReason>,
    pub checks: Vec<Check>,
    pub time_stamps: Vec<Stamp>,
}

pub(super) fn conclude(unconcluded: Unconcluded<'_>, moment: Moment, judge: &Judge<'_>) -> SignerReport {
    let Unconcluded { certificate, candidates, checked, mut checks, time_stamps } = unconcluded;
    let stamped = time_stamps.iter().filter_map(|(_, time)| *time).min();
    let best = match (stamped, moment.at) {
        (Some(time), _) => BestSignatureTime::new(time, "time-stamp"),
        (None, Some(at)) => BestSignatureTime::new(at, "asked"),
        (None, None) => BestSignatureTime::new(moment.now, "now"),
    };
    // Also of a signature that does not hold: whose it pretends to be is worth knowing.
    let report = certificate.map(|certificate| judge(&Asked { certificate, candidates, at: stamped.or(moment.at), purpose: Purpose::Any }));
    let accepted = match (&report, certificate) {
        (Some(report), _) if report.verdict() != Verdict::Passed => Err(SignatureReason::Certificate(report.reason())),
        (Some(_), Some(certificate)) => may_sign(certificate),
        _ => Ok(()),
    };
    if report.is_some() {
        record(&mut checks, CheckName::CertificateAtThatTime, "ETSI EN 319 102-1 §5.2.6", &accepted, Some(best.time.clone()));
    }
    let reason = match checked.and(accepted) {
        Ok(()) => SignatureReason::SignatureValid,
        Err(reason) => reason,
    };
    let mut signer = SignerReport::new(reason, certificate, best, checks);
    signer.certificate = report;
    signer.time_stamps = time_stamps.into_iter().map(|(report, _)| report).collect();
    signer
}

/// A key usage that is there must say that the key signs (RFC 5280 §4.2.1.3).
fn may_sign(certificate: &Certificate) -> Result<(), SignatureReason> {
    match certificate.key_usage() {
        Some(usage) if !usage.digital_signature() && !usage.non_repudiation() => {
            Err(SignatureReason::Certificate(Reason::PurposeNotAllowed))
        }
        Some(_) | None => Ok(()),
    }
}

/// On a signature that cannot be read.
pub(super) fn unreadable(why: &str, moment: Moment) -> SignerReport {
    let mut checks = Vec::new();
    record::<()>(&mut checks, CheckName::Format, "RFC 5652 §5.3", &Err(SignatureReason::FormatError), Some(why.to_owned()));
    let best = BestSignatureTime::new(moment.at.unwrap_or(moment.now), if moment.at.is_some() { "asked" } else { "now" });
    SignerReport::new(SignatureReason::FormatError, None, best, checks)
}

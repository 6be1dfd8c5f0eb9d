//! A signature in memory judged, whichever format it is: what the service does, and the command line but for large files.

use super::{
    Judge, SignatureReason, SignatureReport,
    cms::{self, Moment, Verification},
    format::Format,
    jws::Jws,
    signer::record,
};
use crate::{
    validation::CheckName,
    x509::{
        Certificate, Error,
        cms::{Layout, SignedData},
    },
};

/// Judges a CMS or JWS. `detached`: the content, where it is not in the file. `more`: certificates that may be the signers' or
/// belong to their paths.
pub fn judge(file: &[u8], detached: Option<&[u8]>, more: &[Certificate], moment: Moment, judge: &Judge<'_>) -> SignatureReport {
    match Format::detect(file) {
        Format::Cms => judge_cms(file, detached, more, moment, judge).unwrap_or_else(|error| unreadable("cms", &error.to_string())),
        Format::Jws => match std::str::from_utf8(file).map_err(|error| error.to_string()) {
            Ok(text) => match Jws::parse(text.trim(), detached) {
                Ok(jws) => jws.judge(more, moment, judge),
                Err(error) => unreadable("jws", &error.to_string()),
            },
            Err(error) => unreadable("jws", &error),
        },
        Format::Unsupported(format) => SignatureReport::unjudged(format, SignatureReason::UnsupportedFormat, Vec::new()),
    }
}

fn judge_cms(
    file: &[u8],
    detached: Option<&[u8]>,
    more: &[Certificate],
    moment: Moment,
    judge: &Judge<'_>,
) -> Result<SignatureReport, Error> {
    let layout = Layout::of(file)?;
    let signed = SignedData::parse(&layout)?;
    let certificates = cms::certificates(&signed, more);
    let mut verification = Verification::begin(&signed, &certificates);
    match (&layout.content, detached) {
        // Content of no octets has no segments, or empty ones, and is content all the same.
        (Some(_), _) => {
            verification.update(&[]);
            layout.segments(file).for_each(|segment| verification.update(segment));
        }
        (None, Some(content)) => verification.update(content),
        (None, None) => {}
    }
    Ok(verification.finish(moment, judge))
}

/// On a file that its beginning promised to be of a format that it is not.
pub fn unreadable(format: &'static str, why: &str) -> SignatureReport {
    let mut checks = Vec::new();
    record::<()>(&mut checks, CheckName::Format, "RFC 5652 §5, RFC 7515 §5.2", &Err(SignatureReason::FormatError), Some(why.to_owned()));
    SignatureReport::unjudged(format, SignatureReason::FormatError, checks)
}

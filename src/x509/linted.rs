//! The gate before every signature: bytes pass it only if every lint is content, and only what passed can be signed.

use der::Encode;
use time::OffsetDateTime;

use super::{
    Certificate, Draft, Error,
    crl::CrlDraft,
    lints::{self, CertificateContext, CrlContext, Expected, ExpectedCrl, ExpectedEntry, Finding, IssuerFacts, Role},
};

/// A TBSCertificate that breaks no rule. Only `lint` makes one, and nothing can change it.
#[derive(Debug, Clone)]
pub struct Linted(Vec<u8>);

impl Linted {
    pub fn tbs(&self) -> &[u8] {
        &self.0
    }
}

/// A TBSCertList that breaks no rule. Only `lint_crl` makes one.
#[derive(Debug, Clone)]
pub struct LintedCrl(Vec<u8>);

impl LintedCrl {
    pub fn tbs(&self) -> &[u8] {
        &self.0
    }
}

/// Why nothing passed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Encoding(#[from] Error),
    #[error("{} rules are broken", .0.len())]
    Findings(Vec<Finding>),
}

/// Encodes a draft once and lints those very bytes. `issuer` is absent for a root, which issues itself.
pub fn lint(draft: &Draft, role: Role, issuer: Option<&Certificate>) -> Result<Linted, Failure> {
    let tbs = draft.to_tbs()?;
    let algorithm = draft.signature_algorithm.to_der().map_err(|error| Error::malformed("draft", error))?;
    let (subject, key_identifier) = match issuer {
        Some(issuer) => (issuer.subject_der(), issuer.subject_key_identifier().unwrap_or_default()),
        None => Default::default(),
    };
    let issuer = match issuer {
        Some(issuer) => Some(IssuerFacts {
            subject: &subject,
            key_identifier: &key_identifier,
            not_after: issuer.not_after(),
            algorithm: issuer.public_key().map_err(Error::Crypto)?.algorithm(),
        }),
        None => None,
    };
    let context = CertificateContext {
        role,
        issuer,
        expected: Expected {
            serial: draft.serial.as_bytes(),
            signature_algorithm: &algorithm,
            issuer: &draft.issuer,
            not_before: draft.not_before,
            not_after: draft.not_after,
            subject: &draft.subject,
            spki: draft.public_key.spki(),
            extensions: &draft.extensions,
        },
    };
    let findings = lints::check_certificate(&tbs, &context);
    if findings.is_empty() { Ok(Linted(tbs)) } else { Err(Failure::Findings(findings)) }
}

/// The same for a CRL. `role` is that of its issuer.
pub fn lint_crl(draft: &CrlDraft, role: Role, previous_number: Option<u64>, now: OffsetDateTime) -> Result<LintedCrl, Failure> {
    let tbs = draft.tbs_der()?;
    let algorithm = draft.signature_algorithm.to_der().map_err(|error| Error::malformed("draft", error))?;
    let entries: Vec<ExpectedEntry<'_>> = draft
        .entries
        .iter()
        .map(|entry| ExpectedEntry {
            serial: &entry.serial,
            revoked_at: entry.revoked_at,
            reason: entry.reason,
            invalidity_date: entry.invalidity_date,
        })
        .collect();
    let context = CrlContext {
        role,
        issuer: &draft.issuer,
        key_identifier: &draft.authority_key_identifier,
        signature_algorithm: &algorithm,
        previous_number,
        distribution_point: draft.distribution_point.as_deref(),
        now,
        expected: ExpectedCrl { number: draft.number, this_update: draft.this_update, next_update: draft.next_update, entries: &entries },
    };
    let findings = lints::check_crl(&tbs, &context);
    if findings.is_empty() { Ok(LintedCrl(tbs)) } else { Err(Failure::Findings(findings)) }
}

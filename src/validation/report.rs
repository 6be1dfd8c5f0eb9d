//! The verdict on a certificate, with a stable reason, every check that led to it, and words in Chinese and English.
//!
//! A report is a document of its own: it serialises to the JSON that the service answers and the command line prints.

use serde::Serialize;

use super::PathError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    Passed,
    Failed,
    Indeterminate,
}

/// Why the verdict is what it is. The text form is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    Valid,
    ValidStatusNotProven,
    Revoked,
    Suspended,
    NotIssued,
    NoTrustedPath,
    SignatureInvalid,
    NotYetValid,
    Expired,
    IssuerNotAuthority,
    PathTooLong,
    CriticalExtensionUnknown,
    PurposeNotAllowed,
    LedgerProofInvalid,
    StatusUnknown,
}

impl Reason {
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Valid | Self::ValidStatusNotProven => Verdict::Passed,
            Self::NoTrustedPath | Self::StatusUnknown | Self::CriticalExtensionUnknown | Self::Suspended => Verdict::Indeterminate,
            Self::Revoked
            | Self::NotIssued
            | Self::SignatureInvalid
            | Self::NotYetValid
            | Self::Expired
            | Self::IssuerNotAuthority
            | Self::PathTooLong
            | Self::PurposeNotAllowed
            | Self::LedgerProofInvalid => Verdict::Failed,
        }
    }

    fn message(self) -> Message {
        let (zh, en) = match self {
            Self::Valid => ("证书有效。", "The certificate is valid."),
            Self::ValidStatusNotProven => (
                "证书由可信机构签发并已记入账本;未提供状态证明,无法判断其后是否被吊销。",
                "A trusted authority issued the certificate and recorded it in its ledger; without a status proof nothing is said about a later revocation.",
            ),
            Self::Revoked => ("证书已被吊销。", "The certificate is revoked."),
            Self::Suspended => ("证书已被暂停使用。", "The certificate is suspended."),
            Self::NotIssued => ("账本中没有该证书的签发记录。", "The ledger has no record that this certificate was issued."),
            Self::NoTrustedPath => ("找不到通向可信根证书的证书链。", "No chain leads to a trusted root."),
            Self::SignatureInvalid => ("证书链中的签名无效。", "A signature in the chain does not verify."),
            Self::NotYetValid => ("证书尚未生效。", "The certificate is not valid yet."),
            Self::Expired => ("证书已过期。", "The certificate has expired."),
            Self::IssuerNotAuthority => ("签发者无权签发证书。", "The issuer may not issue certificates."),
            Self::PathTooLong => ("证书链长度超出限制。", "The chain is longer than its authorities allow."),
            Self::CriticalExtensionUnknown => ("证书含有无法识别的关键扩展。", "The chain has a critical extension that is not known."),
            Self::PurposeNotAllowed => ("证书不得用于该用途。", "The certificate may not be used for this purpose."),
            Self::LedgerProofInvalid => ("账本证明无效。", "The proof from the ledger does not verify."),
            Self::StatusUnknown => ("无法得知证书状态。", "The status of the certificate cannot be known."),
        };
        Message { zh, en }
    }
}

impl From<&PathError> for Reason {
    fn from(error: &PathError) -> Self {
        match error {
            PathError::NoPath => Self::NoTrustedPath,
            PathError::Signature => Self::SignatureInvalid,
            PathError::NotYetValid(_) => Self::NotYetValid,
            PathError::Expired(_) => Self::Expired,
            PathError::NotAnAuthority(_) => Self::IssuerNotAuthority,
            PathError::PathLength(_) => Self::PathTooLong,
            PathError::CriticalExtension(..) => Self::CriticalExtensionUnknown,
            PathError::Purpose(_) => Self::PurposeNotAllowed,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Message {
    pub zh: &'static str,
    pub en: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Passed,
    Failed,
    Unknown,
}

/// One thing that was looked at, and the clause that asks for it.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub clause: &'static str,
    pub outcome: Outcome,
    pub detail: String,
}

/// What is known of the certificate's status.
#[derive(Debug, Clone, Serialize)]
pub struct StatusReport {
    /// `good`, `suspended`, `revoked`, `not-issued` or `unknown`.
    pub state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// RFC 3339, UTC: when the state began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// RFC 3339, UTC: since when the key is not trusted (invalidityDate), where the revocation says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalid_since: Option<String>,
    /// RFC 3339, UTC: the instant the answer is about.
    pub as_of: String,
}

/// Where in the ledger the answer comes from.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerReport {
    pub origin: String,
    pub index: u64,
    pub size: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub verdict: Verdict,
    pub reason: Reason,
    pub message: Message,
    pub status: StatusReport,
    /// The subjects from the end entity to the root.
    pub chain: Vec<String>,
    pub checks: Vec<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerReport>,
}

impl Report {
    pub fn new(reason: Reason, status: StatusReport, chain: Vec<String>, checks: Vec<Check>, ledger: Option<LedgerReport>) -> Self {
        Self { verdict: reason.verdict(), reason, message: reason.message(), status, chain, checks, ledger }
    }
}

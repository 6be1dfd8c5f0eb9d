//! The verdict on a certificate, with a stable reason, every check that led to it, and words in Chinese and English.
//!
//! A report is a document of its own: it serialises to the JSON that the service answers and the command line prints. A report
//! about a signature is built from the same pieces: a `Judgement`, and `Check`s.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::PathError;
use crate::{
    crypto::Digest,
    world::{parse_rfc3339, rfc3339, seconds},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    Passed,
    Failed,
    Indeterminate,
}

/// Why the verdict is what it is. The text form is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    Valid,
    ValidStatusNotProven,
    TrustedRoot,
    Revoked,
    AuthorityRevoked,
    Suspended,
    NotIssued,
    NoTrustedPath,
    TooMuchWork,
    SignatureInvalid,
    AlgorithmNotAccepted,
    NotYetValid,
    Expired,
    IssuerNotAuthority,
    NotConforming,
    PathTooLong,
    CriticalExtensionUnknown,
    NamesNotPermitted,
    PolicyNotAcceptable,
    PurposeNotAllowed,
    OtherPeer,
    LedgerProofInvalid,
    StatusUnknown,
    /// What is known of the status is older than the time in question.
    StatusProofTooOld,
}

/// The sub-indications of ETSI EN 319 102-1 (clause 5.1.3, table 6) that a certificate or a signature can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubIndication {
    Revoked,
    NoPoe,
    RevokedNoPoe,
    RevokedCaNoPoe,
    Expired,
    OutOfBoundsNoPoe,
    NotYetValid,
    TryLater,
    NoCertificateChainFound,
    CertificateChainGeneralFailure,
    ChainConstraintsFailure,
    CryptoConstraintsFailure,
    FormatFailure,
    HashFailure,
    SigCryptoFailure,
    SignedDataNotFound,
    TimestampOrderFailure,
    NoSigningCertificateFound,
}

impl Reason {
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Valid | Self::ValidStatusNotProven | Self::TrustedRoot => Verdict::Passed,
            Self::NoTrustedPath
            | Self::TooMuchWork
            | Self::StatusUnknown
            | Self::StatusProofTooOld
            | Self::CriticalExtensionUnknown
            | Self::Suspended => Verdict::Indeterminate,
            Self::Revoked
            | Self::AuthorityRevoked
            | Self::NotIssued
            | Self::SignatureInvalid
            | Self::AlgorithmNotAccepted
            | Self::NotYetValid
            | Self::Expired
            | Self::IssuerNotAuthority
            | Self::NotConforming
            | Self::PathTooLong
            | Self::NamesNotPermitted
            | Self::PolicyNotAcceptable
            | Self::PurposeNotAllowed
            | Self::OtherPeer
            | Self::LedgerProofInvalid => Verdict::Failed,
        }
    }

    /// `None` where nothing speaks against the certificate.
    pub fn sub_indication(self) -> Option<SubIndication> {
        Some(match self {
            Self::Valid | Self::ValidStatusNotProven | Self::TrustedRoot => return None,
            Self::Revoked => SubIndication::Revoked,
            Self::AuthorityRevoked => SubIndication::RevokedCaNoPoe,
            Self::Suspended | Self::StatusUnknown | Self::StatusProofTooOld => SubIndication::TryLater,
            Self::NoTrustedPath => SubIndication::NoCertificateChainFound,
            Self::NotIssued | Self::TooMuchWork | Self::SignatureInvalid | Self::LedgerProofInvalid => {
                SubIndication::CertificateChainGeneralFailure
            }
            Self::AlgorithmNotAccepted => SubIndication::CryptoConstraintsFailure,
            Self::NotYetValid => SubIndication::NotYetValid,
            Self::Expired => SubIndication::Expired,
            Self::IssuerNotAuthority
            | Self::NotConforming
            | Self::PathTooLong
            | Self::CriticalExtensionUnknown
            | Self::NamesNotPermitted
            | Self::PolicyNotAcceptable
            | Self::PurposeNotAllowed
            | Self::OtherPeer => SubIndication::ChainConstraintsFailure,
        })
    }

    pub fn message(self) -> Message {
        let (zh, en) = match self {
            Self::Valid => ("证书有效。", "The certificate is valid."),
            Self::ValidStatusNotProven => (
                "证书由可信机构签发;没有状态证明,无法判断其后是否被吊销。",
                "A trusted authority issued the certificate; without a proof of its status nothing is said about a later revocation.",
            ),
            Self::TrustedRoot => ("该证书是可信根证书。", "The certificate is a trusted root."),
            Self::Revoked => ("证书已被吊销。", "The certificate is revoked."),
            Self::AuthorityRevoked => ("签发机构的证书已被吊销。", "The certificate of an authority in the chain is revoked."),
            Self::Suspended => ("证书已被暂停使用。", "The certificate is suspended."),
            Self::NotIssued => ("账本中没有该证书的签发记录。", "The ledger has no record that this certificate was issued."),
            Self::NoTrustedPath => ("找不到通向可信根证书的证书链。", "No chain leads to a trusted root."),
            Self::TooMuchWork => ("证书过多,已停止查找证书链。", "There are too many certificates; the search for a chain was given up."),
            Self::SignatureInvalid => ("证书链中的签名无效。", "A signature in the chain does not verify."),
            Self::AlgorithmNotAccepted => {
                ("证书链使用了不被接受的签名算法。", "A signature in the chain is of an algorithm that is not accepted.")
            }
            Self::NotYetValid => ("证书尚未生效。", "The certificate is not valid yet."),
            Self::Expired => ("证书已过期。", "The certificate has expired."),
            Self::IssuerNotAuthority => ("签发者无权签发证书。", "The issuer may not issue certificates."),
            Self::NotConforming => ("证书不符合标准规定的格式。", "A certificate of the chain breaks a rule of its standard."),
            Self::PathTooLong => ("证书链长度超出限制。", "The chain is longer than its authorities allow."),
            Self::CriticalExtensionUnknown => ("证书含有无法识别的关键扩展。", "The chain has a critical extension that is not known."),
            Self::NamesNotPermitted => ("签发机构无权为该名称签发证书。", "An authority of the chain may not certify these names."),
            Self::PolicyNotAcceptable => ("证书所依据的策略不被接受。", "The certificate was not issued under an acceptable policy."),
            Self::PurposeNotAllowed => ("证书不得用于该用途。", "The certificate may not be used for this purpose."),
            Self::OtherPeer => ("证书不属于所访问的对象。", "The certificate is for another name."),
            Self::LedgerProofInvalid => ("账本证明无效。", "The proof from the ledger does not verify."),
            Self::StatusUnknown => ("无法得知证书状态。", "The status of the certificate cannot be known."),
            Self::StatusProofTooOld => (
                "状态证明早于所判断的时间,不能说明当时的状态。",
                "The proof of status is older than the time in question and does not show what the status was then.",
            ),
        };
        Message { zh, en }
    }
}

impl From<&PathError> for Reason {
    fn from(error: &PathError) -> Self {
        match error {
            PathError::NoPath | PathError::AnchorPurpose(..) => Self::NoTrustedPath,
            PathError::TooMuchWork => Self::TooMuchWork,
            PathError::Signature => Self::SignatureInvalid,
            PathError::Algorithm(..) => Self::AlgorithmNotAccepted,
            PathError::NotYetValid(_) => Self::NotYetValid,
            PathError::Expired(_) => Self::Expired,
            PathError::NotAnAuthority(_) => Self::IssuerNotAuthority,
            PathError::NotConforming(..) => Self::NotConforming,
            PathError::PathLength(_) => Self::PathTooLong,
            PathError::CriticalExtension(..) => Self::CriticalExtensionUnknown,
            PathError::NameConstraints(..) => Self::NamesNotPermitted,
            PathError::Policy(_) => Self::PolicyNotAcceptable,
            PathError::Purpose(_) => Self::PurposeNotAllowed,
            PathError::PeerName(_) => Self::OtherPeer,
            PathError::Revoked(_) => Self::Revoked,
            PathError::StatusUnknown(..) => Self::StatusUnknown,
        }
    }
}

/// The same in Chinese and in English.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Message {
    pub zh: &'static str,
    pub en: &'static str,
}

/// What a report says first: the verdict and why, for programs and for people. `R`: the reasons of its kind of report.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Judgement<R = Reason> {
    pub verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_indication: Option<SubIndication>,
    pub reason: R,
    pub message: Message,
}

impl From<Reason> for Judgement {
    fn from(reason: Reason) -> Self {
        Self { verdict: reason.verdict(), sub_indication: reason.sub_indication(), reason, message: reason.message() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Passed,
    Failed,
    Unknown,
}

/// A kind of thing that is looked at. The text form is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckName {
    Path,
    Signature,
    Validity,
    Constraints,
    Purpose,
    Policy,
    Status,
    Receipt,
    Ledger,
    Format,
    SignerCertificate,
    Algorithms,
    SignedAttributes,
    Content,
    SigningCertificate,
    CertificateAtThatTime,
    Imprint,
    Extensions,
    AuthorityCertificate,
    Time,
}

impl CheckName {
    fn title(self) -> Message {
        let (zh, en) = match self {
            Self::Path => ("证书链", "certification path"),
            Self::Signature => ("签名", "signature"),
            Self::Validity => ("有效期", "validity"),
            Self::Constraints => ("签发权限", "authority to issue"),
            Self::Purpose => ("用途", "purpose"),
            Self::Policy => ("证书策略", "certificate policy"),
            Self::Status => ("吊销状态", "revocation status"),
            Self::Receipt => ("签发记录", "record of issue"),
            Self::Ledger => ("账本", "ledger"),
            Self::Format => ("格式", "format"),
            Self::SignerCertificate => ("签名者证书", "signer's certificate"),
            Self::Algorithms => ("算法", "algorithms"),
            Self::SignedAttributes => ("签名属性", "signed attributes"),
            Self::Content => ("内容摘要", "digest of the content"),
            Self::SigningCertificate => ("所指证书", "certificate that the signature names"),
            Self::CertificateAtThatTime => ("签名时的证书状态", "certificate at the time of the signature"),
            Self::Imprint => ("时间戳摘要", "what the time stamp is of"),
            Self::Extensions => ("扩展", "extensions"),
            Self::AuthorityCertificate => ("时间戳机构证书", "certificate of the time-stamping authority"),
            Self::Time => ("时间", "time"),
        };
        Message { zh, en }
    }
}

/// One thing that was looked at, the clause that asks for it, and what was found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Check {
    pub name: CheckName,
    pub title: Message,
    pub clause: &'static str,
    pub outcome: Outcome,
    pub detail: String,
}

impl Check {
    pub fn new(name: CheckName, clause: &'static str, outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { name, title: name.title(), clause, outcome, detail: detail.into() }
    }
}

/// Something that a reader must know beside the verdict. The code is stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Remark {
    pub code: &'static str,
    pub zh: String,
    pub en: String,
}

impl Remark {
    pub fn new(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code, zh: zh.into(), en: en.into() }
    }
}

/// What was judged and when, so that a report stands on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Judged {
    /// RFC 3339, UTC: when it was judged.
    pub verified_at: String,
    /// RFC 3339, UTC: the time that was asked about; absent: none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Of the certificate, of the file with the signature, or of the token; absent of one larger than `MAX_HASHED`, most of which is content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Hashed>,
    /// Of the content of a signature, given or carried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Hashed>,
}

impl Judged {
    /// The largest file that is hashed beside its content: a signature with large content in it is judged as fast as it can be read.
    pub const MAX_HASHED: u64 = 1024 * 1024;

    pub fn new(at: Option<OffsetDateTime>, now: OffsetDateTime) -> Self {
        Self { verified_at: rfc3339(now), at: at.map(rfc3339), file: None, content: None }
    }

    pub fn file(self, octets: &[u8]) -> Self {
        Self { file: (octets.len() as u64 <= Self::MAX_HASHED).then(|| Hashed::of(octets)), ..self }
    }
}

/// A hash as people compare it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Hashed {
    pub algorithm: &'static str,
    /// In lower-case hexadecimal.
    pub digest: String,
}

impl Hashed {
    pub fn new(algorithm: Digest, hash: &[u8]) -> Self {
        Self { algorithm: algorithm.name(), digest: hex::encode(hash) }
    }

    pub fn of(octets: &[u8]) -> Self {
        Self::new(Digest::Sha256, &Digest::Sha256.hash(octets))
    }
}

impl std::fmt::Display for Hashed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.algorithm, self.digest)
    }
}

/// What is known of the certificate's status.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StatusReport {
    /// `good`, `suspended`, `revoked`, `not-issued`, `unknown`, or `trusted` of a root, which nobody revokes.
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
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LedgerReport {
    pub origin: String,
    pub index: u64,
    pub size: u64,
    /// The proof that the leaf at `index` is in the log, with the leaf (docs/formats.md, Receipt): it says what the status was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The same for the leaf of a revocation that came later than the time that the report is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation: Option<String>,
    /// What the log says of the certificate as of its newest checkpoint (docs/formats.md, Status proof).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_proof: Option<String>,
}

impl LedgerReport {
    /// A place without its proofs.
    pub fn at(origin: String, index: u64, size: u64) -> Self {
        Self { origin, index, size, receipt: None, revocation: None, status_proof: None }
    }
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Report {
    #[serde(flatten)]
    pub judgement: Judgement<Reason>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
    pub status: StatusReport,
    /// What became of a certificate that was good at the time in question and is not any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub later: Option<StatusReport>,
    /// The subjects from the end entity to the root.
    pub chain: Vec<String>,
    pub checks: Vec<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerReport>,
}

impl Report {
    pub fn new(reason: Reason, status: StatusReport, chain: Vec<String>, checks: Vec<Check>, ledger: Option<LedgerReport>) -> Self {
        Self { judgement: reason.into(), remarks: Vec::new(), judged: None, status, later: None, chain, checks, ledger }
    }

    /// With what a reader of a good verdict must know: as of when the status was good, and what came later. `at`: the time in question.
    pub fn noted(mut self, at: OffsetDateTime) -> Self {
        if self.verdict() != Verdict::Passed {
            return self;
        }
        let as_of = parse_rfc3339(&self.status.as_of).filter(|as_of| self.status.state == "good" && seconds(*as_of) < seconds(at));
        if let Some(as_of) = as_of.map(rfc3339) {
            self.remarks.push(Remark::new(
                "status-as-of",
                format!("证书在 {as_of} 时状态正常,此后的变化未知。"),
                format!("The certificate was good as of {as_of}; what came after that is not known."),
            ));
        }
        if let Some(later) = &self.later {
            let (since, reason) = (later.since.as_deref().unwrap_or("?"), later.reason.unwrap_or("unspecified"));
            let (zh, en) = if later.state == "suspended" { ("暂停", "suspended") } else { ("吊销", "revoked") };
            self.remarks.push(Remark::new(
                "not-good-later",
                format!("证书自 {since} 起已被{zh}(原因:{reason}),晚于所判断的时间 {}。", rfc3339(at)),
                format!("The certificate is {en} since {since} ({reason}), which is after the time in question, {}.", rfc3339(at)),
            ));
        }
        self
    }

    /// Nothing is known, neither good nor bad.
    pub fn unknown(at: OffsetDateTime) -> Self {
        Self::without_status(Reason::StatusUnknown, at)
    }

    /// Nobody was asked for the status.
    pub fn without_status(reason: Reason, at: OffsetDateTime) -> Self {
        let status = StatusReport { state: "unknown", reason: None, since: None, invalid_since: None, as_of: rfc3339(at) };
        Self::new(reason, status, Vec::new(), Vec::new(), None)
    }

    pub fn verdict(&self) -> Verdict {
        self.judgement.verdict
    }

    pub fn reason(&self) -> Reason {
        self.judgement.reason
    }
}

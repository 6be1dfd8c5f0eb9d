//! The report on a signature: the verdict first, then every signer with what was checked, in Chinese and English.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use super::format::hint;
use crate::{
    validation::{
        Check, Judgement, Reason, Report, Verdict,
        report::{Judged, Message, Remark, SubIndication},
    },
    world::{parse_rfc3339, rfc3339},
    x509::Certificate,
};

/// Why a signature has its verdict. The text form is stable; what is wrong with a certificate has the words of its own report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureReason {
    SignatureValid,
    /// Of a time stamp.
    TimeStampValid,
    /// It holds, but whether the certificate of its signer, or of who stamped it, was revoked is not known.
    ValidStatusNotProven,
    /// The object is no signature that can be read.
    FormatError,
    /// One of PDF, XML, OFD, something that is no signature, or of nothing known.
    UnsupportedFormat,
    /// There is nobody who signed.
    NoSigner,
    ContentMissing,
    ContentChanged,
    SignatureBroken,
    /// What is signed beside the content contradicts itself or the content.
    AttributesContradict,
    SignerCertificateMissing,
    SignerCertificateMismatch,
    AlgorithmNotAccepted,
    TimeStampOfOtherContent,
    /// The certificate of whoever signed the time does not say that it may.
    NotATimeStampAuthority,
    /// The time stamp is of a time that has not come yet.
    TimeStampFromTheFuture,
    /// The certificate is revoked, and the signature may be older or younger than that.
    RevokedNoProofOfTime,
    /// The certificate has expired, and the signature may be older or younger than that.
    ExpiredNoProofOfTime,
    /// The time that was asked about is before the one at which the signer says to have signed.
    SignedAfterAskedTime,
    /// One of too many signers.
    TooMuchWork,
    #[serde(untagged)]
    Certificate(Reason),
}

/// One word: its own ones or those of certificates.
impl PartialSchema for SignatureReason {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).description(Some("One of the reasons in docs/api.md.")).into()
    }
}

impl ToSchema for SignatureReason {}

impl SignatureReason {
    pub fn verdict(self) -> Verdict {
        match self {
            Self::SignatureValid | Self::TimeStampValid | Self::ValidStatusNotProven => Verdict::Passed,
            Self::UnsupportedFormat
            | Self::ContentMissing
            | Self::SignerCertificateMissing
            | Self::SignerCertificateMismatch
            | Self::AlgorithmNotAccepted
            | Self::TimeStampFromTheFuture
            | Self::RevokedNoProofOfTime
            | Self::ExpiredNoProofOfTime
            | Self::SignedAfterAskedTime
            | Self::TooMuchWork => Verdict::Indeterminate,
            Self::FormatError
            | Self::NoSigner
            | Self::ContentChanged
            | Self::SignatureBroken
            | Self::AttributesContradict
            | Self::TimeStampOfOtherContent
            | Self::NotATimeStampAuthority => Verdict::Failed,
            Self::Certificate(reason) => reason.verdict(),
        }
    }

    /// ETSI EN 319 102-1 §5.1.3, table 6.
    pub fn sub_indication(self) -> Option<SubIndication> {
        Some(match self {
            Self::SignatureValid | Self::TimeStampValid | Self::ValidStatusNotProven => return None,
            Self::FormatError | Self::UnsupportedFormat | Self::NoSigner | Self::AttributesContradict => SubIndication::FormatFailure,
            Self::ContentMissing => SubIndication::SignedDataNotFound,
            Self::ContentChanged | Self::TimeStampOfOtherContent => SubIndication::HashFailure,
            Self::SignatureBroken => SubIndication::SigCryptoFailure,
            Self::NotATimeStampAuthority => SubIndication::ChainConstraintsFailure,
            Self::TimeStampFromTheFuture => SubIndication::TimestampOrderFailure,
            Self::RevokedNoProofOfTime => SubIndication::RevokedNoPoe,
            Self::ExpiredNoProofOfTime => SubIndication::OutOfBoundsNoPoe,
            Self::SignedAfterAskedTime => SubIndication::NoPoe,
            Self::TooMuchWork => SubIndication::CertificateChainGeneralFailure,
            Self::SignerCertificateMissing | Self::SignerCertificateMismatch => SubIndication::NoSigningCertificateFound,
            Self::AlgorithmNotAccepted => SubIndication::CryptoConstraintsFailure,
            Self::Certificate(reason) => return reason.sub_indication(),
        })
    }

    fn message(self) -> Message {
        let (zh, en) = match self {
            Self::SignatureValid => ("签名有效。", "The signature is valid."),
            Self::TimeStampValid => {
                ("时间戳有效:内容在时间戳所示时间已经存在。", "The time stamp is valid: the content existed at the time that it says.")
            }
            Self::ValidStatusNotProven => (
                "验证相符,证书由可信机构签发;没有证书的状态证明,无法判断证书是否已被吊销。",
                "It holds, and a trusted authority issued the certificate; without a proof of its status nothing is said about a revocation.",
            ),
            Self::FormatError => ("无法读取签名数据。", "The signature cannot be read."),
            Self::UnsupportedFormat => ("暂不支持该签名格式。", "Signatures of this format are not supported."),
            Self::NoSigner => ("文件中没有任何签名者。", "Nobody has signed this."),
            Self::ContentMissing => ("缺少被签名的内容。", "The content that was signed is missing."),
            Self::ContentChanged => ("内容在签名后被改动。", "The content is not what was signed."),
            Self::SignatureBroken => ("签名值无效。", "The signature does not verify."),
            Self::AttributesContradict => {
                ("签名属性与内容或签名不一致。", "The signed attributes contradict the content or the signature.")
            }
            Self::SignerCertificateMissing => ("找不到签名者的证书。", "The signer's certificate was not found."),
            Self::SignerCertificateMismatch => {
                ("签名所指的证书与签名者的证书不符。", "The signature names another certificate than its signer's.")
            }
            Self::AlgorithmNotAccepted => ("签名算法不可识别或强度不足。", "The signature's algorithm is not known or too weak."),
            Self::TimeStampOfOtherContent => ("时间戳不是针对该内容的。", "The time stamp is of something else."),
            Self::NotATimeStampAuthority => {
                ("签发时间戳的证书不是时间戳证书。", "The time was signed by a certificate that is not for time stamps.")
            }
            Self::TimeStampFromTheFuture => ("时间戳的时间尚未到来。", "The time stamp is of a time that has not come yet."),
            Self::RevokedNoProofOfTime => (
                "签名者的证书已被吊销,且无法证明签名早于吊销。",
                "The signer's certificate is revoked, and nothing proves that the signature is older than that.",
            ),
            Self::ExpiredNoProofOfTime => (
                "签名者的证书已过期,且无法证明签名是在有效期内作出的。",
                "The signer's certificate has expired, and nothing proves that the signature is older than that.",
            ),
            Self::SignedAfterAskedTime => (
                "所询问的时间早于签名者自己声明的签名时间。",
                "The time that was asked about is before the one at which the signer says to have signed.",
            ),
            Self::TooMuchWork => ("签名者过多,未对该签名作出判断。", "There are too many signers; this signature was not judged."),
            Self::Certificate(reason) => return reason.message(),
        };
        Message { zh, en }
    }
}

impl From<SignatureReason> for Judgement<SignatureReason> {
    fn from(reason: SignatureReason) -> Self {
        Self { verdict: reason.verdict(), sub_indication: reason.sub_indication(), reason, message: reason.message() }
    }
}

/// On a whole file. Its verdict is that of its worst signer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SignatureReport {
    #[serde(flatten)]
    pub judgement: Judgement<SignatureReason>,
    /// Those on its signers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
    /// `cms`, `gm-t-0010`, `jws`, `raw`, or what it was taken for.
    pub format: &'static str,
    pub signatures: Vec<SignerReport>,
    /// What was checked of the file as a whole.
    pub checks: Vec<Check>,
}

impl SignatureReport {
    pub fn new(format: &'static str, signatures: Vec<SignerReport>) -> Self {
        let worst = signatures.iter().map(SignerReport::reason).max_by_key(|reason| rank(*reason));
        let mut remarks: Vec<Remark> = Vec::new();
        for remark in signatures.iter().flat_map(|signer| &signer.remarks) {
            if !remarks.contains(remark) {
                remarks.push(remark.clone());
            }
        }
        Self { signatures, remarks, ..Self::unjudged(format, worst.unwrap_or(SignatureReason::NoSigner), Vec::new()) }
    }

    /// On something of which no signer can be told.
    pub fn unjudged(format: &'static str, reason: SignatureReason, checks: Vec<Check>) -> Self {
        Self { judgement: reason.into(), remarks: Vec::new(), judged: None, format, signatures: Vec::new(), checks }
    }

    /// On a file that is no signature that is judged here; says what it is.
    pub fn unsupported(format: &'static str) -> Self {
        let report = Self::unjudged(format, SignatureReason::UnsupportedFormat, Vec::new());
        let message = hint(format).unwrap_or(report.judgement.message);
        Self { judgement: Judgement { message, ..report.judgement }, ..report }
    }

    /// The same signatures, but a check of the file as a whole failed for that reason.
    pub fn overruled(self, reason: SignatureReason, check: Check) -> Self {
        let checks = self.checks.into_iter().chain([check]).collect();
        Self { judgement: reason.into(), checks, ..self }
    }

    pub fn verdict(&self) -> Verdict {
        self.judgement.verdict
    }

    pub fn reason(&self) -> SignatureReason {
        self.judgement.reason
    }
}

fn rank(reason: SignatureReason) -> u8 {
    match (reason.verdict(), reason) {
        (Verdict::Passed, SignatureReason::ValidStatusNotProven) => 1,
        (Verdict::Passed, _) => 0,
        (Verdict::Indeterminate, _) => 2,
        (Verdict::Failed, _) => 3,
    }
}

/// On one signer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SignerReport {
    #[serde(flatten)]
    pub judgement: Judgement<SignatureReason>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<SignerName>,
    /// Of a CMS `basic`, `CAdES-B-B` or `CAdES-B-T`, in the words of GM/T 0010 `basic`, `GM/T 0010` or `GM/T 0010-T`; absent elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<&'static str>,
    /// RFC 3339, UTC: what the signer says the time was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_time: Option<String>,
    pub best_signature_time: BestSignatureTime,
    pub checks: Vec<Check>,
    /// The verdict on the signer's certificate at the best signature time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Report>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub time_stamps: Vec<TimeStampReport>,
    /// Those who signed this signature. Their verdicts are their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub counter_signatures: Vec<SignerReport>,
}

impl SignerReport {
    pub fn reason(&self) -> SignatureReason {
        self.judgement.reason
    }

    pub(super) fn new(
        reason: SignatureReason,
        signer: Option<&Certificate>,
        best_signature_time: BestSignatureTime,
        checks: Vec<Check>,
    ) -> Self {
        Self {
            judgement: reason.into(),
            remarks: Vec::new(),
            signer: signer.map(SignerName::of),
            level: None,
            claimed_time: None,
            best_signature_time,
            checks,
            certificate: None,
            time_stamps: Vec::new(),
            counter_signatures: Vec::new(),
        }
    }
}

/// Who signed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SignerName {
    pub subject: String,
    /// SHA-256 of the TBSCertificate, as elsewhere in the API.
    pub id: String,
}

impl SignerName {
    pub fn of(certificate: &Certificate) -> Self {
        Self { subject: certificate.subject_text(), id: certificate.id().to_string() }
    }
}

/// The earliest time at which the signature provably existed (ETSI EN 319 102-1 §5.5): the latest that a token can mean, else now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BestSignatureTime {
    /// RFC 3339, UTC.
    pub time: String,
    /// `time-stamp`, `now`, or `asked`: the time that the verdict was asked for.
    pub source: &'static str,
}

impl BestSignatureTime {
    pub fn new(time: OffsetDateTime, source: &'static str) -> Self {
        Self { time: rfc3339(time), source }
    }

    /// `None` where the time is that of the question itself.
    pub fn proven_or_asked(&self) -> Option<OffsetDateTime> {
        parse_rfc3339(&self.time).filter(|_| self.source != "now")
    }
}

/// On a time-stamp token.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TimeStampReport {
    #[serde(flatten)]
    pub judgement: Judgement<SignatureReason>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<SignerName>,
    pub checks: Vec<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Report>,
}

impl TimeStampReport {
    pub fn verdict(&self) -> Verdict {
        self.judgement.verdict
    }

    pub(super) fn new(reason: SignatureReason, token: Option<TokenReport>, authority: Option<&Certificate>, checks: Vec<Check>) -> Self {
        let authority = authority.map(SignerName::of);
        Self { judgement: reason.into(), remarks: Vec::new(), judged: None, token, authority, checks, certificate: None }
    }
}

/// What a token says.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TokenReport {
    /// RFC 3339, UTC.
    pub time: String,
    /// How far the time may be off, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy_millis: Option<i64>,
    pub serial: String,
    pub policy: String,
    /// The object identifier of the hash function.
    pub digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

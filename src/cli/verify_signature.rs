//! `hufu verify signature`: a CMS, a JWS or a bare signature value, offline with a trust bundle or anchors, or by asking a server.
//!
//! A CMS is read where it lies: its content, and content beside it, may be larger than memory.

use std::{
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use base64::prelude::*;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    Connection,
    offline::{Offline, ProofFiles},
    report::{ReportForm, usage},
    source::{ReadError, Source},
    verify::{EXIT_CODES, status_line},
    verify_foreign::ForeignTrust,
};
use crate::{
    crypto::Digest,
    policy::Timestamp,
    validation::{
        Report, SignatureReport,
        report::{Hashed, Judged},
        signature::{
            Asked, Judge,
            cms::{self, Moment, Verification},
            document::{self, Given},
            format::{Format, unarmoured},
            jws,
            raw::{self, Encoding, Verifier},
        },
    },
    world::{Clock, SystemClock},
    x509::{
        Certificate,
        cms::{Layout, SignedData},
        tsp::ID_CT_TST_INFO,
    },
};

/// The largest file that is read whole: text, which must be decoded before it can be taken apart.
const MAX_TEXT: u64 = 128 << 20;
/// The largest content of a bare signature that hashes nothing beforehand (Ed25519).
const MAX_WHOLE: u64 = 16 << 20;

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct VerifySignature {
    /// The signature: CMS (DER, BER or PEM) or JWS; with --raw a bare value
    pub file: PathBuf,
    #[command(flatten)]
    pub connection: Connection,
    /// What was signed, if it is not in the signature
    #[arg(long, value_name = "FILE")]
    pub content: Option<PathBuf>,
    /// Certificates (PEM or DER) of signers or for their chains; of a bare signature the signer's first
    #[arg(long, visible_alias = "chain", value_name = "FILE")]
    pub certificate: Vec<PathBuf>,
    /// The file is a bare signature value
    #[arg(long, requires_all = ["content", "certificate"])]
    pub raw: bool,
    /// Of a bare signature, as JOSE names it: ES256, SM2, PS256 …; default: what the certificate's key usually signs with
    #[arg(long, requires = "raw", value_name = "NAME")]
    pub algorithm: Option<String>,
    /// The form of a bare ECDSA or SM2 signature
    #[arg(long, requires = "raw", value_enum, default_value_t = RawForm::Der)]
    pub encoding: RawForm,
    /// The time that the verdict is about, as 2030-01-01T00:00:00Z; default: now
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
    #[command(flatten)]
    pub proofs: ProofFiles,
    #[command(flatten)]
    pub foreign: ForeignTrust,
    #[command(flatten)]
    pub form: ReportForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RawForm {
    /// A SEQUENCE of r and s
    Der,
    /// r ‖ s
    Fixed,
}

impl VerifySignature {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let now = SystemClock.now();
        let (bundle, foreign) = match self.connection.bundle().and_then(|bundle| Ok((bundle, self.foreign.read()?))) {
            Ok(trusted) => trusted,
            Err(error) => return Ok(usage(&error)),
        };
        if bundle.is_none() && foreign.is_none() {
            return Ok(match self.question() {
                Ok(question) => self.form.ask(&self.connection, "/api/v1/verify/signature", &question, text).await,
                Err(error) => usage(&error),
            });
        }
        match self.proofs.read(bundle, foreign, now).and_then(|offline| self.judge(&offline, now)) {
            Ok(report) => self.form.print(&self.connection, &report, now, text),
            Err(error) => Ok(usage(&error)),
        }
    }

    fn judge(&self, offline: &Offline, now: OffsetDateTime) -> anyhow::Result<SignatureReport> {
        let moment = Moment { at: self.at.map(Timestamp::instant), now };
        let certificates = self.certificates()?;
        // What can be wrong with the bundle was found when it was read.
        let judge = |asked: &Asked<'_>| offline.judge(asked).unwrap_or_else(|_| Report::unknown(asked.at.unwrap_or(now)));
        let mut source = open(&self.file)?;
        if self.raw {
            return self.judge_raw(&mut source, &certificates, moment, &judge);
        }
        if source.starts_with(&[0x30]).map_err(|error| unreadable(&self.file, error))? {
            return self.judge_cms(&mut source, &certificates, moment, &judge);
        }
        let file = source.whole(MAX_TEXT).map_err(|error| unreadable(&self.file, error))?;
        // In PEM or base64 a CMS may be over content of any length, a JWS may not.
        let most = if content_digest(&unarmoured(file.clone())).is_some() { MAX_TEXT } else { jws::MAX_LENGTH as u64 };
        let content = self.content.as_ref().map(|path| self.small_content(path, most)).transpose()?;
        let given = content.as_deref().map_or(Given::Nothing, Given::Content);
        Ok(document::judge(&file, given, &certificates, moment, &judge))
    }

    fn judge_cms(&self, source: &mut Source, more: &[Certificate], moment: Moment, judge: &Judge<'_>) -> anyhow::Result<SignatureReport> {
        let length = source.length();
        let layout = match Layout::locate(length, |range| source.read(range)) {
            Ok(layout) => layout,
            Err(ReadError::Form(error)) => return self.not_a_signature(source, moment, &error.to_string()),
            Err(error) => return Err(unreadable(&self.file, error)),
        };
        let signed = match SignedData::parse(&layout) {
            Ok(signed) if signed.content_type == ID_CT_TST_INFO => return self.not_a_signature(source, moment, "a time stamp"),
            Ok(signed) => signed,
            Err(error) => return self.not_a_signature(source, moment, &error.to_string()),
        };
        let mut judged = Judged::new(moment.at, moment.now);
        if length <= Judged::MAX_HASHED {
            judged = judged.file(&source.read(0..length).map_err(|error| unreadable(&self.file, error))?);
        }
        let certificates = cms::certificates(&signed, more);
        let mut verification = Verification::begin(&signed, &certificates);
        // Where no signer hashes the content alone.
        let mut content = (!verification.hashes_content()).then(|| Digest::Sha256.hasher());
        let mut push = |part: &[u8]| {
            verification.update(part);
            content.iter_mut().for_each(|content| content.update(part));
        };
        match (&layout.content, &self.content) {
            (Some(ranges), _) => self.carried(source, ranges, &mut push)?,
            (None, Some(path)) => beside(path, &mut push)?,
            (None, None) => {}
        }
        if layout.content.is_some() || self.content.is_some() {
            judged.content = verification.hashed().or_else(|| content.map(|content| Hashed::new(Digest::Sha256, &content.finish())));
        }
        let report = verification.finish(moment, judge);
        let report = SignatureReport { judged: Some(judged), ..report };
        let (Some(ranges), Some(path)) = (&layout.content, &self.content) else { return Ok(report) };
        let (mut one, mut other) = (Digest::Sha256.hasher(), Digest::Sha256.hasher());
        self.carried(source, ranges, &mut |part| one.update(part))?;
        beside(path, &mut |part| other.update(part))?;
        Ok(if one.finish() == other.finish() { report } else { document::of_other_content(report) })
    }

    fn not_a_signature(&self, source: &mut Source, moment: Moment, why: &str) -> anyhow::Result<SignatureReport> {
        let report = match source.whole(MAX_TEXT) {
            Ok(file) => {
                let report =
                    if why == "a time stamp" { SignatureReport::unsupported("time-stamp") } else { document::not_a_signature(&file, why) };
                SignatureReport { judged: Some(Judged::new(moment.at, moment.now).file(&file)), ..report }
            }
            Err(ReadError::TooLarge(_)) => document::unreadable("cms", why),
            Err(error) => return Err(unreadable(&self.file, error)),
        };
        Ok(report)
    }

    /// The content that a CMS carries, part by part; content of no octets is one empty part.
    fn carried(&self, source: &mut Source, ranges: &[Range<u64>], part: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
        part(&[]);
        let mut ranges = ranges.iter();
        ranges.try_for_each(|range| source.parts(range.clone(), part)).map_err(|error| unreadable(&self.file, error))
    }

    fn judge_raw(
        &self,
        source: &mut Source,
        certificates: &[Certificate],
        moment: Moment,
        judge: &Judge<'_>,
    ) -> anyhow::Result<SignatureReport> {
        let signature = source.whole(jws::MAX_LENGTH as u64).map_err(|error| unreadable(&self.file, error))?;
        // clap asks for both with --raw.
        let (Some(signer), Some(path)) = (certificates.first(), &self.content) else { bail!("--raw needs --certificate and --content") };
        let verifier = Verifier::new(signer, self.algorithm.as_deref())?;
        let (hash, whole);
        let mut content = Digest::Sha256.hasher();
        let signed = match verifier.hasher() {
            Some(mut hasher) => {
                beside(path, &mut |part| {
                    hasher.update(part);
                    content.update(part);
                })?;
                hash = hasher.finish();
                raw::Signed::Digest(&hash)
            }
            None => {
                whole = self.small_content(path, MAX_WHOLE)?;
                content.update(&whole);
                raw::Signed::Content(&whole)
            }
        };
        let mut report = verifier.judge(&signed, &signature, self.encoding.into(), certificates, moment, judge);
        if let Some(judged) = &mut report.judged {
            judged.content = Some(Hashed::new(Digest::Sha256, &content.finish()));
        }
        Ok(report)
    }

    /// What a server is asked.
    fn question(&self) -> anyhow::Result<Value> {
        let file = open(&self.file)?.whole(MAX_TEXT).map_err(|error| unreadable(&self.file, error))?;
        let certificates: Vec<String> = self.certificates()?.iter().map(Certificate::to_pem).collect();
        let mut question = json!({"certificates": certificates});
        if let Some(at) = self.at {
            question["at"] = json!(at.to_string());
        }
        if self.raw {
            question["format"] = json!("raw");
            question["encoding"] = json!(if self.encoding == RawForm::Der { "der" } else { "fixed" });
            question["algorithm"] = json!(self.algorithm);
        }
        if let Some(path) = &self.content {
            match content_digest(&unarmoured(file.clone())).filter(|_| !self.raw) {
                Some(digest) => {
                    let mut hasher = digest.hasher();
                    beside(path, &mut |part| hasher.update(part))?;
                    question["digest"] = json!(BASE64_STANDARD.encode(hasher.finish()));
                    question["digest_algorithm"] = json!(digest.name());
                }
                None => question["content"] = json!(BASE64_STANDARD.encode(self.small_content(path, MAX_TEXT)?)),
            }
        }
        let is_jws = !self.raw && Format::detect(&file) == Format::Jws;
        question["signature"] = json!(if is_jws { String::from_utf8(file)? } else { BASE64_STANDARD.encode(file) });
        Ok(question)
    }

    fn certificates(&self) -> anyhow::Result<Vec<Certificate>> {
        let mut certificates = Vec::new();
        for path in &self.certificate {
            let file = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            certificates.extend(Certificate::parse_many(&file).with_context(|| format!("reading {}", path.display()))?);
        }
        Ok(certificates)
    }

    fn small_content(&self, path: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
        open(path)?.whole(most).map_err(|error| unreadable(path, error))
    }
}

impl From<RawForm> for Encoding {
    fn from(form: RawForm) -> Self {
        match form {
            RawForm::Der => Self::Der,
            RawForm::Fixed => Self::Fixed,
        }
    }
}

/// The hash of its content that all signers of a CMS have signed, if there is one: then that is enough to know.
fn content_digest(file: &[u8]) -> Option<Digest> {
    let layout = Layout::of(file).ok()?;
    let signed = SignedData::parse(&layout).ok()?;
    let first = signed.signers.first()?.digest();
    let agree = signed.signers.iter().all(|signer| signer.signed.is_some() && signer.digest() == first);
    Digest::find(first).filter(|_| agree)
}

fn open(path: &Path) -> anyhow::Result<Source> {
    let source = File::open(path).and_then(Source::new);
    source.with_context(|| format!("reading {}", path.display()))
}

/// The content of a file, in the same way.
pub(super) fn beside(path: &Path, part: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
    part(&[]);
    let mut source = open(path)?;
    source.parts(0..source.length(), part).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, error: ReadError) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("reading {}", path.display()))
}

/// A report on a signature for people, from the JSON that a server answers or that was made here.
pub fn text(report: &Value) -> String {
    let mut lines = Vec::new();
    push_judgement(&mut lines, report, 0);
    push_judged(&mut lines, report);
    lines.push(format!("  format  {}", word(&report["format"])));
    push_checks(&mut lines, report, 1);
    for signer in report["signatures"].as_array().into_iter().flatten() {
        push_signer(&mut lines, signer, "signer", 1);
    }
    lines.join("\n")
}

fn push_signer(lines: &mut Vec<String>, signer: &Value, what: &str, depth: usize) {
    lines.push(format!("{}{what}  {}", indent(depth), signer["signer"]["subject"].as_str().unwrap_or("not known")));
    push_judgement(lines, signer, depth + 1);
    let time = &signer["best_signature_time"];
    let at = word(&time["time"]);
    let time = match time["source"].as_str() {
        Some("time-stamp") => format!("{at} (proven by a time stamp)"),
        Some("asked") => format!("not proven; judged as of the time asked about, {at}"),
        _ => format!("not proven; judged as of {at}"),
    };
    lines.push(format!("{}time    {time}", indent(depth + 1)));
    if let Some(claimed) = signer["claimed_time"].as_str() {
        lines.push(format!("{}claimed {claimed}", indent(depth + 1)));
    }
    if let Some(level) = signer["level"].as_str() {
        lines.push(format!("{}level   {level}", indent(depth + 1)));
    }
    push_checks(lines, signer, depth + 1);
    if signer["certificate"].is_object() {
        lines.push(format!("{}certificate", indent(depth + 1)));
        push_judgement(lines, &signer["certificate"], depth + 2);
        lines.extend(status_line(&signer["certificate"]["status"]).map(|line| format!("{}status  {line}", indent(depth + 2))));
        lines.extend(status_line(&signer["certificate"]["later"]).map(|line| format!("{}later   {line}", indent(depth + 2))));
        push_checks(lines, &signer["certificate"], depth + 2);
    }
    for stamp in signer["time_stamps"].as_array().into_iter().flatten() {
        lines.push(format!("{}time stamp  {}", indent(depth + 1), word(&stamp["token"]["time"])));
        push_judgement(lines, stamp, depth + 2);
        push_checks(lines, stamp, depth + 2);
    }
    for other in signer["counter_signatures"].as_array().into_iter().flatten() {
        push_signer(lines, other, "counter-signature", depth + 1);
    }
}

pub(super) fn push_judgement(lines: &mut Vec<String>, judged: &Value, depth: usize) {
    let indent = indent(depth);
    lines.push(format!("{indent}{}  {}", word(&judged["verdict"]), word(&judged["reason"])));
    lines.push(format!("{indent}  {}", word(&judged["message"]["zh"])));
    lines.push(format!("{indent}  {}", word(&judged["message"]["en"])));
    for remark in judged["remarks"].as_array().into_iter().flatten() {
        lines.push(format!("{indent}  ! {}", word(&remark["zh"])));
        lines.push(format!("{indent}    {}", word(&remark["en"])));
    }
}

/// What was judged, as people compare it.
pub(super) fn push_judged(lines: &mut Vec<String>, report: &Value) {
    let judged = &report["judged"];
    for (name, value) in [("at", &judged["at"]), ("verified", &judged["verified_at"])] {
        lines.extend(value.as_str().map(|_| format!("  {name:<7} {}", word(value))));
    }
    for name in ["file", "content"] {
        let hash = &judged[name];
        lines.extend(hash["digest"].as_str().map(|_| format!("  {name:<7} {} {}", word(&hash["algorithm"]), word(&hash["digest"]))));
    }
}

pub(super) fn push_checks(lines: &mut Vec<String>, judged: &Value, depth: usize) {
    for check in judged["checks"].as_array().into_iter().flatten() {
        let (outcome, name, clause, detail) =
            (word(&check["outcome"]), word(&check["name"]), word(&check["clause"]), word(&check["detail"]));
        lines.push(format!("{}{outcome:<7} {name}: {detail}  [{clause}]", indent(depth)));
    }
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}

/// Text without what would move a terminal's cursor: names are whatever somebody wrote into a certificate.
pub(super) fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

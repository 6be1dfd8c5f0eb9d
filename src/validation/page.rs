//! A report as a page for people: the verdict and a plain summary on top, every check with its clause and evidence below,
//! Chinese first and English beside it. One file without scripts, so that it can be printed, kept and sent.
//!
//! Names in it come from certificates of anybody: the templates (`templates/`) escape whatever they are given.

use askama::Template;
use serde::Serialize;
use time::OffsetDateTime;

use super::{
    Check, Judgement, Outcome, Report, SignatureReport, StatusReport, TimeStampReport, Verdict,
    report::{Hashed, Judged, LedgerReport, Message, Remark},
    signature::{SignerReport, report::BestSignatureTime},
};
use crate::world::rfc3339;

/// A whole page. `made_at`: when the report was made.
pub fn page(report: impl Into<Section>, made_at: OffsetDateTime) -> String {
    let page = Page { report: report.into(), made_at: rfc3339(made_at) };
    // Rendering into memory fails only when a Display does, and those of text and words do not.
    page.render().expect("a page renders")
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    report: Section,
    made_at: String,
}

/// One verdict with what led to it, and the verdicts under it.
#[derive(Template)]
#[template(path = "report_section.html")]
pub struct Section {
    title: Message,
    verdict: String,
    conclusion: Message,
    message: Message,
    /// What a reader must know beside the verdict.
    remarks: Vec<Remark>,
    /// What a reader wants first: who, when, what.
    summary: Vec<(Message, String)>,
    facts: Vec<(Message, String)>,
    checks: Vec<Check>,
    proofs: Vec<(Message, String)>,
    parts: Vec<Section>,
}

impl Section {
    fn new<R: Serialize>(title: Message, judgement: &Judgement<R>, remarks: &[Remark], checks: &[Check]) -> Self {
        let mut facts = vec![(REASON, word(&judgement.reason))];
        facts.extend(judgement.sub_indication.map(|sub_indication| (SUB_INDICATION, word(&sub_indication))));
        Self {
            title,
            verdict: word(&judgement.verdict),
            conclusion: conclusion(judgement.verdict),
            message: judgement.message,
            remarks: remarks.to_vec(),
            summary: Vec::new(),
            facts,
            checks: checks.to_vec(),
            proofs: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// The verdict's word: `PASSED`, `FAILED` or `INDETERMINATE`.
    pub fn verdict(&self) -> &str {
        &self.verdict
    }

    /// What stands under the heading.
    fn body(&self) -> String {
        // As for the page.
        self.render().expect("a section renders")
    }
}

impl From<&Report> for Section {
    fn from(report: &Report) -> Self {
        let mut section = Self::new(text("证书", "Certificate"), &report.judgement, &report.remarks, &report.checks);
        let subject = report.chain.first().cloned().unwrap_or_default();
        section.summary = vec![(SUBJECT, subject), (STATUS, describe(&report.status))];
        section.summary.extend(report.later.as_ref().map(|later| (LATER, describe(later))));
        section.summary.extend(report.judged.as_ref().into_iter().flat_map(judged));
        section.facts.extend([(CHAIN, report.chain.join("\n")), (STATUS, describe(&report.status))]);
        section.facts.extend(report.later.as_ref().map(|later| (LATER, describe(later))));
        if let Some(ledger) = &report.ledger {
            section.facts.push((LEDGER, format!("{}, {} / {}", ledger.origin, ledger.index, ledger.size)));
            section.proofs = proofs(ledger);
        }
        section
    }
}

impl From<&SignatureReport> for Section {
    fn from(report: &SignatureReport) -> Self {
        let mut section = Self::new(text("签名", "Signature"), &report.judgement, &report.remarks, &report.checks);
        section.summary = report.signatures.iter().map(|signer| (SIGNER, summary(signer))).collect();
        section.summary.extend(report.judged.as_ref().into_iter().flat_map(judged));
        section.facts.push((FORMAT, report.format.to_owned()));
        section.parts = report.signatures.iter().map(|signer| signer_section(text("签名者", "Signer"), signer)).collect();
        section
    }
}

impl From<&TimeStampReport> for Section {
    fn from(report: &TimeStampReport) -> Self {
        let mut section = Self::new(text("时间戳", "Time stamp"), &report.judgement, &report.remarks, &report.checks);
        if let Some(token) = &report.token {
            section.facts.push((TIME, token.time.clone()));
            section.facts.extend(token.accuracy_millis.map(|accuracy| (ACCURACY, format!("± {accuracy} ms"))));
            section.facts.extend([(SERIAL, token.serial.clone()), (POLICY, token.policy.clone())]);
            section.summary.push((TIME, token.time.clone()));
        }
        if let Some(authority) = &report.authority {
            section.facts.push((AUTHORITY, authority.subject.clone()));
            section.summary.push((AUTHORITY, authority.subject.clone()));
        }
        section.summary.extend(report.judged.as_ref().into_iter().flat_map(judged));
        section.parts.extend(report.certificate.as_ref().map(Self::from));
        section
    }
}

fn signer_section(title: Message, signer: &SignerReport) -> Section {
    let mut section = Section::new(title, &signer.judgement, &signer.remarks, &signer.checks);
    if let Some(name) = &signer.signer {
        section.facts.extend([(SIGNER, name.subject.clone()), (CERTIFICATE_ID, name.id.clone())]);
    }
    section.facts.push((BEST_TIME, best_time(&signer.best_signature_time)));
    section.facts.extend(signer.claimed_time.clone().map(|time| (CLAIMED_TIME, time)));
    section.facts.extend(signer.level.map(|level| (LEVEL, level.to_owned())));
    section.parts.extend(signer.certificate.as_ref().map(Section::from));
    section.parts.extend(signer.time_stamps.iter().map(Section::from));
    section.parts.extend(signer.counter_signatures.iter().map(|other| signer_section(text("会签", "Counter-signature"), other)));
    section
}

/// Who, whether, and when.
fn summary(signer: &SignerReport) -> String {
    let name = signer.signer.as_ref().map_or("?", |name| name.subject.as_str());
    let Message { zh, en } = signer.judgement.message;
    format!("{name}\n{zh} {en}\n{}", best_time(&signer.best_signature_time))
}

/// Without a time stamp there is no time of the signature, only one of the question.
fn best_time(time: &BestSignatureTime) -> String {
    match time.source {
        "time-stamp" => format!("{} (时间戳证明 proven by a time stamp)", time.time),
        "asked" => format!("未经证明 not proven (按询问的时间判断 judged as of the time asked about: {})", time.time),
        _ => format!("未经证明 not proven (按验证之时判断 judged as of {})", time.time),
    }
}

/// What it was that was judged, as people compare it.
fn judged(judged: &Judged) -> Vec<(Message, String)> {
    let hash = |name: Message, hash: &Option<Hashed>| hash.as_ref().map(|hash| (name, hash.to_string()));
    let mut facts = vec![(VERIFIED_AT, judged.verified_at.clone())];
    facts.extend(judged.at.clone().map(|at| (ASKED_AT, at)));
    facts.extend(hash(FILE, &judged.file));
    facts.extend(hash(CONTENT, &judged.content));
    facts
}

fn describe(status: &StatusReport) -> String {
    let state = match status.state {
        "good" => "正常 good",
        "suspended" => "暂停 suspended",
        "revoked" => "吊销 revoked",
        "not-issued" => "未签发 not issued",
        "trusted" => "可信根 trusted root",
        _ => "未知 unknown",
    };
    let reason = status.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let since = status.since.as_ref().map(|since| format!(", 始于 since {since}")).unwrap_or_default();
    let invalid = status.invalid_since.as_ref().map(|since| format!(", 失信始于 not trusted since {since}")).unwrap_or_default();
    format!("{state}{reason}{since}{invalid}, 截至 as of {}", status.as_of)
}

fn proofs(ledger: &LedgerReport) -> Vec<(Message, String)> {
    let receipt = ledger.receipt.iter().map(|receipt| (text("账本收据", "Receipt from the ledger"), receipt.clone()));
    let revocation = ledger.revocation.iter().map(|receipt| (text("吊销收据", "Receipt of the revocation"), receipt.clone()));
    let status = ledger.status_proof.iter().map(|proof| (text("状态证明", "Proof of status"), proof.clone()));
    receipt.chain(revocation).chain(status).collect()
}

fn conclusion(verdict: Verdict) -> Message {
    match verdict {
        Verdict::Passed => text("通过", "PASSED"),
        Verdict::Failed => text("未通过", "FAILED"),
        Verdict::Indeterminate => text("无法确定", "INDETERMINATE"),
    }
}

fn outcome(outcome: &Outcome) -> Message {
    match outcome {
        Outcome::Passed => text("通过", "passed"),
        Outcome::Failed => text("未通过", "failed"),
        Outcome::Unknown => text("未知", "unknown"),
    }
}

/// The stable text of a code, as in JSON.
fn word(code: &impl Serialize) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(word)) => word,
        // Codes are enums without fields, which are text.
        Ok(_) | Err(_) => String::new(),
    }
}

const fn text(zh: &'static str, en: &'static str) -> Message {
    Message { zh, en }
}

const REASON: Message = text("原因代码", "Reason");
const SUB_INDICATION: Message = text("次级结论", "Sub-indication");
const SUBJECT: Message = text("持有者", "Subject");
const SIGNER: Message = text("签名者", "Signed by");
const CERTIFICATE_ID: Message = text("证书标识", "Certificate");
const STATUS: Message = text("状态", "Status");
const LATER: Message = text("其后的状态", "Status since then");
const VERIFIED_AT: Message = text("验证时间", "Verified at");
const ASKED_AT: Message = text("所询问的时间", "Time asked about");
const FILE: Message = text("所验证的文件", "File that was verified");
const CONTENT: Message = text("被签名的内容", "Content");
const CHAIN: Message = text("证书链", "Chain");
const LEDGER: Message = text("账本", "Ledger");
const FORMAT: Message = text("格式", "Format");
const LEVEL: Message = text("签名级别", "Level");
const TIME: Message = text("时间", "Time");
const BEST_TIME: Message = text("签名时间", "Time of the signature");
const CLAIMED_TIME: Message = text("签名者声明的时间", "Time that the signer claims");
const ACCURACY: Message = text("精度", "Accuracy");
const SERIAL: Message = text("序列号", "Serial number");
const POLICY: Message = text("策略", "Policy");
const AUTHORITY: Message = text("时间戳机构", "Time-stamping authority");

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::validation::{CheckName, Reason};

    const NOW: OffsetDateTime = datetime!(2030-01-01 00:00 UTC);

    fn report(name: &str) -> Report {
        let hostile = Report::without_status(Reason::Revoked, NOW);
        let checks = vec![Check::new(CheckName::Path, "RFC 5280 §6.1", Outcome::Failed, name)];
        let ledger = LedgerReport { receipt: Some(name.to_owned()), ..LedgerReport::at(name.to_owned(), 1, 2) };
        Report { chain: vec![name.to_owned()], checks, ledger: Some(ledger), ..hostile }
    }

    #[test]
    fn the_verdict_stands_first_and_every_check_below_in_both_languages() {
        let page = page(&report("CN=王芳"), NOW);
        let parts =
            ["<h1>未通过 <span lang=\"en\">FAILED", "证书已被吊销。", "The certificate is revoked.", "CN=王芳", "证书链", "RFC 5280 §6.1"];
        let places: Vec<usize> = parts.iter().map(|part| page.find(part).unwrap_or_else(|| panic!("{part}: {page}"))).collect();
        assert!(places.is_sorted(), "{places:?}");
        assert!(page.contains("2030-01-01T00:00:00Z") && page.contains("class=\"FAILED\"") && !page.contains("<script"));
    }

    #[test]
    fn whatever_a_name_holds_is_text() {
        for name in ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</pre></details><b>", "&lt;b&gt;", "' onload='x"] {
            let page = page(&report(name), NOW);
            assert!(!page.contains(name), "{name}: {page}");
            assert!(!page.contains("<b>") && !page.contains("<img") && !page.contains("<script"), "{name}");
        }
    }
}

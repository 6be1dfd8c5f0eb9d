//! `hufu verify certificate`: offline with a trust bundle and the proofs that came with the certificate, or by asking a server.
//! What else can be verified has a file of its own.
//!
//! Exit codes: 0 passed, 1 failed, 2 indeterminate, 64 for a command that makes no sense or names what cannot be read, 69 for a server that
//! gives no report.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{
    Connection,
    acknowledgement::VerifyAcknowledgement,
    evidence::VerifyEvidence,
    report::{ReportForm, usage},
    verify_foreign::ForeignTrust,
    verify_signature::{VerifySignature, push_judged, push_judgement},
    verify_timestamp::VerifyTimestamp,
};
use crate::{
    ledger::{
        Entry, Receipt, State, StatusProof, TrustedLog, VerifyError,
        proof::{ProvenStatus, verify_issue_receipt, verify_revocation_receipt, verify_status_proof},
    },
    policy::Timestamp,
    services::{
        revoke::{reason_name, state_name},
        trust::{TrustBundle, log_name},
        verify::rfc3339,
    },
    validation::{
        Check, CheckName, Inputs, Outcome, Purpose, Reason, Report, StatusReport, TrustStore,
        report::{Judged, LedgerReport, Remark},
        signature::{Asked, format::no_certificate},
        validate,
    },
    world::{Clock, SystemClock, rfc3339_seconds as time, seconds},
    x509::Certificate,
};

/// A log that nothing happens to gets a new checkpoint with each CRL, twice a day.
pub const MAX_AGE: Duration = Duration::DAY;
/// How far the clocks of the log and of the verifier may be apart.
const CLOCK_SKEW: u64 = 300;

#[derive(Debug, Subcommand)]
pub enum Verify {
    /// Judge a certificate: its path, its use and what the ledger says of it. With a trust bundle (--trust bundle.json) nobody
    /// is asked and the proofs decide; otherwise the server is asked
    Certificate(VerifyCertificate),
    /// Check the acknowledgement of a revocation against the trust bundle
    Acknowledgement(VerifyAcknowledgement),
    /// Judge a signature: a CMS (CAdES, GM/T 0010), a JWS or a bare value, with its signers' certificates at the time of the
    /// signature. With a trust bundle nobody is asked, as for certificates
    Signature(VerifySignature),
    /// Judge a time stamp: its signature, what it is of and its authority's certificate. With a trust bundle nobody is asked, as
    /// for certificates
    Timestamp(VerifyTimestamp),
    /// Judge a file of evidence by the trust bundle alone, and name each part that was altered
    Evidence(VerifyEvidence),
}

/// The same for every kind of verification, in its `--help`.
pub const EXIT_CODES: &str = "Exit codes: 0 PASSED, 1 FAILED, 2 INDETERMINATE, 64 the command makes no sense or names what cannot be read, \
69 the server was not reached or gave no report. Without a report nothing is on standard output.";

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct VerifyCertificate {
    /// The certificate (PEM or DER); certificates behind it may be used for the chain
    pub file: PathBuf,
    #[command(flatten)]
    pub connection: Connection,
    /// The receipt of its issue
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
    /// A proof of its status
    #[arg(long, value_name = "FILE")]
    pub status_proof: Option<PathBuf>,
    /// More certificates for the chain (PEM)
    #[arg(long, value_name = "FILE")]
    pub chain: Option<PathBuf>,
    /// The time that the verdict is about, as 2030-01-01T00:00:00Z; default: now
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
    /// What it is to be used for: any, server-auth, client-auth, email-protection, document-signing, code-signing, time-stamping or
    /// ocsp-signing
    #[arg(long, default_value = "any", value_parser = purpose)]
    pub purpose: Purpose,
    /// How old a proof of status may be, in seconds; of a time that has passed (--at) it must be younger than that time
    #[arg(long, default_value_t = MAX_AGE.whole_seconds().unsigned_abs(), value_name = "SECONDS")]
    pub max_age: u64,
    #[command(flatten)]
    pub foreign: ForeignTrust,
    #[command(flatten)]
    pub form: ReportForm,
}

fn purpose(name: &str) -> Result<Purpose, String> {
    Purpose::find(name).ok_or_else(|| format!("one of {}", Purpose::ALL.map(Purpose::name).join(", ")))
}

impl Verify {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Certificate(verify) => verify.run().await,
            Self::Acknowledgement(verify) => verify.run(),
            Self::Signature(verify) => verify.run().await,
            Self::Timestamp(verify) => verify.run().await,
            Self::Evidence(verify) => Ok(verify.run()),
        }
    }
}

/// What there is to judge.
pub struct Evidence {
    pub certificate: Certificate,
    /// Further certificates that may belong to the chain.
    pub candidates: Vec<Certificate>,
    pub receipt: Option<Receipt>,
    pub status_proof: Option<StatusProof>,
    /// The receipt of its revocation: of what was before it, a proof of status alone says nothing.
    pub revocation: Option<Receipt>,
    /// The time that the verdict is about; `None`: now.
    pub at: Option<OffsetDateTime>,
    pub now: OffsetDateTime,
    pub purpose: Purpose,
    pub max_age: Duration,
}

impl Evidence {
    pub fn time(&self) -> OffsetDateTime {
        self.at.unwrap_or(self.now)
    }
}

impl VerifyCertificate {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let (bundle, evidence) = match self.read() {
            Ok(read) => read,
            Err(error) => return Ok(usage(&error)),
        };
        let (certificate, candidates, at) = (&evidence.certificate, &evidence.candidates, evidence.at);
        let asked = Asked { certificate, candidates, evidence: &Default::default(), at, purpose: self.purpose };
        let foreign = match self.foreign.read() {
            Ok(foreign) => foreign.map(|foreign| foreign.judge(&asked, evidence.now)),
            Err(error) => return Ok(usage(&error)),
        };
        let about = |report: Report| Report {
            judged: Some(Judged::new(self.at.map(Timestamp::instant), evidence.now).file(evidence.certificate.der())),
            ..report.noted(evidence.time())
        };
        match (&foreign, &bundle) {
            // The bundle's own certificates lead to none of these anchors.
            (Some(report), bundle) if bundle.is_none() || report.reason() != Reason::NoTrustedPath => {
                self.form.print(&self.connection, &about(report.clone()), evidence.now, text)
            }
            (_, Some(bundle)) => self.form.print(&self.connection, &about(judge(bundle, &evidence)?), evidence.now, text),
            (_, None) => Ok(self.form.ask(&self.connection, "/api/v1/verify/certificate", &self.question(&evidence), text).await),
        }
    }

    fn read(&self) -> anyhow::Result<(Option<TrustBundle>, Evidence)> {
        let file = |path: &PathBuf| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
        let read_text = |path: &PathBuf| String::from_utf8(file(path)?).with_context(|| format!("reading {}", path.display()));
        let contents = file(&self.file)?;
        let wrong = |_| anyhow::anyhow!("{}: {}", self.file.display(), no_certificate(&contents));
        let mut candidates = Certificate::parse_many(&contents).map_err(wrong)?;
        let certificate = candidates.remove(0);
        if let Some(path) = &self.chain {
            candidates.extend(Certificate::parse_many(&file(path)?)?);
        }
        let receipt = self.receipt.as_ref().map(|path| anyhow::Ok(Receipt::parse(&read_text(path)?)?)).transpose()?;
        let status_proof = self.status_proof.as_ref().map(|path| anyhow::Ok(StatusProof::parse(&read_text(path)?)?)).transpose()?;
        let now = SystemClock.now();
        let evidence = Evidence {
            certificate,
            candidates,
            receipt,
            status_proof,
            revocation: None,
            at: self.at.map(Timestamp::instant),
            now,
            purpose: self.purpose,
            max_age: Duration::seconds(i64::try_from(self.max_age).unwrap_or(i64::MAX)),
        };
        Ok((self.connection.bundle()?, evidence))
    }

    fn question(&self, evidence: &Evidence) -> Value {
        json!({
            "certificate": evidence.certificate.to_pem(),
            "chain": evidence.candidates.iter().map(Certificate::to_pem).collect::<Vec<_>>(),
            "at": self.at.map(|at| at.to_string()),
            "purpose": self.purpose.name(),
        })
    }
}

/// The verdict by the bundle alone: path, receipt, status proof.
pub fn judge(bundle: &TrustBundle, evidence: &Evidence) -> anyhow::Result<Report> {
    let certificate = &evidence.certificate;
    let mut candidates = evidence.candidates.clone();
    candidates.extend(bundle.authorities()?);
    let (trust, inputs) = (TrustStore::of_roots(&bundle.roots()?), Inputs::new(evidence.time(), evidence.purpose));
    if let Some(report) = trust.judge_itself(certificate, &inputs) {
        return Ok(report);
    }
    let path = match validate(certificate, &candidates, &trust, &inputs) {
        Ok(path) => path,
        Err(error) => {
            let checks = vec![check(CheckName::Path, "RFC 5280 §6.1", Outcome::Failed, error.to_string())];
            // Also of a certificate that has expired it counts that it was revoked.
            let known = judge_ledger(bundle, evidence, &mut Vec::new(), &mut None);
            let status = known.map_or_else(|_| unknown(evidence), |judged| judged.status);
            return Ok(Report::new(Reason::from(&error), status, vec![certificate.subject_text()], checks, None));
        }
    };
    let chain: Vec<String> = path.certificates().iter().map(Certificate::subject_text).collect();
    let mut checks = vec![check(CheckName::Path, "RFC 5280 §6.1", Outcome::Passed, format!("{} certificates", chain.len()))];
    let mut ledger = None;
    let known = match judge_ledger(bundle, evidence, &mut checks, &mut ledger) {
        Ok(known) => known,
        Err(error) => {
            let reason = error_reason(&error);
            let outcome = if reason == Reason::StatusUnknown { Outcome::Unknown } else { Outcome::Failed };
            checks.push(check(CheckName::Ledger, "C2SP tlog-proof", outcome, error.to_string()));
            Known::now(reason, unknown(evidence))
        }
    };
    if chain.len() > 2 {
        checks.push(check(
            CheckName::Status,
            "certificate policy §4.9",
            Outcome::Unknown,
            "that of the authorities was not looked at".to_owned(),
        ));
    }
    let remarks = missing(evidence, known.reason).into_iter().collect();
    Ok(Report { remarks, later: known.later, ..Report::new(known.reason, known.status, chain, checks, ledger) })
}

/// What proofs show.
struct Known {
    reason: Reason,
    status: StatusReport,
    /// What became of it after the time in question.
    later: Option<StatusReport>,
}

impl Known {
    fn now(reason: Reason, status: StatusReport) -> Self {
        Self { reason, status, later: None }
    }
}

/// Which proof would have said more, of which certificate, and where to get it.
fn missing(evidence: &Evidence, reason: Reason) -> Option<Remark> {
    let (zh, en) = match (reason, &evidence.receipt, &evidence.status_proof) {
        (Reason::StatusUnknown, None, None) => ("签发收据和状态证明", "the receipt of its issue and a proof of its status"),
        (Reason::StatusUnknown | Reason::ValidStatusNotProven, _, None) => ("状态证明", "a proof of its status"),
        (Reason::StatusProofTooOld, ..) => ("晚于所判断时间的状态证明", "a proof of its status that is younger than the time in question"),
        (Reason::StatusUnknown, _, Some(_)) => ("新的状态证明", "a new proof of its status"),
        (Reason::Revoked, ..) if evidence.at.is_some() && evidence.revocation.is_none() => {
            ("吊销收据", "the receipt of its revocation, without which nothing shows what was before")
        }
        _ => return None,
    };
    let (subject, id) = (evidence.certificate.subject_text(), evidence.certificate.id());
    Some(Remark::new(
        "proof-missing",
        format!("缺少证书 {subject}({id})的{zh};向服务器验证所得的报告(--json)可用 --evidence 给出,其中包含所需证明。"),
        format!(
            "Of the certificate {subject} ({id}) there is missing: {en}. The report of a server (--json) has it and is given with --evidence."
        ),
    ))
}

/// What receipt and status proof show. A receipt shows the issue; what became of it only a status proof can show.
fn judge_ledger(
    bundle: &TrustBundle,
    evidence: &Evidence,
    checks: &mut Vec<Check>,
    ledger: &mut Option<LedgerReport>,
) -> Result<Known, VerifyError> {
    if evidence.receipt.is_none() && evidence.status_proof.is_none() {
        return Ok(Known::now(Reason::StatusUnknown, unknown(evidence)));
    }
    let name = log_name(&evidence.certificate).unwrap_or_default();
    // A certificate belongs into the log of the authority that issued it and into no other.
    let log = bundle.trusted_log(&name).ok_or(VerifyError::OtherLog(name))?;
    let digest = evidence.certificate.id().0;
    if let Some(receipt) = &evidence.receipt {
        let (entry, trusted) = verify_issue_receipt(receipt, &digest, &log)?;
        let detail = format!("entry {} of {}", receipt.index, log.origin);
        checks.push(check(CheckName::Receipt, "C2SP tlog-proof", Outcome::Passed, detail));
        let place = LedgerReport::at(log.origin.clone(), receipt.index, trusted.checkpoint.size);
        *ledger = Some(LedgerReport { receipt: Some(receipt.to_string()), ..place });
        if evidence.status_proof.is_none() {
            let status = StatusReport { since: Some(time(entry.time)), ..unknown(evidence) };
            return Ok(Known::now(Reason::ValidStatusNotProven, status));
        }
    }
    let Some(proof) = &evidence.status_proof else {
        return Ok(Known::now(Reason::StatusUnknown, unknown(evidence)));
    };
    let (now, max_age) = (seconds(evidence.now), evidence.max_age.whole_seconds().unsigned_abs());
    let proven = verify_status_proof(proof, &digest, &log, now + CLOCK_SKEW, max_age.saturating_add(CLOCK_SKEW))?;
    let place = ledger.get_or_insert_with(|| LedgerReport::at(log.origin.clone(), proof.head.index, proof.head.index + 1));
    place.status_proof = Some(proof.to_string());
    let revocation = proven_revocation(evidence, &proven, &digest, &log)?;
    let invalid_since = revocation.as_ref().map(Entry::invalid_since).transpose()?.flatten();
    let from_good = revocation.filter(|entry| entry.prev_state == State::Good);
    let not_good_since = from_good.map(|entry| invalid_since.map_or(entry.time, |since| since.min(entry.time)));
    if let Some(since) = not_good_since.filter(|since| seconds(evidence.time()) < *since) {
        let status = StatusReport { state: "good", ..unknown(evidence) };
        let detail = format!("good as of {}, revoked since {}", status.as_of, time(since));
        checks.push(check(CheckName::Status, "hufu/status-proof@v1, RFC 5280 §5.3.2", Outcome::Passed, detail));
        return Ok(Known { reason: Reason::Valid, status, later: Some(status_of(&proven, invalid_since)) });
    }
    let reason = reason(&proven, evidence);
    let status = status_of(&proven, invalid_since);
    let (outcome, detail) = match reason {
        Reason::StatusProofTooOld => {
            let at = rfc3339(evidence.time());
            (Outcome::Unknown, format!("the proof speaks as of {}, which is not after {at}, the time in question", status.as_of))
        }
        Reason::StatusUnknown => (Outcome::Unknown, format!("{} as of {}", status.state, status.as_of)),
        Reason::Valid => (Outcome::Passed, format!("{} as of {}", status.state, status.as_of)),
        _ => (Outcome::Failed, format!("{} as of {}", status.state, status.as_of)),
    };
    checks.push(check(CheckName::Status, "hufu/status-proof@v1", outcome, detail));
    Ok(Known::now(reason, status))
}

/// The leaf of the revocation, by its receipt. One that was suspended before that was so since a time that its revocation does not tell.
fn proven_revocation(
    evidence: &Evidence,
    proven: &ProvenStatus,
    digest: &[u8; 32],
    log: &TrustedLog,
) -> Result<Option<Entry>, VerifyError> {
    let Some(receipt) = evidence.revocation.as_ref().filter(|_| proven.state == State::Revoked) else { return Ok(None) };
    verify_revocation_receipt(receipt, digest, log).map(Some)
}

/// What a proven status means for the time in question. Where one is asked for or proven, the proof must be younger, whatever this
/// machine's clock says: times in the ledger are whole seconds, and only of a second that is over it says everything. For now it may be
/// `max_age` old. Of a revoked certificate the proof alone does not say since when its key is not trusted, so it speaks against every time.
fn reason(proven: &ProvenStatus, evidence: &Evidence) -> Reason {
    let max_age = evidence.max_age.whole_seconds().unsigned_abs();
    let now = seconds(evidence.now);
    match (proven.state, evidence.at.map(seconds)) {
        (State::Good, Some(at)) if proven.as_of <= at => Reason::StatusProofTooOld,
        (State::Good, Some(at)) if proven.since <= at => Reason::Valid,
        (State::Good, None) if proven.since <= now.saturating_add(CLOCK_SKEW) && now <= proven.as_of.saturating_add(max_age) => {
            Reason::Valid
        }
        (State::Good, _) => Reason::StatusUnknown,
        (State::Hold, _) => Reason::Suspended,
        (State::Revoked, _) => Reason::Revoked,
        (State::Absent, _) => Reason::NotIssued,
    }
}

/// A proof that is only too old, or ahead of this clock, shows nothing and refutes nothing.
fn error_reason(error: &VerifyError) -> Reason {
    match error {
        VerifyError::Stale { .. } | VerifyError::Future { .. } => Reason::StatusUnknown,
        _ => Reason::LedgerProofInvalid,
    }
}

fn status_of(proven: &ProvenStatus, invalid_since: Option<u64>) -> StatusReport {
    let state = match proven.state {
        State::Good => "good",
        State::Absent => "not-issued",
        other => state_name(other),
    };
    StatusReport {
        state,
        reason: matches!(proven.state, State::Hold | State::Revoked).then(|| reason_name(proven.reason)),
        since: (proven.state != State::Absent).then(|| time(proven.since)),
        invalid_since: invalid_since.map(time),
        as_of: time(proven.as_of),
    }
}

fn unknown(evidence: &Evidence) -> StatusReport {
    StatusReport { state: "unknown", reason: None, since: None, invalid_since: None, as_of: rfc3339(evidence.time()) }
}

fn check(name: CheckName, clause: &'static str, outcome: Outcome, detail: String) -> Check {
    Check::new(name, clause, outcome, detail)
}

/// A report for people, from the JSON that a server answers or that was made here.
pub fn text(report: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = Vec::new();
    push_judgement(&mut lines, report, 0);
    push_judged(&mut lines, report);
    lines.extend(status_line(&report["status"]).map(|line| format!("  status  {line}")));
    lines.extend(status_line(&report["later"]).map(|line| format!("  later   {line}")));
    for (index, subject) in report["chain"].as_array().into_iter().flatten().enumerate() {
        lines.push(format!("  {}{}{}", if index == 0 { "chain   " } else { "        " }, "  ".repeat(index), text(subject)));
    }
    for check in report["checks"].as_array().into_iter().flatten() {
        let (outcome, name, clause, detail) =
            (text(&check["outcome"]), text(&check["name"]), text(&check["clause"]), text(&check["detail"]));
        lines.push(format!("  {outcome:<7} {name}: {detail}  [{clause}]"));
    }
    for file in report["files"].as_array().into_iter().flatten() {
        lines.push(format!("  wrote   {}", text(file)));
    }
    lines.join("\n")
}

/// A status in a line.
pub fn status_line(status: &Value) -> Option<String> {
    let state = status["state"].as_str()?;
    let part =
        |name: &str, before: &str, after: &str| status[name].as_str().map(|value| format!("{before}{value}{after}")).unwrap_or_default();
    let invalid = part("invalid_since", ", not trusted since ", "");
    Some(format!("{state}{}{}{invalid}{}", part("since", " since ", ""), part("reason", " (", ")"), part("as_of", ", as of ", "")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ledger::StatusKey,
        policy::Act,
        services::fixture::{Department, Installation},
        validation::Verdict,
        world::{from_millis, parse_rfc3339},
        x509::{Signed, signed::assemble},
    };

    struct Case {
        installation: Installation,
        department: Department,
        bundle: TrustBundle,
        certificates: Vec<Certificate>,
    }

    impl Case {
        async fn new() -> Self {
            let installation = Installation::start().await;
            let department = installation.department("民政局").await;
            let (enrolment, _) = installation.enrol(&department, "王芳").await;
            let certificates = installation.approve(&department, &enrolment).await.into_iter().map(|issued| issued.certificate).collect();
            Self { bundle: installation.bundle(), installation, department, certificates }
        }

        /// The certificate with fresh proofs, judged now.
        async fn evidence(&self, certificate: &Certificate) -> Evidence {
            let services = self.installation.services();
            let row = services.find_certificate(&certificate.id().to_string()).await.unwrap();
            let proof = services.status_proof(&row.authority, &StatusKey::of_tbs(&row.tbs)).await.unwrap();
            let receipt = services.certificate_receipt(&row).await.unwrap();
            let now = SystemClock.now();
            Evidence {
                certificate: certificate.clone(),
                candidates: Vec::new(),
                receipt: Some(Receipt::parse(&receipt.to_string()).unwrap()),
                status_proof: Some(StatusProof::parse(&proof.to_string()).unwrap()),
                revocation: None,
                at: None,
                now,
                purpose: Purpose::Any,
                max_age: MAX_AGE,
            }
        }

        fn check(&self, name: &str, evidence: &Evidence, expected: Reason) {
            let report = judge(&self.bundle, evidence).unwrap();
            assert_eq!(report.reason(), expected, "{name}: {:#}", serde_json::to_value(&report).unwrap());
        }
    }

    #[tokio::test]
    async fn the_verdict_follows_from_path_receipt_and_status_proof() {
        let case = Case::new().await;
        for certificate in &case.certificates {
            let whole = || case.evidence(certificate);
            case.check("both proofs", &whole().await, Reason::Valid);
            case.check("no receipt", &Evidence { receipt: None, ..whole().await }, Reason::Valid);
            case.check("no status", &Evidence { status_proof: None, ..whole().await }, Reason::ValidStatusNotProven);
            case.check("neither", &Evidence { receipt: None, status_proof: None, ..whole().await }, Reason::StatusUnknown);
            case.check("for servers", &Evidence { purpose: Purpose::ServerAuth, ..whole().await }, Reason::PurposeNotAllowed);
            let past = SystemClock.now() - Duration::days(1);
            case.check("before its time", &Evidence { at: Some(past), ..whole().await }, Reason::NotYetValid);
            let future = SystemClock.now() + Duration::days(3);
            case.check("an old proof", &Evidence { now: future, ..whole().await }, Reason::StatusUnknown);
            case.check("a time long after the proof", &Evidence { at: Some(future), ..whole().await }, Reason::StatusProofTooOld);
        }
        let stranger = TrustBundle { roots: Vec::new(), ..case.bundle.clone() };
        let report = judge(&stranger, &case.evidence(&case.certificates[0]).await).unwrap();
        assert_eq!((report.reason(), report.verdict()), (Reason::NoTrustedPath, Verdict::Indeterminate));
    }

    #[tokio::test]
    async fn a_proof_that_is_not_younger_than_the_time_in_question_shows_nothing_of_it() {
        let case = Case::new().await;
        tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
        for certificate in &case.certificates {
            let services = case.installation.services();
            let row = services.find_certificate(&certificate.id().to_string()).await.unwrap();
            let proof = services.status_proof_now(&row.authority, &StatusKey::of_tbs(&row.tbs)).await.unwrap();
            let whole = async |at| Evidence { status_proof: Some(proof.clone()), at, ..case.evidence(certificate).await };
            let report = judge(&case.bundle, &whole(None).await).unwrap();
            assert_eq!(report.reason(), Reason::Valid);
            let as_of = parse_rfc3339(&report.status.as_of).unwrap();
            // The log has spoken again, though nothing happened in it.
            assert!(seconds(as_of) > proof.head.entry().unwrap().time, "{report:?}");
            for (name, at, expected) in [
                ("the second before", as_of - Duration::SECOND, Reason::Valid),
                ("that very second, before it was over", as_of, Reason::StatusProofTooOld),
                ("a moment later", as_of + Duration::milliseconds(1), Reason::StatusProofTooOld),
                ("a time that is still to come", as_of + Duration::minutes(1), Reason::StatusProofTooOld),
            ] {
                case.check(name, &whole(Some(at)).await, expected);
            }
            let report = judge(&case.bundle, &whole(Some(as_of)).await).unwrap();
            assert_eq!((report.verdict(), report.remarks[0].code), (Verdict::Indeterminate, "proof-missing"));
            let early = Evidence { now: as_of + Duration::hours(1), ..whole(None).await };
            let noted = judge(&case.bundle, &early).unwrap().noted(early.time());
            assert_eq!((noted.reason(), noted.remarks[0].code), (Reason::Valid, "status-as-of"));
        }
    }

    #[tokio::test]
    async fn a_root_is_trusted_for_it_is_an_anchor_itself() {
        let case = Case::new().await;
        for root in case.bundle.roots().unwrap() {
            let of_root = async |at, purpose| {
                let whole = case.evidence(&case.certificates[0]).await;
                Evidence { certificate: root.clone(), receipt: None, status_proof: None, at, purpose, ..whole }
            };
            case.check("now", &of_root(None, Purpose::Any).await, Reason::TrustedRoot);
            case.check("before it was", &of_root(Some(root.not_before() - Duration::DAY), Purpose::Any).await, Reason::NotYetValid);
            assert_ne!(judge(&case.bundle, &of_root(None, Purpose::ServerAuth).await).unwrap().verdict(), Verdict::Passed);
        }
    }

    #[tokio::test]
    async fn suspended_and_revoked_certificates_are_said_to_be_so_and_an_older_proof_is_not_misread() {
        let case = Case::new().await;
        let certificate = &case.certificates[1];
        case.installation.change(&case.department.approver, Act::Suspend, certificate).await;
        case.check("suspended", &case.evidence(certificate).await, Reason::Suspended);
        case.installation.change(&case.department.approver, Act::Revoke, certificate).await;
        let evidence = case.evidence(certificate).await;
        case.check("revoked", &evidence, Reason::Revoked);
        let report = serde_json::to_value(judge(&case.bundle, &evidence).unwrap()).unwrap();
        assert_eq!(report["status"]["reason"], "keyCompromise");
        let text = text(&report);
        assert!(text.starts_with("FAILED  revoked\n  证书已被吊销。\n  The certificate is revoked.\n"), "{text}");
    }

    #[tokio::test]
    async fn what_was_before_a_revocation_was_good_when_its_receipt_says_so() {
        let case = Case::new().await;
        // Times in the ledger are whole seconds, and the authorities are not older than this test.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        for (certificate, suspended, expected) in
            [(&case.certificates[0], false, Reason::Valid), (&case.certificates[1], true, Reason::Revoked)]
        {
            if suspended {
                case.installation.change(&case.department.approver, Act::Suspend, certificate).await;
            }
            case.installation.change(&case.department.approver, Act::Revoke, certificate).await;
            let services = case.installation.services();
            let row = services.find_certificate(&certificate.id().to_string()).await.unwrap();
            let last = *services.changes(&row.authority, &StatusKey::of_tbs(&row.tbs)).last().unwrap();
            let revocation = services.receipt(&row.authority, last.index).await.unwrap();
            let before = from_millis(i64::try_from(last.time).unwrap() * 1000) - Duration::seconds(1);
            let whole = async || case.evidence(certificate).await;
            let shown = Some(revocation);
            case.check("before it", &Evidence { at: Some(before), revocation: shown.clone(), ..whole().await }, expected);
            case.check("before it, not shown", &Evidence { at: Some(before), ..whole().await }, Reason::Revoked);
            case.check("after it", &Evidence { revocation: shown, ..whole().await }, Reason::Revoked);
            let issue = whole().await.receipt;
            case.check("another leaf", &Evidence { at: Some(before), revocation: issue, ..whole().await }, Reason::LedgerProofInvalid);
        }
    }

    #[tokio::test]
    async fn since_when_a_key_is_not_trusted_the_receipt_of_its_revocation_says() {
        let case = Case::new().await;
        for certificate in &case.certificates {
            let (services, approver) = (case.installation.services(), &case.department.approver);
            let row = services.find_certificate(&certificate.id().to_string()).await.unwrap();
            let since = Timestamp::new(services.now());
            let subject = services.certificate_subject(&row).await.unwrap();
            let statement = case.installation.sign_since(approver, Act::Revoke, subject, Some("keyCompromise"), Some(since)).await;
            let caller = case.installation.caller(approver).await;
            let done = services.change_certificate(&caller, Act::Revoke, &hex::encode(&row.id), &statement).await.unwrap();
            let revocation = Some(services.receipt(&row.authority, done.position.index).await.unwrap());
            let whole = case.evidence(certificate).await;
            let report = judge(&case.installation.bundle(), &Evidence { revocation, ..whole }).unwrap();
            let text = text(&serde_json::to_value(report).unwrap());
            assert!(text.contains(&format!("(keyCompromise), not trusted since {since}, as of")), "{text}");
        }
    }

    #[tokio::test]
    async fn proofs_of_other_certificates_logs_and_trees_are_refused() {
        let case = Case::new().await;
        let [one, other] = [case.evidence(&case.certificates[0]).await, case.evidence(&case.certificates[1]).await];
        let evidence = || case.evidence(&case.certificates[0]);
        let receipt = other.receipt.clone();
        case.check("another's receipt", &Evidence { receipt, ..evidence().await }, Reason::LedgerProofInvalid);
        let status_proof = other.status_proof.clone();
        case.check("another's status", &Evidence { status_proof, ..evidence().await }, Reason::LedgerProofInvalid);
        let mut receipt = one.receipt.clone().unwrap();
        receipt.path[0][0] ^= 1;
        case.check("another tree", &Evidence { receipt: Some(receipt), ..evidence().await }, Reason::LedgerProofInvalid);
        let mut proof = one.status_proof.clone().unwrap();
        proof.siblings[0][0] ^= 1;
        case.check("another map", &Evidence { status_proof: Some(proof), ..evidence().await }, Reason::LedgerProofInvalid);
    }

    #[tokio::test]
    async fn a_certificate_that_was_signed_without_the_ledger_is_not_issued() {
        let case = Case::new().await;
        let real = &case.certificates[0];
        let services = case.installation.services();
        let row = services.find_certificate(&real.id().to_string()).await.unwrap();
        let authority = services.authorities().load(&row.authority).unwrap();
        let mut tbs = real.tbs().to_vec();
        let serial = tbs.windows(20).position(|window| window == real.serial()).unwrap();
        tbs[serial + 10] ^= 1;
        let signature = authority.key.sign(tbs.clone()).await.unwrap();
        let algorithm = Signed::parse(real.der()).unwrap().algorithm;
        let forged = Certificate::parse(&assemble(&tbs, &algorithm, &signature, &[]).unwrap()).unwrap();

        let proof = services.status_proof(&row.authority, &StatusKey::of_tbs(&tbs)).await.unwrap();
        let whole = case.evidence(real).await;
        case.check("absent", &Evidence { certificate: forged, receipt: None, status_proof: Some(proof), ..whole }, Reason::NotIssued);
    }
}

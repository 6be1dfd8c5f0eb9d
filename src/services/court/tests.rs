use serde_json::Value;

use super::{
    Evidence,
    judge::{Capacity, Judgement, judge},
};
use crate::{
    policy::{Act, Timestamp},
    services::{
        fixture::{Department, Installation, Person},
        journal::{Commit, Kind},
        statements::{allowed, decided},
        trust::TrustBundle,
    },
    world::{Clock, SystemClock, millis, seconds},
    x509::Certificate,
};

struct Case {
    installation: Installation,
    department: Department,
    bundle: TrustBundle,
    /// One of each family.
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

    async fn evidence(&self, certificate: &Certificate) -> Evidence {
        let services = self.installation.services();
        services.evidence(&services.find_certificate(&certificate.id().to_string()).await.unwrap()).await.unwrap()
    }

    fn judge(&self, evidence: &Evidence) -> Judgement {
        judge(&self.bundle, evidence, seconds(SystemClock.now()))
    }

    /// Two people put what this certificate signed since an hour ago to re-review.
    async fn re_review(&self, stolen: &Person) {
        let (services, id) = (self.installation.services(), stolen.certificate.id().to_string());
        let since = Some(Timestamp::new(services.now() - time::Duration::hours(1)));
        for by in [&self.installation.administrator, &self.installation.auditor] {
            let caller = self.installation.caller(by).await;
            let subject = services.re_review_subject(&caller, &id).await.unwrap();
            let statement = self.installation.sign_since(by, Act::ReReview, subject, None, since).await;
            services.re_review(&caller, &id, &statement).await.unwrap();
        }
    }

    /// As no service does it: these people revoke a certificate with a time an hour ago.
    async fn revoke_since(&self, by: &[&Person], certificate: &Certificate) {
        let services = self.installation.services();
        let row = services.find_certificate(&certificate.id().to_string()).await.unwrap();
        let since = Some(Timestamp::new(services.now() - time::Duration::hours(1)));
        let (mut rows, mut statements, mut payload) = (Vec::new(), Vec::new(), None);
        for person in by {
            let subject = services.certificate_subject(&row).await.unwrap();
            let statement = self.installation.sign_since(person, Act::Revoke, subject, Some("keyCompromise"), since).await;
            let (caller, subject) = (self.installation.caller(person).await, services.certificate_subject(&row).await.unwrap());
            let checked = services.check_statement(&caller, &statement, Act::Revoke, &subject).await.unwrap();
            statements.push(checked.statement.digest());
            payload = Some(checked.statement.payload().clone());
            rows.extend(checked.rows);
        }
        let (payload, now) = (payload.unwrap(), services.now());
        let decision = allowed(payload.about, Act::Revoke, Timestamp::new(now), payload.policy, None);
        let decided = decided(&decision, &statements, millis(now));
        let (entry, change) = services.change_entry(&row, Act::Revoke, &payload, decided.hash).unwrap();
        rows.extend(decided.rows);
        rows.push(change);
        services.journal.commit(Commit { kind: Kind::Revoke, rows, entries: vec![(row.authority, entry)] }).await.unwrap();
    }

    fn faults(&self, evidence: &Evidence) -> Vec<String> {
        self.judge(evidence).parts.into_iter().filter(|part| part.fault.is_some()).map(|part| part.part).collect()
    }
}

#[tokio::test]
async fn the_whole_life_of_a_certificate_is_proven_in_both_families() {
    let case = Case::new().await;
    for certificate in &case.certificates {
        for act in [Act::Suspend, Act::Resume, Act::Revoke] {
            case.installation.change(&case.department.approver, act, certificate).await;
        }
        let evidence = case.evidence(certificate).await;
        let judged = case.judge(&evidence);
        assert!(judged.holds(), "{:#?}", judged.parts);
        let events: Vec<&str> = judged.events.iter().map(|event| event.event).collect();
        assert_eq!(events, ["issued", "suspended", "resumed", "revoked"]);
        for event in &judged.events {
            let [signed] = &event.signed_by[..] else { panic!("{event:?}") };
            let Capacity::Officer(office) = &signed.capacity else { panic!("{signed:?}") };
            assert!(signed.signer.contains("CN=approver"), "{signed:?}");
            assert_eq!((&office.roles[..], office.department.as_deref()), (&["approver".to_owned()][..], Some("民政局")));
            let mut by = office.appointed_by.clone();
            by.sort();
            assert!(by.len() == 2 && by[0].contains("CN=administrator") && by[1].contains("CN=auditor"), "{by:?}");
        }
        assert_eq!(judged.status.unwrap().0, "revoked");
        assert_eq!(evidence.certificates.len(), 4, "its own, the approver's, and those of who appointed the approver");
        assert_eq!((judged.signers.len(), &judged.remarks[..]), (3, &[][..]));
        assert_eq!(serde_json::from_value::<Evidence>(serde_json::to_value(&evidence).unwrap()).unwrap(), evidence);
    }
    // What no person decided: the approver's own certificate, which they claimed.
    let claimed = case.evidence(&case.department.approver.certificate).await;
    let judged = case.judge(&claimed);
    assert!(judged.holds(), "{:#?}", judged.parts);
    let signed_by = &judged.events[0].signed_by;
    assert!(signed_by.iter().any(|signed| (signed.act, &signed.capacity) == (Act::Claim, &Capacity::SystemKey)), "{signed_by:?}");
    // Whoever appointed them are the first that there were, whom the system key appointed.
    let granted: Vec<_> = signed_by.iter().filter(|signed| signed.act == Act::Grant).collect();
    assert_eq!(granted.len(), 2);
    for signed in granted {
        let Capacity::Officer(office) = &signed.capacity else { panic!("{signed:?}") };
        assert_eq!((office.department.as_ref(), &office.appointed_by[..]), (None, &["the system key".to_owned()][..]));
    }
    let first = case.judge(&case.evidence(&case.installation.administrator.certificate).await);
    assert!(first.holds() && first.events[0].signed_by.iter().all(|signed| signed.capacity == Capacity::SystemKey), "{first:#?}");

    // Another installation's bundle vouches for none of it.
    let other = Case::new().await;
    assert!(!judge(&other.bundle, &claimed, seconds(SystemClock.now())).is_genuine());
}

#[tokio::test]
async fn whatever_is_altered_is_named() {
    let case = Case::new().await;
    let certificate = &case.certificates[1];
    case.installation.change(&case.department.approver, Act::Suspend, certificate).await;
    for certificate in [certificate, &case.department.approver.certificate] {
        whatever_is_altered_is_named_in(&case, &case.evidence(certificate).await);
    }
    let evidence = case.evidence(certificate).await;
    // A history that is cut short: the status proof knows better. One that begins late: its leaves are counted.
    for index in [0, 1] {
        let mut altered = evidence.clone();
        altered.certificates.get_mut(&altered.about).unwrap().history.remove(index);
        assert_eq!(case.faults(&altered), [format!("history {}", altered.about)], "{index}");
    }
    assert!(case.judge(&evidence).holds());
}

fn whatever_is_altered_is_named_in(case: &Case, evidence: &Evidence) {
    let whole = serde_json::to_value(evidence).unwrap();
    let mut texts = Vec::new();
    paths(&whole, String::new(), &mut texts);
    assert!(texts.len() >= 15, "{texts:?}");
    for path in texts {
        let mut altered = whole.clone();
        let value = altered.pointer_mut(&path).unwrap();
        *value = match &*value {
            Value::Number(number) => Value::from(number.as_i64().unwrap() + 1),
            text => Value::from(alter(text.as_str().unwrap())),
        };
        let faults = case.faults(&serde_json::from_value(altered).unwrap());
        let named = path.split('/').nth(2).filter(|_| path.matches('/').count() > 1).unwrap_or_default();
        assert!(faults.iter().any(|part| part.contains(named)), "{path}: {faults:?}");
    }
    // A part that is left out, and one that is put in.
    for folder in ["certificates", "decisions", "statements", "appointments", "departments", "policies", "checkpoints"] {
        let mut altered = whole.clone();
        let members = altered[folder].as_object_mut().unwrap();
        // The administrators of the installation have no department.
        let Some(name) = members.keys().next().cloned() else {
            assert_eq!(folder, "departments");
            continue;
        };
        let value = members.remove(&name).unwrap();
        assert!(!case.faults(&serde_json::from_value(altered.clone()).unwrap()).is_empty(), "{folder} without {name}");
        let members = altered[folder].as_object_mut().unwrap();
        members.insert(name, value.clone());
        members.insert("another".to_owned(), value);
        let faults = case.faults(&serde_json::from_value(altered).unwrap());
        assert!(faults.iter().any(|part| part.ends_with("another")), "{folder}: {faults:?}");
    }
}

#[tokio::test]
async fn a_statement_whose_signer_was_not_good_or_not_enough_is_no_decision() {
    let case = Case::new().await;
    let (one, other) = (case.evidence(&case.certificates[0]).await, case.evidence(&case.certificates[1]).await);
    // The other family's certificate was issued on the same decision, so the same statement is behind both.
    assert_eq!(one.decisions, other.decisions);
    // The evidence of one under the name of another.
    let mut exchanged = one.clone();
    let certificate = other.certificates[&other.about].clone();
    exchanged.certificates.insert(one.about.clone(), certificate);
    assert!(case.faults(&exchanged).contains(&format!("certificate {}", one.about)));
    // The clock of the verifier is before the checkpoint: the proof speaks of what is still to come.
    assert!(!judge(&case.bundle, &one, 1_000_000_000).is_genuine());
}

#[tokio::test]
async fn an_approval_by_a_stolen_key_proves_nothing_until_others_look_at_it_again() {
    let case = Case::new().await;
    let another = case.installation.officer("another", &case.department.id, "approver", &crate::crypto::algorithms::P256).await;
    case.re_review(&case.department.approver).await;
    for certificate in &case.certificates {
        let judged = case.judge(&case.evidence(certificate).await);
        assert!(judged.is_genuine() && !judged.holds(), "{:#?}", judged.parts);
        let [found] = &judged.distrusted[..] else { panic!("{:?}", judged.distrusted) };
        assert!(found.en.contains("CN=approver") && found.en.contains("(approve)") && found.en.contains("keyCompromise"), "{found:?}");
        assert_eq!(judged.events[1].signed_by.len(), 2, "an administrator and an auditor suspended it");

        case.installation.change(&another, Act::Resume, certificate).await;
        let judged = case.judge(&case.evidence(certificate).await);
        assert!(judged.holds(), "{:?}", judged.distrusted);
        let codes: Vec<&str> = judged.remarks.iter().map(|remark| remark.code).collect();
        assert_eq!(codes, ["reviewed-and-kept"]);
    }
    // That it was looked at again cannot be left out, nor can the theft.
    let mut altered = case.evidence(&case.certificates[0]).await;
    altered.certificates.get_mut(&altered.about).unwrap().history.pop();
    assert_eq!(case.faults(&altered), [format!("history {}", altered.about)]);
    let thief = case.department.approver.certificate.id().to_string();
    let mut altered = case.evidence(&case.certificates[0]).await;
    altered.certificates.get_mut(&thief).unwrap().history.pop();
    assert!(case.faults(&altered).contains(&format!("history {thief}")));
}

#[tokio::test]
async fn a_signer_who_was_revoked_for_another_reason_is_told() {
    let case = Case::new().await;
    case.installation.change(&case.installation.administrator, Act::Revoke, &case.department.approver.certificate).await;
    let judged = case.judge(&case.evidence(&case.certificates[0]).await);
    assert!(judged.holds(), "{:?}", judged.distrusted);
    let [remark] = &judged.remarks[..] else { panic!("{:?}", judged.remarks) };
    assert!(remark.code == "signer-revoked" && remark.en.contains("CN=approver") && remark.en.contains("names no time"), "{remark:?}");
    let approver = judged.signers.iter().find(|signer| signer.subject.contains("CN=approver")).unwrap();
    assert_eq!(approver.history.iter().map(|event| event.event).collect::<Vec<_>>(), ["issued", "revoked"]);
}

#[tokio::test]
async fn nobody_alone_says_since_when_an_officer_s_key_is_not_trusted() {
    for (people, holds, code) in [(1, true, Some("distrusted-by-one-alone")), (2, false, None)] {
        let case = Case::new().await;
        let second = case.installation.officer("second", &case.department.id, "approver", &crate::crypto::algorithms::Sm2).await;
        let by = [&case.installation.administrator, &second];
        case.revoke_since(&by[..people], &case.department.approver.certificate).await;
        for certificate in &case.certificates {
            let evidence = case.evidence(certificate).await;
            let judged = case.judge(&evidence);
            assert!(judged.is_genuine(), "{:#?}", judged.parts);
            assert_eq!(judged.holds(), holds, "{people}: {:?} {:?}", judged.distrusted, judged.remarks);
            assert_eq!(judged.remarks.first().map(|remark| remark.code), code, "{people}");
            whatever_is_altered_is_named_in(&case, &evidence);
        }
    }
}

#[tokio::test]
async fn an_appointment_by_a_key_that_two_distrust_is_told() {
    let case = Case::new().await;
    let second = case.installation.officer("second", &case.department.id, "approver", &crate::crypto::algorithms::Sm2).await;
    case.revoke_since(&[&case.installation.administrator, &second], &case.installation.auditor.certificate).await;
    let judged = case.judge(&case.evidence(&case.certificates[0]).await);
    assert!(judged.holds(), "{:?} {:?}", judged.parts, judged.distrusted);
    assert!(judged.remarks.iter().any(|remark| remark.code == "appointed-by-a-distrusted-key"), "{:?}", judged.remarks);
    // What the appointed signed stands by that; their own certificate rests on the appointment.
    let judged = case.judge(&case.evidence(&case.department.approver.certificate).await);
    let [finding] = &judged.distrusted[..] else { panic!("{:?} {:?}", judged.parts, judged.distrusted) };
    assert!(finding.en.contains("(grant)"), "{finding:?}");
}

#[tokio::test]
async fn an_appointment_is_what_its_leaf_binds_and_nobody_else_s() {
    let case = Case::new().await;
    let evidence = case.evidence(&case.certificates[0]).await;
    let (digest, appointment) = evidence.appointments.first_key_value().unwrap();
    let others = case.evidence(&case.installation.administrator.certificate).await.appointments.into_values().next().unwrap();
    let mut promoted = appointment.clone();
    promoted.roles[0].role = "administrator".to_owned();
    for other in [others, promoted] {
        let mut altered = evidence.clone();
        altered.appointments.insert(digest.clone(), other);
        let faults = case.faults(&altered);
        assert!(faults.contains(&format!("appointment {digest}")), "{faults:?}");
        assert!(faults.iter().any(|part| part.starts_with("office behind statement")), "{faults:?}");
    }
}

#[test]
fn a_file_of_an_earlier_format_is_refused_with_a_sentence() {
    let refused = |file: &str| Evidence::parse(file.as_bytes()).unwrap_err().to_string();
    assert!(refused(r#"{"format": "hufu/evidence@v1", "about": ""}"#).contains("hufu/evidence@v1"));
    assert!(refused("{}").contains("no evidence"));
    assert!(refused(&" ".repeat(super::MOST_OCTETS + 1)).contains("larger than"));
}

/// JSON pointers to every text and number.
fn paths(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::String(_) | Value::Number(_) => found.push(path),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| paths(item, format!("{path}/{index}"), found)),
        Value::Object(members) => members.iter().for_each(|(name, member)| paths(member, format!("{path}/{name}"), found)),
        _ => {}
    }
}

/// The text with one character in its middle changed.
fn alter(text: &str) -> String {
    let middle = text.chars().count() / 2;
    text.chars()
        .enumerate()
        .map(|(index, letter)| {
            if index != middle {
                letter
            } else if letter == 'a' {
                'b'
            } else {
                'a'
            }
        })
        .collect()
}

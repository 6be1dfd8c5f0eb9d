use serde_json::Value;

use super::{
    Evidence,
    judge::{Judgement, judge},
};
use crate::{
    policy::Act,
    services::{
        fixture::{Department, Installation},
        trust::TrustBundle,
    },
    world::{Clock, SystemClock, seconds},
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
        assert!(judged.holds, "{:#?}", judged.parts);
        let events: Vec<&str> = judged.events.iter().map(|event| event.event).collect();
        assert_eq!(events, ["issued", "suspended", "resumed", "revoked"]);
        assert!(judged.events.iter().all(|event| event.signed_by.len() == 1 && event.signed_by[0].contains("CN=")), "{:?}", judged.events);
        assert_eq!(judged.status.unwrap().0, "revoked");
        assert_eq!(evidence.certificates.len(), 2, "its own, and the approver's");
        assert_eq!(serde_json::from_value::<Evidence>(serde_json::to_value(&evidence).unwrap()).unwrap(), evidence);
    }
    // What no person decided: the approver's own certificate, which they claimed.
    let claimed = case.evidence(&case.department.approver.certificate).await;
    let judged = case.judge(&claimed);
    assert!(judged.holds, "{:#?}", judged.parts);
    assert!(judged.events[0].signed_by.contains(&"claim: the system key".to_owned()), "{:?}", judged.events);

    // Another installation's bundle vouches for none of it.
    let other = Case::new().await;
    assert!(!judge(&other.bundle, &claimed, seconds(SystemClock.now())).holds);
}

#[tokio::test]
async fn whatever_is_altered_is_named() {
    let case = Case::new().await;
    let certificate = &case.certificates[1];
    case.installation.change(&case.department.approver, Act::Suspend, certificate).await;
    let evidence = case.evidence(certificate).await;
    let whole = serde_json::to_value(&evidence).unwrap();
    let mut texts = Vec::new();
    paths(&whole, String::new(), &mut texts);
    assert!(texts.len() >= 15, "{texts:?}");
    for path in texts {
        let mut altered = whole.clone();
        let text = altered.pointer(&path).unwrap().as_str().unwrap().to_owned();
        *altered.pointer_mut(&path).unwrap() = Value::from(alter(&text));
        let faults = case.faults(&serde_json::from_value(altered).unwrap());
        let named = path.split('/').nth(2).filter(|_| path.matches('/').count() > 1).unwrap_or_default();
        assert!(faults.iter().any(|part| part.contains(named)), "{path}: {faults:?}");
    }
    // A part that is left out, and one that is put in.
    for folder in ["certificates", "decisions", "statements", "policies", "checkpoints"] {
        let mut altered = whole.clone();
        let members = altered[folder].as_object_mut().unwrap();
        let name = members.keys().next().unwrap().clone();
        let value = members.remove(&name).unwrap();
        assert!(!case.faults(&serde_json::from_value(altered.clone()).unwrap()).is_empty(), "{folder} without {name}");
        let members = altered[folder].as_object_mut().unwrap();
        members.insert(name, value.clone());
        members.insert("another".to_owned(), value);
        let faults = case.faults(&serde_json::from_value(altered).unwrap());
        assert!(faults.iter().any(|part| part.ends_with("another")), "{folder}: {faults:?}");
    }
    // A history that is cut short: the status proof knows better. One that begins late: its leaves are counted.
    for index in [0, 1] {
        let mut altered = evidence.clone();
        altered.certificates.get_mut(&altered.about).unwrap().history.remove(index);
        assert_eq!(case.faults(&altered), [format!("history {}", altered.about)], "{index}");
    }
    assert!(case.judge(&evidence).holds);
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
    assert!(!judge(&case.bundle, &one, 1_000_000_000).holds);
}

/// JSON pointers to every text.
fn paths(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(path),
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

//! Enrolments against their requests, their decisions and the certificates that answer them; keys and who owns them.

use std::collections::BTreeMap;

use super::{Facts, Findings, Issued, Records};
use crate::{
    policy::{Act, Decision, PolicySet},
    store,
    x509::request::CertificationRequest,
};

/// The first request of a key.
#[derive(Clone, Copy)]
struct FirstSeen<'a> {
    at: i64,
    column: &'static str,
    row: &'a store::EnrolmentRow,
}

pub(super) fn check(records: &Records, facts: &Facts, findings: &mut Findings) {
    let policies = records.policy_sets();
    let mut first_seen: BTreeMap<&[u8], FirstSeen<'_>> = BTreeMap::new();
    for row in &records.enrolments {
        let requests = records.requests.get(&row.id).map(Vec::as_slice).unwrap_or_default();
        check_row(row, policies.get(row.policy.as_slice()), requests.len(), records, findings);
        check_requests(row, requests, records, findings);
        let issued = facts.issued.get(&row.id).map(Vec::as_slice).unwrap_or_default();
        check_decision(row, requests.len(), issued, records, findings);
        for certificate in issued {
            check_certificate(row, certificate, requests, findings);
        }
        // A key that came with a code was seen when the code was used.
        let (at, column) = if records.was_claimed(row) { (row.updated_at, "updated_at") } else { (row.submitted_at, "submitted_at") };
        for request in requests {
            let seen = FirstSeen { at, column, row };
            let first = first_seen.entry(&request.key_fingerprint).or_insert(seen);
            if at < first.at {
                *first = seen;
            }
        }
    }
    for (enrolment, certificates) in facts.issued.iter().filter(|(id, _)| records.enrolments.iter().all(|row| row.id != **id)) {
        for certificate in certificates {
            findings.disagree(("certificate", &certificate.id, "enrolment"), ("enrolment", enrolment, "id"));
        }
    }
    for enrolment in records.requests.keys().filter(|id| records.enrolments.iter().all(|row| row.id != **id)) {
        findings.disagree(("enrolment_request", enrolment, "enrolment"), ("enrolment", enrolment, "id"));
    }
    check_keys(&first_seen, records, findings);
}

fn check_row(row: &store::EnrolmentRow, policy: Option<&PolicySet>, requests: usize, records: &Records, findings: &mut Findings) {
    for (column, person) in [("person", &row.person), ("submitted_by", &row.submitted_by)] {
        records.check_person(findings, "enrolment", &row.id, column, person);
    }
    records.check_department(findings, "enrolment", &row.id, "department", row.department.as_deref());
    records.check_policy(findings, "enrolment", &row.id, "policy", &row.policy);
    let awaits_code = records.staff.holds(&row.person) && row.state != "issued";
    if requests == 0 && !awaits_code {
        findings.disagree(("enrolment", &row.id, "id"), ("enrolment_request", &row.id, "enrolment"));
    }
    let mut finding = findings.row("enrolment", &row.id);
    let known = row.profile.parse().is_ok_and(|name| policy.is_some_and(|policy| policy.profile(&name).is_some()));
    finding.check("profile", known, || "its policy has no such profile".to_owned());
}

fn check_requests(row: &store::EnrolmentRow, requests: &[store::EnrolmentRequestRow], records: &Records, findings: &mut Findings) {
    for (expected, request) in requests.iter().enumerate() {
        let store::EnrolmentRequestRow { ordinal, csr, key_fingerprint: key, algorithm } = request;
        let id = format!("{}/{ordinal}", row.id);
        let owner = records.key_owners.get(key).map(|(owner, _)| owner);
        if owner != Some(&row.person) {
            findings.disagree(("enrolment", &row.id, "person"), ("key_owner", &hex::encode(key), "person"));
        }
        let mut finding = findings.row("enrolment_request", &id);
        finding.check("ordinal", usize::try_from(*ordinal) == Ok(expected), || "not in order from 0".to_owned());
        match CertificationRequest::parse(csr) {
            Ok(request) => {
                finding.check("csr", request.der() == csr && request.verify_possession().is_ok(), || "no proof of possession".to_owned());
                finding.check("key_fingerprint", request.public_key().fingerprint() == key[..], || "the request has another".to_owned());
                finding.check("algorithm", request.public_key().algorithm().name() == algorithm, || "the request has another".to_owned());
            }
            Err(error) => finding.add("csr", error.to_string()),
        }
    }
}

/// The state follows from the decision and from how many certificates there are.
fn check_decision(row: &store::EnrolmentRow, requests: usize, issued: &[Issued], records: &Records, findings: &mut Findings) {
    let mut finding = findings.row("enrolment", &row.id);
    let Some(digest) = &row.decision else {
        finding.check("decision", issued.is_empty(), || "certificates were issued on a decision".to_owned());
        return finding.check("state", row.state == "submitted", || "nobody decided on it".to_owned());
    };
    let Some(decision) = records.decisions.get(digest).and_then(|decision| decision.parsed.as_ref()) else {
        return finding.add("decision", "there is no such decision");
    };
    let Decision { about, act, profile, .. } = &decision.decision;
    finding.check("decision", about.to_string() == row.id, || "it is about something else".to_owned());
    let state = match act {
        Act::Approve if requests == 0 => "approved",
        Act::Approve | Act::Issue | Act::Claim | Act::Prove | Act::Renew => "issued",
        Act::Reject | Act::DismissContest => "rejected",
        // A leaver's, that was approved and had no key yet.
        Act::Withdraw | Act::Revoke => "withdrawn",
        Act::Expire | Act::MergeDepartment => "expired",
        _ => "submitted",
    };
    finding.check("state", row.state == state, || format!("the decision makes it {state}"));
    let expected = if state == "issued" { requests } else { 0 };
    finding.check("state", issued.len() == expected, || format!("{} certificates answer {requests} requests", issued.len()));
    // A contest is about two enrolments, a revocation about whatever somebody holds, and a merger about all that was asked of a
    // department: they name no profile.
    let nameless = matches!(act, Act::DismissContest | Act::Revoke | Act::MergeDepartment);
    let same = profile.as_ref().map_or(nameless, |profile| profile.as_str() == row.profile);
    finding.check("profile", same, || "the decision has another".to_owned());
    let submitter = match act {
        Act::Issue => Some(&records.system_person),
        Act::Renew => Some(&row.person),
        Act::Claim if !records.was_claimed(row) => Some(&row.person),
        _ => None,
    };
    finding
        .check("submitted_by", submitter.is_none_or(|person| *person == row.submitted_by), || "the decision is another's own".to_owned());
    for statement in decision.statements.iter().filter_map(|digest| records.statements.get(&hex::decode(digest).ok()?)) {
        let approval = statement.act == Act::Approve.as_str() && matches!(act, Act::Approve | Act::Claim);
        let own = approval && statement.signer_person.as_ref() == Some(&row.submitted_by);
        finding.check("submitted_by", !own, || "the person who approved it".to_owned());
    }
}

fn check_certificate(row: &store::EnrolmentRow, issued: &Issued, requests: &[store::EnrolmentRequestRow], findings: &mut Findings) {
    let (enrolment, certificate) = (row.id.as_str(), issued.id.as_str());
    let mut compare = |column: &'static str, one: &Option<String>, other: &Option<String>| {
        findings.compare(("enrolment", enrolment, column, one), ("certificate", certificate, column, other));
    };
    compare("profile", &Some(row.profile.clone()), &Some(issued.profile.clone()));
    compare("person", &Some(row.person.clone()), &Some(issued.person.clone()));
    compare("department", &row.department, &issued.department);
    compare("decision", &row.decision.as_ref().map(hex::encode), &Some(hex::encode(&issued.decision)));
    let bound = row.salt.as_ref().is_none_or(|salt| issued.is_bound_by(salt));
    findings.row("enrolment", enrolment).check("salt", bound, || "not the salt of the commitment in the ledger".to_owned());
    if requests.iter().all(|request| request.key_fingerprint != issued.key_fingerprint) {
        findings.disagree(("enrolment_request", enrolment, "key_fingerprint"), ("certificate", certificate, "key_fingerprint"));
    }
}

fn check_keys(first_seen: &BTreeMap<&[u8], FirstSeen<'_>>, records: &Records, findings: &mut Findings) {
    for (key, (person, at)) in &records.key_owners {
        let id = hex::encode(key);
        records.check_person(findings, "key_owner", &id, "person", person);
        let mut finding = findings.row("key_owner", &id);
        let Some(first) = first_seen.get(key.as_slice()) else {
            finding.add("key_fingerprint", "no request is of this key");
            continue;
        };
        finding.check("person", first.row.person == *person, || "the first request of this key was another's".to_owned());
        if first.at != *at {
            findings.disagree(("key_owner", &id, "first_seen"), ("enrolment", &first.row.id, first.column));
        }
    }
    for (key, first) in first_seen.iter().filter(|(key, _)| !records.key_owners.contains_key(**key)) {
        findings.row("key_owner", hex::encode(key)).add("key_fingerprint", format!("missing: enrolment {} has this key", first.row.id));
    }
}

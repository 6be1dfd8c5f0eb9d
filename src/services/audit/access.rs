//! Tokens against the leaves that bind them, and sessions against their certificates.

use std::collections::BTreeSet;

use super::{Error, Findings, Records};
use crate::{
    ledger::EventType,
    policy::Act,
    services::tokens::{grant_commitment, revocation_commitment},
    store::{self, Connection, TokenRow},
};

pub(super) async fn check(connection: &mut Connection, records: &Records, findings: &mut Findings) -> Result<(), Error> {
    let recorded: BTreeSet<&[u8]> = super::people::bodies(records, EventType::CA_EVENT).into_keys().collect();
    for row in &records.tokens {
        check_token(row, &recorded, records, findings);
    }
    for (id, certificate) in store::sessions::of_nothing(connection).await? {
        findings.disagree(("session", &id, "certificate"), ("certificate", &hex::encode(certificate), "id"));
    }
    Ok(())
}

/// The bodies of the leaves that these tokens must have.
pub(super) fn commitments(tokens: &[TokenRow]) -> impl Iterator<Item = [u8; 32]> + '_ {
    tokens.iter().flat_map(|row| {
        let granted = row.granted_at.map(|_| grant_commitment(row));
        [granted, row.revoked_at.map(|at| revocation_commitment(&row.id, at))].into_iter().flatten()
    })
}

fn check_token(row: &TokenRow, recorded: &BTreeSet<&[u8]>, records: &Records, findings: &mut Findings) {
    records.check_person(findings, "token", &row.id, "proposed_by", &row.proposed_by);
    records.check_department(findings, "token", &row.id, "department", row.department.as_deref());
    let about = |statement: &Option<Vec<u8>>, act: Act| {
        let found = statement.as_ref().and_then(|digest| records.statements.get(digest));
        found.is_some_and(|found| found.act == act.as_str() && found.about == row.id)
    };
    let reviewed = row.revoked_statement.as_ref().is_some_and(|statement| records.re_reviews.holds(statement, "token", &row.id));
    let revoked = reviewed || records.statements.values().any(|found| found.act == Act::RevokeToken.as_str() && found.about == row.id);
    let mut finding = findings.row("token", &row.id);
    if row.granted_at.is_some() || row.statement.is_some() || row.secret_hash.is_some() {
        finding.check("statement", about(&row.statement, Act::GrantToken), || "no statement grants this token".to_owned());
        finding.check("secret_hash", recorded.contains(&grant_commitment(row)[..]), || "the ledger has no such grant".to_owned());
    }
    finding.check("revoked_at", row.revoked_at.is_some() == revoked, || format!("a statement revokes it: {revoked}"));
    if let Some(at) = row.revoked_at {
        let signed = reviewed || about(&row.revoked_statement, Act::RevokeToken);
        finding.check("revoked_statement", signed, || "no statement revokes this token".to_owned());
        let bound = recorded.contains(&revocation_commitment(&row.id, at)[..]);
        finding.check("revoked_at", bound, || "the ledger has no such revocation".to_owned());
    }
    finding.check("revoked_statement", row.revoked_statement.is_some() == row.revoked_at.is_some(), || "not with its time".to_owned());
}

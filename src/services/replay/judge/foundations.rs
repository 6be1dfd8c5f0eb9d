//! What decisions rest on: what was decided by itself before, and the records that leaves are digests of.

use std::collections::HashSet;

use super::{Case, Fault, Judge, Part, Word};
use crate::{
    ledger::{State, StatusKey},
    policy::{Act, Assurance, Decision, PolicySet, SignerReference, Statement, decision::HashedText},
    services::{
        citizens::resume::BY_CODE,
        enrol::OFFICER,
        replay::{
            Code, Violation,
            export::{CertificateRecord, EnrolmentRecord},
            things::{Thing, lies_in},
            timeline::{IN_FLIGHT, held},
        },
    },
    world::seconds,
};

impl<'a> Judge<'a> {
    /// What a decision of the system key rests on was decided by people before.
    pub(super) fn founded(
        &self,
        case: &Case<'a>,
        decision: &Decision,
        thing: Thing<'a>,
        set: &PolicySet,
        words: &[Word<'a>],
    ) -> Result<(), Fault> {
        let founding: Vec<&Word<'_>> = words.iter().filter(|word| word.part == Part::Founds).collect();
        let all = |act: Act| !founding.is_empty() && founding.iter().all(|word| word.statement.payload().act == act);
        let founded = match (decision.act, thing) {
            (Act::Claim, Thing::Enrolment(_)) if all(Act::Grant) => {
                let granted = self.timeline.grants.values().any(|record| record.statement == founding[0].digest);
                granted && founding.len() == 1
            }
            (Act::Claim, Thing::Enrolment(_)) if all(Act::Approve) => {
                let mut digests: Vec<&String> = founding.iter().map(|word| &word.digest).collect();
                digests.sort();
                let taken = self.taken.get(&decision.about).map(Vec::as_slice).unwrap_or_default();
                self.approvals.get(&decision.about).into_iter().flatten().any(|hash| {
                    let (found, at) = (&self.decisions[hash], self.decisions[hash].decision.at);
                    let stands = taken.iter().all(|taken| *taken <= at);
                    found.statements.iter().eq(digests.iter().copied()) && seconds(at.instant()) <= case.at.time && stands
                })
            }
            (Act::MergeDepartment | Act::ReReview, Thing::Enrolment(record)) => {
                self.ended(decision, &self.decisions[&case.hash], &record.id)
            }
            (Act::Claim, _) => false,
            (Act::Prove, Thing::Enrolment(record)) => {
                let rules = set.profile(&record.profile.parse().map_err(|_| unfounded())?).and_then(|profile| profile.proofing());
                let level = record.assurance.as_deref().and_then(|level| level.parse::<Assurance>().ok());
                let decides = rules.zip(level).is_some_and(|(rules, level)| rules.decides(level));
                decides && self.checked(&founding, record.identity_check.as_deref())
            }
            (Act::Resume, Thing::Certificate(record)) if words.iter().any(|word| word.signer.is_none()) => {
                let check = founding.first().map(|word| word.statement.payload().about.to_string());
                self.checked(&founding, check.as_deref()) && self.suspended_by_holder(case, record)
            }
            (Act::Resume, Thing::Certificate(_)) => founding.is_empty(),
            _ => true,
        };
        if founded { Ok(()) } else { Err(unfounded()) }
    }

    /// A request ends with its department, or loses its approval: by a decision on the same statements, which its leaf records.
    fn ended(&self, decision: &Decision, own: &HashedText, enrolment: &str) -> bool {
        match decision.act {
            Act::MergeDepartment => self.timeline.changes.values().any(|record| own.statements.contains(&record.statement)),
            _ => self.timeline.reviews.iter().any(|review| {
                let whole = self.decisions.get(&review.value.decision).is_some_and(|found| found.statements == own.statements);
                whole && review.value.record.has("enrolment", enrolment)
            }),
        }
    }

    /// The two statements of an identity check, each decided by itself, and nothing else; none where there was no check.
    fn checked(&self, founding: &[&Word<'_>], check: Option<&str>) -> bool {
        let Some(check) = check else { return founding.is_empty() };
        let signed = |act: Act| {
            founding.iter().any(|word| {
                let payload = word.statement.payload();
                payload.act == act && payload.about.to_string() == check && self.alone.get(&word.digest) == Some(&act)
            })
        };
        founding.len() == 2 && signed(Act::CheckIdentity) && signed(Act::ConfirmIdentity)
    }

    /// What a proof of identity resumes was suspended by its holder or their code, and not put to re-review since.
    fn suspended_by_holder(&self, case: &Case<'a>, record: &CertificateRecord) -> bool {
        let key = hex::decode(&record.id).ok().and_then(|id| id.try_into().ok()).map(|id| StatusKey::from_tbs_digest(&id));
        let history = key.and_then(|key| self.timeline.states.get(&key)).map(Vec::as_slice).unwrap_or_default();
        let Some(hold) = history.iter().rfind(|change| change.at < case.at).filter(|change| change.value.state == State::Hold) else {
            return false;
        };
        let Some(found) = self.decisions.get(&hold.value.decision).filter(|found| found.decision.act == Act::Suspend) else { return false };
        let by_holder =
            found.statements.iter().filter_map(|digest| Statement::parse(self.statements.get(digest)?).ok()).all(
                |statement| match statement.signer() {
                    SignerReference::Key(_) => statement.payload().reason.as_ref().is_some_and(|reason| reason.as_str() == BY_CODE),
                    SignerReference::Certificate(fingerprint) => {
                        self.signers.get(&fingerprint).is_some_and(|signer| signer.record.person == record.person)
                    }
                },
            );
        let reviewed = self.timeline.reviews.iter().any(|review| {
            let since = hold.at.time < review.at.time && review.at.time + IN_FLIGHT < case.at.time;
            since && review.value.record.has("certificate", &record.id)
        });
        by_holder && !reviewed
    }

    /// What is followed was good then and within the window of its profile, of the same person, and nothing followed it before.
    pub(super) fn renewable(&mut self, case: &Case<'a>, record: &'a EnrolmentRecord, set: &PolicySet) -> Result<(), Fault> {
        let fault = |what: &str| Err((Code::NotRenewable, what.to_owned()));
        let Some(followed) = record.replaces.as_deref().and_then(|id| self.things.certificate(id)) else {
            return fault("there is no certificate that it follows");
        };
        if self.followed.insert(&followed.id, case.hash).is_some() {
            return fault("another has followed that certificate before");
        }
        let in_its_place = held(&self.timeline.departments, &case.at)
            .iter()
            .any(|tree| lies_in(&tree.value, followed.department.as_deref(), record.department.as_deref()));
        if (&followed.person, &followed.profile) != (&record.person, &record.profile) || !in_its_place {
            return fault("it follows another's certificate, or one of another kind");
        }
        let Some(signer) = self.signers.values().find(|signer| signer.record.id == followed.id) else {
            return fault("the certificate that it follows is none of this CA");
        };
        let history = self.timeline.states.get(&signer.key).map(Vec::as_slice).unwrap_or_default();
        let not_after = seconds(signer.certificate.not_after());
        if !held(history, &case.at).iter().any(|change| change.value.state == State::Good) || not_after + IN_FLIGHT < case.at.time {
            return fault("the certificate that it follows was not good then");
        }
        let window = record.profile.parse().ok().and_then(|name| set.profile(&name)).map(|profile| profile.validity().renewal_window);
        let opened = |window: time::Duration| not_after.saturating_sub(window.whole_seconds().unsigned_abs()) <= case.at.time;
        if !window.is_some_and(opened) {
            return fault("it was before the time from which on its profile lets it be renewed");
        }
        let roles = self.timeline.roles.get(record.person.as_str()).map(Vec::as_slice).unwrap_or_default();
        if record.profile == OFFICER && held(roles, &case.at).iter().all(|change| change.value.is_empty()) {
            return fault("its holder is no officer any more");
        }
        Ok(())
    }

    /// Records of roles, of changes of departments and of re-reviews that no leaf binds.
    pub(super) fn unbound(&mut self) {
        let (export, timeline) = (self.export, &self.timeline);
        let granted = timeline.grants.values().map(|record| &record.statement);
        let dismissed = timeline.dismissals.values().map(|record| &record.statement);
        let changed = timeline.changes.values().map(|record| &record.statement);
        let reviewed = timeline.reviews.iter().map(|review| &review.value.record.statement);
        let bound: HashSet<&String> = granted.chain(dismissed).chain(changed).chain(reviewed).collect();

        let grants = export.grants.iter().map(|record| (Code::GrantUnbound, &record.statement));
        let dismissals = export.dismissals.iter().map(|record| (Code::GrantUnbound, &record.statement));
        let changes = export.department_changes.iter().map(|record| (Code::ChangeUnbound, &record.statement));
        let reviews = export.re_reviews.iter().map(|record| (Code::ReviewUnbound, &record.statement));
        let recorded = grants.chain(dismissals).chain(changes).chain(reviews);
        let unbound = recorded.filter(|(_, statement)| !bound.contains(statement)).map(|(code, statement)| Violation {
            log: None,
            index: None,
            decision: None,
            statement: Some(statement.clone()),
            code,
            what: "no leaf is the digest of what is recorded for this statement".to_owned(),
        });
        self.violations.extend(unbound);
    }
}

fn unfounded() -> Fault {
    (Code::Unfounded, "what it rests on was not decided by itself".to_owned())
}

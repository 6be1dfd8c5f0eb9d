//! What decisions rest on: what was decided by itself before, and the records that leaves are digests of.

use std::collections::HashSet;

use super::{Case, Fault, Judge, Part, Word};
use crate::{
    policy::{Act, Assurance, Decision, PolicySet, decision::HashedText},
    services::replay::{Code, Violation, things::Thing},
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
            (Act::Resume, Thing::Certificate(_)) => {
                let check = founding.first().map(|word| word.statement.payload().about.to_string());
                self.checked(&founding, check.as_deref())
            }
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

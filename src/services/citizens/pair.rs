//! What two people decide: each signs the same act about the same, within a week of each other, and it is done with the second.
//! The same means what both were shown: when the record has changed in between, the first signs again.

use time::Duration;

use super::super::{
    Services,
    error::Error,
    journal::{Commit, Kind},
    rows::Row,
    statements::{Caller, Subject, allowed, decided},
};
use crate::{
    policy::{Act, Decision, Object, PersonId, Statement, Timestamp, statement},
    store,
    world::millis,
};

/// How long the first of two statements waits for the second.
const PATIENCE: Duration = Duration::days(7);

/// Two statements, of which the second is not recorded yet: `rows` do that, together with what was decided.
pub(super) struct Pair {
    pub decision: [u8; 32],
    pub rows: Vec<Row>,
}

impl Services {
    /// Takes one statement of two. The first is recorded and answered with `None`; the second is answered with both.
    pub(super) async fn one_of_two(
        &self,
        caller: &Caller,
        act: Act,
        subject: &Subject,
        object: impl Fn(Vec<PersonId>) -> Object<'static>,
        statement: &str,
    ) -> Result<Option<Pair>, Error> {
        let now = self.clock.now();
        let mut earlier = self.signed_by(act, subject, &object, millis(now - PATIENCE)).await?;
        // Two who signed at one moment each found the other missing: then either signs again.
        if earlier.iter().any(|(_, person)| *person != caller.person()) {
            earlier.retain(|(_, person)| *person != caller.person());
        }
        self.policy().decide(&caller.actor, act, &object(earlier.iter().map(|(_, person)| *person).collect()))?;
        let checked = self.check_statement(caller, statement, act, subject).await?;

        let decision: Decision = allowed(subject.about, act, Timestamp::new(now), checked.statement.payload().policy, None);
        let mut statements: Vec<[u8; 32]> = earlier.first().map(|(statement, _)| *statement).into_iter().collect();
        statements.push(checked.statement.digest());
        let decided = decided(&decision, &statements, millis(now));
        let mut rows = checked.rows;
        rows.extend(decided.rows);
        if statements.len() == 2 {
            return Ok(Some(Pair { decision: decided.hash, rows }));
        }
        self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await?;
        Ok(None)
    }

    /// Who has signed that already, without a second yet, was shown what is true now, and still may: their certificate is good,
    /// and so is their role.
    async fn signed_by(
        &self,
        act: Act,
        subject: &Subject,
        object: &impl Fn(Vec<PersonId>) -> Object<'static>,
        since: i64,
    ) -> Result<Vec<([u8; 32], PersonId)>, Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::citizens::unpaired_statements(&mut connection, act.as_str(), &subject.about.to_string(), since).await?
        };
        let seen = statement::seen(&subject.salt, &subject.shown);
        let mut same = Vec::new();
        for row in rows {
            if Statement::parse(&row.jws)?.payload().seen == seen {
                same.push(row);
            }
        }
        let mut signed = Vec::new();
        for (actor, statement) in self.signers(&same).await? {
            if self.policy().decide(&actor, act, &object(Vec::new())).is_ok() {
                signed.push((statement, actor.person));
            }
        }
        Ok(signed)
    }
}

//! Who is calling: a person whose certificate this CA issued and whose status is good in the ledger now.

use super::{
    Services,
    bearer::{Bearer, Kind},
    enrol::OFFICER,
    error::Error,
    statements::Caller,
    tokens::Token,
};
use crate::{
    ledger::{State, StatusKey},
    policy::{Actor, DepartmentId, PersonId},
    store,
    x509::Certificate,
};

/// Somebody who has said who they are, and could show it.
#[derive(Debug, Clone)]
pub enum Identity {
    Person(Caller),
    Service(Token),
}

/// Whoever acts does so with a certificate that the ledger calls good.
pub(super) fn check_good(state: Option<State>) -> Result<(), Error> {
    match state {
        Some(State::Good) => Ok(()),
        Some(State::Hold) => Err(Error::CallerNotGood("it is suspended")),
        Some(State::Revoked) => Err(Error::CallerNotGood("it is revoked")),
        Some(State::Absent) | None => Err(Error::CallerNotGood("the ledger does not know it")),
    }
}

impl Services {
    /// Whose secret this is.
    pub async fn bearer(&self, secret: &Bearer) -> Result<Identity, Error> {
        match secret.kind() {
            Kind::Session => Ok(Identity::Person(self.session_caller(secret).await?)),
            Kind::Token => Ok(Identity::Service(self.token(secret).await?)),
        }
    }

    /// The person behind a client certificate that TLS has checked. Roles are read anew each time: a role that was
    /// withdrawn, or a certificate that was revoked, counts from the next request on.
    pub async fn caller(&self, der: &[u8]) -> Result<Caller, Error> {
        let certificate = Certificate::parse(der).map_err(|_| Error::CallerNotGood("it cannot be read"))?;
        let row = {
            let mut connection = self.db.read().await?;
            store::certificates::find(&mut connection, &certificate.id().0).await?
        };
        let row = row.ok_or(Error::CallerNotGood("this CA did not issue it"))?;
        let key = StatusKey::from_tbs_digest(&certificate.id().0);
        let status = self.logs.status(&row.authority, &key).and_then(|status| status.changes.last().copied());
        check_good(status.map(|change| change.state))?;
        if certificate.not_after() < self.clock.now() {
            return Err(Error::CallerNotGood("it has expired"));
        }
        let person: PersonId = row.person.parse().map_err(|_| Error::Corrupt("a certificate's person".to_owned()))?;
        // Roles are exercised with an officer's certificate alone: one that a department enrols for staff never carries them.
        let roles = if row.profile == OFFICER { self.roles(person).await? } else { Vec::new() };
        Ok(Caller { actor: Actor { person, roles }, certificate, session: None })
    }

    /// Whether the caller may read what belongs to a department or is about a person.
    pub async fn check_read(&self, caller: &Caller, department: Option<&str>, subject: Option<&str>) -> Result<(), Error> {
        let corrupt = |_| Error::Corrupt("an identifier in a row".to_owned());
        let department: Option<DepartmentId> = department.map(str::parse).transpose().map_err(corrupt)?;
        let subject = subject.map(str::parse).transpose().map_err(corrupt)?;
        Ok(self.policy().may_read(&caller.actor, self.path(department).await?, subject)?)
    }

    /// The department that a caller means who names none: the only one they work for. `None` for those of the whole
    /// installation, and for those of several departments, who must say which.
    pub fn usual_department(&self, caller: &Caller) -> Option<String> {
        let mut departments: Vec<_> = caller.actor.roles.iter().map(|grant| grant.department).collect();
        departments.dedup();
        match departments[..] {
            [Some(only)] => Some(only.to_string()),
            _ => None,
        }
    }

    /// Whether a person or a service may read it: a service, what belongs to the department of its token and to those in it.
    pub async fn check_reader(&self, reader: &Identity, department: Option<&str>, subject: Option<&str>) -> Result<(), Error> {
        match reader {
            Identity::Person(caller) => self.check_read(caller, department, subject).await,
            Identity::Service(token) => self.check_token(token, department).await,
        }
    }

    /// Whether a token is for what belongs to this department. `None`: the whole installation.
    pub async fn check_token(&self, token: &Token, department: Option<&str>) -> Result<(), Error> {
        let Some(own) = token.department else { return Ok(()) };
        let corrupt = |_| Error::Corrupt("an identifier in a row".to_owned());
        let department = department.map(str::parse).transpose().map_err(corrupt)?;
        if self.path(department).await?.lies_in(own) { Ok(()) } else { Err(Error::OtherDepartment) }
    }

    /// What the reader means who names no department.
    pub fn readers_department(&self, reader: &Identity) -> Option<String> {
        match reader {
            Identity::Person(caller) => self.usual_department(caller),
            Identity::Service(token) => token.department.map(|department| department.to_string()),
        }
    }
}

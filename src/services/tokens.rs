//! Tokens: how services that rely on us say who they are. An administrator asks for one and grants it with a signed statement;
//! its secret is shown once and kept as a hash. A token reads what its scopes say, of its department or of all, and decides
//! nothing.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{
    Services,
    bearer::{Bearer, Kind},
    error::Error,
    journal::{Commit, Kind as CommitKind},
    logs::OPERATIONS,
    register::check_text,
    revoke::digest,
    rows::Row,
    statements::{Caller, Checked, Decided, Subject, allowed, decided},
};
use crate::{
    crypto::digest::sha256,
    ledger::EventType,
    policy::{About, Act, DepartmentId, Object, Timestamp, jws::canonical},
    store::{self, TokenRow},
    world::{from_millis, millis, random},
};

/// How long a token works.
const USUAL_DAYS: i64 = 90;
const MOST_DAYS: i64 = 400;

/// What a token is for. Each address that takes tokens says which scope it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Verify,
    CertificatesRead,
    DepartmentsRead,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Verify, Self::CertificatesRead, Self::DepartmentsRead];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::CertificatesRead => "certificates:read",
            Self::DepartmentsRead => "departments:read",
        }
    }

    fn find(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A token to be asked for.
#[derive(Debug, Clone)]
pub struct NewToken {
    pub name: String,
    pub department: Option<String>,
    pub scopes: Vec<String>,
    pub days: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct Token {
    pub id: String,
    pub name: String,
    /// `None`: of all departments.
    pub department: Option<DepartmentId>,
    /// In their order, each once.
    pub scopes: Vec<Scope>,
    pub expires_at: OffsetDateTime,
    salt: [u8; 32],
    granted: Option<Granted>,
}

#[derive(Debug, Clone)]
struct Granted {
    secret_hash: Vec<u8>,
    revoked: bool,
}

impl Token {
    pub fn state(&self, now: OffsetDateTime) -> &'static str {
        match &self.granted {
            Some(granted) if granted.revoked => "revoked",
            _ if self.expires_at <= now => "expired",
            Some(_) => "granted",
            None => "proposed",
        }
    }

    /// Whether it is for this.
    pub fn check_scope(&self, scope: Scope) -> Result<(), Error> {
        if self.scopes.contains(&scope) { Ok(()) } else { Err(Error::ScopeNeeded(scope)) }
    }

    fn from_row(row: TokenRow) -> Result<Self, Error> {
        let corrupt = || Error::Corrupt(format!("token {}", row.id));
        Ok(Self {
            department: row.department.as_deref().map(str::parse).transpose().map_err(|_| corrupt())?,
            scopes: row.scopes.split(' ').map(|scope| Scope::find(scope).ok_or_else(corrupt)).collect::<Result<_, _>>()?,
            expires_at: from_millis(row.expires_at),
            salt: digest(&row.salt)?,
            granted: row.secret_hash.map(|secret_hash| Granted { secret_hash, revoked: row.revoked_at.is_some() }),
            id: row.id,
            name: row.name,
        })
    }
}

impl Services {
    /// Asks for a token; it opens nothing until it is granted.
    pub async fn propose_token(&self, caller: &Caller, new: NewToken) -> Result<Token, Error> {
        check_text("name", &new.name)?;
        let days = new.days.unwrap_or(USUAL_DAYS);
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(Error::malformed("days", format!("between 1 and {MOST_DAYS}")));
        }
        let department = self.department_id(new.department.as_deref()).await?;
        self.may_give(caller, Act::GrantToken, department).await?;
        let now = self.clock.now();
        let row = TokenRow {
            id: hex::encode(random::<16>(&*self.entropy)),
            name: new.name,
            department: department.map(|department| department.to_string()),
            scopes: read_scopes(&new.scopes)?,
            salt: random::<32>(&*self.entropy).to_vec(),
            proposed_by: caller.person().to_string(),
            proposed_at: millis(now),
            expires_at: millis(now + Duration::days(days)),
            secret_hash: None,
            statement: None,
            granted_at: None,
            revoked_at: None,
            revoked_statement: None,
        };
        let rows = vec![Row::NewToken(row.clone())];
        self.journal.commit(Commit { kind: CommitKind::Other, rows, entries: Vec::new() }).await?;
        Token::from_row(row)
    }

    pub async fn find_token(&self, id: &str) -> Result<Token, Error> {
        Token::from_row(self.load_token(id).await?)
    }

    async fn load_token(&self, id: &str) -> Result<TokenRow, Error> {
        let mut connection = self.db.read().await?;
        store::tokens::find(&mut connection, id).await?.ok_or_else(|| Error::unknown("token", id))
    }

    /// Those of a department and of those in it, or of all, by id.
    pub async fn tokens(&self, department: Option<&str>, after: Option<&str>, limit: i64) -> Result<Vec<Token>, Error> {
        let mut connection = self.db.read().await?;
        store::tokens::list(&mut connection, department, after, limit).await?.into_iter().map(Token::from_row).collect()
    }

    async fn may_give(&self, caller: &Caller, act: Act, department: Option<DepartmentId>) -> Result<(), Error> {
        let department = self.path(department).await?;
        Ok(self.policy().decide(&caller.actor, act, &Object::Record { department, subject: None })?)
    }

    /// What whoever grants or revokes a token is shown. Whoever may not is shown nothing.
    pub async fn token_subject(&self, caller: &Caller, act: Act, token: &Token) -> Result<Subject, Error> {
        self.may_give(caller, act, token.department).await?;
        let octets = hex::decode(&token.id).ok().and_then(|octets| octets.try_into().ok());
        Ok(Subject {
            about: About::Identifier(octets.ok_or_else(|| Error::Corrupt(format!("token {}", token.id)))?),
            shown: json!({
                "token": token.id,
                "name": token.name,
                "department": token.department.map(|department| department.to_string()),
                "scopes": token.scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "expires_at": Timestamp::new(token.expires_at).to_string(),
            }),
            salt: token.salt,
            log: OPERATIONS.to_owned(),
        })
    }

    /// Grants a token on a signed statement. The secret is made here, and nowhere else is it ever.
    pub async fn grant_token(&self, caller: &Caller, id: &str, statement: &str) -> Result<(Token, Bearer), Error> {
        let row = self.load_token(id).await?;
        let token = Token::from_row(row.clone())?;
        let subject = self.token_subject(caller, Act::GrantToken, &token).await?;
        let checked = self.check_statement(caller, statement, Act::GrantToken, &subject).await?;
        let now = self.clock.now();
        let state = token.state(now);
        if state != "proposed" {
            return Err(Error::WrongState { what: "token", found: state.to_owned(), expected: "proposed" });
        }
        let secret = Bearer::of(Kind::Token, token.id.clone(), &*self.entropy);
        let granted = TokenRow {
            secret_hash: Some(secret.hash().to_vec()),
            statement: Some(checked.statement.digest().to_vec()),
            granted_at: Some(millis(now)),
            ..row
        };
        let change =
            Row::GrantToken { id: token.id.clone(), secret_hash: secret.hash(), statement: checked.statement.digest(), at: millis(now) };
        self.decide_on_token(checked, Act::GrantToken, grant_commitment(&granted), change).await?;
        Ok((Token::from_row(granted)?, secret))
    }

    /// Ends a token on a signed statement, from the next request on.
    pub async fn revoke_token(&self, caller: &Caller, id: &str, statement: &str) -> Result<Token, Error> {
        let token = self.find_token(id).await?;
        let subject = self.token_subject(caller, Act::RevokeToken, &token).await?;
        let checked = self.check_statement(caller, statement, Act::RevokeToken, &subject).await?;
        let now = self.clock.now();
        // One that has expired may still be revoked: what it did is then looked at with other eyes.
        if token.granted.as_ref().is_none_or(|granted| granted.revoked) {
            return Err(Error::WrongState { what: "token", found: token.state(now).to_owned(), expected: "granted" });
        }
        let change = Row::RevokeToken { id: token.id.clone(), statement: checked.statement.digest(), at: millis(now) };
        self.decide_on_token(checked, Act::RevokeToken, revocation_commitment(&token.id, millis(now)), change).await?;
        self.find_token(id).await
    }

    /// The rows and the leaf of what was decided about a token.
    async fn decide_on_token(&self, checked: Checked, act: Act, commitment: [u8; 32], change: Row) -> Result<(), Error> {
        let now = self.clock.now();
        let (statement, payload) = (checked.statement.digest(), checked.statement.payload());
        let decision = allowed(payload.about, act, Timestamp::new(now), payload.policy, None);
        let Decided { hash, rows } = decided(&decision, &[statement], millis(now));
        let entry = self.operation(EventType::CA_EVENT, &statement, hash, commitment.to_vec())?;
        let rows = checked.rows.into_iter().chain(rows).chain([change]).collect();
        self.journal.commit(Commit { kind: CommitKind::Other, rows, entries: vec![(OPERATIONS.to_owned(), entry)] }).await?;
        Ok(())
    }

    /// The token whose secret this is, if it still opens anything.
    pub async fn token(&self, secret: &Bearer) -> Result<Token, Error> {
        let row = {
            let mut connection = self.db.read().await?;
            store::tokens::find(&mut connection, secret.id()).await?.ok_or(Error::TokenNotGood)?
        };
        let token = Token::from_row(row)?;
        let opens = token.granted.as_ref().is_some_and(|granted| verify_slices_are_equal(&granted.secret_hash, &secret.hash()).is_ok());
        if opens && token.state(self.clock.now()) == "granted" { Ok(token) } else { Err(Error::TokenNotGood) }
    }
}

/// The scopes as they are stored: in their order, each once.
fn read_scopes(texts: &[String]) -> Result<String, Error> {
    let mut scopes = Vec::new();
    for text in texts {
        scopes
            .push(Scope::find(text).ok_or_else(|| Error::malformed("scopes", format!("of {}", Scope::ALL.map(Scope::as_str).join(", "))))?);
    }
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(Error::malformed("scopes", "a token is for something"));
    }
    Ok(scopes.into_iter().map(Scope::as_str).collect::<Vec<_>>().join(" "))
}

/// The body of a grant's leaf: binds all of the token that counts. The secret is random, so its hash gives nothing away.
pub(super) fn grant_commitment(row: &TokenRow) -> [u8; 32] {
    let octets = |octets: &Option<Vec<u8>>| octets.as_ref().map_or(Value::Null, |octets| hex::encode(octets).into());
    sha256(&canonical(&json!({
        "department": row.department,
        "expires_at": row.expires_at.to_string(),
        "granted_at": row.granted_at.map(|at| at.to_string()),
        "name": row.name,
        "scopes": row.scopes,
        "secret_hash": octets(&row.secret_hash),
        "statement": octets(&row.statement),
        "token": row.id,
    })))
}

/// The body of a revocation's leaf.
pub(super) fn revocation_commitment(token: &str, at: i64) -> [u8; 32] {
    sha256(&canonical(&json!({"revoked_at": at.to_string(), "token": token})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_kept_in_their_order_and_each_once() {
        let read = |texts: &[&str]| read_scopes(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).ok();
        assert_eq!(read(&["departments:read", "verify", "verify"]).as_deref(), Some("verify departments:read"));
        for refused in [&[][..], &["all"], &["verify", ""], &["verify departments:read"]] {
            assert_eq!(read(refused), None, "{refused:?}");
        }
    }
}

//! Versions of the policy: handed in by an administrator, put in force by the signed statements of two people, one of whom
//! audits. Every version is kept by its digest.
//!
//! A trial installation begins with the files of its data directory, under the system key. Once people have put a version
//! in force, the files no longer count: what is in force is in the database, and on the ledger.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    Services,
    error::Error,
    journal::{Commit, Kind},
    logs::OPERATIONS,
    rows::Row,
    statements::{Caller, Subject, Waits, allowed, counted_once, decided},
};
use crate::{
    crypto::digest::sha256,
    ledger::EventType,
    policy::{About, Act, Actor, Digest32, Missing, Object, PolicySet, Timestamp},
    store::{self, Connection},
    world::millis,
};

/// What a statement about a version led to.
pub enum Activation {
    InForce,
    /// Recorded; more people must sign.
    Waiting(Missing),
}

impl Services {
    /// Checks and keeps a version, by the texts of its files. It is not in force yet.
    pub async fn propose_policy(&self, caller: &Caller, files: BTreeMap<String, String>) -> Result<store::PolicyVersionRow, Error> {
        self.policy().decide(&caller.actor, Act::Submit, &Object::Installation)?;
        let set = PolicySet::parse(&files.into_iter().collect::<Vec<_>>())?;
        let digest = set.digest();
        if let Some(known) = self.known_policy(&digest).await? {
            return Ok(known);
        }
        let row = store::PolicyVersionRow {
            digest: digest.0.to_vec(),
            text: set.canonical_text().to_owned(),
            recorded_at: millis(self.clock.now()),
            activated_at: None,
            activated_by: None,
        };
        self.journal.commit(Commit { kind: Kind::Other, rows: vec![Row::Policy(row.clone())], entries: Vec::new() }).await?;
        Ok(row)
    }

    pub async fn policy_versions(&self) -> Result<Vec<store::PolicyVersionRow>, Error> {
        let mut connection = self.db.read().await?;
        Ok(store::statements::policy_versions(&mut connection).await?)
    }

    pub async fn find_policy(&self, digest: &str) -> Result<store::PolicyVersionRow, Error> {
        let unknown = || Error::unknown("policy", digest);
        let parsed: Digest32 = digest.parse().map_err(|_| unknown())?;
        self.known_policy(&parsed).await?.ok_or_else(unknown)
    }

    async fn known_policy(&self, digest: &Digest32) -> Result<Option<store::PolicyVersionRow>, Error> {
        let mut connection = self.db.read().await?;
        Ok(store::statements::find_policy_version(&mut connection, &digest.0).await?)
    }

    /// What whoever puts a version in force is shown: every file by its digest, and the version that it takes the place of.
    pub fn policy_subject(&self, caller: &Caller, version: &store::PolicyVersionRow) -> Result<Subject, Error> {
        self.policy().decide(&caller.actor, Act::ActivatePolicy, &Object::Installation)?;
        let digest = super::revoke::digest(&version.digest)?;
        let files: BTreeMap<String, String> =
            serde_json::from_str(&version.text).map_err(|_| Error::Corrupt(format!("policy {}", hex::encode(digest))))?;
        let files: BTreeMap<&String, String> = files.iter().map(|(path, text)| (path, hex::encode(sha256(text.as_bytes())))).collect();
        Ok(Subject {
            about: About::Digest(digest),
            shown: json!({"policy": hex::encode(digest), "replaces": self.policy().digest().to_string(), "files": files}),
            // Policies are public.
            salt: [0; 32],
            log: OPERATIONS.to_owned(),
        })
    }

    /// The same before anybody signs, as long as it is not in force and they have not signed it.
    pub async fn activation_subject(&self, caller: &Caller, digest: &str) -> Result<Subject, Error> {
        let version = self.find_policy(digest).await?;
        let subject = self.policy_subject(caller, &version)?;
        self.must_not_be_in_force(&version)?;
        counted_once(caller, &self.open_activations(&subject.about).await?)?;
        Ok(subject)
    }

    fn must_not_be_in_force(&self, version: &store::PolicyVersionRow) -> Result<(), Error> {
        if self.policy().digest().0[..] == version.digest[..] {
            return Err(Error::WrongState { what: "policy", found: "in force".to_owned(), expected: "another than the one in force" });
        }
        Ok(())
    }

    /// Records a signed statement that puts a version in force; the one that makes enough people does it.
    pub async fn activate(&self, caller: &Caller, digest: &str, statement: &str) -> Result<Activation, Error> {
        let version = self.find_policy(digest).await?;
        let subject = self.policy_subject(caller, &version)?;
        let checked = self.check_statement(caller, statement, Act::ActivatePolicy, &subject).await?;
        self.must_not_be_in_force(&version)?;
        let earlier = self.open_activations(&subject.about).await?;
        counted_once(caller, &earlier)?;
        let mut signers: Vec<Actor> = earlier.iter().map(|(signer, _)| signer.clone()).collect();
        signers.push(caller.actor.clone());
        if let Some(missing) = self.policy().quorum(Act::ActivatePolicy).missing(&signers, None) {
            self.journal.commit(Commit { kind: Kind::Other, rows: checked.rows, entries: Vec::new() }).await?;
            return Ok(Activation::Waiting(missing));
        }
        let now = self.clock.now();
        let own = checked.statement.digest();
        let statements: Vec<[u8; 32]> = earlier.into_iter().map(|(_, statement)| statement).chain([own]).collect();
        let decision = allowed(subject.about, Act::ActivatePolicy, Timestamp::new(now), self.policy().digest(), None);
        let decided = decided(&decision, &statements, millis(now));
        let entry = self.operation(EventType::POLICY, &own, decided.hash, version.digest.clone())?;
        let mut rows = checked.rows;
        rows.extend(decided.rows);
        let in_force = parse(&version)?;
        rows.push(Row::Policy(store::PolicyVersionRow { activated_at: Some(millis(now)), activated_by: Some(own.to_vec()), ..version }));
        self.journal.commit(Commit { kind: Kind::Other, rows, entries: vec![(OPERATIONS.to_owned(), entry)] }).await?;
        self.policy.store(in_force.into());
        Ok(Activation::InForce)
    }

    /// Who has signed that a version is put in force, and who must still; `None` when nobody waits for it.
    pub async fn waits_for_activation(&self, version: &store::PolicyVersionRow) -> Result<Option<Waits>, Error> {
        if self.must_not_be_in_force(version).is_err() {
            return Ok(None);
        }
        let signed = self.open_activations(&About::Digest(super::revoke::digest(&version.digest)?)).await?;
        let signers: Vec<Actor> = signed.into_iter().map(|(signer, _)| signer).collect();
        let waits = Waits::of(&signers, self.policy().quorum(Act::ActivatePolicy), None);
        Ok((version.activated_at.is_none() || !signers.is_empty()).then_some(waits))
    }

    async fn open_activations(&self, about: &About) -> Result<Vec<(Actor, [u8; 32])>, Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::statements::open(&mut connection, Act::ActivatePolicy.as_str(), &about.to_string()).await?
        };
        let mut signed = self.signers(&rows).await?;
        signed.retain(|(signer, _)| self.policy().decide(signer, Act::ActivatePolicy, &Object::Installation).is_ok());
        Ok(signed)
    }
}

/// The version that people put in force last; `None` while none of them ever did.
pub async fn decided_by_people(connection: &mut Connection) -> Result<Option<PolicySet>, Error> {
    let versions = store::statements::policy_versions(connection).await?;
    let newest = versions.into_iter().filter(|version| version.activated_at.is_some()).max_by_key(|version| version.activated_at);
    newest.filter(|version| version.activated_by.is_some()).map(|version| parse(&version)).transpose()
}

fn parse(version: &store::PolicyVersionRow) -> Result<PolicySet, Error> {
    PolicySet::from_canonical_text(&version.text).map_err(|error| Error::Corrupt(format!("a version of the policy: {error}")))
}

//! The first start on an empty directory: a trial installation. Roots and authorities beside the service, the passphrase
//! beside the keys, and one-time codes for the first administrator and auditor.
//!
//! Every step may be repeated: a start that was cut short goes on where it was, for nothing was handed out before the end.

use std::{os::unix::fs::DirBuilderExt, path::Path, sync::Arc};

use der::asn1::ObjectIdentifier;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::Duration;

use super::{
    Services,
    authorities::Authority,
    crash,
    error::Error,
    issue::{Contents, Order},
    journal::{Commit, Kind},
    logs::{self, Log, LogKeys, MAP_DEPTH, OPERATIONS},
    register::{ClaimCode, Officer},
    rows::Row,
    statements::{allowed, decided},
};
use crate::{
    config::Sm2Parameters,
    crypto::{Algorithm, algorithms, digest::sha256, keys::SigningKey},
    files,
    ledger::{Digests, Entry, Event, EventType, StatusKey, entry::version_of},
    policy::{About, Act, AuthorityName, PersonId, Purpose, Role, Timestamp},
    store,
    world::{millis, random, seconds},
    x509::{extensions, lints, name},
};

/// Lifetimes of authorities. A P-256 key outlives neither.
const ROOT_LIFE: Duration = Duration::days(20 * 365);
const AUTHORITY_LIFE: Duration = Duration::days(10 * 365);

/// An administrator and an auditor.
const FIRST_OFFICERS: i64 = 2;

/// The families of a trial installation: the algorithm of the root and that of the authorities beneath it.
static FAMILIES: &[(&str, &dyn Algorithm)] = &[("p256", &algorithms::P384), ("sm2", &algorithms::Sm2)];

/// The contents of `claims.json`: one-time codes, for their owners' eyes only.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    pub administrator: String,
    pub auditor: String,
}

/// Makes the passphrase of a trial installation, beside the keys that it protects. Returns the one that is there already.
pub fn trial_passphrase(data: &Path, entropy: &dyn crate::world::Entropy) -> anyhow::Result<SecretString> {
    let path = data.join("keys").join("passphrase");
    if !path.exists() {
        // Before the key store opens the directory: whoever makes it decides who may look into it.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data.join("keys"))?;
        files::write_private(&path, hex::encode(random::<32>(entropy)).as_bytes())?;
    }
    Ok(crate::config::read_passphrase(&path)?)
}

impl Services {
    /// Makes whatever of a trial installation is not there yet. Answers the claims file's contents while it is unclaimed.
    pub async fn install(&self, data: &Path) -> Result<(), Error> {
        self.add_log(OPERATIONS).await?;
        self.record_policy().await?;
        self.add_system_person().await?;
        for (family, root_algorithm) in FAMILIES {
            let root = AuthorityName::new(Purpose::Root, family, 1).map_err(|error| Error::Corrupt(error.to_string()))?;
            self.add_authority(root, None, *root_algorithm).await?;
            for purpose in [Purpose::Department, Purpose::Citizen] {
                let algorithm = algorithms::find(family).map_err(Error::Key)?;
                let name = AuthorityName::new(purpose, family, 1).map_err(|error| Error::Corrupt(error.to_string()))?;
                self.add_authority(name, Some(root), algorithm).await?;
            }
        }
        crash::point("install-authority-keys-made");
        self.finish_promises(Duration::ZERO).await?;
        self.certify_authorities().await?;
        self.renew_own_certificates().await?;
        self.write_trust(data).await?;
        self.add_first_officers(data).await
    }

    async fn add_log(&self, name: &str) -> Result<(), Error> {
        if self.logs.read().contains_key(name) {
            return Ok(());
        }
        let keys = LogKeys {
            ed25519: self.key(&format!("log-{name}-ed25519"), &algorithms::Ed25519)?,
            sm2: self.key(&format!("log-{name}-sm2"), &algorithms::Sm2)?,
        };
        crash::point("install-log-keys-made");
        let host = self.base_url.split_once("://").map_or(self.base_url.as_str(), |(_, host)| host);
        let origin = format!("{host}/ledger/{name}/{}", self.incarnation);
        let row = store::LogRow {
            name: name.to_owned(),
            origin,
            map_depth: i64::from(MAP_DEPTH),
            ed25519_spki: keys.ed25519.public_key().spki().to_vec(),
            sm2_spki: keys.sm2.public_key().spki().to_vec(),
            created_at: millis(self.clock.now()),
        };
        let mut tx = self.db.begin_write().await?;
        store::ledger::insert_log(tx.connection(), &row).await?;
        store::ledger::insert_head(tx.connection(), name, &empty_head(&row)).await?;
        tx.commit().await?;
        let log: Log = logs::open(&self.db, &row, keys).await?;
        self.logs.add(name, log);
        Ok(())
    }

    /// A trial installation begins with the policies of its data directory: when they are not those that were activated last,
    /// the system key activates them, for all to see. Once people have decided, `policies.rs` says what is in force.
    async fn record_policy(&self) -> Result<(), Error> {
        let versions = {
            let mut connection = self.db.read().await?;
            store::statements::policy_versions(&mut connection).await?
        };
        let newest = versions.iter().max_by_key(|version| version.activated_at).map(|version| version.digest.as_slice());
        let digest = self.policy().digest();
        if newest == Some(&digest.0[..]) {
            return Ok(());
        }
        self.activate_policy().await?;
        if let Some(before) = newest {
            tracing::info!(policy = %digest, before = hex::encode(before), "the files in policies/ have changed and are in force now");
        }
        Ok(())
    }

    async fn add_system_person(&self) -> Result<(), Error> {
        let mut tx = self.db.begin_write().await?;
        let id = self.system_person.to_string();
        if store::people::find_person(tx.connection(), &id).await?.is_none() {
            let row = store::PersonRow {
                id,
                kind: "system".to_owned(),
                department: None,
                created_at: millis(self.clock.now()),
                sealed_profile: None,
            };
            store::people::insert_person(tx.connection(), &row).await?;
        }
        Ok(tx.commit().await?)
    }

    /// The key, the log and the row of an authority; its certificate comes after, on the path of all certificates.
    async fn add_authority(
        &self,
        name: AuthorityName,
        issuer: Option<AuthorityName>,
        algorithm: &'static dyn Algorithm,
    ) -> Result<(), Error> {
        if self.authorities.find(&name).is_some() {
            return Ok(());
        }
        self.add_log(&name.to_string()).await?;
        let key = self.key(&format!("authority-{name}"), algorithm)?;
        let subject = name::build(&[
            (const_oid::db::rfc4519::COUNTRY_NAME, "CN".to_owned()),
            (const_oid::db::rfc4519::ORGANIZATION_NAME, self.organization.clone()),
            (const_oid::db::rfc4519::COMMON_NAME, self.authority_title(&name)),
        ])?;
        let null_parameters = algorithm.name() == "sm2" && self.sm2_parameters == Sm2Parameters::Null;
        let policy = self.authority_policy()?;
        let authority = Authority::new(name, issuer, name::to_der(&subject)?, key, self.new_crl_shards, null_parameters, policy);
        self.authorities.add(authority);
        Ok(())
    }

    fn authority_title(&self, name: &AuthorityName) -> String {
        let kind = match name.purpose() {
            Purpose::Root => "Root",
            Purpose::Department => "Department",
            Purpose::Citizen => "Citizen",
        };
        format!("{} {kind} CA {} G{}", self.organization, name.family().to_uppercase(), name.generation())
    }

    /// The configured policy, or a new one from a UUID. Its 128 bits stand under 2.25 as eight arcs of sixteen, because
    /// many programs read no larger arc (`docs/divergences.md`).
    fn authority_policy(&self) -> Result<ObjectIdentifier, Error> {
        let text = match &self.new_policy {
            Some(configured) => configured.clone(),
            None => {
                let uuid: [u8; 16] = random(&*self.entropy);
                let arcs: Vec<String> = uuid.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]).to_string()).collect();
                format!("2.25.{}", arcs.join("."))
            }
        };
        ObjectIdentifier::new(&text).map_err(|error| Error::malformed("authority.policy", error))
    }

    /// Issues the certificates of authorities that have none: the roots by themselves, the others by their roots.
    async fn certify_authorities(&self) -> Result<(), Error> {
        let mut authorities = self.authorities.all();
        authorities.sort_by_key(|authority| authority.issuer.is_some());
        for authority in authorities {
            if authority.certificate().is_err() {
                self.certify_authority(&authority).await?;
            }
        }
        Ok(())
    }

    async fn certify_authority(&self, authority: &Arc<Authority>) -> Result<(), Error> {
        let now = self.clock.now();
        let issuer = match authority.issuer {
            Some(name) => self.authorities.find(&name).ok_or_else(|| Error::unknown("authority", name))?,
            None => authority.clone(),
        };
        let (role, life, path_length) = match authority.issuer {
            None => (lints::Role::Root, ROOT_LIFE, None),
            Some(_) => (lints::Role::Authority, AUTHORITY_LIFE, Some(0)),
        };
        let usages = x509_cert::ext::pkix::KeyUsages::KeyCertSign | x509_cert::ext::pkix::KeyUsages::CRLSign;
        let mut list = vec![extensions::basic_constraints(path_length)?, extensions::key_usage(usages)?];
        list.push(extensions::subject_information_access(&format!("{}/ca/", self.base_url))?);
        if role == lints::Role::Authority {
            list.push(extensions::certificate_policies(&[authority.policy])?);
        }
        let about = About::Digest(authority.key.public_key().fingerprint());
        let shown = json!({"authority": authority.name.to_string(), "key": hex::encode(authority.key.public_key().fingerprint())});
        let checked = self.system_statement(Act::Issue, about, &shown, &[0; 32], &issuer.log()).await?;
        let decision = allowed(about, Act::Issue, Timestamp::new(now), self.policy().digest(), None);
        let decided = decided(&decision, &[checked.statement.digest()], millis(now));
        let mut rows = checked.rows;
        rows.extend(decided.rows);
        if self.is_new_authority(&authority.name).await? {
            rows.push(Row::Authority(self.authority_row(authority)));
        }
        let order = Order {
            profile: if role == lints::Role::Root { "root" } else { "authority" }.to_owned(),
            person: self.system_person,
            department: None,
            enrolment: None,
            contents: Contents {
                subject: authority.subject.clone(),
                key: authority.key.public_key().clone(),
                not_before: now,
                not_after: now + life,
                role,
                extensions: list,
            },
            decision: decided.hash,
            commitment: [0; 32],
            serves: None,
            authority: issuer,
        };
        let issued = self.issue(rows, vec![order]).await?;
        let certificate = issued.into_iter().next().ok_or(Error::NoRequests)?.certificate;
        authority.set_certificate(certificate);
        Ok(())
    }

    async fn is_new_authority(&self, name: &AuthorityName) -> Result<bool, Error> {
        let mut connection = self.db.read().await?;
        Ok(store::authorities::find(&mut connection, &name.to_string()).await?.is_none())
    }

    fn authority_row(&self, authority: &Authority) -> store::AuthorityRow {
        store::AuthorityRow {
            name: authority.name.to_string(),
            purpose: authority.name.purpose().to_string(),
            algorithm: authority.algorithm().name().to_owned(),
            generation: i64::from(authority.name.generation()),
            issuer: authority.issuer.map(|issuer| issuer.to_string()),
            subject_der: authority.subject.clone(),
            key_fingerprint: authority.key.public_key().fingerprint().to_vec(),
            key_name: format!("authority-{}", authority.name),
            crl_shards: i64::from(authority.crl_shards),
            null_parameters: i64::from(authority.null_parameters),
            policy_oid: authority.policy.to_string(),
            created_at: millis(self.clock.now()),
        }
    }

    /// `trust/{root}.pem` and `trust/bundle.json`: what others need to verify this installation offline.
    async fn write_trust(&self, data: &Path) -> Result<(), Error> {
        let write = |name: &str, contents: &[u8]| {
            files::write(&data.join("trust").join(name), contents).map_err(|error| Error::Corrupt(format!("{error:#}")))
        };
        for authority in self.authorities.all().iter().filter(|authority| authority.is_root()) {
            write(&format!("{}.pem", authority.name), authority.certificate()?.to_pem().as_bytes())?;
        }
        // A bundle of text always serialises.
        let bundle = serde_json::to_vec_pretty(&self.trust_bundle()?).expect("a trust bundle serialises");
        write("bundle.json", &bundle)
    }

    /// Whose one-time codes in `claims.json` still work.
    pub async fn open_claims(&self, claims: &Claims) -> Result<Vec<&'static str>, Error> {
        let mut open = Vec::new();
        let mut connection = self.db.read().await?;
        for (name, code) in [("administrator", &claims.administrator), ("auditor", &claims.auditor)] {
            let Some(code) = ClaimCode::from_text(code) else { continue };
            let row = store::people::find_claim(&mut connection, &code.hash()).await?;
            let works = row.is_some_and(|row| row.used_at.is_none() && row.expires_at > millis(self.clock.now()));
            open.extend(works.then_some(name));
        }
        Ok(open)
    }

    /// The first administrator and the first auditor claim their certificates with one-time codes. The codes are written to
    /// their file before the database knows them, so that none can be lost.
    async fn add_first_officers(&self, data: &Path) -> Result<(), Error> {
        let path = data.join("claims.json");
        let unclaimed = {
            let mut connection = self.db.read().await?;
            store::people::officers(&mut connection, None, FIRST_OFFICERS).await?.len() < FIRST_OFFICERS as usize
        };
        if !unclaimed {
            return Ok(());
        }
        let claims: Claims = match std::fs::read(&path) {
            Ok(file) => serde_json::from_slice(&file).map_err(|error| Error::Corrupt(format!("{}: {error}", path.display())))?,
            Err(_) => {
                let claims = Claims { administrator: self.claim_code()?.to_string(), auditor: self.claim_code()?.to_string() };
                // Two codes always serialise.
                let json = serde_json::to_vec_pretty(&claims).expect("claims serialise");
                files::write_private(&path, &json).map_err(|error| Error::Corrupt(format!("{error:#}")))?;
                claims
            }
        };
        crash::point("install-claims-written");
        // One commit for both: whether they are there is asked of the database as one question.
        let mut both = Commit { kind: Kind::Other, rows: Vec::new(), entries: Vec::new() };
        for (name, role, code) in
            [("administrator", Role::Administrator, &claims.administrator), ("auditor", Role::Auditor, &claims.auditor)]
        {
            let code = ClaimCode::from_text(code).ok_or_else(|| Error::Corrupt(format!("{}: not a claim code", path.display())))?;
            let known = {
                let mut connection = self.db.read().await?;
                store::people::find_claim(&mut connection, &code.hash()).await?
            };
            if known.is_none() {
                let one = self.first_officer(name, role, &code).await?;
                both.rows.extend(one.rows);
                both.entries.extend(one.entries);
            }
        }
        self.journal.commit(both).await?;
        Ok(())
    }

    async fn first_officer(&self, name: &str, role: Role, code: &ClaimCode) -> Result<Commit, Error> {
        let officer = Officer {
            dismissed: false,
            id: PersonId::generate(&*self.entropy),
            name: name.to_owned(),
            department: None,
            proposed: vec![role],
            roles: Vec::new(),
            salt: random(&*self.entropy),
        };
        let subject = self.officer_subject(&officer);
        let checked = self.system_statement(Act::Grant, subject.about, &subject.shown, &subject.salt, OPERATIONS).await?;
        let mut commit = self.grant_commit(&officer, &[], checked, code)?;
        commit.rows.insert(0, self.officer_row(&officer));
        Ok(commit)
    }

    /// The key of that name, made if it is not there yet.
    pub(super) fn key(&self, name: &str, algorithm: &'static dyn Algorithm) -> Result<Arc<dyn SigningKey>, Error> {
        let key = if self.keys.exists(name) { self.keys.load(name) } else { self.keys.generate(name, algorithm, &*self.entropy) };
        Ok(Arc::new(key.map_err(Error::Key)?))
    }

    /// Records the policies that the service runs with, as a leaf of the operations log and a statement of the system key.
    pub(super) async fn activate_policy(&self) -> Result<(), Error> {
        let digest = self.policy().digest().0;
        let now = self.clock.now();
        let about = About::Digest(digest);
        let version = store::PolicyVersionRow {
            digest: digest.to_vec(),
            text: self.policy().canonical_text().to_owned(),
            recorded_at: millis(now),
            activated_at: Some(millis(now)),
            activated_by: None,
        };
        let checked =
            self.system_statement(Act::ActivatePolicy, about, &json!({"policy": hex::encode(digest)}), &[0; 32], OPERATIONS).await?;
        let decision = allowed(about, Act::ActivatePolicy, Timestamp::new(now), self.policy().digest(), None);
        let decided = decided(&decision, &[checked.statement.digest()], millis(now));
        // By its statement, so that going back to an earlier version is an event of its own.
        let entry = self.operation(EventType::POLICY, &checked.statement.digest(), decided.hash, digest.to_vec())?;
        let mut rows = vec![Row::Policy(version)];
        rows.extend(checked.rows);
        rows.extend(decided.rows);
        self.journal.commit(Commit { kind: Kind::Other, rows, entries: vec![(OPERATIONS.to_owned(), entry)] }).await?;
        Ok(())
    }
}

impl Services {
    /// A leaf of the operations log about what people or the service decided there. `identity` tells events apart.
    pub(super) fn operation(&self, kind: EventType, identity: &[u8; 32], decision: [u8; 32], body: Vec<u8>) -> Result<Entry, Error> {
        let origin = self.origin(OPERATIONS)?;
        let event = Event { origin: &origin, status_key: StatusKey::NONE, version: version_of(identity), time: seconds(self.clock.now()) };
        let digests = Digests { decision, policy: self.policy().digest().0, ..Digests::default() };
        Entry::notice(&event, kind, digests, body).map_err(|error| Error::Ledger(error.to_string()))
    }
}

/// The identity of the service as a person: one per installation, derived from its incarnation.
pub fn system_person(incarnation: &str) -> PersonId {
    let digest = sha256(format!("hufu/system/{incarnation}").as_bytes());
    let mut octets = [0; 16];
    octets.copy_from_slice(&digest[..16]);
    PersonId::from_bytes(octets)
}

fn empty_head(row: &store::LogRow) -> store::HeadRow {
    let map = crate::ledger::StatusMap::new(crate::ledger::Depth::DEFAULT);
    store::HeadRow {
        size: 0,
        root: crate::ledger::merkle::empty_root().to_vec(),
        map_root: map.root().to_vec(),
        time: row.created_at,
        fence: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::world::SystemEntropy;

    #[test]
    fn the_directory_of_the_keys_is_its_owners_alone_and_the_passphrase_is_made_once() {
        let data = tempfile::tempdir().unwrap();
        let first = trial_passphrase(data.path(), &SystemEntropy).unwrap();
        let second = trial_passphrase(data.path(), &SystemEntropy).unwrap();
        let text = |secret: SecretString| secrecy::ExposeSecret::expose_secret(&secret).to_owned();
        assert_eq!(text(first), text(second));
        let mode = std::fs::metadata(data.path().join("keys")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

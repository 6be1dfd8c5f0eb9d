//! Turns an approved enrolment into certificates with their leaves: decide, draft, lint, promise, sign, complete.
//!
//! Each step's result is a type that the next step needs, and only that step makes one: nothing is promised that was not
//! linted, nothing is signed that was not promised, and what is signed is the very bytes that were linted.

use std::{collections::BTreeMap, sync::Arc};

use der::asn1::ObjectIdentifier;
use time::{Duration, OffsetDateTime};
use x509_cert::ext::Extension;

use super::{
    Services,
    authorities::Authority,
    crash,
    error::Error,
    journal::{Commit, Kind, Position},
    rows::Row,
};
use crate::{
    crypto::{PublicKey, digest::sha256},
    ledger::{Digests, Entry, Event, StatusKey},
    policy::{DepartmentId, EnrolmentId, PersonId, Profile, profile},
    store,
    world::{millis, seconds},
    x509::{
        Certificate, Draft, SerialNumber, extensions,
        linted::{Linted, lint},
        lints, name,
        signed::assemble,
    },
};

/// One certificate to be issued, as decided: nothing in it comes from a certification request but the key.
pub struct Order {
    pub authority: Arc<Authority>,
    /// `staff`, `ocsp` …, or what an authority's own certificate is called.
    pub profile: String,
    pub person: PersonId,
    pub department: Option<DepartmentId>,
    pub enrolment: Option<EnrolmentId>,
    pub contents: Contents,
    pub decision: [u8; 32],
    /// A commitment to the subject under a salt that can be destroyed; zero where the subject is no person.
    pub commitment: [u8; 32],
    /// For a certificate of the service itself: what it is put to use for, from its promise on.
    pub serves: Option<Serves>,
}

/// What the service uses a certificate of its own for, and what the key store calls the key.
#[derive(Debug, Clone)]
pub struct Serves {
    pub purpose: &'static str,
    /// The authority that a responder answers for.
    pub authority: Option<String>,
    pub key_name: String,
}

/// What the certificate will say.
pub struct Contents {
    /// A DER Name.
    pub subject: Vec<u8>,
    pub key: PublicKey,
    pub not_before: OffsetDateTime,
    pub not_after: OffsetDateTime,
    pub role: lints::Role,
    /// In addition to what every certificate of ours has.
    pub extensions: Vec<Extension>,
}

/// An order whose draft passed every lint.
struct Ready {
    order: Order,
    linted: Linted,
    serial: SerialNumber,
}

/// A promise: its TBSCertificate and its leaf are committed. Signing consumes it.
struct Promised {
    ready: Ready,
    position: Position,
}

/// A certificate that is signed, recorded and complete.
#[derive(Debug, Clone)]
pub struct Issued {
    pub certificate: Certificate,
    pub authority: Arc<str>,
    pub position: Position,
}

impl Services {
    /// Issues what was decided. `rows` record the decision and are committed together with the promises: from then on the
    /// certificates count as issued, and a restart signs them if this call does not live to.
    pub async fn issue(&self, rows: Vec<Row>, orders: Vec<Order>) -> Result<Vec<Issued>, Error> {
        let ready = orders.into_iter().map(|order| self.draft(order)).collect::<Result<Vec<_>, _>>()?;

        let promised = self.promise(rows, ready).await?;

        let signed = self.sign(promised).await?;

        self.complete(signed).await
    }

    fn draft(&self, order: Order) -> Result<Ready, Error> {
        let now = self.clock.now();
        let serial = SerialNumber::generate(&*self.entropy, now);
        let authority = &order.authority;
        let contents = &order.contents;
        let mut extensions = self.common_extensions(authority, contents, &serial)?;
        extensions.extend(contents.extensions.iter().cloned());
        let draft = Draft {
            serial,
            signature_algorithm: authority.signature_algorithm(),
            issuer: authority.subject.clone(),
            not_before: contents.not_before,
            not_after: contents.not_after,
            subject: contents.subject.clone(),
            public_key: contents.key.clone(),
            extensions,
        };
        let issuer = if contents.role == lints::Role::Root { None } else { Some(authority.certificate()?) };
        let linted = lint(&draft, contents.role, issuer.as_deref())?;
        Ok(Ready { order, linted, serial })
    }

    /// Key identifiers in all; where to find status and issuer in all but roots, which nobody can revoke.
    fn common_extensions(&self, authority: &Authority, contents: &Contents, serial: &SerialNumber) -> Result<Vec<Extension>, Error> {
        let mut list = vec![extensions::subject_key_identifier(&contents.key)?];
        if contents.role == lints::Role::Root {
            return Ok(list);
        }
        list.insert(0, extensions::authority_key_identifier(authority.key.public_key())?);
        list.push(extensions::crl_distribution_point(&authority.shard_url_of(&self.base_url, serial))?);
        let certificate = authority.certificate_url(&self.base_url);
        list.push(extensions::authority_information_access(&Authority::ocsp_url(&self.base_url), &certificate)?);
        // An authority's certificate asserts its own policy, everything else that of its issuer.
        if contents.role != lints::Role::Authority {
            list.push(extensions::certificate_policies(&[authority.policy])?);
        }
        Ok(list)
    }

    /// Records each TBSCertificate with its leaf, in one transaction with `rows`.
    async fn promise(&self, mut rows: Vec<Row>, ready: Vec<Ready>) -> Result<Vec<Promised>, Error> {
        let now = self.clock.now();
        let mut entries = Vec::with_capacity(ready.len());
        for one in &ready {
            rows.push(Row::Certificate { row: self.promise_row(one, now), entry: entries.len() });
            entries.push((one.order.authority.log(), self.issue_entry(one, now)?));
            rows.extend(one.order.serves.as_ref().map(|serves| put_to_use(one, serves)));
        }
        let positions = self.journal.commit(Commit { kind: Kind::Promise, rows, entries }).await?;
        Ok(ready.into_iter().zip(positions).map(|(ready, position)| Promised { ready, position }).collect())
    }

    fn promise_row(&self, ready: &Ready, now: OffsetDateTime) -> store::CertificateRow {
        let (order, tbs) = (&ready.order, ready.linted.tbs());
        store::CertificateRow {
            seq: 0,
            id: sha256(tbs).to_vec(),
            serial: ready.serial.as_bytes().to_vec(),
            authority: order.authority.name.to_string(),
            profile: order.profile.clone(),
            person: order.person.to_string(),
            department: order.department.map(|department| department.to_string()),
            enrolment: order.enrolment.map(|enrolment| enrolment.to_string()),
            key_fingerprint: order.contents.key.fingerprint().to_vec(),
            subject: subject_text(&order.contents.subject),
            not_before: seconds(order.contents.not_before) as i64 * 1000,
            not_after: seconds(order.contents.not_after) as i64 * 1000,
            tbs: tbs.to_vec(),
            signature: None,
            fingerprint: None,
            decision: order.decision.to_vec(),
            leaf_log: String::new(),
            leaf_idx: 0,
            version: 1,
            status: "promised".to_owned(),
            created_at: millis(now),
        }
    }

    fn issue_entry(&self, ready: &Ready, now: OffsetDateTime) -> Result<Entry, Error> {
        let log = ready.order.authority.log();
        let origin = self.origin(&log)?;
        let event = Event { origin: &origin, status_key: StatusKey::of_tbs(ready.linted.tbs()), version: 1, time: seconds(now) };
        let digests =
            Digests { subject: ready.order.commitment, decision: ready.order.decision, policy: self.policy().digest().0, payload: [0; 32] };
        Ok(Entry::issue(&event, digests, seconds(ready.order.contents.not_after)))
    }

    /// Uses each authority's key once for all its promises.
    async fn sign(&self, promised: Vec<Promised>) -> Result<Vec<Issued>, Error> {
        let mut by_authority: BTreeMap<String, Vec<Promised>> = BTreeMap::new();
        for promise in promised {
            by_authority.entry(promise.ready.order.authority.log()).or_default().push(promise);
        }
        let mut issued = Vec::new();
        for (_, promises) in by_authority {
            let authority = promises[0].ready.order.authority.clone();
            let messages = promises.iter().map(|promise| promise.ready.linted.tbs().to_vec()).collect();
            let signatures = authority.key.sign_batch(messages).await.map_err(Error::Key)?;
            for (promise, signature) in promises.into_iter().zip(signatures) {
                let der = assemble(promise.ready.linted.tbs(), &authority.signature_algorithm(), &signature, &[])?;
                issued.push(Issued {
                    certificate: Certificate::parse(&der)?,
                    authority: authority.log().into(),
                    position: promise.position,
                });
            }
        }
        crash::point("issue-signed");
        Ok(issued)
    }

    /// Records the signatures.
    async fn complete(&self, issued: Vec<Issued>) -> Result<Vec<Issued>, Error> {
        let rows = issued.iter().map(|one| signed_row(&one.certificate)).collect::<Result<_, _>>()?;
        self.journal.commit(Commit { kind: Kind::Complete, rows, entries: Vec::new() }).await?;
        Ok(issued)
    }

    /// Signs what was promised and never signed, by a crash or by a key that did not answer. A promise whose bytes are no
    /// longer those of its leaf cannot be kept and is revoked instead.
    ///
    /// Only promises older than `age` are looked at: a younger one is being kept by the request that made it.
    pub async fn finish_promises(&self, age: Duration) -> Result<usize, Error> {
        let mut finished = 0;
        for authority in self.authorities.all() {
            finished += self.finish_promises_of(&authority, millis(self.clock.now() - age)).await?;
        }
        Ok(finished)
    }

    async fn finish_promises_of(&self, authority: &Authority, until: i64) -> Result<usize, Error> {
        let mut rows = {
            let mut connection = self.db.read().await?;
            store::certificates::promised(&mut connection, &authority.name.to_string()).await?
        };
        rows.retain(|row| row.created_at <= until);
        let (kept, broken): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| self.can_be_kept(authority, row));
        for row in broken {
            if let Err(error) = self.revoke_broken_promise(authority, &row).await {
                tracing::error!(%error, id = hex::encode(&row.id), "a broken promise could not be revoked");
            }
        }
        if kept.is_empty() {
            return Ok(0);
        }
        let signatures = authority.key.sign_batch(kept.iter().map(|row| row.tbs.clone()).collect()).await.map_err(Error::Key)?;
        let mut rows = Vec::new();
        for (row, signature) in kept.iter().zip(signatures) {
            let der = assemble(&row.tbs, &authority.signature_algorithm(), &signature, &[])?;
            rows.push(signed_row(&Certificate::parse(&der)?)?);
        }
        crash::point("start-promises-signed");
        self.journal.commit(Commit { kind: Kind::Complete, rows, entries: Vec::new() }).await?;
        tracing::info!(authority = %authority.name, count = kept.len(), "finished promised certificates");
        Ok(kept.len())
    }

    fn can_be_kept(&self, authority: &Authority, row: &store::CertificateRow) -> bool {
        let key = StatusKey::of_tbs(&row.tbs);
        row.id == sha256(&row.tbs) && self.logs.status(&authority.log(), &key).is_some()
    }
}

/// Committed with the promise: a crash in between would leave a good certificate that nobody knows the use of.
fn put_to_use(ready: &Ready, serves: &Serves) -> Row {
    Row::SystemCertificate(store::SystemCertificateRow {
        certificate: sha256(ready.linted.tbs()).to_vec(),
        purpose: serves.purpose.to_owned(),
        authority: serves.authority.clone(),
        key_name: serves.key_name.clone(),
        active: 1,
    })
}

fn signed_row(certificate: &Certificate) -> Result<Row, Error> {
    let signature = crate::x509::Signed::parse(certificate.der())?.signature.to_vec();
    Ok(Row::Signed { id: certificate.id().0, signature, fingerprint: certificate.fingerprint() })
}

fn subject_text(der: &[u8]) -> String {
    match <x509_cert::name::Name as der::Decode>::from_der(der) {
        Ok(name) => name::text(&name),
        // The subject was encoded by us a moment ago; the column is for searching only.
        Err(_) => String::new(),
    }
}

/// The extensions that a profile adds to those of every certificate.
pub fn profile_extensions(profile: &Profile, names: Vec<x509_cert::ext::pkix::name::GeneralName>) -> Result<Vec<Extension>, Error> {
    let mut list = vec![extensions::key_usage(profile.key_usage().0)?];
    let purposes: Vec<ObjectIdentifier> = profile.extended_key_usage().to_vec();
    if !purposes.is_empty() {
        list.push(extensions::extended_key_usage(purposes)?);
    }
    if !names.is_empty() {
        list.push(extensions::subject_alternative_names(names)?);
    }
    if profile.has(profile::Extension::OcspNoCheck) {
        list.push(extensions::ocsp_no_check()?);
    }
    Ok(list)
}

//! Certificates against their TBSCertificate, their signature and their leaves, and authorities against their certificates.

use std::collections::{BTreeMap, HashSet};

use super::{AuthorityRecord, Error, Facts, Findings, IN_FLIGHT, Issued, Records, Signer, Stopped, books::Book};
use crate::{
    crypto::{PublicKey, algorithms, digest::sha256},
    ledger::{State, StatusKey},
    policy::{Purpose, SignerReference, Statement},
    services::{authorities::signature_algorithm, enrol::hmac_sha256},
    store::{self, CertificateFilter, Connection},
    world::millis,
    x509::{Certificate, SerialNumber, signed::assemble},
};
use der::Decode;
use spki::AlgorithmIdentifierOwned;

const PAGE: i64 = 1000;
const DAY: u64 = 86_400;

pub(super) async fn check(connection: &mut Connection, records: &Records, findings: &mut Findings) -> Result<Facts, Error> {
    let mut check = Check { records, facts: Facts::default(), seen: HashSet::new(), issuers: BTreeMap::new(), wrong: BTreeMap::new() };
    let signers = signers(records);
    let mut filter = CertificateFilter::default();
    loop {
        let page = store::certificates::page(connection, &filter, PAGE).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.seq);
        for row in &page {
            check.certificate(row, &signers, findings);
        }
    }
    check.missing(findings);
    check.authorities(findings);
    check.system_certificates(store::certificates::system_certificates(connection).await?, connection, findings).await?;
    Ok(check.facts)
}

/// The certificates that statements name.
fn signers(records: &Records) -> HashSet<[u8; 32]> {
    let named = |row: &store::StatementRow| match Statement::parse(&row.jws).ok()?.signer() {
        SignerReference::Certificate(digest) => Some(digest),
        SignerReference::Key(_) => None,
    };
    records.statements.values().filter_map(named).collect()
}

struct Check<'a> {
    records: &'a Records,
    facts: Facts,
    seen: HashSet<StatusKey>,
    /// Who issued the certificate of each authority, by its key.
    issuers: BTreeMap<Vec<u8>, String>,
    /// What certificates say against their authority: by authority and column.
    wrong: BTreeMap<(String, &'static str), String>,
}

impl Check<'_> {
    fn certificate(&mut self, row: &store::CertificateRow, signers: &HashSet<[u8; 32]>, findings: &mut Findings) {
        let id = hex::encode(&row.id);
        let digest = sha256(&row.tbs);
        let key = StatusKey::from_tbs_digest(&digest);
        findings.row("certificate", &id).check("id", row.id == digest, || "not the SHA-256 of the TBSCertificate".to_owned());
        let Some((authority, book)) = self.records.authorities.get(&row.authority).zip(self.records.books.get(&row.authority)) else {
            return findings.row("certificate", &id).add("authority", "there is no such authority with its log");
        };
        self.check_status(row, &id, &key, book, findings);
        let certificate = match parse(row, authority) {
            Ok(certificate) => certificate,
            Err(error) => return findings.row("certificate", &id).add("tbs", error),
        };
        self.check_contents(row, &id, &certificate, findings);
        self.check_signature(row, &id, &certificate, authority, findings);
        self.check_issuer(row, &certificate, authority);
        self.check_owner(row, &id, &certificate, &key, book, findings);
        if signers.contains(&certificate.fingerprint()) {
            let Ok(key) = certificate.public_key() else {
                return findings.row("certificate", &id).add("tbs", "its key is of no algorithm that is known here");
            };
            let signer = Signer { id: digest, person: row.person.clone(), authority: row.authority.clone(), key: key.clone() };
            self.facts.signers.insert(certificate.fingerprint(), signer);
        }
    }

    /// What the ledger says of the certificate.
    fn check_status(&mut self, row: &store::CertificateRow, id: &str, key: &StatusKey, book: &Book, findings: &mut Findings) {
        let mut finding = findings.row("certificate", id);
        let Some(issue) = book.issues.get(key) else {
            return finding.add("tbs", "the ledger has no issue of this certificate");
        };
        if !self.seen.insert(*key) {
            finding.add("tbs", "two rows are of this certificate");
        }
        finding.check("leaf_log", row.leaf_log == row.authority, || "not the log of its authority".to_owned());
        finding.check("leaf_idx", u64::try_from(row.leaf_idx) == Ok(issue.index), || format!("its issue is leaf {}", issue.index));
        finding.check("decision", row.decision == issue.digests.decision, || "its leaf names another".to_owned());
        // The journal never lets the time of a log go back, so a leaf may be a little later than the promise that it is of.
        let made = row.created_at.div_euclid(1000) as u64;
        let just_before = made <= issue.time && issue.time - made <= IN_FLIGHT;
        finding.check("created_at", just_before, || "its leaf has another time".to_owned());
        let not_after = row.not_after.div_euclid(1000) as u64;
        finding.check("not_after", not_after.checked_next_multiple_of(DAY) == issue.not_after, || "its leaf has another day".to_owned());
        let history = book.map.history(key);
        finding.check("version", usize::try_from(row.version) == Ok(history.len()), || format!("it changed {} times", history.len()));
        let status = match history.last().map(|change| change.state) {
            Some(State::Hold) => "suspended",
            Some(State::Revoked) => "revoked",
            _ if row.signature.is_none() => "promised",
            _ => "valid",
        };
        finding.check("status", row.status == status, || format!("the ledger says {status}"));
        self.facts.decisions.insert(row.decision.clone());
        if history.iter().any(|change| matches!(change.state, State::Hold | State::Revoked))
            && let Some(serial) = crate::x509::certificate::serial_of_tbs(&row.tbs).and_then(|serial| SerialNumber::from_slice(&serial))
        {
            self.facts.stopped.push(Stopped { authority: row.authority.clone(), serial, key: *key });
        }
    }

    /// The columns that repeat what the TBSCertificate says.
    fn check_contents(&self, row: &store::CertificateRow, id: &str, certificate: &Certificate, findings: &mut Findings) {
        let mut finding = findings.row("certificate", id);
        let other = || "the TBSCertificate has another".to_owned();
        finding.check("serial", row.serial == certificate.serial(), other);
        let fingerprint = certificate.public_key().map(PublicKey::fingerprint);
        finding.check("key_fingerprint", fingerprint.is_ok_and(|fingerprint| row.key_fingerprint == fingerprint), other);
        finding.check("subject", row.subject == certificate.subject_text(), other);
        finding.check("not_before", row.not_before == millis(certificate.not_before()), other);
        finding.check("not_after", row.not_after == millis(certificate.not_after()), other);
    }

    fn check_signature(
        &self,
        row: &store::CertificateRow,
        id: &str,
        certificate: &Certificate,
        authority: &AuthorityRecord,
        findings: &mut Findings,
    ) {
        let mut finding = findings.row("certificate", id);
        if row.signature.is_none() {
            return finding.check("fingerprint", row.fingerprint.is_none(), || "a promise has no signature to take it of".to_owned());
        }
        let verified = authority.certificate.as_ref().map(|issuer| certificate.verify_signature(issuer).is_ok());
        finding.check("signature", verified == Some(true), || format!("it does not verify with the key of {}", row.authority));
        let fingerprint = certificate.fingerprint();
        finding.check("fingerprint", row.fingerprint.as_deref() == Some(&fingerprint), || "not the SHA-256 of the certificate".to_owned());
    }

    /// What a certificate says of the authority that issued it.
    fn check_issuer(&mut self, row: &store::CertificateRow, certificate: &Certificate, authority: &AuthorityRecord) {
        let is_authority = certificate.is_authority();
        if let (true, Ok(key)) = (is_authority, certificate.public_key()) {
            self.issuers.insert(key.fingerprint().to_vec(), row.authority.clone());
        }
        let id = hex::encode(&row.id);
        let Ok(parsed) = x509_cert::Certificate::from_der(certificate.der()) else { return };
        if algorithm(authority).is_none_or(|expected| *parsed.tbs_certificate().signature() != expected) {
            self.wrong.insert((row.authority.clone(), "null_parameters"), format!("certificate {id} has the other form"));
        }
        if !is_authority && !asserts(certificate, &authority.row.policy_oid) {
            self.wrong.insert((row.authority.clone(), "policy_oid"), format!("certificate {id} asserts another"));
        }
        if let (Some(url), Some(serial)) = (certificate.crl_distribution_points().first(), certificate.our_serial()) {
            let shards = u16::try_from(authority.row.crl_shards).unwrap_or_default();
            if !url.ends_with(&format!("/crl/{}/{}.crl", row.authority, serial.shard(shards))) {
                self.wrong.insert((row.authority.clone(), "crl_shards"), format!("certificate {id} names another shard"));
            }
        }
    }

    /// Whose certificate it is, and on which enrolment it was issued.
    fn check_owner(
        &mut self,
        row: &store::CertificateRow,
        id: &str,
        certificate: &Certificate,
        key: &StatusKey,
        book: &Book,
        findings: &mut Findings,
    ) {
        self.records.check_person(findings, "certificate", id, "person", &row.person);
        self.records.check_department(findings, "certificate", id, "department", row.department.as_deref());
        let mut finding = findings.row("certificate", id);
        let is_authority = certificate.is_authority();
        let Some(enrolment) = &row.enrolment else {
            finding.check("enrolment", is_authority, || "only an authority's own certificate has none".to_owned());
            let profile = if certificate.is_self_issued() { "root" } else { "authority" };
            finding.check("profile", row.profile == profile, || format!("it is of {profile}"));
            finding.check("person", row.person == self.records.system_person, || "not the service itself".to_owned());
            return finding.check("department", row.department.is_none(), || "an authority belongs to no department".to_owned());
        };
        finding.check("enrolment", !is_authority, || "an authority's own certificate has none".to_owned());
        if let Some(person) = certificate.subject().find(const_oid::db::rfc4519::SERIAL_NUMBER) {
            finding.check("person", row.person == person, || "its subject names another".to_owned());
        }
        let organization = certificate.subject().find(const_oid::db::rfc4519::ORGANIZATION_NAME);
        if let (Some(department), Some(organization)) = (&row.department, organization) {
            let own = self.records.organizations.had(department, &organization, row.created_at);
            finding.check("department", own, || "its O was not this department's".to_owned());
        }
        let commitment = book.issues.get(key).map_or([0; 32], |issue| issue.digests.subject);
        self.facts.issued.entry(enrolment.clone()).or_default().push(Issued {
            id: id.to_owned(),
            profile: row.profile.clone(),
            person: row.person.clone(),
            department: row.department.clone(),
            decision: row.decision.clone(),
            key_fingerprint: row.key_fingerprint.clone(),
            subject_der: certificate.subject_der(),
            commitment,
            not_after: row.not_after,
            revoked: book.map.history(key).last().is_some_and(|change| change.state == State::Revoked),
        });
    }

    /// Certificates that the ledger has and the table does not.
    fn missing(&self, findings: &mut Findings) {
        for (log, book) in &self.records.books {
            for (key, issue) in book.issues.iter().filter(|(key, _)| !self.seen.contains(*key)) {
                let what = format!("missing: leaf {} of {log} issued a certificate that no row has", issue.index);
                findings.row("certificate", key.to_string()).add("id", what);
            }
        }
    }

    fn authorities(&self, findings: &mut Findings) {
        for subject in &self.records.unclaimed {
            findings.row("authority", subject).add("key_fingerprint", "the trust bundle has this authority, the table does not");
        }
        for (name, authority) in &self.records.authorities {
            self.authority(name, authority, findings);
        }
    }

    fn authority(&self, name: &str, authority: &AuthorityRecord, findings: &mut Findings) {
        let row = &authority.row;
        let mut finding = findings.row("authority", name);
        finding.check("name", self.records.books.contains_key(name), || "there is no log of that name".to_owned());
        finding.check("key_name", row.key_name == format!("authority-{name}"), || "not the name its key was made under".to_owned());
        for ((_, column), what) in self.wrong.iter().filter(|((of, _), _)| of == name) {
            finding.add(column, what.clone());
        }
        let Some(parsed) = authority.name else { return finding.add("name", "not the name of an authority") };
        finding.check("purpose", row.purpose == parsed.purpose().to_string(), || "its name has another".to_owned());
        finding.check("generation", row.generation == i64::from(parsed.generation()), || "its name has another".to_owned());
        let Some(certificate) = &authority.certificate else {
            return finding.add("key_fingerprint", "the trust bundle has no certificate of that key");
        };
        let Ok(own) = certificate.public_key().map(PublicKey::algorithm) else {
            return finding.add("algorithm", "its key is of none that is known here");
        };
        finding.check("algorithm", row.algorithm == own.name(), || "its key is of another".to_owned());
        let two_forms = own.signature_algorithm() != own.signature_algorithm_with_null();
        finding.check("null_parameters", matches!((row.null_parameters, two_forms), (0, _) | (1, true)), || {
            "its algorithm has no such form".to_owned()
        });
        finding.check("subject_der", row.subject_der == certificate.subject_der(), || "its certificate has another".to_owned());
        // A root asserts none in its own certificate; what it issues tells its policy.
        let own_policy = parsed.purpose() == Purpose::Root || asserts(certificate, &row.policy_oid);
        finding.check("policy_oid", own_policy, || "its certificate asserts another".to_owned());
        let issuer = self.issuers.get(&row.key_fingerprint).map(String::as_str);
        let expected = if parsed.purpose() == Purpose::Root { Some(name) } else { row.issuer.as_deref() };
        finding.check("key_fingerprint", issuer.is_some(), || "no certificate in the table is of that key".to_owned());
        finding.check("issuer", issuer == expected, || format!("its certificate was issued by {}", issuer.unwrap_or("nobody")));
        let is_root = parsed.purpose() == Purpose::Root;
        finding.check("issuer", row.issuer.is_none() == is_root, || "a root has none, every other authority has one".to_owned());
    }

    async fn system_certificates(
        &self,
        rows: Vec<store::SystemCertificateRow>,
        connection: &mut Connection,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let mut newest: BTreeMap<_, Vec<(i64, i64, i64, String)>> = BTreeMap::new();
        for row in rows {
            let id = hex::encode(&row.certificate);
            let Some(certificate) = store::certificates::find(connection, &row.certificate).await? else {
                findings.disagree(("system_certificate", &id, "certificate"), ("certificate", &id, "id"));
                continue;
            };
            let mut finding = findings.row("system_certificate", &id);
            finding.check("certificate", certificate.person == self.records.system_person, || "not the service's own".to_owned());
            let (purpose, authority) = match certificate.profile.as_str() {
                "ocsp" => ("responder", Some(certificate.authority.clone())),
                "timestamping" => ("time-stamping", Some(certificate.authority.clone())),
                "report" => ("report", Some(certificate.authority.clone())),
                _ => ("listener", None),
            };
            finding.check("purpose", row.purpose == purpose, || format!("the profile of its certificate is that of a {purpose}"));
            finding.check("authority", row.authority == authority, || "not the one that issued its certificate".to_owned());
            let named = row.key_name.strip_prefix(&format!("{}-", row.purpose)).is_some_and(|random| random.len() == 16);
            finding.check("key_name", named, || "not of the form in which its keys are named".to_owned());
            newest.entry((row.purpose, row.authority)).or_default().push((certificate.created_at, certificate.leaf_idx, row.active, id));
        }
        for mut rows in newest.into_values() {
            rows.sort_unstable();
            let last = rows.len() - 1;
            for (index, (_, _, active, id)) in rows.into_iter().enumerate() {
                let expected = i64::from(index == last);
                findings.row("system_certificate", id).check("active", active == expected, || "only the newest is in use".to_owned());
            }
        }
        Ok(())
    }
}

impl Issued {
    /// Whether the leaf's commitment to the subject is that of this salt.
    pub(super) fn is_bound_by(&self, salt: &[u8]) -> bool {
        self.commitment == hmac_sha256(salt, &self.subject_der)
    }
}

/// The AlgorithmIdentifier that the row says its authority signs with.
fn algorithm(authority: &AuthorityRecord) -> Option<AlgorithmIdentifierOwned> {
    let algorithm = match &authority.certificate {
        Some(certificate) => certificate.public_key().ok()?.algorithm(),
        None => algorithms::find(&authority.row.algorithm).ok()?,
    };
    Some(signature_algorithm(algorithm, authority.row.null_parameters != 0))
}

/// The certificate as its row would have it; a promise is read with an empty signature. The algorithm beside the signature is
/// the one that the TBSCertificate itself names (RFC 5280 §4.1.1.2).
fn parse(row: &store::CertificateRow, authority: &AuthorityRecord) -> Result<Certificate, String> {
    let named = x509_cert::TbsCertificate::from_der(&row.tbs).map_err(|error| error.to_string())?.signature().clone();
    let own = authority.certificate.as_ref().and_then(|certificate| certificate.public_key().ok()).map(PublicKey::algorithm);
    if own.is_some_and(|own| !own.accepts_signature_algorithm(&named)) {
        return Err("its signature algorithm is not its authority's".to_owned());
    }
    let der = assemble(&row.tbs, &named, row.signature.as_deref().unwrap_or_default(), &[]).map_err(|error| error.to_string())?;
    Certificate::parse(&der).map_err(|error| error.to_string())
}

/// Whether this policy and no other stands in the certificate.
fn asserts(certificate: &Certificate, policy: &str) -> bool {
    matches!(certificate.policies(), [only] if only.to_string() == policy)
}

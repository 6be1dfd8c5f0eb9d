//! Enrolments: requests for certificates of one profile for one subject, from submission to decision.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Services,
    authorities::Authority,
    contents::Sources,
    departments::Place,
    error::Error,
    issue::{Contents, Issued, Order, Serves},
    journal::{Commit, Kind},
    rows::Row,
    statements::{Caller, Checked, Subject},
};
use crate::{
    crypto::digest::sha256,
    policy::{
        self, About, Act, DepartmentId, EnrolmentId, NameKind, Object, PersonId, Profile, ProfileName, Timestamp,
        profile::{Evidence, SubjectKind},
        rules,
    },
    store,
    world::{from_millis, millis, random},
    x509::{self, lints, name, request::CertificationRequest},
};

/// The profile whose certificates carry roles.
pub const OFFICER: &str = "officer";

/// The most certification requests in one enrolment: one a family, and room for more families.
const MOST_REQUESTS: usize = 8;

/// What an officer, a holder or the service itself asks for.
#[derive(Debug, Clone, Default)]
pub struct Application {
    pub profile: String,
    pub department: Option<String>,
    /// An existing person; absent: a new one.
    pub person: Option<String>,
    pub subject: BTreeMap<String, String>,
    pub alternative_names: BTreeMap<NameKind, Vec<String>>,
    /// PEM or DER, one a family.
    pub requests: Vec<Vec<u8>>,
    pub evidence: Option<[u8; 32]>,
    pub idempotency_key: Option<String>,
    /// SHA-256 of the request as it came in.
    pub request_digest: [u8; 32],
}

/// The personal part of an enrolment, as it is sealed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct SubjectRecord {
    pub subject: BTreeMap<String, String>,
    pub alternative_names: BTreeMap<String, Vec<String>>,
}

impl SubjectRecord {
    /// The name that was asked for.
    fn name(&self) -> Option<&str> {
        self.subject.get("CN").map(String::as_str)
    }
}

/// An enrolment as the service knows it.
pub struct Enrolment {
    pub id: EnrolmentId,
    pub profile: Profile,
    pub department: Option<DepartmentId>,
    /// Where the department lies, and what it may certify.
    pub place: Place,
    pub person: PersonId,
    pub submitted_by: PersonId,
    pub state: String,
    pub salt: [u8; 32],
    pub(super) record: SubjectRecord,
    pub requests: Vec<CertificationRequest>,
    /// Whose stolen key had approved it: they do not decide on it again.
    pub(super) questioned: Vec<PersonId>,
    pub(super) row: store::EnrolmentRow,
}

impl Services {
    /// Checks a request and records it, to be decided by another person.
    pub async fn enrol(&self, caller: &Caller, application: Application) -> Result<Enrolment, Error> {
        let (key, digest) = (application.idempotency_key.clone(), application.request_digest);
        if let Some(earlier) = self.repeated(caller, key.as_deref(), &digest).await? {
            return Ok(earlier);
        }
        match self.enrol_once(caller, application).await {
            Ok(enrolment) => Ok(enrolment),
            // The same request may have come twice at one time, and the other was first.
            Err(error) => self.repeated(caller, key.as_deref(), &digest).await?.ok_or(error),
        }
    }

    async fn enrol_once(&self, caller: &Caller, application: Application) -> Result<Enrolment, Error> {
        let profile = self.profile(&application.profile)?;
        let department = self.department_id(application.department.as_deref()).await?;
        let person = self.subject_person(&profile, &application).await?;
        let about = rules::Enrolment {
            profile: &profile,
            department: self.path(department).await?,
            submitted_by: caller.person(),
            subject: person.id,
            approved_by: Vec::new(),
        };
        self.policy().decide(&caller.actor, Act::Submit, &Object::Enrolment(about))?;

        let prepared = self.prepare(profile, department, person, caller.person(), application).await?;
        self.journal.commit(Commit { kind: Kind::Other, rows: prepared.rows, entries: Vec::new() }).await?;
        Ok(prepared.enrolment)
    }

    /// The same request again, under its Idempotency-Key: its first answer.
    async fn repeated(&self, caller: &Caller, key: Option<&str>, digest: &[u8; 32]) -> Result<Option<Enrolment>, Error> {
        let Some(key) = key else { return Ok(None) };
        let found = {
            let mut connection = self.db.read().await?;
            store::enrolments::find_by_idempotency_key(&mut connection, &caller.person().to_string(), key).await?
        };
        match found {
            Some(row) if row.request_digest != digest => Err(Error::IdempotencyKeyReused),
            Some(row) => self.load_enrolment(row).await.map(Some),
            None => Ok(None),
        }
    }

    /// The person an enrolment is about. A certificate speaks for its person, so nobody enrols a second certificate for
    /// somebody of another department, for one who holds roles, or for the service itself.
    async fn subject_person(&self, profile: &Profile, application: &Application) -> Result<Person, Error> {
        let Some(text) = &application.person else {
            return Ok(Person { id: PersonId::generate(&*self.entropy), is_new: New::Yes });
        };
        let id: PersonId = text.parse().map_err(|error| Error::malformed("person", error))?;
        let row = {
            let mut connection = self.db.read().await?;
            store::people::find_person(&mut connection, text).await?.ok_or_else(|| Error::unknown("person", text))?
        };
        let kind = if profile.subject_kind() == SubjectKind::Service { "service" } else { "person" };
        let own = row.department == application.department || self.was_merged_into(&row, application.department.as_deref()).await?;
        let fits = row.kind == kind && own;
        if !fits || (!self.roles(id).await?.is_empty() && profile.name().as_str() != OFFICER) {
            return Err(Error::unknown("person of this department and kind", text));
        }
        Ok(Person { id, is_new: New::No })
    }

    /// Whether somebody is of a department that was merged into this one.
    async fn was_merged_into(&self, person: &store::PersonRow, department: Option<&str>) -> Result<bool, Error> {
        let own = self.known_department_id(person.department.as_deref()).await?;
        let successor = self.place(own).await?.successor;
        Ok(successor.is_some_and(|successor| department == Some(&*successor.to_string())))
    }

    /// Everything about a request but who may make it: proof of possession, keys, names.
    pub(super) async fn prepare(
        &self,
        profile: Profile,
        department: Option<DepartmentId>,
        person: Person,
        submitted_by: PersonId,
        application: Application,
    ) -> Result<Prepared, Error> {
        let requests = read_requests(&profile, &application.requests)?;
        if profile.evidence() == Evidence::Required && application.evidence.is_none() {
            return Err(Error::FieldRefused {
                profile: profile.name().to_string(),
                field: policy::FieldError { field: "evidence", rule: policy::FieldRule::Missing },
            });
        }
        let mut place = self.place(department).await?;
        if profile.subject_kind() == SubjectKind::System || submitted_by == self.system_person {
            place.facts = self.own_facts();
        }
        for request in &requests {
            self.check_key_owner(&request.public_key().fingerprint(), person.id).await?;
        }

        let names = application.alternative_names.iter().map(|(kind, names)| (kind.to_string(), names.clone())).collect();
        let record = SubjectRecord { subject: application.subject, alternative_names: names };
        let row = store::EnrolmentRow {
            evidence_digest: application.evidence.map(|digest| digest.to_vec()),
            idempotency_key: application.idempotency_key,
            request_digest: application.request_digest.to_vec(),
            ..self.enrolment_row(&profile, department, person.id, submitted_by, &record)
        };
        let now = row.submitted_at;
        let request_rows = requests.iter().enumerate().map(|(ordinal, request)| store::EnrolmentRequestRow {
            ordinal: ordinal as i64,
            csr: request.der().to_vec(),
            key_fingerprint: request.public_key().fingerprint().to_vec(),
            algorithm: request.public_key().algorithm().name().to_owned(),
        });
        let mut rows = Vec::new();
        if person.is_new == New::Yes {
            rows.push(Row::Person(store::PersonRow {
                id: person.id.to_string(),
                kind: if profile.subject_kind() == SubjectKind::Service { "service" } else { "person" }.to_owned(),
                department: department.map(|department| department.to_string()),
                created_at: now,
                sealed_profile: None,
            }));
        }
        rows.extend(requests.iter().map(|request| Row::KeyOwner {
            key_fingerprint: request.public_key().fingerprint(),
            person: person.id,
            at: now,
        }));
        rows.push(Row::Enrolment(row.clone(), request_rows.collect()));
        let corrupt = || Error::Corrupt("an enrolment that was made a moment ago".to_owned());
        let enrolment = Enrolment {
            id: row.id.parse().map_err(|_| corrupt())?,
            profile,
            department,
            place,
            person: person.id,
            submitted_by,
            state: row.state.clone(),
            salt: row.salt.as_deref().and_then(|salt| salt.try_into().ok()).ok_or_else(corrupt)?,
            record,
            requests,
            questioned: Vec::new(),
            row,
        };
        enrolment.sources().contents()?;
        Ok(Prepared { enrolment, rows })
    }

    /// What is recorded of a request that comes now: its personal part sealed, and a fresh salt that binds it.
    pub(super) fn enrolment_row(
        &self,
        profile: &Profile,
        department: Option<DepartmentId>,
        person: PersonId,
        submitted_by: PersonId,
        record: &SubjectRecord,
    ) -> store::EnrolmentRow {
        let now = millis(self.clock.now());
        let id = EnrolmentId::generate(&*self.entropy);
        // Maps of text always serialise.
        let sealed = serde_json::to_vec(record).expect("a subject record serialises");
        store::EnrolmentRow {
            seq: 0,
            id: id.to_string(),
            profile: profile.name().to_string(),
            department: department.map(|department| department.to_string()),
            person: person.to_string(),
            submitted_by: submitted_by.to_string(),
            submitted_at: now,
            state: "submitted".to_owned(),
            sealed_subject: Some(self.sealer.seal(&format!("enrolment/{id}"), &sealed, &*self.entropy)),
            salt: Some(random::<32>(&*self.entropy).to_vec()),
            evidence_digest: None,
            replaces: None,
            policy: self.policy().digest().0.to_vec(),
            decision: None,
            idempotency_key: None,
            request_digest: vec![0; 32],
            updated_at: now,
        }
    }

    pub(super) async fn check_key_owner(&self, fingerprint: &[u8; 32], person: PersonId) -> Result<(), Error> {
        let mut connection = self.db.read().await?;
        match store::people::find_key_owner(&mut connection, fingerprint).await? {
            Some(owner) if owner != person.to_string() => Err(Error::KeyUsedByAnother),
            _ => Ok(()),
        }
    }

    pub async fn find_enrolment(&self, id: &str) -> Result<Enrolment, Error> {
        let parsed: EnrolmentId = id.parse().map_err(|_| Error::unknown("enrolment", id))?;
        let row = {
            let mut connection = self.db.read().await?;
            store::enrolments::find(&mut connection, &parsed.to_string()).await?
        };
        self.load_enrolment(row.ok_or_else(|| Error::unknown("enrolment", id))?).await
    }

    pub(super) async fn load_enrolment(&self, row: store::EnrolmentRow) -> Result<Enrolment, Error> {
        let requests = {
            let mut connection = self.db.read().await?;
            store::enrolments::requests(&mut connection, &row.id).await?
        };
        let department = row.department.as_deref().and_then(|department| department.parse().ok());
        let place = self.place(department).await?;
        let questioned = self.questioned_about(&row).await?;
        Ok(Enrolment { questioned, ..self.assemble_enrolment(row, &requests, place)? })
    }

    /// Many of them, in the order in which they are named; one that is not there is an error of that item.
    pub async fn find_enrolments(&self, ids: &[String]) -> Result<Vec<Enrolment>, Error> {
        let (rows, requests) = {
            let mut connection = self.db.read().await?;
            let rows = store::enrolments::find_many(&mut connection, ids).await?;
            (rows, store::enrolments::requests_of_many(&mut connection, ids).await?)
        };
        let mut rows: HashMap<String, store::EnrolmentRow> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        let mut of: HashMap<String, Vec<store::EnrolmentRequestRow>> = HashMap::new();
        for (enrolment, request) in requests {
            of.entry(enrolment).or_default().push(request);
        }
        let mut places: HashMap<Option<String>, Place> = HashMap::new();
        let mut enrolments = Vec::with_capacity(ids.len());
        for id in ids {
            let row = rows.remove(id).ok_or_else(|| Error::unknown("enrolment", id).of_item(id))?;
            if !places.contains_key(&row.department) {
                let department = row.department.as_deref().and_then(|department| department.parse().ok());
                places.insert(row.department.clone(), self.place(department).await?);
            }
            let (place, requests) = (places[&row.department].clone(), of.remove(id).unwrap_or_default());
            let questioned = self.questioned_about(&row).await?;
            let enrolment = self.assemble_enrolment(row, &requests, place).map_err(|error| error.of_item(id))?;
            enrolments.push(Enrolment { questioned, ..enrolment });
        }
        Ok(enrolments)
    }

    /// Only what was approved once, and is submitted again, was put to re-review.
    async fn questioned_about(&self, row: &store::EnrolmentRow) -> Result<Vec<PersonId>, Error> {
        if row.state == "submitted" && row.decision.is_some() { self.questioned(&row.id).await } else { Ok(Vec::new()) }
    }

    /// The personal part of an enrolment.
    pub(super) fn open_record(&self, row: &store::EnrolmentRow) -> Result<SubjectRecord, Error> {
        let sealed = row.sealed_subject.as_deref().ok_or(Error::Erased("enrolment"))?;
        let opened = self.sealer.open(&format!("enrolment/{}", row.id), sealed)?;
        serde_json::from_slice(&opened).map_err(|_| Error::Corrupt(format!("enrolment {}: its subject", row.id)))
    }

    fn assemble_enrolment(
        &self,
        row: store::EnrolmentRow,
        requests: &[store::EnrolmentRequestRow],
        mut place: Place,
    ) -> Result<Enrolment, Error> {
        let corrupt = |what: &str| Error::Corrupt(format!("enrolment {}: {what}", row.id));
        let id: EnrolmentId = row.id.parse().map_err(|_| corrupt("its id"))?;
        let submitted_by: PersonId = row.submitted_by.parse().map_err(|_| corrupt("who submitted it"))?;
        let record = self.open_record(&row)?;
        if submitted_by == self.system_person {
            place.facts = self.own_facts();
        }
        Ok(Enrolment {
            id,
            profile: self.profile(&row.profile)?,
            department: row.department.as_deref().map(str::parse).transpose().map_err(|_| corrupt("its department"))?,
            place,
            person: row.person.parse().map_err(|_| corrupt("its person"))?,
            submitted_by,
            state: row.state.clone(),
            salt: row.salt.as_deref().and_then(|salt| salt.try_into().ok()).ok_or(Error::Erased("enrolment"))?,
            record,
            requests: requests
                .iter()
                .map(|request| CertificationRequest::parse(&request.csr))
                .collect::<Result<_, _>>()
                .map_err(|_| corrupt("a certification request"))?,
            questioned: Vec::new(),
            row,
        })
    }

    pub async fn list_enrolments(
        &self,
        state: Option<&str>,
        department: Option<&str>,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Vec<ListedEnrolment>, Error> {
        let rows = {
            let mut connection = self.db.read().await?;
            store::enrolments::page(&mut connection, state, department, after, limit).await?
        };
        let listed = |row: store::EnrolmentRow| match self.open_record(&row) {
            Ok(record) => Ok(ListedEnrolment { name: record.name().map(str::to_owned), row }),
            Err(Error::Erased(_)) => Ok(ListedEnrolment { name: None, row }),
            Err(error) => Err(error),
        };
        rows.into_iter().map(listed).collect()
    }

    /// Records, decides and issues an enrolment of the service's own, all in one commit: under the authority that a
    /// responder answers for, otherwise under the newest one.
    pub(super) async fn issue_own_enrolment(
        &self,
        authority: Option<&Arc<Authority>>,
        prepared: Prepared,
        checked: Checked,
        serves: Serves,
    ) -> Result<Vec<Issued>, Error> {
        let enrolment = &prepared.enrolment;
        let (approval, decision) = self.approval_rows(enrolment, Act::Issue, &[checked.statement.digest()]);
        let mut rows = prepared.rows;
        rows.extend(checked.rows);
        rows.extend(approval);
        let order = |request| {
            let order = match authority {
                Some(authority) => self.order_from(authority.clone(), enrolment, request, decision),
                None => self.order(enrolment, request, decision),
            };
            order.map(|order| Order { serves: Some(serves.clone()), ..order })
        };
        let orders = enrolment.requests.iter().map(order).collect::<Result<_, _>>()?;
        self.issue(rows, orders).await
    }

    pub(super) fn order(&self, enrolment: &Enrolment, request: &CertificationRequest, decision: [u8; 32]) -> Result<Order, Error> {
        let family = request.public_key().algorithm().name();
        // The parser of profiles refuses one without authorities.
        let purpose = enrolment.profile.authorities()[0];
        let authority =
            self.authorities.newest(purpose, family).ok_or_else(|| Error::unknown("authority", format!("{purpose}-{family}")))?;
        self.order_from(authority, enrolment, request, decision)
    }

    pub(super) fn order_from(
        &self,
        authority: Arc<Authority>,
        enrolment: &Enrolment,
        request: &CertificationRequest,
        decision: [u8; 32],
    ) -> Result<Order, Error> {
        // Whoever approved it was shown the names of a department that stood.
        if let Some((department, successor)) = enrolment.department.zip(enrolment.place.successor) {
            return Err(Error::DepartmentMerged { department, successor });
        }
        let now = self.clock.now();
        let validity = enrolment.profile.validity();
        let (subject, extensions) = enrolment.sources().contents()?;
        let subject = name::to_der(&subject)?;
        let commitment = hmac_sha256(&enrolment.salt, &subject);
        let role = match enrolment.profile.subject_kind() {
            SubjectKind::System if enrolment.profile.answers_ocsp() => lints::Role::OcspResponder,
            SubjectKind::System | SubjectKind::Person | SubjectKind::Service => lints::Role::EndEntity,
        };
        Ok(Order {
            profile: enrolment.profile.name().to_string(),
            person: enrolment.person,
            department: enrolment.department,
            enrolment: Some(enrolment.id),
            contents: Contents {
                subject,
                key: request.public_key().clone(),
                not_before: (now - validity.backdate).max(authority.certificate()?.not_before()),
                not_after: (now + validity.lifetime).min(authority.certificate()?.not_after()),
                role,
                extensions,
            },
            decision,
            commitment,
            authority,
            serves: None,
        })
    }

    /// What whoever decides on an enrolment is shown, and what binds their statement to it.
    pub fn enrolment_subject(&self, enrolment: &Enrolment) -> Result<Subject, Error> {
        // The first certificate's log is the one whose state the signer is told.
        let family = enrolment.requests.first().map_or("p256", |request| request.public_key().algorithm().name());
        let log = self.authorities.newest(enrolment.profile.authorities()[0], family).map(|authority| authority.log());
        Ok(Subject {
            about: About::from(enrolment.id),
            shown: enrolment.shown()?,
            salt: enrolment.salt,
            log: log.unwrap_or_else(|| super::logs::OPERATIONS.to_owned()),
        })
    }

    pub(super) fn profile(&self, name: &str) -> Result<Profile, Error> {
        let parsed: Option<ProfileName> = name.parse().ok();
        parsed.and_then(|name| self.policy().profile(&name).cloned()).ok_or_else(|| Error::ProfileUnknown(name.to_owned()))
    }
}

/// An enrolment as lists show it.
pub struct ListedEnrolment {
    pub row: store::EnrolmentRow,
    /// The name that was asked for; `None` where there is none, or where it was erased.
    pub name: Option<String>,
}

/// Whose certificate it will be.
pub struct Person {
    pub id: PersonId,
    pub is_new: New,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum New {
    Yes,
    No,
}

/// An enrolment that passed every check, and the rows that record it.
pub struct Prepared {
    pub enrolment: Enrolment,
    pub rows: Vec<Row>,
}

impl Enrolment {
    /// What the rules decide about. `approved_by` are those who approved it before; whose approval was taken away does not
    /// approve it once more.
    pub fn object(&self, mut approved_by: Vec<PersonId>) -> Object<'_> {
        approved_by.extend(&self.questioned);
        Object::Enrolment(rules::Enrolment {
            profile: &self.profile,
            department: self.place.path.clone(),
            submitted_by: self.submitted_by,
            subject: self.person,
            approved_by,
        })
    }

    /// The name that was asked for.
    pub fn name(&self) -> Option<&str> {
        self.record.name()
    }

    pub fn submitted_at(&self) -> Timestamp {
        Timestamp::new(from_millis(self.row.submitted_at))
    }

    /// What the certificates will be made of.
    fn sources(&self) -> Sources<'_> {
        Sources {
            profile: &self.profile,
            fields: &self.record.subject,
            alternative_names: &self.record.alternative_names,
            department: &self.place.facts,
            person: self.person,
            csr: self.requests.first(),
        }
    }

    /// What is shown to whoever decides, and to nobody else: it names a person.
    pub fn shown(&self) -> Result<Value, Error> {
        let subject = match self.sources().subject() {
            Ok(subject) => Some(name::text(&subject)),
            // The department may no longer certify what was asked for. It can still be rejected, and read.
            Err(Error::FieldRefused { .. }) => None,
            Err(error) => return Err(error),
        };
        let keys: Vec<Value> = self
            .requests
            .iter()
            .map(|request| {
                let key = request.public_key();
                json!({"algorithm": key.algorithm().name(), "fingerprint": hex::encode(key.fingerprint())})
            })
            .collect();
        Ok(json!({
            "enrolment": self.id.to_string(),
            "profile": self.profile.name().as_str(),
            "department": self.department.map(|department| department.to_string()),
            "person": self.person.to_string(),
            "submitted_by": self.submitted_by.to_string(),
            "submitted_at": self.submitted_at().to_string(),
            "subject": subject,
            "fields": self.record.subject,
            "alternative_names": self.record.alternative_names,
            "keys": keys,
            "evidence": self.row.evidence_digest.as_ref().map(hex::encode),
            "replaces": self.row.replaces.as_ref().map(hex::encode),
        }))
    }
}

/// Reads certification requests, checks proof of possession at once, and that each key is of a family the profile allows.
fn read_requests(profile: &Profile, requests: &[Vec<u8>]) -> Result<Vec<CertificationRequest>, Error> {
    if requests.is_empty() {
        return Err(Error::NoRequests);
    }
    if requests.len() > MOST_REQUESTS {
        return Err(Error::malformed("requests", format!("at most {MOST_REQUESTS}")));
    }
    let mut read: Vec<CertificationRequest> = Vec::with_capacity(requests.len());
    for bytes in requests {
        let request = read_request(profile, bytes)?;
        if read.iter().any(|other| other.public_key().algorithm().name() == request.public_key().algorithm().name()) {
            return Err(Error::malformed("requests", "one certification request a family"));
        }
        read.push(request);
    }
    Ok(read)
}

pub(super) fn read_request(profile: &Profile, bytes: &[u8]) -> Result<CertificationRequest, Error> {
    let allowed = || profile.algorithms().iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ");
    let request = CertificationRequest::parse(bytes).map_err(|error| match error {
        x509::Error::Crypto(crate::crypto::Error::UnknownAlgorithm(found)) => Error::KeyAlgorithm { found, allowed: allowed() },
        other => Error::RequestMalformed(other.to_string()),
    })?;
    let found = request.public_key().algorithm().name();
    if !profile.algorithms().iter().any(|algorithm| algorithm.name() == found) {
        return Err(Error::KeyAlgorithm { found: found.to_owned(), allowed: allowed() });
    }
    request.verify_possession().map_err(|_| Error::ProofOfPossession)?;
    Ok(request)
}

pub(super) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key);
    let mut tag = [0; 32];
    tag.copy_from_slice(aws_lc_rs::hmac::sign(&key, message).as_ref());
    tag
}

/// The digest that ties a repeated request to its first.
pub fn request_digest(body: &[u8]) -> [u8; 32] {
    sha256(body)
}

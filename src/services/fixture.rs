//! For tests: a trial installation with a department, its officers and a member of staff, made the way people make one.

use std::collections::BTreeMap;

use super::{
    Services,
    approve::Approval,
    departments::{Change, NewDepartment, Reorganized, Repeatable},
    enrol::{Application, Enrolment},
    install::Claims,
    issue::Issued,
    register::Granted,
    start::{Started, World, load_policies, read_policies},
    statements::{Caller, Subject},
    trust::TrustBundle,
};
use crate::{
    cli::claim::request,
    config::{AuthorityConfig, Config},
    crypto::{Algorithm, PrivateKey, algorithms},
    policy::{Act, Header, SignerReference, Timestamp, assemble, signing_input},
    world::{SystemClock, SystemEntropy},
    x509::Certificate,
};

/// A running installation on a directory of its own.
pub struct Installation {
    pub directory: tempfile::TempDir,
    pub config: Config,
    pub started: Started,
    pub administrator: Person,
    pub auditor: Person,
}

/// A person with a key and the certificate for it.
pub struct Person {
    pub key: Box<dyn PrivateKey>,
    pub certificate: Certificate,
}

/// A department with the two people that it takes to issue a certificate.
pub struct Department {
    pub id: String,
    pub registrar: Person,
    pub approver: Person,
}

impl Installation {
    /// Starts on SQLite, and claims the administrator's certificate.
    pub async fn start() -> Self {
        Self::start_on(None).await
    }

    /// The same on another database.
    pub async fn start_on(database: Option<String>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Config {
            data: directory.path().join("data"),
            database,
            organization: "Hufu Test".to_owned(),
            authority: AuthorityConfig { key_iterations: 1000, crl_shards: 2, ..AuthorityConfig::default() },
            ..Config::default()
        };
        // A code from a counter works at once: tests have no days to wait.
        load_policies(&config.data).unwrap();
        let policies = config.data.join("policies");
        for (path, text) in read_policies(&policies).unwrap() {
            let text = text.replace("cooling = \"24 hours\"", "cooling = \"0 hours\"");
            crate::files::write(&policies.join(path), text.as_bytes()).unwrap();
        }
        let world = World { clock: std::sync::Arc::new(SystemClock), entropy: std::sync::Arc::new(SystemEntropy) };
        let started = Services::start(&config, config.base_url(), config.api_origin(), world).await.unwrap();
        let claims: Claims = serde_json::from_slice(&std::fs::read(config.data.join("claims.json")).unwrap()).unwrap();
        let administrator = claim(&started.services, &claims.administrator, &algorithms::P256).await;
        let auditor = claim(&started.services, &claims.auditor, &algorithms::Sm2).await;
        Self { directory, config, started, administrator, auditor }
    }

    pub fn services(&self) -> &Services {
        &self.started.services
    }

    pub fn bundle(&self) -> TrustBundle {
        serde_json::from_slice(&std::fs::read(self.config.data.join("trust/bundle.json")).unwrap()).unwrap()
    }

    /// Ends the service: everything is in the database file, and nothing in memory.
    pub async fn stop(self) -> (tempfile::TempDir, Config) {
        let Started { services, journal, lock: _lock } = self.started;
        let db = services.db.clone();
        drop(services);
        journal.await.unwrap();
        db.close().await;
        (self.directory, self.config)
    }

    /// A department of that name, with a registrar of the P-256 family and an approver of the SM2 family.
    pub async fn department(&self, name: &str) -> Department {
        let administrator = self.caller(&self.administrator).await;
        let new = NewDepartment {
            name: name.to_owned(),
            parent: None,
            organizations: vec![name.to_owned()],
            dns: vec!["dept.example".to_owned()],
            mail: vec!["dept.example".to_owned()],
        };
        let again = Repeatable { idempotency_key: Some("department".to_owned()), request_digest: [7; 32] };
        let change = self.services().propose_department(&administrator, new, again).await.unwrap();
        let id = change.department.to_string();
        self.reorganize(&[&self.administrator], change).await;
        let registrar = self.officer("registrar", &id, "registration-officer", &algorithms::P256).await;
        let approver = self.officer("approver", &id, "approver", &algorithms::Sm2).await;
        Department { id, registrar, approver }
    }

    /// Each signs a change of departments; the last of them has it done.
    pub async fn reorganize(&self, by: &[&Person], change: Change) {
        let mut is_done = false;
        for person in by {
            let caller = self.caller(person).await;
            let subject = self.services().department_subject(&caller, change.act, &change).await.unwrap();
            let statement = self.sign(person, change.act, subject, None).await;
            let answer = self.services().decide_department(&caller, &change.id.to_string(), &statement).await.unwrap();
            is_done = matches!(answer, Reorganized::Done(_));
        }
        assert!(is_done);
    }

    pub async fn officer(&self, name: &str, department: &str, role: &str, algorithm: &'static dyn Algorithm) -> Person {
        let administrator = self.caller(&self.administrator).await;
        let officer = self.services().propose_officer(&administrator, name, Some(department), &[role.to_owned()]).await.unwrap();
        let mut code = None;
        for person in [&self.administrator, &self.auditor] {
            let statement = self.sign(person, Act::Grant, self.services().officer_subject(&officer), None).await;
            match self.services().grant(&self.caller(person).await, &officer.id.to_string(), &statement).await.unwrap() {
                Granted::Waiting(..) => {}
                Granted::Appointed(_, made) => code = Some(made),
            }
        }
        claim(self.services(), &code.unwrap().to_string(), algorithm).await
    }

    /// A member of staff with one key a family, enrolled and not decided on yet.
    pub async fn enrol(&self, department: &Department, name: &str) -> (Enrolment, Vec<Box<dyn PrivateKey>>) {
        let keys: Vec<Box<dyn PrivateKey>> = [&algorithms::P256 as &dyn Algorithm, &algorithms::Sm2].into_iter().map(key).collect();
        let application = Application {
            profile: "staff".to_owned(),
            department: Some(department.id.clone()),
            subject: BTreeMap::from([("CN".to_owned(), name.to_owned())]),
            requests: keys.iter().map(|key| request(&**key).unwrap().into_bytes()).collect(),
            ..Application::default()
        };
        let caller = self.caller(&department.registrar).await;
        (self.services().enrol(&caller, application).await.unwrap(), keys)
    }

    pub async fn approve(&self, department: &Department, enrolment: &Enrolment) -> Vec<Issued> {
        self.approve_by(&department.approver, enrolment).await
    }

    pub async fn approve_by(&self, approver: &Person, enrolment: &Enrolment) -> Vec<Issued> {
        let caller = self.caller(approver).await;
        let subject = self.services().enrolment_subject(enrolment).unwrap();
        let statement = self.sign(approver, Act::Approve, subject, None).await;
        match self.services().approve(&caller, &enrolment.id.to_string(), &statement).await.unwrap() {
            Approval::Issued(issued) => issued,
            Approval::Approved => panic!("there is no key"),
            Approval::Waiting(missing) => panic!("{missing:?}"),
        }
    }

    /// Revokes, suspends or resumes.
    pub async fn change(&self, by: &Person, act: Act, certificate: &Certificate) {
        let services = self.services();
        let id = certificate.id().to_string();
        let subject = services.certificate_subject(&services.find_certificate(&id).await.unwrap()).await.unwrap();
        let reason = (act == Act::Revoke).then_some("keyCompromise");
        let statement = self.sign(by, act, subject, reason).await;
        services.change_certificate(&self.caller(by).await, act, &id, &statement).await.unwrap();
    }

    pub async fn caller(&self, person: &Person) -> Caller {
        self.services().caller(person.certificate.der()).await.unwrap()
    }

    /// Drafts a statement and signs it with the person's key.
    pub async fn sign(&self, person: &Person, act: Act, subject: Subject, reason: Option<&str>) -> String {
        self.sign_since(person, act, subject, reason, None).await
    }

    /// The same with a time since when a key is not trusted.
    pub async fn sign_since(&self, person: &Person, act: Act, subject: Subject, reason: Option<&str>, since: Option<Timestamp>) -> String {
        let caller = self.caller(person).await;
        let reason = reason.map(|reason| reason.parse().unwrap());
        let drafted = self.services().draft_statement(&caller, act, subject, reason, since).await.unwrap();
        let algorithm = person.key.public_key().algorithm();
        let header = Header { algorithm, signer: SignerReference::certificate(person.certificate.der()) };
        let input = signing_input(&header, &drafted.payload);
        assemble(&input, algorithm, &person.key.sign(input.as_bytes()).unwrap()).unwrap()
    }
}

async fn claim(services: &Services, code: &str, algorithm: &'static dyn Algorithm) -> Person {
    let key = key(algorithm);
    let claimed = services.claim(code, request(&*key).unwrap().as_bytes()).await.unwrap();
    Person { key, certificate: claimed.issued.certificate }
}

fn key(algorithm: &'static dyn Algorithm) -> Box<dyn PrivateKey> {
    algorithm.load(&algorithm.generate().unwrap()).unwrap()
}

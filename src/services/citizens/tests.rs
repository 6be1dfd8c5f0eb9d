//! For tests: citizens as they come to a counter, at the level of the services.

use crate::{
    cli::claim::request,
    crypto::{Algorithm, algorithms},
    policy::{Act, PersonId},
    services::{
        citizens::enrol::CitizenApplication,
        codes::Code,
        fixture::{Department, Installation},
        proofing::counter::NewCheck,
    },
    store,
    world::{SystemEntropy, random},
};

/// Citizens of every kind: one with a certificate, one who contests it, one whose contest was decided, one who suspended and
/// resumed, one who is only recorded, one whose record was taken back, one who was erased.
pub async fn life(installation: &Installation, department: &Department) {
    let services = installation.services();
    let held = obtain(installation, department, "11010519491231002X", &algorithms::P256).await;
    let certificate = services.certificates_of_enrolment(&held).await.unwrap().remove(0);
    obtain(installation, department, "11010519491231002X", &algorithms::Sm2).await;

    let other = obtain(installation, department, "440524188001010014", &algorithms::Sm2).await;
    let suspended = services.certificates_of_enrolment(&other).await.unwrap().remove(0);
    let later = obtain(installation, department, "440524188001010014", &algorithms::P256).await;
    for person in [&department.approver, &installation.administrator] {
        let subject = services.contest_subject(&services.find_contest(&later).await.unwrap()).unwrap();
        let statement = installation.sign(person, Act::DismissContest, subject, None).await;
        services.decide_contest(&installation.caller(person).await, Act::DismissContest, &later, &statement).await.unwrap();
    }
    services.new_suspension_code(&certificate).await.unwrap();
    let code = services.new_suspension_code(&suspended).await.unwrap();
    services.suspend_by_code(&code.reveal()).await.unwrap();

    let resumed = obtain(installation, department, "110105194912310046", &algorithms::P256).await;
    let certificate = services.certificates_of_enrolment(&resumed).await.unwrap().remove(0);
    let code = services.new_suspension_code(&certificate).await.unwrap();
    services.suspend_by_code(&code.reveal()).await.unwrap();
    let (_, token) = services.prove_by_code(confirmed(installation, department, "110105194912310046").await).await.unwrap();
    services.resume_by_proof(token.reveal(), &hex::encode(&certificate.id)).await.unwrap();

    let erased = obtain(installation, department, "110105194912310038", &algorithms::P256).await;
    let person = services.find_enrolment(&erased).await.unwrap().person;
    // Two administrators erase; the fixture has one, so the store does what the second would lead to.
    let mut tx = services.db.begin_write().await.unwrap();
    let change = store::citizens::Change::Erase { person: person.to_string(), decision: [0; 32] };
    store::citizens::write(tx.connection(), &change).await.unwrap();
    tx.commit().await.unwrap();
    let registrar = installation.caller(&department.registrar).await;
    services.record_check(&registrar, new_check(department, "11010519491231002X")).await.unwrap();
    let check = services.record_check(&registrar, new_check(department, "11010519491231002X")).await.unwrap();
    let statement = installation.sign(&department.approver, Act::WithdrawIdentity, check.subject_of_statement().unwrap(), None).await;
    let approver = installation.caller(&department.approver).await;
    services.withdraw_check(&approver, &check.row.id, &statement).await.unwrap();
}

fn new_check(department: &Department, number: &str) -> NewCheck {
    NewCheck {
        profile: "citizen-basic".to_owned(),
        department: Some(department.id.clone()),
        name: "李雷".to_owned(),
        number: number.to_owned(),
        contact: "+8613800000000".to_owned(),
        evidence: [9; 32],
    }
}

/// Checked at the counter, enrolled, decided where nobody else holds the slot: the enrolment.
async fn obtain(installation: &Installation, department: &Department, number: &str, algorithm: &'static dyn Algorithm) -> String {
    let services = installation.services();
    let code = confirmed(installation, department, number).await;
    let (_, token) = services.prove_by_code(code).await.unwrap();
    let key = algorithm.load(&algorithm.generate().unwrap()).unwrap();
    let application = CitizenApplication {
        token: token.reveal().to_owned(),
        profile: "citizen-basic".to_owned(),
        department: Some(department.id.clone()),
        requests: vec![request(&*key).unwrap().into_bytes()],
        replaces: None,
        request_digest: random(&SystemEntropy),
    };
    let enrolment = services.enrol_citizen(None, application).await.unwrap().to_string();
    services.decide_by_proof(&enrolment).await.unwrap();
    enrolment
}

async fn confirmed(installation: &Installation, department: &Department, number: &str) -> Code {
    let services = installation.services();
    let (registrar, approver) = (installation.caller(&department.registrar).await, installation.caller(&department.approver).await);
    let check = services.record_check(&registrar, new_check(department, number)).await.unwrap();
    let id = check.row.id.clone();
    let statement = installation.sign(&department.registrar, Act::CheckIdentity, check.subject_of_statement().unwrap(), None).await;
    services.sign_check(&registrar, &id, &statement).await.unwrap();
    let statement = installation.sign(&department.approver, Act::ConfirmIdentity, check.subject_of_statement().unwrap(), None).await;
    services.confirm_check(&approver, &id, &statement).await.unwrap().code
}

#[tokio::test]
async fn two_applications_at_one_moment_make_one_certificate_and_one_contest() {
    let installation = Installation::start().await;
    let department = installation.department("公安局").await;
    let mut tokens = Vec::new();
    for _ in 0..4 {
        let code = confirmed(&installation, &department, "11010519491231002X").await;
        tokens.push(installation.services().prove_by_code(code).await.unwrap().1);
    }
    let applications = tokens.iter().map(|token| {
        let key = algorithms::P256.load(&algorithms::P256.generate().unwrap()).unwrap();
        installation.services().enrol_citizen(
            None,
            CitizenApplication {
                token: token.reveal().to_owned(),
                profile: "citizen-basic".to_owned(),
                department: None,
                requests: vec![request(&*key).unwrap().into_bytes()],
                replaces: None,
                request_digest: random(&SystemEntropy),
            },
        )
    });
    let enrolments = futures_util::future::join_all(applications).await;
    assert!(enrolments.iter().all(Result::is_ok), "{enrolments:?}");
    installation.services().decide_by_proofs().await.unwrap();
    let mut connection = installation.services().db.read().await.unwrap();
    assert_eq!(store::citizens::slots(&mut connection).await.unwrap().len(), 1);
    assert_eq!(store::citizens::contests(&mut connection, None, None, 10).await.unwrap().len(), 3);
    let filter = store::CertificateFilter { profile: Some("citizen-basic".to_owned()), ..Default::default() };
    let issued = store::certificates::page(&mut connection, &filter, 10).await.unwrap();
    assert_eq!(issued.len(), 1);
    assert!(issued[0].person.parse::<PersonId>().is_ok());
}

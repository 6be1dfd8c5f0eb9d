//! A department's people, from their list to their certificates, as the services see them.

use super::{
    codes::Earlier,
    import::{Ended, Report, Roster},
};
use crate::{
    cli::claim::request,
    crypto::{Algorithm, algorithms},
    policy::Act,
    services::{
        approve::Approval,
        error::Error,
        fixture::{Department, Installation},
    },
    store,
};

const CSV: &str = "number,CN,mail\nE-1,王芳,\nE-2,李雷,lilei@dept.example\nE-3,韩梅,\n";

fn roster<'a>(department: &'a Department, csv: &'a str, ended: Ended) -> Roster<'a> {
    Roster { profile: "staff", department: &department.id, csv: csv.as_bytes(), ended }
}

async fn record(installation: &Installation, department: &Department, csv: &str, ended: Ended) -> Result<Report, Error> {
    let registrar = installation.caller(&department.registrar).await;
    installation.services().record_roster(&registrar, &roster(department, csv, ended)).await
}

/// The department's enrolments in a state, oldest first.
async fn in_state(installation: &Installation, department: &Department, state: &str) -> Vec<String> {
    let rows = installation.services().list_enrolments(Some(state), Some(&department.id), None, 100).await.unwrap();
    rows.into_iter().map(|listed| listed.row).filter(|row| row.profile == "staff").map(|row| row.id).collect()
}

async fn approve_all(installation: &Installation, department: &Department, ids: &[String]) {
    let services = installation.services();
    let approver = installation.caller(&department.approver).await;
    let (subject, _) = services.list_subject(&approver, ids).await.unwrap();
    let statement = installation.sign(&department.approver, Act::Approve, subject, None).await;
    services.approve_list(&approver, ids, &statement).await.unwrap();
    let settled = services.settle_list(ids).await;
    assert!(settled.iter().all(|outcome| matches!(outcome, Ok(Approval::Approved))));
}

/// For the audit: people of a list, one who claimed, one whose code was replaced, one without a code.
pub async fn life(installation: &Installation, department: &Department) {
    let before = in_state(installation, department, "submitted").await;
    record(installation, department, CSV, Ended::Stay).await.unwrap();
    let mut ids = in_state(installation, department, "submitted").await;
    ids.retain(|id| !before.contains(id));
    approve_all(installation, department, &ids).await;
    let services = installation.services();
    let registrar = installation.caller(&department.registrar).await;
    let first = services.hand_out_codes(&registrar, &ids[..2], Earlier::Keep).await.unwrap();
    services.hand_out_codes(&registrar, &ids[1..2], Earlier::Replace).await.unwrap();
    let key = algorithms::Sm2.load(&algorithms::Sm2.generate().unwrap()).unwrap();
    services.claim(&first.handed_out[0].code.to_string(), request(&*key).unwrap().as_bytes()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_list_again_changes_nothing_and_brings_nobody_back_unasked() {
    let installation = Installation::start().await;
    let department = installation.department("民政局").await;
    let counts = |report: &Report| (report.lines, report.enrolled, report.unchanged, report.different, report.ended);
    let first = record(&installation, &department, CSV, Ended::Stay).await.unwrap();
    assert_eq!(counts(&first), (3, 3, 0, 0, 0));
    assert_eq!(counts(&record(&installation, &department, CSV, Ended::Stay).await.unwrap()), (3, 0, 3, 0, 0));

    let ids = in_state(&installation, &department, "submitted").await;
    let services = installation.services();
    let subject = services.enrolment_subject(&services.find_enrolment(&ids[0]).await.unwrap()).unwrap();
    let statement = installation.sign(&department.approver, Act::Reject, subject, None).await;
    services.reject(&installation.caller(&department.approver).await, &ids[0], &statement).await.unwrap();

    let changed = CSV.replace("李雷", "李雷雷") + "E-4,魏华,\n";
    assert_eq!(counts(&record(&installation, &department, &changed, Ended::Stay).await.unwrap()), (4, 1, 1, 1, 1));
    assert_eq!(counts(&record(&installation, &department, &changed, Ended::EnrolAgain).await.unwrap()), (4, 1, 2, 1, 0));
    // Whoever comes back is the person that they were.
    let rows = services.list_enrolments(None, Some(&department.id), None, 100).await.unwrap();
    let rows: Vec<_> = rows.into_iter().map(|listed| listed.row).collect();
    let first = rows.iter().find(|row| row.id == ids[0]).unwrap();
    let of_first: Vec<_> = rows.iter().filter(|row| row.person == first.person).collect();
    assert_eq!(of_first.iter().map(|row| row.state.as_str()).collect::<Vec<_>>(), ["rejected", "submitted"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_hand_in_one_list_at_one_moment_enrol_nobody_twice() {
    let installation = Installation::start().await;
    let department = installation.department("民政局").await;
    let (one, other) =
        tokio::join!(record(&installation, &department, CSV, Ended::Stay), record(&installation, &department, CSV, Ended::Stay));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!((one.enrolled + other.enrolled, one.unchanged + other.unchanged), (3, 3));
    assert_eq!(in_state(&installation, &department, "submitted").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_employee_number_is_nowhere_in_the_database_and_opens_in_its_own_row_alone() {
    let installation = Installation::start().await;
    let department = installation.department("民政局").await;
    record(&installation, &department, &CSV.replace("E-", "SECRET-"), Ended::Stay).await.unwrap();
    let services = installation.services();
    let rows = store::staff::all_staff(&mut services.db.read().await.unwrap()).await.unwrap();
    let mut numbers: Vec<String> = rows.iter().map(|row| services.employee_number(row).unwrap().expose().to_owned()).collect();
    numbers.sort();
    assert_eq!(numbers, ["SECRET-1", "SECRET-2", "SECRET-3"]);
    let swapped = store::StaffRow { sealed_number: rows[1].sealed_number.clone(), ..rows[0].clone() };
    assert!(matches!(services.employee_number(&swapped), Err(Error::Unsealable(_))));
    let other_index = store::StaffRow { blind_index: rows[1].blind_index.clone(), ..rows[0].clone() };
    assert!(matches!(services.employee_number(&other_index), Err(Error::Corrupt(_))));

    let (directory, config) = installation.stop().await;
    let file = std::fs::read(config.data.join("hufu.db")).unwrap();
    assert!(!file.windows(7).any(|octets| octets == b"SECRET-"));
    drop(directory);
}

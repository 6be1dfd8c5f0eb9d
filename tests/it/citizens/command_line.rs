//! The journey of docs/citizens.md, by the commands that stand there.

use std::{path::Path, process::Stdio};

use hufu::cli::Family;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;

use super::{Citizen, at_once, verdict};
use crate::world::{Ca, Office, in_both_families, text};

in_both_families! {
    a_citizen_comes_to_a_certificate_and_through_life_by_commands,
    a_command_goes_on_where_the_last_one_ended,
}

/// The program on its user's machine.
pub struct Shell {
    server: String,
    home: std::path::PathBuf,
}

impl Shell {
    pub fn new(ca: &Ca) -> Self {
        let home = ca.scratch().join("home");
        std::fs::create_dir_all(&home).unwrap();
        Self { server: format!("https://127.0.0.1:{}", ca.running().https.port()), home }
    }

    /// `hufu LINE --json`, the words of the line parted by spaces.
    pub async fn run(&self, line: &str) -> Result<Value, String> {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_hufu"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HUFU_")) {
            command.env_remove(name);
        }
        command.args(line.split_whitespace()).args(["--server", &self.server, "--json"]).current_dir(&self.home).stdin(Stdio::null());
        let output = command.output().await.unwrap();
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
            false => Err(String::from_utf8(output.stderr).unwrap()),
        }
    }

    pub async fn ok(&self, line: &str) -> Value {
        self.run(line).await.unwrap_or_else(|error| panic!("hufu {line}: {error}"))
    }

    /// Checked by one officer and confirmed by another: the code.
    async fn code(&self, office: &Office, citizen: &Citizen) -> String {
        std::fs::write(self.home.join("number"), format!("{}\n", citizen.number)).unwrap();
        std::fs::write(self.home.join("form.pdf"), "what was seen").unwrap();
        let (name, contact, department) = (citizen.name, &citizen.contact, &office.department);
        let (registrar, approver) = (office.registration.files.display(), office.approver.files.display());
        let check = format!(
            "citizen check --department {department} --name {name} --contact {contact} --evidence form.pdf --number-file number \
             --identity {registrar} --yes"
        );
        let id = text(&self.ok(&check).await, "id");
        text(&self.ok(&format!("citizen confirm {id} --identity {approver} --yes")).await, "code")
    }
}

async fn a_citizen_comes_to_a_certificate_and_through_life_by_commands(family: Family) {
    let ca = at_once().await;
    let office = ca.office(family).await;
    let shell = Shell::new(&ca);
    let mut citizen = Citizen::new("李雷");
    let of = |name: &str| shell.home.join(name);
    let family_name = family.algorithm().name();
    let (approver, administrator) = (office.approver.files.display(), office.administrator.files.display());

    let code = shell.code(&office, &citizen).await;
    let mine = shell.ok(&format!("claim {code} --family {family_name} --out mine")).await;
    let id = text(&mine, "id");
    assert!(["crt", "key", "p12"].iter().all(|extension| of("mine").join(format!("citizen.{extension}")).exists()));
    assert_eq!(text(&shell.ok("citizen held --identity mine/citizen").await, "person"), text(&mine, "person"));
    assert_eq!(files_of(&of("mine")), ["citizen.crt", "citizen.key", "citizen.p12", "citizen.p12.passphrase", "trust.pem"]);

    // The lost device.
    shell.ok(&format!("suspend --code {}", text(&mine, "suspension_code"))).await;
    let code = shell.code(&office, &citizen).await;
    let resumed = shell.ok(&format!("citizen resume {id} {code}")).await;
    let newer = shell.ok(&format!("citizen suspension-code {id} --identity mine/citizen")).await;
    assert_ne!(newer["suspension_code"], resumed["suspension_code"]);

    // Change of name.
    citizen.name = "李磊";
    let code = shell.code(&office, &citizen).await;
    let new = format!("citizen enrol {code} --family {family_name} --replaces {id} --identity mine/citizen --out new");
    let new = shell.ok(&new).await;
    assert_eq!(new["person"], mine["person"]);
    let chain = Value::from(std::fs::read_to_string(of("new/citizen.crt")).unwrap());
    assert_eq!(verdict(&ca, &chain).await.0, "PASSED");
    let old = Value::from(std::fs::read_to_string(of("mine/citizen.crt")).unwrap());
    assert_eq!(verdict(&ca, &old).await, ("FAILED".to_owned(), "revoked".to_owned()));

    // A guardian.
    let code = shell.code(&office, &Citizen::new("李小雷")).await;
    let ward = shell.ok(&format!("citizen enrol {code} --family {family_name} --identity new/citizen --out ward")).await;
    let enrolment = ca.client(&office.approver).get(&format!("/api/v1/certificates/{}", text(&ward, "id"))).await.ok().json();
    let enrolment = shell.ok(&format!("show enrolments {} --identity {approver}", text(&enrolment, "enrolment"))).await;
    assert_eq!((&enrolment["submitted_by"], &enrolment["person"]), (&mine["person"], &ward["person"]));

    // Death.
    let since = ca.now().replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap();
    let revoked = format!("revoke {} --reason cessationOfOperation --since {since} --identity {approver} --yes", text(&new, "id"));
    shell.ok(&revoked).await;
    let person = text(&mine, "person");
    let erase =
        async |by: &dyn std::fmt::Display| shell.ok(&format!("citizen erase {person} --identity {by} --yes")).await["state"].clone();
    assert_eq!(erase(&administrator).await, "one-more");
    let other = ca.officer(&office.administrator, &office.department, &["administrator"], family).await;
    assert_eq!(erase(&other.files.display()).await, "erased");
    assert_eq!(shell.ok(&format!("citizen contests --identity {approver}")).await["items"], serde_json::json!([]));
    ca.audit_finds_nothing().await;
}

async fn a_command_goes_on_where_the_last_one_ended(family: Family) {
    let ca = at_once().await;
    let office = ca.office(family).await;
    let shell = Shell::new(&ca);
    let citizen = Citizen::new("李雷");
    let first = shell.code(&office, &citizen).await;
    shell.ok(&format!("claim {first} --out first")).await;
    let code = shell.code(&office, &citizen).await;
    // Refused after the code was used: the proof is kept, and the next command brings what this one lacked.
    let refused = shell.run(&format!("citizen enrol {code} --profile staff --out second")).await.unwrap_err();
    assert!(refused.contains("not-permitted"), "{refused}");
    let waits = shell.ok(&format!("citizen enrol {code} --profile citizen --out second")).await;
    assert_eq!(text(&waits, "state"), "submitted", "a contest");
    let again = shell.ok(&format!("claim {code} --out second")).await;
    assert_eq!(again["enrolment"], waits["enrolment"]);
    let later = text(&waits, "enrolment");
    for officer in [&office.approver, &office.administrator] {
        shell.ok(&format!("citizen uphold {later} --identity {} --yes", officer.files.display())).await;
    }
    ca.services().upkeep().await;
    let collected = shell.ok(&format!("claim {code} --out second")).await;
    assert_eq!(text(&collected, "name"), "citizen");
    assert_eq!(files_of(&shell.home.join("second")), ["citizen.crt", "citizen.key", "citizen.p12", "citizen.p12.passphrase", "trust.pem"]);
    let taken_back = shell.code(&office, &Citizen::new("韩梅")).await;
    let check = ca.sql().await.texts("select id from identity_check where used_at is null and withdrawn is null").await;
    shell.ok(&format!("citizen withdraw {} --identity {} --yes", check[0], office.approver.files.display())).await;
    let refused = shell.run(&format!("claim {taken_back} --out third")).await.unwrap_err();
    assert!(refused.contains("proofing-refused"), "{refused}");
    ca.audit_finds_nothing().await;
}

fn files_of(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

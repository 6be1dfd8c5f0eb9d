//! What somebody does to a database by SQL, so that its rows agree with each other: both programs name it.

use std::process::Output;

use hufu::{
    cli::Family,
    crypto::digest::sha256,
    policy::{Payload, Statement},
    services::replay::export::Export,
    store::{Db, Options},
};
use serde_json::Value;

use super::{Read, agreed, codes};
use crate::{
    conformance::example,
    staff::{approve_list, import, in_state},
    world::{Ca, Person, Sql, TestCa, in_both_families, on_postgres},
};

in_both_families! {
    what_is_done_to_the_rows_by_sql_is_named_by_both_programs,
}

/// A digest as SQL writes octets.
pub fn octets(hexadecimal: &str) -> String {
    if on_postgres() { format!("'\\x{hexadecimal}'::bytea") } else { format!("X'{hexadecimal}'") }
}

pub fn digest(text: &str) -> String {
    hex::encode(sha256(text.as_bytes()))
}

pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The decision that approved an enrolment, with other statements.
async fn decide_anew(sql: &mut Sql, enrolment: &str, change: impl FnOnce(&mut Vec<String>)) {
    rewrite(sql, "approve", enrolment, |whole| {
        let mut statements: Vec<String> = serde_json::from_value(whole["statements"].clone()).unwrap();
        change(&mut statements);
        statements.sort();
        whole["statements"] = statements.into();
    })
    .await;
}

/// A decision is put in the place of itself: text, digest and all rows that name it.
pub async fn rewrite(sql: &mut Sql, act: &str, about: &str, change: impl FnOnce(&mut Value)) {
    let found =
        sql.texts(&format!("select canonical from decision where canonical like '%\"about\":\"{about}\",\"act\":\"{act}\"%'")).await;
    let [text] = &found[..] else { panic!("{found:?}") };
    let mut whole: Value = serde_json::from_str(text).unwrap();
    change(&mut whole);
    let statements: Vec<String> = serde_json::from_value(whole["statements"].clone()).unwrap();
    let new = whole.to_string();
    let (old_hash, new_hash) = (octets(&digest(text)), octets(&digest(&new)));
    sql.run(&format!("insert into decision select {new_hash}, {}, recorded_at from decision where digest = {old_hash}", quoted(&new)))
        .await;
    for (ordinal, statement) in statements.iter().enumerate() {
        sql.run(&format!("insert into decision_statement values ({new_hash}, {ordinal}, {})", octets(statement))).await;
    }
    for table in ["enrolment", "certificate"] {
        sql.run(&format!("update {table} set decision = {new_hash} where decision = {old_hash}")).await;
    }
    sql.run(&format!("delete from decision_statement where decision = {old_hash}")).await;
    sql.run(&format!("delete from decision where digest = {old_hash}")).await;
}

/// A statement that the signer's key made outside of the service, put among the others: its digest.
pub async fn slip_in(sql: &mut Sql, by: &Person, payload: &Payload) -> String {
    let Payload { act, about, nonce, .. } = payload;
    let jws = by.sign(payload);
    let certificate = octets(&by.identity.certificate().id().to_string());
    let row = format!(
        "insert into statement select {}, '{jws}', '{act}', '{about}', '{}', {certificate}, '{nonce}', max(recorded_at) from statement",
        octets(&digest(&jws)),
        by.id
    );
    sql.run(&row).await;
    digest(&jws)
}

async fn what_is_done_to_the_rows_by_sql_is_named_by_both_programs(family: Family) {
    let ca = TestCa::new().with_policy("profiles/staff.toml", |text| text.replace("count = 1", "count = 2")).start().await;
    let office = ca.office(family).await;
    let second = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let third = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    import(&ca, &office.registration, &office.department, "number,CN\n1,甲\n2,乙\n", "").await.ok();
    let keyless = in_state(&ca, &office, "submitted").await;
    for person in [&office.approver, &second] {
        approve_list(&ca, person, &keyless).await;
    }
    let mut issued = Vec::new();
    for _ in 0..2 {
        let applicant = ca.enrol(&office, "staff", family).await;
        ca.decide(&office.approver, "approve", &applicant.enrolment, None, None).await.ok();
        ca.decide(&second, "approve", &applicant.enrolment, None, None).await.ok();
        issued.push(applicant.enrolment);
    }
    let applicant = ca.enrol(&office, "staff", family).await;
    ca.decide(&office.approver, "approve", &applicant.enrolment, None, None).await.ok();
    let waiting = ca.sql().await.texts(&format!("select jws from statement where about = '{}'", applicant.enrolment)).await;
    let waiting = digest(&waiting[0]);
    ca.dismiss(&office.administrator, &third).await;
    ca.audit_finds_nothing().await;

    let mut planted = Planted { ca: &ca, read: Read::default(), found: Vec::new() };
    let mut sql = ca.sql().await;

    decide_anew(&mut sql, &keyless[0], |statements| drop(statements.pop())).await;
    planted.names("one of two approvals is taken away", "quorum-missed").await;

    let jws = sql.texts(&format!("select jws from statement where act = 'approve' and about = '{}'", issued[0])).await;
    let model = Statement::parse(&jws[0]).unwrap().payload().clone();
    let nonce = "00112233445566778899aabbccddeeff".parse().unwrap();
    let another = Payload { about: keyless[1].parse().unwrap(), nonce, ..model };
    let own = slip_in(&mut sql, &office.registration, &another).await;
    decide_anew(&mut sql, &keyless[1], |statements| statements[1] = own).await;
    planted.names("an approval is slipped in later", "statement-unbound").await;

    decide_anew(&mut sql, &issued[0], |statements| drop(statements.pop())).await;
    planted.names("what a leaf rests on is decided anew", "decision-missing").await;

    sql.run(
        "insert into role_grant select 'ffffffffffffffffffffffffffffffff', person, department, 'approver', statement, granted_at, null, null \
         from role_grant where role = 'registration-officer'",
    )
    .await;
    planted.names("a role is slipped in", "grant-unbound").await;
    sql.run("delete from role_grant where id = 'ffffffffffffffffffffffffffffffff'").await;
    planted.found = planted.judge().await;

    sql.run("update role_grant set withdrawn_at = null, withdrawn_statement = null where withdrawn_at is not null").await;
    planted.names("a dismissal is undone", "grant-unbound").await;

    for table in ["nonce where nonce in (select nonce from statement where digest = {})", "statement where digest = {}"] {
        sql.run(&format!("delete from {}", table.replace("{}", &octets(&waiting)))).await;
    }
    planted.names("an approval that waits is removed", "statement-missing").await;

    sql.run(&format!("update enrolment set submitted_by = '{}' where id = '{}'", office.approver.id, issued[1])).await;
    planted.names("a request becomes that of whoever approved it", "not-permitted").await;

    let root = sql.texts("select min(root) from statement_list").await.remove(0);
    sql.run(&format!("insert into statement_list values ('{root}', 99, '{}')", issued[0])).await;
    planted.names("a list becomes longer", "list-mismatch").await;

    let certificate = octets(&second.identity.certificate().id().to_string());
    sql.run(&format!("update certificate set person = '{}' where id = {certificate}", third.id)).await;
    planted.names("a certificate becomes another's", "signer-unknown").await;

    let text = sql.texts("select text from policy_version").await.remove(0);
    let weaker = text.replace("count = 2, roles = [\\\"approver\\\"]", "count = 1, roles = [\\\"approver\\\"]");
    assert_ne!(text, weaker);
    let (old, new) = (octets(&digest(&text)), octets(&digest(&weaker)));
    let row = format!(
        "insert into policy_version select {new}, {}, recorded_at, activated_at, activated_by from policy_version",
        quoted(&weaker)
    );
    sql.run(&row).await;
    sql.run(&format!("update enrolment set policy = {new}")).await;
    sql.run(&format!("delete from policy_version where digest = {old}")).await;
    planted.names("the policy is rewritten", "policy-unknown").await;

    both_programs_say_so_themselves(&ca, planted.found.len()).await;
}

/// What was found so far in a database that is changed again and again.
struct Planted<'a> {
    ca: &'a Ca,
    read: Read,
    found: Vec<Value>,
}

impl Planted<'_> {
    async fn judge(&mut self) -> Vec<Value> {
        let options = Options { busy_timeout: std::time::Duration::from_secs(5), max_connections: 2 };
        let db = Db::open(&self.ca.config.database_url(), options).await.unwrap();
        let export = Export::gather(&db).await.unwrap();
        db.close().await;
        agreed(&export, &self.ca.bundle(), &mut self.read)
    }

    /// Both find something of that code which was not there before.
    async fn names(&mut self, what: &str, code: &str) {
        let found = self.judge().await;
        let new: Vec<Value> = found.iter().filter(|one| !self.found.contains(one)).cloned().collect();
        assert!(codes(&new).contains(&code), "{what}: {code} is not in {new:#?}");
        self.found = found;
    }
}

/// `hufu ledger audit --decisions`, and the other program over what `hufu ledger export` wrote: as programs.
async fn both_programs_say_so_themselves(ca: &Ca, count: usize) {
    let (data, database) = (ca.data().to_str().unwrap().to_owned(), ca.config.database_url());
    let place = ["--data", &data, "--database", &database];
    let hufu = async |arguments: &[&str]| -> Output {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_hufu")).args(arguments).args(place).output().await.unwrap()
    };
    let audit = hufu(&["ledger", "audit", "--decisions", "--json"]).await;
    let violations: Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert_eq!((audit.status.code(), violations["violations"].as_array().map(Vec::len)), (Some(1), Some(count)));

    let export = ca.scratch().join("export");
    let done = hufu(&["ledger", "export", export.to_str().unwrap()]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let bundle = ca.data().join("trust/bundle.json");
    // An export that is there is kept.
    let again = hufu(&["ledger", "export", export.to_str().unwrap()]).await;
    let told = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && told.contains("is there already") && told.contains("--force"), "{told}");
    assert!(hufu(&["ledger", "export", export.to_str().unwrap(), "--force"]).await.status.success());
    // Whoever has it and the bundle needs no database.
    let mut offline = tokio::process::Command::new(env!("CARGO_BIN_EXE_hufu"));
    offline.args(["ledger", "audit", "--decisions", "--json", "--from"]).arg(&export).arg("--trust").arg(&bundle);
    let offline = offline.output().await.unwrap();
    assert_eq!((offline.status.code(), serde_json::from_slice::<Value>(&offline.stdout).unwrap()), (Some(1), violations));

    let second = tokio::process::Command::new(example("replay")).args([&export, &bundle]).output().await.unwrap();
    assert_eq!((second.status.code(), String::from_utf8_lossy(&second.stdout).lines().count()), (Some(1), count));
}

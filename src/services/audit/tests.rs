use std::{collections::BTreeMap, path::Path, str::FromStr, sync::Arc};

use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::*;
use crate::{
    config::Config,
    policy::Act,
    services::fixture::Installation,
    store::{Db, Options},
};

/// A column, and which rows of it nothing protects: `all`, or a condition in SQL.
type Unprotected = BTreeMap<(String, String), String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_column_is_changed_by_sql_the_audit_names_its_table_or_the_documentation_says_why_not() {
    let installation = life().await;
    let bundle = Arc::new(installation.bundle());
    assert_eq!(audit(&installation.services().db, &bundle).await.unwrap(), [], "while the service runs");
    let (directory, config) = installation.stop().await;
    let path = config.data.join("hufu.db");
    assert_eq!(audit_file(&path, &bundle).await, [], "after it ended");

    let unprotected = unprotected();
    let changes = changes(&path, &unprotected).await;
    assert!(changes.len() > 100, "{}", changes.len());
    let mut tasks = tokio::task::JoinSet::new();
    let changes = Arc::new(std::sync::Mutex::new(changes));
    for worker in 0..2 {
        let (changes, bundle, path) = (changes.clone(), bundle.clone(), path.clone());
        let copy = directory.path().join(format!("copy-{worker}.db"));
        tasks.spawn(async move {
            let mut unnoticed = Vec::new();
            loop {
                let Some((table, column, sql)) = changes.lock().unwrap().pop() else { break unnoticed };
                std::fs::copy(&path, &copy).unwrap();
                execute(&copy, &sql).await;
                let findings = audit_file(&copy, &bundle).await;
                if !findings.iter().any(|finding| finding.table == table) {
                    unnoticed.push(format!("{table}.{column}: {findings:?}"));
                }
            }
        });
    }
    let unnoticed: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

#[tokio::test]
async fn rows_that_are_added_or_removed_are_found() {
    let installation = life().await;
    let bundle = installation.bundle();
    let (directory, Config { data, .. }) = installation.stop().await;
    let cases = [
        ("certificate", "delete from certificate where status = 'revoked'"),
        ("certificate", "update certificate set status = 'valid', version = 1 where status = 'revoked'"),
        (
            "ledger_leaf",
            "delete from ledger_leaf where log = 'department-p256-g1' and idx = (select max(idx) from ledger_leaf where log = 'department-p256-g1')",
        ),
        (
            "ledger_leaf",
            "insert into ledger_leaf select log, idx + 1000, zeroblob(32), leaf_hash, entry from ledger_leaf where log = 'operations' and idx = 0",
        ),
        ("crl", "delete from crl where shard = -1"),
        ("statement", "delete from statement where act = 'revoke'"),
        ("decision", "delete from decision where canonical like '%\"revoke\"%'"),
        ("role_grant", "delete from role_grant where role = 'approver'"),
        (
            "role_grant",
            "insert into role_grant select 'another', person, null, 'administrator', statement, granted_at, null, null from role_grant where role = 'approver'",
        ),
        ("department_namespace", "insert into department_namespace select 'dns', 'other.example', id from department"),
        ("department", "delete from department"),
        ("enrolment", "delete from enrolment where state = 'issued' and seq = (select max(seq) from enrolment where state = 'issued')"),
        ("key_owner", "delete from key_owner"),
        ("authority", "delete from authority where name = 'citizen-sm2-g1'"),
        ("log", "delete from log where name = 'citizen-sm2-g1'"),
        ("policy_version", "delete from policy_version"),
        ("claim", "insert into claim select zeroblob(32), person, profile, department, statement, expires_at, null, 0 from claim limit 1"),
    ];
    let copy = directory.path().join("copy.db");
    for (table, sql) in cases {
        std::fs::copy(data.join("hufu.db"), &copy).unwrap();
        execute(&copy, sql).await;
        let findings = audit_file(&copy, &bundle).await;
        assert!(findings.iter().any(|finding| finding.table == table), "{sql}: {findings:#?}");
    }
}

/// A department, officers, staff; certificates issued, suspended, resumed, revoked; requests rejected and still open.
async fn life() -> Installation {
    let installation = Installation::start().await;
    let department = installation.department("民政局").await;
    let administrator = installation.caller(&installation.administrator).await;
    installation.services().propose_officer(&administrator, "later", None, &["auditor".to_owned()]).await.unwrap();

    let (enrolment, _) = installation.enrol(&department, "王芳").await;
    let issued = installation.approve(&department, &enrolment).await;
    installation.change(&department.approver, Act::Suspend, &issued[0].certificate).await;
    installation.change(&department.approver, Act::Resume, &issued[0].certificate).await;
    installation.change(&department.approver, Act::Revoke, &issued[0].certificate).await;
    installation.change(&department.approver, Act::Suspend, &issued[1].certificate).await;

    let services = installation.services();
    let (rejected, _) = installation.enrol(&department, "李雷").await;
    let subject = services.enrolment_subject(&rejected).unwrap();
    let statement = installation.sign(&department.approver, Act::Reject, subject, None).await;
    services.reject(&installation.caller(&department.approver).await, &rejected.id.to_string(), &statement).await.unwrap();

    let (open, _) = installation.enrol(&department, "韩梅").await;
    // Signed and never handed in: its nonce stays unused.
    installation.sign(&department.approver, Act::Approve, services.enrolment_subject(&open).unwrap(), None).await;

    let registrar = installation.caller(&department.registrar).await.person().to_string();
    let officer = services.find_officer(&registrar).await.unwrap();
    let statement = installation.sign(&installation.administrator, Act::Dismiss, services.officer_subject(&officer), None).await;
    services.dismiss(&installation.caller(&installation.administrator).await, &registrar, &statement).await.unwrap();
    installation
}

/// The table in `docs/audit.md`.
fn unprotected() -> Unprotected {
    let text = std::fs::read_to_string("docs/audit.md").unwrap();
    let (_, table) = text.split_once("| table | column | rows | why |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
        ((cells.next().unwrap(), cells.next().unwrap()), cells.next().unwrap())
    })
    .collect()
}

/// For every column of every table, the SQL that changes it in the first and in the last row that something protects.
async fn changes(path: &Path, unprotected: &Unprotected) -> Vec<(String, String, String)> {
    let mut connection = open(path).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "select name from sqlite_master where type = 'table' and name not like '\\_sqlx%' escape '\\' and name not like 'sqlite%'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert!(unprotected.keys().all(|(table, _)| tables.contains(table)), "docs/audit.md names a table that there is not");
    let mut changes = Vec::new();
    for table in tables {
        let columns = query(&mut connection, &format!("pragma table_info({table})")).await;
        let column_names: Vec<String> = columns.iter().map(|column| column.get("name")).collect();
        assert!(unprotected.keys().all(|(of, column)| *of != table || column_names.contains(column)), "{table}");
        let key: Vec<String> = columns.iter().filter(|row| row.get::<i64, _>("pk") > 0).map(|row| row.get("name")).collect();
        let key = key.join(", ");
        for column in &columns {
            let (name, kind): (String, String) = (column.get("name"), column.get("type"));
            let condition = match unprotected.get(&(table.clone(), name.clone())).map(String::as_str) {
                Some("all") => continue,
                Some(condition) => format!("not ({condition})"),
                None => "true".to_owned(),
            };
            let value = match kind.to_ascii_lowercase().as_str() {
                // Far enough to hit no other key, near enough to stay plausible where plausibility is what is checked.
                "integer" if key.split(", ").any(|part| part == name) => format!("{name} + 1000"),
                "integer" => format!("coalesce({name}, 0) + 1"),
                "text" => format!("coalesce({name}, '') || 'x'"),
                "blob" => format!(
                    "case when {name} is null then randomblob(32) else unhex(hex(substr({name}, 1, length({name}) - 1)) || \
                     case when substr({name}, -1) = x'00' then '01' else '00' end) end"
                ),
                other => panic!("{table}.{name} is of type {other}"),
            };
            let mut of_column = Vec::new();
            for order in ["asc", "desc"] {
                let order = key.split(", ").map(|part| format!("{part} {order}")).collect::<Vec<_>>().join(", ");
                let row = format!("select {key} from {table} where {condition} order by {order} limit 1");
                assert!(!query(&mut connection, &row).await.is_empty(), "the installation of this test has no such row: {row}");
                of_column.push((table.clone(), name.clone(), format!("update {table} set {name} = {value} where ({key}) = ({row})")));
            }
            changes.extend(of_column);
        }
    }
    changes
}

async fn query(connection: &mut SqliteConnection, sql: &str) -> Vec<sqlx::sqlite::SqliteRow> {
    sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(connection).await.unwrap()
}

async fn open(path: &Path) -> SqliteConnection {
    let url = format!("sqlite://{}", path.display());
    let options = SqliteConnectOptions::from_str(&url).unwrap().foreign_keys(false).pragma("ignore_check_constraints", "on");
    SqliteConnection::connect_with(&options).await.unwrap()
}

async fn execute(path: &Path, sql: &str) {
    let mut connection = open(path).await;
    let done =
        sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert!(done.rows_affected() > 0, "{sql}");
    connection.close().await.unwrap();
}

async fn audit_file(path: &Path, bundle: &TrustBundle) -> Vec<Finding> {
    let options = Options { busy_timeout: std::time::Duration::from_secs(5), max_connections: 2 };
    let db = Db::open(&format!("sqlite://{}", path.display()), options).await.unwrap();
    let findings = audit(&db, bundle).await.unwrap();
    db.close().await;
    findings
}

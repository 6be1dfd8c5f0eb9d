use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::*;
use crate::{
    config::Config,
    crypto::{Digest, algorithms},
    policy::{Act, Header, LoginPayload, SignerReference, Timestamp, assemble, signing_input, statement::Version},
    services::{
        departments::{Amendment, NewDepartment, Reorganized, Repeatable},
        fixture::{Department, Installation, Person},
        tokens::NewToken,
    },
    store::{Db, NoticeProgressRow, NoticeRow, Options},
    world::{SystemEntropy, random},
    x509::tsp::{MessageImprint, TimeStampRequest, TimeStampResponse},
};

/// A column, and which rows of it nothing protects: `all`, or a condition in SQL.
type Unprotected = BTreeMap<(String, String), String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_column_is_changed_by_sql_the_audit_names_its_table_or_the_documentation_says_why_not() {
    let installation = life(None).await;
    let bundle = Arc::new(installation.bundle());
    assert_eq!(audit(&installation.services().db, &bundle).await.unwrap(), [], "while the service runs");
    let (directory, config) = installation.stop().await;
    let path = config.data.join("hufu.db");
    assert_eq!(audit_file(&path, &bundle).await, [], "after it ended");

    let samples = ["copy-0.db", "copy-1.db"].map(|copy| Sample::Lite { original: path.clone(), copy: directory.path().join(copy) });
    every_change_is_found(samples.into(), bundle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_on_postgresql() {
    let Ok(server) = std::env::var("HUFU_TEST_POSTGRES") else {
        eprintln!("SKIPPED: HUFU_TEST_POSTGRES names no server");
        return;
    };
    let mut admin = sqlx::PgConnection::connect(&server).await.unwrap();
    let names = [0, 1].map(|_| format!("hufu_audit_{}", hex::encode(random::<8>(&SystemEntropy))));
    let urls = names.clone().map(|name| {
        let mut url: url::Url = server.parse().unwrap();
        url.set_path(&name);
        String::from(url)
    });
    run(&mut admin, &format!("create database {}", names[0])).await;
    let installation = life(Some(urls[0].clone())).await;
    let bundle = Arc::new(installation.bundle());
    installation.stop().await;
    run(&mut admin, &format!("create database {} template {}", names[1], names[0])).await;

    let mut samples = Vec::new();
    for url in urls {
        samples.push(Sample::postgres(url).await);
    }
    every_change_is_found(samples, bundle).await;
    for name in names {
        run(&mut admin, &format!("drop database {name} with (force)")).await;
    }
}

/// Makes each change to one of the samples, one after another, and shows it to the audit.
async fn every_change_is_found(samples: Vec<Sample>, bundle: Arc<TrustBundle>) {
    let changes = changes(&samples[0], &unprotected()).await;
    assert!(changes.len() > 100, "{}", changes.len());
    let changes = Arc::new(std::sync::Mutex::new(changes));
    let mut tasks = tokio::task::JoinSet::new();
    for sample in samples {
        let (changes, bundle) = (changes.clone(), bundle.clone());
        tasks.spawn(async move {
            let mut unnoticed = Vec::new();
            loop {
                let Some((table, column, sql)) = changes.lock().unwrap().pop() else { break unnoticed };
                let findings = sample.audit_after(&table, &sql, &bundle).await;
                if !findings.iter().any(|finding| finding.table == table) {
                    unnoticed.push(format!("{table}.{column}: {findings:?}"));
                }
            }
        });
    }
    let unnoticed: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

/// The database of an ended installation, whose rows are changed one at a time.
enum Sample {
    /// Each change is made to a fresh copy of the file.
    Lite { original: PathBuf, copy: PathBuf },
    /// Each change is undone from a copy of the table. Whoever changes rows by SQL can drop a constraint: there are none.
    Pg { url: String, tables: Vec<Table> },
}

#[derive(Debug, Clone)]
struct Table {
    name: String,
    /// The columns of the primary key.
    key: Vec<String>,
    /// Name and type: integer, text or blob.
    columns: Vec<(String, String)>,
}

impl Sample {
    async fn postgres(url: String) -> Self {
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        let columns: Vec<(String, String, String, bool)> = sqlx::query_as(
            "select c.relname::text, a.attname::text, replace(replace(t.typname::text, 'int8', 'integer'), 'bytea', 'blob'), \
             coalesce(a.attnum = any (k.conkey), false) \
             from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 join pg_type t on t.oid = a.atttypid \
             left join pg_constraint k on k.conrelid = c.oid and k.contype = 'p' \
             where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and c.relname not like '\\_sqlx%' order by c.relname, a.attnum",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let mut tables: Vec<Table> = Vec::new();
        for (table, column, kind, in_key) in columns {
            if tables.last().is_none_or(|last| last.name != table) {
                tables.push(Table { name: table, key: Vec::new(), columns: Vec::new() });
            }
            let last = tables.last_mut().unwrap();
            last.key.extend(in_key.then(|| column.clone()));
            last.columns.push((column, kind));
        }
        let constraints: Vec<(String, String)> = sqlx::query_as(
            "select conrelid::regclass::text, conname::text from pg_constraint \
             where contype in ('c', 'f') and connamespace = 'public'::regnamespace and conrelid <> 0",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        for (table, name) in constraints {
            run(&mut connection, &format!("alter table {table} drop constraint \"{name}\"")).await;
        }
        run(&mut connection, "create schema backup").await;
        for Table { name, .. } in &tables {
            run(&mut connection, &format!("create table backup.{name} as table public.{name}")).await;
        }
        Self::Pg { url, tables }
    }

    async fn tables(&self) -> Vec<Table> {
        let path = match self {
            Self::Pg { tables, .. } => return tables.clone(),
            Self::Lite { original, .. } => original,
        };
        let mut connection = open(path).await;
        let names: Vec<String> = sqlx::query_scalar(
            "select name from sqlite_master where type = 'table' and name not like '\\_sqlx%' escape '\\' and name not like 'sqlite%'",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let mut tables = Vec::new();
        for name in names {
            let columns = query(&mut connection, &format!("pragma table_info({name})")).await;
            tables.push(Table {
                name,
                key: columns.iter().filter(|row| row.get::<i64, _>("pk") > 0).map(|row| row.get("name")).collect(),
                columns: columns.iter().map(|row| (row.get("name"), row.get::<String, _>("type").to_ascii_lowercase())).collect(),
            });
        }
        tables
    }

    /// Other octets of the same length, or some where there were none.
    fn other_octets(&self, column: &str) -> String {
        match self {
            Self::Lite { .. } => format!(
                "case when {column} is null then randomblob(32) else unhex(hex(substr({column}, 1, length({column}) - 1)) || \
                 case when substr({column}, -1) = x'00' then '01' else '00' end) end"
            ),
            Self::Pg { .. } => format!(
                "case when {column} is null then sha256('x') \
                 else set_byte({column}, length({column}) - 1, 255 - get_byte({column}, length({column}) - 1)) end"
            ),
        }
    }

    async fn rows(&self, sql: &str) -> usize {
        match self {
            Self::Lite { original, .. } => query(&mut open(original).await, sql).await.len(),
            Self::Pg { url, .. } => {
                let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
                sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap().len()
            }
        }
    }

    async fn audit_after(&self, table: &str, sql: &str, bundle: &TrustBundle) -> Vec<Finding> {
        match self {
            Self::Lite { original, copy } => {
                std::fs::copy(original, copy).unwrap();
                execute(copy, sql).await;
                audit_file(copy, bundle).await
            }
            Self::Pg { url, .. } => {
                let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
                run(&mut connection, sql).await;
                let findings = audit_url(url, bundle).await;
                run(&mut connection, &format!("delete from {table}")).await;
                run(&mut connection, &format!("insert into {table} overriding system value select * from backup.{table}")).await;
                findings
            }
        }
    }
}

#[tokio::test]
async fn rows_that_are_added_or_removed_are_found() {
    let installation = life(None).await;
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
            "insert into role_grant select 'another', person, null, 'administrator', statement, granted_at, null, null from role_grant where role = 'approver' limit 1",
        ),
        ("department_namespace", "insert into department_namespace select 'dns', 'other.example', id from department"),
        ("department_namespace", "delete from department_namespace where value = 'one.swj.gov.example'"),
        ("department", "delete from department"),
        ("department", "update department set parent = null where parent is not null"),
        ("department", "update department set successor = null where successor is not null"),
        ("department", "update department set successor = (select max(id) from department where successor is null) where name = '民政局'"),
        ("department", "update department set name = '水务局' where name = '水利局'"),
        ("department_change", "delete from department_change where act = 'merge-department'"),
        ("decision", "delete from department_change where withdrawn is not null"),
        ("department_change", "update department_change set withdrawn = null where withdrawn is not null"),
        ("department_change", "update department_change set statement = null, decided_at = null where act = 'change-department'"),
        ("role_grant", "update role_grant set withdrawn_at = null, withdrawn_statement = null where withdrawn_at is not null"),
        ("decision", "update enrolment set state = 'submitted', decision = null where state = 'expired'"),
        ("enrolment", "delete from enrolment where state = 'issued' and seq = (select max(seq) from enrolment where state = 'issued')"),
        ("key_owner", "delete from key_owner"),
        ("authority", "delete from authority where name = 'citizen-sm2-g1'"),
        ("log", "delete from log where name = 'citizen-sm2-g1'"),
        ("policy_version", "delete from policy_version"),
        ("token", "delete from token where statement is not null"),
        ("token", "update token set revoked_at = null, revoked_statement = null"),
        (
            "token",
            "insert into token select 'another', name, department, 'certificates:read', salt, proposed_by, proposed_at, expires_at, zeroblob(32), statement, granted_at, null, null from token where revoked_at is null and statement is not null",
        ),
        ("identity_slot", "delete from identity_slot"),
        (
            "identity_slot",
            "update identity_slot set enrolment = (select later from contest where state = 'dismissed') \
             where enrolment = (select earlier from contest where state = 'dismissed')",
        ),
        (
            "identity_slot",
            "update identity_slot set enrolment = (select later from contest where state = 'open') \
             where enrolment = (select earlier from contest where state = 'open')",
        ),
        ("contest", "delete from contest where state = 'open'"),
        ("contest", "delete from contest where state = 'dismissed'"),
        ("contest", "update contest set state = 'open', decision = null where state <> 'open'"),
        ("re_review", "delete from re_review where item = (select min(item) from re_review)"),
        ("re_review", "insert into re_review select statement, 'enrolment', (select id from enrolment limit 1) from re_review limit 1"),
        ("session", "update session set certificate = zeroblob(32)"),
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
pub async fn life(database: Option<String>) -> Installation {
    let installation = Installation::start_on(database).await;
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

    let mut listed = Vec::new();
    for name in ["林涛", "魏华"] {
        listed.push(installation.enrol(&department, name).await.0.id.to_string());
    }
    let approver = installation.caller(&department.approver).await;
    let (subject, _) = services.list_subject(&approver, &listed).await.unwrap();
    let statement = installation.sign(&department.approver, Act::Approve, subject, None).await;
    services.approve_list(&approver, &listed, &statement).await.unwrap();
    assert!(services.settle_list(&listed).await.iter().all(Result::is_ok));

    super::super::citizens::tests::life(&installation, &department).await;
    super::super::staff::tests::life(&installation, &department).await;
    for digest in [Digest::Sha256, Digest::Sm3] {
        let imprint = MessageImprint::of(digest, b"document");
        let request = TimeStampRequest { imprint, policy: None, nonce: None, wants_certificate: true, extensions: Vec::new() };
        let answer = services.time_stamp(&request.to_der().unwrap()).await.unwrap();
        assert!(matches!(TimeStampResponse::parse(&answer).unwrap(), TimeStampResponse::Granted(_)));
    }
    stolen_key(&installation, &department).await;
    let (open, _) = installation.enrol(&department, "韩梅").await;
    // Signed and never handed in: its nonce stays unused.
    installation.sign(&department.approver, Act::Approve, services.enrolment_subject(&open).unwrap(), None).await;

    login(&installation, &department.registrar).await;
    login(&installation, &department.approver).await;
    for (scopes, acts) in [
        (["verify", "departments:read"], &[][..]),
        (["verify", "certificates:read"], &[Act::GrantToken][..]),
        (["verify", "verify"], &[Act::GrantToken, Act::RevokeToken][..]),
    ] {
        token(&installation, &department.id, scopes, acts).await;
    }

    let registrar = installation.caller(&department.registrar).await.person().to_string();
    let officer = services.find_officer(&registrar).await.unwrap();
    let statement = installation.sign(&installation.administrator, Act::Dismiss, services.officer_subject(&officer), None).await;
    services.dismiss(&installation.caller(&installation.administrator).await, &registrar, &statement).await.unwrap();

    reorganize(&installation).await;

    let progress = NoticeProgressRow { days: 60, not_after: 1, seq: 0 };
    let notice = NoticeRow {
        seq: 0,
        certificate: issued[0].certificate.id().0.to_vec(),
        days: 60,
        channel: "mail".to_owned(),
        state: "delivered".to_owned(),
        attempts: 1,
        next_attempt_at: 1,
        last_error: None,
        queued_at: 1,
        delivered_at: Some(1),
    };
    let mut tx = services.db.begin_write().await.unwrap();
    store::notices::begin_progress(tx.connection(), progress).await.unwrap();
    store::notices::insert(tx.connection(), &notice).await.unwrap();
    tx.commit().await.unwrap();
    installation
}

/// An officer whose key is stolen: what they approved is put to re-review, and one of it kept.
async fn stolen_key(installation: &Installation, department: &Department) {
    let services = installation.services();
    let thief = installation.officer("thief", &department.id, "approver", &crate::crypto::algorithms::Sm2).await;
    let mut kept = None;
    for name in ["刘洋", "陈静"] {
        let (enrolment, _) = installation.enrol(department, name).await;
        kept = installation.approve_by(&thief, &enrolment).await.pop();
    }
    let id = thief.certificate.id().to_string();
    let since = Some(Timestamp::new(services.now() - time::Duration::hours(1)));
    for by in [&installation.administrator, &installation.auditor] {
        let caller = installation.caller(by).await;
        let subject = services.re_review_subject(&caller, &id).await.unwrap();
        let statement = installation.sign_since(by, Act::ReReview, subject, None, since).await;
        services.re_review(&caller, &id, &statement).await.unwrap();
    }
    installation.change(&department.approver, Act::Resume, &kept.unwrap().certificate).await;
}

/// Departments that are made, renamed, moved and merged, with officers and an open request; changes that wait, one of them signed; one
/// that was signed and taken back.
async fn reorganize(installation: &Installation) {
    let (services, administrator, auditor) = (installation.services(), &installation.administrator, &installation.auditor);
    let caller = installation.caller(administrator).await;
    let once = || Repeatable { idempotency_key: None, request_digest: [8; 32] };
    let make = async |name: &str, parent: Option<&str>, domain: &str| {
        let own = |value: &str| vec![value.to_owned()];
        let organizations = vec!["省政府".to_owned(), "水务局".to_owned()];
        let organizations = if parent.is_some() { own("水务局") } else { organizations };
        let parent = parent.map(str::to_owned);
        let new = NewDepartment { name: name.to_owned(), parent, organizations, dns: own(domain), mail: own(domain) };
        let change = services.propose_department(&caller, new, once()).await.unwrap();
        let id = change.department.to_string();
        installation.reorganize(&[administrator], change).await;
        id
    };
    let province = make("省政府", None, "gov.example").await;
    let bureau = make("水务局", Some(&province), "swj.gov.example").await;
    let office = make("水务所", Some(&bureau), "one.swj.gov.example").await;
    let rename = |name: &str| Amendment { name: Some(name.to_owned()), ..Amendment::default() };
    let change = services.propose_amendment(&caller, &bureau, rename("水利局"), once()).await.unwrap();
    installation.reorganize(&[administrator, auditor], change).await;

    let registrar = installation.officer("registrar of the bureau", &bureau, "registration-officer", &algorithms::P256).await;
    let approver = installation.officer("approver of the bureau", &bureau, "approver", &algorithms::Sm2).await;
    let merged = Department { id: bureau.clone(), registrar, approver };
    let (issued, _) = installation.enrol(&merged, "孙权").await;
    installation.approve(&merged, &issued).await;
    installation.enrol(&merged, "周瑜").await;
    let change = services.propose_merger(&caller, &bureau, &province, once()).await.unwrap();
    installation.reorganize(&[administrator, auditor], change).await;

    let half = async |name: &str| {
        let waiting = services.propose_amendment(&caller, &office, rename(name), once()).await.unwrap();
        let subject = services.department_subject(&caller, waiting.act, &waiting).await.unwrap();
        let statement = installation.sign(administrator, waiting.act, subject, None).await;
        let answer = services.decide_department(&caller, &waiting.id.to_string(), &statement).await.unwrap();
        assert!(matches!(answer, Reorganized::Waiting(..)));
        waiting
    };
    half("水站").await;
    let mistaken = half("水库").await;
    let subject = services.department_subject(&caller, Act::Withdraw, &mistaken).await.unwrap();
    let statement = installation.sign(administrator, Act::Withdraw, subject, None).await;
    services.withdraw_department_change(&caller, &mistaken.id.to_string(), &statement).await.unwrap();
    services.propose_amendment(&caller, &province, rename("省"), once()).await.unwrap();
}

async fn login(installation: &Installation, person: &Person) {
    let services = installation.services();
    let challenge = services.login_challenge();
    let payload = LoginPayload { at: Timestamp::new(services.now()), nonce: challenge.nonce, origin: challenge.origin, v: Version };
    let algorithm = person.key.public_key().algorithm();
    let input = signing_input(&Header { algorithm, signer: SignerReference::certificate(person.certificate.der()) }, &payload);
    let login = assemble(&input, algorithm, &person.key.sign(input.as_bytes()).unwrap()).unwrap();
    services.open_session(&login).await.unwrap();
}

/// A token that is proposed, then granted, then revoked, as far as `acts` go.
async fn token(installation: &Installation, department: &str, scopes: [&str; 2], acts: &[Act]) {
    let (services, administrator) = (installation.services(), &installation.administrator);
    let caller = installation.caller(administrator).await;
    let scopes = scopes.map(str::to_owned).to_vec();
    let new = NewToken { name: "service".to_owned(), department: Some(department.to_owned()), scopes, days: None };
    let proposed = services.propose_token(&caller, new).await.unwrap();
    for act in acts {
        let subject = services.token_subject(&caller, *act, &proposed).await.unwrap();
        let statement = installation.sign(administrator, *act, subject, None).await;
        match act {
            Act::GrantToken => drop(services.grant_token(&caller, &proposed.id, &statement).await.unwrap()),
            _ => drop(services.revoke_token(&caller, &proposed.id, &statement).await.unwrap()),
        }
    }
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
async fn changes(sample: &Sample, unprotected: &Unprotected) -> Vec<(String, String, String)> {
    let tables = sample.tables().await;
    let exists = |(of, column): &(String, String)| {
        tables.iter().any(|table| table.name == *of && table.columns.iter().any(|(name, _)| name == column))
    };
    assert!(unprotected.keys().all(exists), "docs/audit.md names a column that there is not");
    let mut changes = Vec::new();
    for Table { name: table, key, columns } in &tables {
        let keys = key.join(", ");
        for (column, kind) in columns {
            let condition = match unprotected.get(&(table.clone(), column.clone())).map(String::as_str) {
                Some("all") => continue,
                Some(condition) => format!("not ({condition})"),
                None => "true".to_owned(),
            };
            let value = match kind.as_str() {
                // Far enough to hit no other key, near enough to stay plausible where plausibility is what is checked.
                "integer" if key.contains(column) => format!("{column} + 1000"),
                "integer" => format!("coalesce({column}, 0) + 1"),
                "text" => format!("coalesce({column}, '') || 'x'"),
                "blob" => sample.other_octets(column),
                other => panic!("{table}.{column} is of type {other}"),
            };
            for order in ["asc", "desc"] {
                let order = key.iter().map(|part| format!("{part} {order}")).collect::<Vec<_>>().join(", ");
                let row = format!("select {keys} from {table} where {condition} order by {order} limit 1");
                assert!(sample.rows(&row).await > 0, "the installation of this test has no such row: {row}");
                changes.push((table.clone(), column.clone(), format!("update {table} set {column} = {value} where ({keys}) = ({row})")));
            }
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

async fn run(connection: &mut sqlx::PgConnection, sql: &str) {
    sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn audit_file(path: &Path, bundle: &TrustBundle) -> Vec<Finding> {
    audit_url(&format!("sqlite://{}", path.display()), bundle).await
}

async fn audit_url(url: &str, bundle: &TrustBundle) -> Vec<Finding> {
    let options = Options { busy_timeout: std::time::Duration::from_secs(5), max_connections: 2 };
    let db = Db::open(url, options).await.unwrap();
    let findings = audit(&db, bundle).await.unwrap();
    db.close().await;
    findings
}

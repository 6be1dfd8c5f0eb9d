//! Every statement runs here on SQLite in a temporary file and, when `HUFU_TEST_POSTGRES` names a server, on PostgreSQL in a
//! schema of its own; `test.sh` always names one.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use super::*;
use crate::world::{SystemEntropy, random};

const SHORT: Options = Options { busy_timeout: Duration::from_millis(200), max_connections: 2 };
const USUAL: Options = Options { busy_timeout: Duration::from_secs(10), max_connections: 4 };

async fn on_each_database(test: impl AsyncFn(&str, Db)) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("hufu.db").display());
    test(&url, Db::open(&url, USUAL).await.unwrap()).await;

    let Ok(server) = std::env::var("HUFU_TEST_POSTGRES") else { return };
    let schema = format!("test_{}", hex::encode(random::<8>(&SystemEntropy)));
    let mut admin = sqlx::PgConnection::connect(&server).await.unwrap();
    admin.execute(AssertSqlSafe(format!("create schema {schema}"))).await.unwrap();
    let separator = if server.contains('?') { '&' } else { '?' };
    let url = format!("{server}{separator}options[search_path]={schema}");
    test(&url, Db::open(&url, USUAL).await.unwrap()).await;
    admin.execute(AssertSqlSafe(format!("drop schema {schema} cascade"))).await.unwrap();
}

async fn execute(connection: &mut Connection, sql: &'static str) {
    on!(connection, c => sqlx::query(sql).execute(c).await.map(drop)).unwrap();
}

/// The tables are the same on both, and a change of them is a change of this file.
#[tokio::test]
async fn the_schema_is_that_of_its_golden_file() {
    on_each_database(async |url, db| {
        let sql = if url.starts_with("sqlite") { SQLITE_COLUMNS } else { POSTGRES_COLUMNS };
        db.migrate().await.unwrap();
        let mut connection = db.read().await.unwrap();
        let mut columns: Vec<(String,)> = on!(connection, c => sqlx::query_as(sql).fetch_all(c).await).unwrap();
        columns.sort();
        let found: String = columns.iter().map(|(column,)| format!("{column}\n")).collect();
        assert_eq!(found, std::fs::read_to_string("tests/golden/schema.txt").unwrap(), "{url}");
    })
    .await;
}

const SQLITE_COLUMNS: &str = "select t.name || '.' || c.name || ' ' || lower(c.type) || case when c.\"notnull\" then ' not null' else '' end \
     from sqlite_master t join pragma_table_info(t.name) c \
     where t.type = 'table' and t.name not like 'sqlite%' and t.name not like '\\_sqlx%' escape '\\'";

const POSTGRES_COLUMNS: &str = "select table_name || '.' || column_name || ' ' \
     || replace(replace(data_type, 'bigint', 'integer'), 'bytea', 'blob') || case is_nullable when 'NO' then ' not null' else '' end \
     from information_schema.columns where table_schema = current_schema() and table_name not like '\\_sqlx%'";

fn person(id: &str) -> PersonRow {
    PersonRow { id: id.into(), kind: "person".into(), department: None, created_at: 1, sealed_profile: Some(vec![1]) }
}

fn department() -> DepartmentRow {
    DepartmentRow {
        id: "d".into(),
        name: "Department".into(),
        created_by: "p".into(),
        created_at: 1,
        idempotency_key: Some("key".into()),
        request_digest: Some(vec![1; 32]),
        successor: None,
        parent: None,
    }
}

fn certificate(mark: u8) -> CertificateRow {
    CertificateRow {
        seq: 0,
        id: vec![mark; 32],
        serial: vec![mark; 20],
        authority: "a".into(),
        profile: "staff".into(),
        person: "p".into(),
        department: Some("d".into()),
        enrolment: Some("e".into()),
        key_fingerprint: vec![mark; 32],
        subject: "CN=100%_a\\b".into(),
        not_before: 1,
        not_after: 100,
        tbs: vec![2; 40],
        signature: None,
        fingerprint: None,
        decision: vec![3; 32],
        leaf_log: "a".into(),
        leaf_idx: i64::from(mark),
        version: 1,
        status: "promised".into(),
        created_at: 1,
    }
}

fn signed(mark: u8, signature: u8) -> SignedRow {
    SignedRow { id: vec![mark; 32], signature: vec![signature; 64], fingerprint: vec![signature; 32] }
}

fn status(mark: u8, version: i64, from: &str, to: &str) -> StatusChange {
    StatusChange { id: vec![mark; 32], version, from: from.into(), to: to.into() }
}

fn leaf(idx: u8) -> LeafRow {
    LeafRow { idx: i64::from(idx), event_id: vec![idx; 32], leaf_hash: vec![1; 32], entry: vec![idx; 100] }
}

fn head(size: i64, fence: i64) -> HeadRow {
    HeadRow { size, root: vec![1; 32], map_root: vec![2; 32], time: 5, fence }
}

/// A person, a department, statements, a policy, an authority with its log, an enrolment and ten leaves: what the rest needs.
async fn seed(connection: &mut Connection) {
    people::insert_person(connection, &person("p")).await.unwrap();
    departments::insert(connection, &department()).await.unwrap();
    for mark in [1, 2] {
        let row = StatementRow {
            digest: vec![mark; 32],
            jws: "a.b.c".into(),
            act: "approve".into(),
            about: "e".into(),
            signer_person: Some("p".into()),
            signer_certificate: None,
            nonce: format!("n{mark}"),
            recorded_at: 1,
        };
        statements::insert_statement(connection, &row).await.unwrap();
    }
    let decision = DecisionRow { digest: vec![3; 32], canonical: "{}".into(), recorded_at: 1 };
    statements::insert_decisions(connection, &[(decision, vec![[1; 32], [2; 32]])]).await.unwrap();
    let policy = PolicyVersionRow {
        digest: vec![4; 32],
        text: "text".into(),
        recorded_at: 1,
        activated_at: Some(1),
        activated_by: Some(vec![1; 32]),
    };
    statements::insert_policy_version(connection, &policy).await.unwrap();
    let log = LogRow {
        name: "a".into(),
        origin: "hufu.example/a".into(),
        map_depth: 16,
        ed25519_spki: vec![1; 44],
        sm2_spki: vec![2; 91],
        created_at: 1,
    };
    ledger::insert_log(connection, &log).await.unwrap();
    ledger::insert_head(connection, "a", &head(0, 0)).await.unwrap();
    ledger::insert_leaves(connection, "a", &(0..10).map(leaf).collect::<Vec<_>>()).await.unwrap();
    let authority = AuthorityRow {
        name: "a".into(),
        purpose: "department".into(),
        algorithm: "p256".into(),
        generation: 1,
        issuer: None,
        subject_der: vec![0x30, 0],
        key_fingerprint: vec![5; 32],
        key_name: "authority-a".into(),
        crl_shards: 2,
        null_parameters: 0,
        policy_oid: "2.25.1".into(),
        created_at: 1,
    };
    authorities::insert(connection, &authority).await.unwrap();
    let enrolment = EnrolmentRow {
        seq: 0,
        id: "e".into(),
        profile: "staff".into(),
        department: Some("d".into()),
        person: "p".into(),
        submitted_by: "p".into(),
        submitted_at: 1,
        state: "submitted".into(),
        sealed_subject: Some(vec![1]),
        salt: Some(vec![2; 32]),
        evidence_digest: None,
        replaces: None,
        policy: vec![4; 32],
        decision: None,
        idempotency_key: Some("key".into()),
        request_digest: vec![1; 32],
        updated_at: 1,
    };
    let request = EnrolmentRequestRow { ordinal: 0, csr: vec![1], key_fingerprint: vec![6; 32], algorithm: "sm2".into() };
    enrolments::insert(connection, &enrolment, &[request]).await.unwrap();
}

async fn seeded(db: &Db) -> Tx {
    db.migrate().await.unwrap();
    let mut tx = db.begin_write().await.unwrap();
    seed(tx.connection()).await;
    tx
}

#[tokio::test]
async fn installation_authorities_and_ledger_run_on_both() {
    on_each_database(async |_, db| {
        let mut tx = seeded(&db).await;
        let c = tx.connection();
        assert!(installation::find(c).await.unwrap().is_none());
        let row = InstallationRow { incarnation: "00112233".into(), mode: "trial".into(), created_at: 1 };
        installation::insert(c, &row).await.unwrap();
        assert_eq!(installation::find(c).await.unwrap().unwrap().mode, "trial");

        assert_eq!(authorities::find(c, "a").await.unwrap().unwrap().crl_shards, 2);
        assert_eq!(authorities::list(c).await.unwrap().len(), 1);

        assert_eq!(ledger::logs(c).await.unwrap()[0].origin, "hufu.example/a");
        assert_eq!(ledger::leaves(c, "a", 3, 5).await.unwrap().iter().map(|leaf| leaf.idx).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(ledger::find_event(c, "a", &leaf(4).event_id).await.unwrap(), Some(4));
        assert_eq!(ledger::find_event(c, "b", &leaf(4).event_id).await.unwrap(), None);
        assert_eq!(ledger::find_event(c, "a", &leaf(99).event_id).await.unwrap(), None);
        let fence = ledger::raise_fence(c, "a").await.unwrap();
        assert!(matches!(ledger::advance_head(c, "a", 0, &head(10, fence - 1)).await, Err(Error::Conflict)));
        ledger::advance_head(c, "a", 0, &head(10, fence)).await.unwrap();
        assert!(matches!(ledger::advance_head(c, "a", 0, &head(11, fence)).await, Err(Error::Conflict)));
        assert_eq!(ledger::find_head(c, "a").await.unwrap().unwrap().size, 10);
        for hashes in [vec![1; 32], vec![1; 64]] {
            ledger::upsert_tiles(c, "a", &[TileRow { level: 0, n: 0, hashes }]).await.unwrap();
        }
        assert_eq!(ledger::tiles(c, "a", &[(0, 0), (0, 1)]).await.unwrap()[0].hashes.len(), 64);
        assert_eq!(ledger::all_tiles(c, "a").await.unwrap().len(), 1);
        for note in ["first", "second"] {
            ledger::insert_checkpoint(c, "a", 10, note).await.unwrap();
        }
        assert_eq!(ledger::checkpoints(c, "a").await.unwrap(), [(10, "first".to_owned())]);
        tx.commit().await.unwrap();
    })
    .await;
}

/// A department `e` in `d`, `f` in `e`, and `m`, which was merged into `e`.
#[tokio::test]
async fn departments_run_on_both() {
    on_each_database(async |_, db| {
        let mut tx = seeded(&db).await;
        let c = tx.connection();
        for (id, parent, successor) in [("e", Some("d"), None), ("f", Some("e"), None), ("m", None, Some("e"))] {
            let (parent, successor) = (parent.map(str::to_owned), successor.map(str::to_owned));
            let row = DepartmentRow { id: id.into(), idempotency_key: None, parent, successor, ..department() };
            departments::insert(c, &row).await.unwrap();
        }
        for id in ["d", "e"] {
            departments::insert_namespace(c, id, "dns", "example.cn").await.unwrap();
        }
        assert_eq!(departments::namespaces(c, "d").await.unwrap(), [("dns".to_owned(), "example.cn".to_owned())]);
        departments::delete_namespaces(c, "d").await.unwrap();
        assert_eq!(departments::all_namespaces(c).await.unwrap(), [("dns".into(), "example.cn".into(), "e".into())]);
        assert_eq!(departments::find(c, "d").await.unwrap().unwrap().name, "Department");

        let path = async |c: &mut Connection, id| {
            departments::path(c, id).await.unwrap().into_iter().map(|(id, _)| id).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(path(c, "f").await, "f e d");
        assert_eq!(path(c, "m").await, "m e d");
        assert_eq!(path(c, "nobody").await, "");
        assert_eq!(departments::path(c, "m").await.unwrap()[0].1.as_deref(), Some("e"));
        let page = async |c: &mut Connection, top, after| {
            departments::page(c, top, after, 10).await.unwrap().into_iter().map(|row| row.id).collect::<Vec<_>>().join(" ")
        };
        for (top, after, expected) in
            [(None, Some("d"), "e f m"), (Some("d"), None, "d e f m"), (Some("e"), None, "e f m"), (Some("f"), None, "f")]
        {
            assert_eq!(page(c, top, after).await, expected, "{top:?}");
        }

        assert_eq!(departments::merged_into(c, "e").await.unwrap(), ["m"]);
        assert_eq!(departments::merged_into(c, "d").await.unwrap().len(), 0);

        departments::update(c, "m", "Merged", Some("d"), None).await.unwrap();
        assert_eq!(path(c, "m").await, "m d");
        assert!(matches!(departments::update(c, "nobody", "x", None, None).await, Err(Error::Conflict)));
        // What goes in a circle ends.
        departments::update(c, "d", "Department", Some("f"), None).await.unwrap();
        assert_eq!(departments::path(c, "f").await.unwrap().len(), departments::LONGEST_PATH);
        assert_eq!(page(c, Some("f"), None).await, "d e f m");
        assert_eq!(departments::all(c).await.unwrap().len(), 4);

        let change = DepartmentChangeRow {
            id: "k".into(),
            act: "change-department".into(),
            department: "d".into(),
            proposed_by: "p".into(),
            proposed_at: 1,
            idempotency_key: Some("key".into()),
            request_digest: vec![1; 32],
            shown: "{}".into(),
            statement: None,
            decided_at: None,
            withdrawn: None,
        };
        departments::insert_change(c, &change).await.unwrap();
        assert_eq!(departments::find_change(c, "k").await.unwrap().unwrap().act, "change-department");
        assert!(departments::find_change_by_idempotency_key(c, "p", "key").await.unwrap().is_some());
        assert_eq!(departments::changes(c, Some("d"), None, 10).await.unwrap().len(), 1);
        assert_eq!(departments::changes(c, Some("e"), None, 10).await.unwrap().len(), 0);
        departments::decide_change(c, "k", &[1; 32], 2).await.unwrap();
        assert!(matches!(departments::decide_change(c, "k", &[1; 32], 3).await, Err(Error::Conflict)));
        assert!(matches!(departments::withdraw_change(c, "k", &[1; 32]).await, Err(Error::Conflict)));

        let other = DepartmentChangeRow { id: "w".into(), idempotency_key: None, ..change };
        departments::insert_change(c, &other).await.unwrap();
        departments::withdraw_change(c, "w", &[1; 32]).await.unwrap();
        assert_eq!(departments::find_change(c, "w").await.unwrap().unwrap().withdrawn, Some(vec![1; 32]));
        assert!(matches!(departments::withdraw_change(c, "w", &[1; 32]).await, Err(Error::Conflict)));
        assert!(matches!(departments::decide_change(c, "w", &[1; 32], 3).await, Err(Error::Conflict)));
        assert_eq!(departments::all_changes(c).await.unwrap()[0].decided_at, Some(2));
        assert_eq!(enrolments::open_in(c, "d").await.unwrap().len(), 1);
        assert_eq!(enrolments::open_in(c, "e").await.unwrap().len(), 0);
        people::withdraw_grants_in(c, "d", &[1; 32], 2).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn people_and_statements_run_on_both() {
    on_each_database(async |_, db| {
        let mut tx = seeded(&db).await;
        let c = tx.connection();
        assert_eq!(people::find_person(c, "p").await.unwrap().unwrap().kind, "person");
        assert_eq!(people::officers(c, None, 10).await.unwrap().len(), 1);
        people::insert_person(c, &person("q")).await.unwrap();
        assert_eq!(people::claim_key(c, &[7; 32], "p", 1).await.unwrap(), "p");
        assert_eq!(people::claim_key(c, &[7; 32], "q", 2).await.unwrap(), "p");
        assert_eq!(people::find_key_owner(c, &[8; 32]).await.unwrap(), None);

        let grant = RoleGrantRow {
            id: "g".into(),
            person: "p".into(),
            department: Some("d".into()),
            role: "approver".into(),
            statement: vec![1; 32],
            granted_at: 1,
            withdrawn_at: None,
            withdrawn_statement: None,
        };
        people::insert_grant(c, &grant).await.unwrap();
        assert_eq!(people::roles(c, "p").await.unwrap().len(), 1);
        assert_eq!(people::roles_in(c, "d").await.unwrap()[0].person, "p");
        assert_eq!(people::withdraw_grants(c, "p", &[2; 32], 3).await.unwrap(), 1);
        assert_eq!(people::roles_in(c, "d").await.unwrap().len(), 0);
        assert!(people::roles(c, "p").await.unwrap().is_empty());
        assert_eq!(people::grants(c).await.unwrap()[0].withdrawn_at, Some(3));

        let claim = ClaimRow {
            code_hash: vec![9; 32],
            person: "p".into(),
            profile: "officer".into(),
            department: None,
            statement: vec![1; 32],
            expires_at: 10,
            used_at: None,
            failures: 0,
        };
        people::insert_claim(c, &claim).await.unwrap();
        people::count_claim_failure(c, &[9; 32]).await.unwrap();
        assert!(matches!(people::use_claim(c, &[9; 32], 10).await, Err(Error::Conflict)), "it is over");
        people::use_claim(c, &[9; 32], 9).await.unwrap();
        assert!(matches!(people::use_claim(c, &[9; 32], 9).await, Err(Error::Conflict)), "it was used");
        assert_eq!(people::find_claim(c, &[9; 32]).await.unwrap().map(|claim| (claim.failures, claim.used_at)), Some((1, Some(9))));

        let nonce = NonceRow {
            nonce: "n".into(),
            person: "p".into(),
            act: "approve".into(),
            about: "e".into(),
            issued_at: 1,
            expires_at: 10,
            used_at: None,
        };
        statements::insert_nonce(c, &nonce).await.unwrap();
        assert!(matches!(statements::use_nonce(c, "n", 10).await, Err(Error::Conflict)), "it is over");
        statements::use_nonce(c, "n", 9).await.unwrap();
        assert!(matches!(statements::use_nonce(c, "n", 9).await, Err(Error::Conflict)), "it was used");
        assert_eq!(statements::find_nonce(c, "n").await.unwrap().unwrap().used_at, Some(9));
        assert_eq!(statements::statements(c).await.unwrap().len(), 2);
        assert_eq!(statements::about(c, "approve", "e").await.unwrap().len(), 2);
        assert_eq!(statements::open(c, "approve", "e").await.unwrap().len(), 0, "a decision rests on both");
        let items = ["e".to_owned(), "f".to_owned()];
        for _ in 0..2 {
            statements::insert_list(c, "root", &items).await.unwrap();
        }
        assert_eq!(
            (statements::list(c, "root").await.unwrap().join(" "), statements::list(c, "e").await.unwrap().len()),
            ("e f".into(), 0)
        );
        assert_eq!(statements::lists(c).await.unwrap(), [("root".into(), 0, "e".into()), ("root".into(), 1, "f".into())]);
        assert_eq!(statements::about(c, "approve", "f").await.unwrap().len(), 0, "nobody spoke of that list");
        assert_eq!(enrolments::with_approvals(c, "approve").await.unwrap(), ["e"]);
        assert_eq!(enrolments::waiting_since(c, i64::MAX).await.unwrap(), ["e"]);
        assert!(enrolments::waiting_since(c, 0).await.unwrap().is_empty());
        assert_eq!(statements::decisions(c).await.unwrap().len(), 1);
        assert!(statements::find_decision(c, &[3; 32]).await.unwrap().is_some());
        assert!(statements::find_decision(c, &[9; 32]).await.unwrap().is_none());
        let of_decision = statements::of_decision(c, &[3; 32]).await.unwrap();
        assert_eq!(of_decision.iter().map(|digest| digest[0]).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(statements::decision_statements(c).await.unwrap()[1], (vec![3; 32], 1, vec![2; 32]));
        assert_eq!(statements::find_policy_version(c, &[4; 32]).await.unwrap().unwrap().text, "text");
        assert_eq!(statements::policy_versions(c).await.unwrap().len(), 1);
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn enrolments_and_crls_run_on_both() {
    on_each_database(async |_, db| {
        let mut tx = seeded(&db).await;
        let c = tx.connection();
        assert_eq!(enrolments::requests(c, "e").await.unwrap()[0].algorithm, "sm2");
        assert!(enrolments::find_by_idempotency_key(c, "p", "key").await.unwrap().is_some());
        enrolments::change_state(c, "e", "submitted", "approved", Some(&[3; 32]), 2).await.unwrap();
        assert!(matches!(enrolments::change_state(c, "e", "submitted", "rejected", None, 3).await, Err(Error::Conflict)));
        enrolments::change_state(c, "e", "approved", "issued", None, 4).await.unwrap();
        let row = enrolments::find(c, "e").await.unwrap().unwrap();
        assert_eq!((row.state.as_str(), row.decision, row.updated_at), ("issued", Some(vec![3; 32]), 4));
        for (state, department, expected) in [(None, None, 1), (Some("issued"), Some("d"), 1), (Some("submitted"), None, 0)] {
            assert_eq!(enrolments::page(c, state, department, None, 10).await.unwrap().len(), expected, "{state:?}");
        }

        assert_eq!(crls::next_number(c, "a").await.unwrap(), 1);
        for (shard, number) in [(-1, 1), (0, 2), (-1, 3)] {
            let row = CrlRow { authority: "a".into(), shard, number, this_update: 1, next_update: 2, der: vec![number as u8] };
            crls::insert(c, &row).await.unwrap();
        }
        assert_eq!(crls::next_number(c, "a").await.unwrap(), 4);
        assert_eq!(crls::latest(c, "a", -1).await.unwrap().unwrap().number, 3);
        assert_eq!(crls::of_authority(c, "a").await.unwrap().len(), 3);
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn staff_run_on_both() {
    on_each_database(async |_, db| {
        let mut tx = seeded(&db).await;
        let c = tx.connection();
        people::insert_persons(c, &[person("q"), person("r")]).await.unwrap();
        let member = |person: &str, mark: u8| StaffRow {
            person: person.into(),
            department: "d".into(),
            sealed_number: Some(vec![mark]),
            blind_index: Some(vec![mark; 32]),
            added_at: 1,
        };
        staff::insert_staff(c, &[member("p", 1), member("q", 2)]).await.unwrap();
        let found = staff::by_numbers(c, "d", &[vec![2; 32], vec![3; 32]]).await.unwrap();
        assert_eq!(found.iter().map(|row| row.person.as_str()).collect::<Vec<_>>(), ["q"]);
        assert!(staff::by_numbers(c, "other", &[vec![2; 32]]).await.unwrap().is_empty());
        assert_eq!(staff::of_persons(c, &["p".into(), "x".into()]).await.unwrap().len(), 1);
        assert_eq!(staff::all_staff(c).await.unwrap().len(), 2);

        let row = enrolments::find(c, "e").await.unwrap().unwrap();
        let others = ["e2", "e3"].map(|id| EnrolmentRow { id: id.into(), idempotency_key: None, ..row.clone() });
        enrolments::insert_many(c, &others).await.unwrap();
        let ids = ["e".to_owned(), "e3".to_owned(), "x".to_owned()];
        assert_eq!(enrolments::find_many(c, &ids).await.unwrap().len(), 2);
        assert_eq!(enrolments::requests_of_many(c, &ids).await.unwrap()[0].0, "e");
        let newest = enrolments::newest_of_persons(c, &row.profile, &["p".into(), "q".into()]).await.unwrap();
        assert_eq!(newest.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["e3"]);
        let change = |id: &str| StateChange { id: id.into(), decision: Some(vec![3; 32]), at: 9 };
        enrolments::change_states(c, "submitted", "approved", &[change("e2"), change("e3")]).await.unwrap();
        let row = enrolments::find(c, "e2").await.unwrap().unwrap();
        assert_eq!((row.state.as_str(), row.decision, row.updated_at), ("approved", Some(vec![3; 32]), 9));
        let one_is_not = enrolments::change_states(c, "submitted", "approved", &[change("e"), change("e3")]).await;
        assert!(matches!(one_is_not, Err(Error::Conflict)));

        let mut open = enrolments::open_of(c, &["p".into(), "q".into()]).await.unwrap();
        open.sort();
        assert_eq!(open.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>(), ["e", "e2", "e3"]);
        let items = ["e".to_owned(), "e2".to_owned()];
        assert_eq!(statements::about_each(c, "approve", &items).await.unwrap().len(), 2, "both are about e alone");
        assert_eq!(statements::find_many(c, &[vec![1; 32], vec![9; 32]]).await.unwrap().len(), 1);
        assert_eq!(statements::of_decision(c, &[3; 32]).await.unwrap(), [vec![1; 32], vec![2; 32]]);
        assert!(citizens::without_slot(c, &items).await.unwrap().is_empty());

        let code = |mark: u8, enrolment: &str, issued_at: i64| EnrolmentCodeRow {
            code_hash: vec![mark; 32],
            enrolment: enrolment.into(),
            batch: "b".into(),
            issued_to: "p".into(),
            issued_at,
            expires_at: 100,
            replaced_at: None,
            used_at: None,
            failures: 0,
        };
        staff::write(c, &staff::Change::Codes(vec![code(1, "e2", 10), code(2, "e3", 10)])).await.unwrap();
        staff::write(c, &staff::Change::Codes(vec![code(3, "e2", 20)])).await.unwrap();
        assert_eq!(staff::find_code(c, &[1; 32]).await.unwrap().unwrap().replaced_at, Some(20));
        let mut working = staff::working_codes(c, &["e2".into(), "e3".into()], 99, 1).await.unwrap();
        working.sort();
        assert_eq!(working, [("e2".to_owned(), vec![3; 32]), ("e3".to_owned(), vec![2; 32])]);
        assert!(staff::working_codes(c, &["e2".into()], 100, 1).await.unwrap().is_empty(), "they are over");
        let using = |mark: u8, at: i64| staff::Change::UseCode { code_hash: [mark; 32], at };
        for (refused, why) in [(using(1, 30), "replaced"), (using(3, 100), "over"), (using(9, 30), "unknown")] {
            assert!(matches!(staff::write(c, &refused).await, Err(Error::Conflict)), "{why}");
        }
        staff::write(c, &using(3, 30)).await.unwrap();
        assert!(matches!(staff::write(c, &using(3, 31)).await, Err(Error::Conflict)), "it was used");
        staff::count_code_failure(c, &[2; 32]).await.unwrap();
        assert!(staff::working_codes(c, &["e3".into()], 99, 1).await.unwrap().is_empty(), "it failed too often");
        assert_eq!(staff::all_codes(c).await.unwrap().iter().map(|row| row.failures).collect::<Vec<_>>(), [0, 1, 0]);
        let request = EnrolmentRequestRow { ordinal: 0, csr: vec![1], key_fingerprint: vec![8; 32], algorithm: "sm2".into() };
        staff::write(c, &staff::Change::Request { enrolment: "e2".into(), row: request }).await.unwrap();
        assert_eq!(enrolments::requests(c, "e2").await.unwrap().len(), 1);
        tx.commit().await.unwrap();

        let mut tx = db.begin_write().await.unwrap();
        let taken = staff::insert_staff(tx.connection(), &[member("r", 2)]).await;
        assert!(matches!(taken, Err(Error::Taken { constraint }) if constraint.contains("staff.department")));
    })
    .await;
}

#[tokio::test]
async fn certificates_run_on_both() {
    on_each_database(async |_, db| {
        let mut tx = seeded(&db).await;
        let c = tx.connection();
        certificates::insert_promised(c, &[certificate(1), certificate(2), certificate(3)]).await.unwrap();
        assert_eq!(certificates::promised(c, "a").await.unwrap().len(), 3);
        certificates::complete(c, &[signed(1, 11), signed(2, 12)]).await.unwrap();
        certificates::complete(c, &[signed(1, 21)]).await.unwrap();
        assert_eq!(certificates::find(c, &[1; 32]).await.unwrap().unwrap().signature, Some(vec![11; 64]), "the first signature stays");
        assert!(certificates::find_by_serial(c, &[2; 20]).await.unwrap().is_some());
        assert!(certificates::find_by_fingerprint(c, &[12; 32]).await.unwrap().is_some());
        assert!(certificates::of_key(c, &[3; 32]).await.unwrap().is_none(), "it is only promised");
        assert_eq!(certificates::of_enrolment(c, "e").await.unwrap().len(), 3);
        assert_eq!(certificates::find_many(c, &[vec![1; 32], vec![3; 32], vec![9; 32]]).await.unwrap().len(), 2);
        assert_eq!(certificates::running_of(c, &["p".into()], 99).await.unwrap().len(), 3);
        assert!(certificates::running_of(c, &["p".into()], 100).await.unwrap().is_empty(), "they have ended");

        assert!(certificates::successor_of(c, &[1; 32]).await.unwrap().is_none());
        certificates::change_statuses(c, &[status(1, 1, "valid", "suspended")]).await.unwrap();
        assert!(matches!(certificates::change_statuses(c, &[status(1, 1, "suspended", "valid")]).await, Err(Error::Conflict)), "version 1");
        assert!(matches!(certificates::change_statuses(c, &[status(1, 2, "valid", "revoked")]).await, Err(Error::Conflict)), "suspended");
        certificates::change_statuses(c, &[status(1, 2, "suspended", "revoked")]).await.unwrap();
        assert_eq!(certificates::not_good(c, "a").await.unwrap().len(), 1);

        for (key, active) in [([1; 32], 1), ([2; 32], 1)] {
            let row = SystemCertificateRow {
                certificate: key.to_vec(),
                purpose: "responder".into(),
                authority: Some("a".into()),
                key_name: "k".into(),
                active,
            };
            certificates::insert_system_certificate(c, &row).await.unwrap();
        }
        let active = certificates::active_system_certificate(c, "responder", Some("a")).await.unwrap().unwrap();
        assert_eq!(active.certificate, [2; 32]);
        assert!(certificates::active_system_certificate(c, "listener", None).await.unwrap().is_none());
        assert_eq!(certificates::system_certificates(c).await.unwrap().len(), 2);

        let all = CertificateFilter::default();
        let text = |text: &str| Some(text.to_owned());
        for (filter, expected) in [
            (all.clone(), 3),
            (CertificateFilter { authority: text("a"), profile: text("staff"), ..all.clone() }, 3),
            (CertificateFilter { department: text("d"), person: text("p"), ..all.clone() }, 3),
            (CertificateFilter { status: text("revoked"), ..all.clone() }, 1),
            (CertificateFilter { subject: text("100%_a\\"), ..all.clone() }, 3),
            (CertificateFilter { subject: text("1%b"), ..all.clone() }, 0),
            (CertificateFilter { expires_before: Some(100), ..all.clone() }, 0),
            (CertificateFilter { signer: text("p"), ..all.clone() }, 3),
            (CertificateFilter { signer: text("q"), ..all.clone() }, 0),
            (CertificateFilter { after: Some(2), ..all.clone() }, 1),
        ] {
            assert_eq!(certificates::page(c, &filter, 10).await.unwrap().len(), expected, "{filter:?}");
        }
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn notices_run_on_both() {
    on_each_database(async |_, db| {
        let mut tx = seeded(&db).await;
        let c = tx.connection();
        // Three that end together and one that ends later and is of the same person, profile and family.
        let later = CertificateRow { not_after: 200, ..certificate(4) };
        certificates::insert_promised(c, &[certificate(1), certificate(2), certificate(3), later]).await.unwrap();
        certificates::complete(c, &[signed(1, 11), signed(4, 14)]).await.unwrap();

        let start = NoticeProgressRow { days: 7, not_after: 50, seq: 0 };
        notices::begin_progress(c, start).await.unwrap();
        notices::begin_progress(c, NoticeProgressRow { not_after: 60, ..start }).await.unwrap();
        assert_eq!(notices::find_progress(c, 7).await.unwrap(), Some(start), "the first stays");
        assert_eq!(notices::find_progress(c, 30).await.unwrap(), None);
        assert!(certificates::expiring(c, start, 100, 10).await.unwrap().is_empty(), "100 is not before 100");
        let page = certificates::expiring(c, start, 101, 2).await.unwrap();
        assert_eq!(page.iter().map(|row| row.id[0]).collect::<Vec<_>>(), [1, 2]);
        notices::advance_progress(c, start, &page[1]).await.unwrap();
        assert!(matches!(notices::advance_progress(c, start, &page[0]).await, Err(Error::Conflict)), "another has moved on");
        let progress = notices::find_progress(c, 7).await.unwrap().unwrap();
        let page = certificates::expiring(c, progress, 1000, 10).await.unwrap();
        assert_eq!(page.iter().map(|row| row.id[0]).collect::<Vec<_>>(), [3, 4], "of those that end together none is left out");

        let first = certificates::find(c, &[1; 32]).await.unwrap().unwrap();
        let successors = certificates::successors(c, &first, 10).await.unwrap();
        assert_eq!(successors.iter().map(|row| row.id[0]).collect::<Vec<_>>(), [4]);
        assert!(certificates::successors(c, &successors[0], 10).await.unwrap().is_empty());
        assert!(certificates::find_system_certificate(c, &[1; 32]).await.unwrap().is_none());

        let queue = |channel: &str| NoticeRow {
            seq: 0,
            certificate: vec![1; 32],
            days: 7,
            channel: channel.into(),
            state: "waiting".into(),
            attempts: 0,
            next_attempt_at: 5,
            last_error: None,
            queued_at: 5,
            delivered_at: None,
        };
        for channel in ["mail", "webhook", "mail"] {
            notices::insert(c, &queue(channel)).await.unwrap();
        }
        assert_eq!(notices::page(c, None, None, 10).await.unwrap().len(), 2, "once a certificate, threshold and channel");
        assert!(notices::due(c, "mail", 4, 10).await.unwrap().is_empty());
        let mail = notices::due(c, "mail", 5, 10).await.unwrap().remove(0);
        assert!(notices::claim(c, &mail, 9).await.unwrap());
        assert!(!notices::claim(c, &mail, 9).await.unwrap(), "another sends it");
        notices::retry(c, mail.seq, 1, "timeout", 20).await.unwrap();
        notices::retry(c, mail.seq, 0, "late news", 10).await.unwrap();
        let mail = notices::due(c, "mail", 20, 10).await.unwrap().remove(0);
        assert_eq!((mail.attempts, mail.next_attempt_at, mail.last_error.as_deref()), (1, 20, Some("timeout")));
        notices::delivered(c, mail.seq, 21).await.unwrap();
        notices::end(c, mail.seq, "failed", Some("too late")).await.unwrap();
        let webhook = notices::due(c, "webhook", 5, 10).await.unwrap().remove(0);
        notices::end(c, webhook.seq, "failed", Some("refused")).await.unwrap();
        let log = notices::page(c, None, None, 10).await.unwrap();
        let states: Vec<_> = log.iter().map(|row| (row.state.as_str(), row.last_error.as_deref(), row.delivered_at)).collect();
        assert_eq!(states, [("delivered", Some("timeout"), Some(21)), ("failed", Some("refused"), None)]);
        assert_eq!(notices::find(c, log[1].seq).await.unwrap().unwrap().channel, "webhook");
        assert!(notices::find(c, log[1].seq + 1).await.unwrap().is_none());
        assert_eq!(notices::page(c, Some("failed"), None, 10).await.unwrap().len(), 1);
        assert_eq!(notices::page(c, None, Some(log[0].seq), 10).await.unwrap().len(), 1);
        assert_eq!((notices::failed_since(c, 5).await.unwrap(), notices::failed_since(c, 6).await.unwrap()), (1, 0));
        assert!(notices::about_nothing(c).await.unwrap().is_empty());
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_promise_revoked_before_its_signature_stays_revoked_and_keeps_the_signature() {
    on_each_database(async |_, db| {
        let mut tx = seeded(&db).await;
        let c = tx.connection();
        certificates::insert_promised(c, &[certificate(1)]).await.unwrap();
        assert!(
            matches!(certificates::change_statuses(c, &[status(1, 1, "valid", "suspended")]).await, Err(Error::Conflict)),
            "only promised"
        );
        certificates::change_statuses(c, &[status(1, 1, "valid", "revoked")]).await.unwrap();
        certificates::complete(c, &[signed(1, 11)]).await.unwrap();
        let row = certificates::find(c, &[1; 32]).await.unwrap().unwrap();
        assert_eq!((row.status.as_str(), row.signature), ("revoked", Some(vec![11; 64])));
        assert!(certificates::promised(c, "a").await.unwrap().is_empty());
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn nothing_is_promised_without_its_leaf_and_no_serial_number_is_used_twice() {
    on_each_database(async |_, db| {
        seeded(&db).await.commit().await.unwrap();
        let mut tx = db.begin_write().await.unwrap();
        certificates::insert_promised(tx.connection(), &[CertificateRow { leaf_idx: 77, ..certificate(1) }]).await.unwrap();
        assert!(tx.commit().await.is_err(), "leaf 77 is not there");

        let mut tx = db.begin_write().await.unwrap();
        let twice = [certificate(1), CertificateRow { serial: vec![1; 20], ..certificate(2) }];
        match certificates::insert_promised(tx.connection(), &twice).await {
            Err(Error::Taken { constraint }) => assert_eq!(constraint, "certificate.serial"),
            other => panic!("{other:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn an_error_never_repeats_what_is_in_a_row() {
    on_each_database(async |_, db| {
        let mut tx = seeded(&db).await;
        let secret = PersonRow { kind: "王芳 110101".into(), ..person("r") };
        let error = people::insert_person(tx.connection(), &secret).await.unwrap_err();
        let told = format!("{error} {error:?} {:?}", std::error::Error::source(&error).map(ToString::to_string));
        assert!(!told.contains("王芳") && !told.contains("110101"), "{told}");
        assert!(told.contains("person.kind is known"), "{told}");
    })
    .await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    on_each_database(async |_, db| {
        db.migrate().await.unwrap();
        let mut tx = db.begin_write().await.unwrap();
        execute(
            tx.connection(),
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (10001, 'later', true, '', 0)",
        )
        .await;
        tx.commit().await.unwrap();
        // Twice: a refusal must not keep the migration lock.
        for _ in 0..2 {
            assert!(matches!(db.migrate().await, Err(Error::NewerSchema { step: 10_001 })));
        }
        let mut tx = db.begin_write().await.unwrap();
        execute(tx.connection(), "delete from _sqlx_migrations where version = 10001").await;
        execute(tx.connection(), "update _sqlx_migrations set checksum = '' where version = 1").await;
        tx.commit().await.unwrap();
        assert!(matches!(db.migrate().await, Err(Error::Corrupt(_))));
    })
    .await;
}

#[tokio::test]
async fn the_second_of_two_writers_is_told_that_the_database_is_busy() {
    on_each_database(async |url, db| {
        seeded(&db).await.commit().await.unwrap();
        // Two nodes, as it were: each has connections of its own.
        let other = Db::open(url, SHORT).await.unwrap();
        let mut first = db.begin_write().await.unwrap();
        ledger::advance_head(first.connection(), "a", 0, &head(1, 0)).await.unwrap();
        let second = async || {
            let mut tx = other.begin_write().await?;
            ledger::raise_fence(tx.connection(), "a").await?;
            tx.commit().await
        };
        assert!(matches!(second().await, Err(Error::Busy(_))));
        first.commit().await.unwrap();
        second().await.unwrap();
        other.close().await;
    })
    .await;
}

#[tokio::test]
async fn writers_of_one_process_queue_and_the_last_is_told_that_the_database_is_busy() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite://{}", directory.path().join("hufu.db").display()), SHORT).await.unwrap();
    let held = db.begin_write().await.unwrap();
    assert!(matches!(db.begin_write().await, Err(Error::Busy(_))));
    drop(held);
    assert!(db.begin_write().await.is_ok());
}

#[tokio::test]
async fn a_full_database_says_so_and_goes_on_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite://{}", directory.path().join("hufu.db").display()), USUAL).await.unwrap();
    seeded(&db).await.commit().await.unwrap();
    let leaves: Vec<LeafRow> = (10..20).map(|idx| LeafRow { entry: vec![2; 60_000], ..leaf(idx) }).collect();

    let mut tx = db.begin_write().await.unwrap();
    // Less than there is means: no page more.
    execute(tx.connection(), "pragma max_page_count = 1").await;
    assert!(matches!(ledger::insert_leaves(tx.connection(), "a", &leaves).await, Err(Error::Full(_))));
    drop(tx);
    let mut reader = db.read().await.unwrap();
    assert_eq!(ledger::leaves(&mut reader, "a", 0, 100).await.unwrap().len(), 10);

    let mut tx = db.begin_write().await.unwrap();
    execute(tx.connection(), "pragma max_page_count = 1000000").await;
    ledger::insert_leaves(tx.connection(), "a", &leaves).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_there_is_unavailable() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = format!("sqlite://{}", directory.path().join("missing/hufu.db").display());
    // Nobody listens on port 1.
    for url in [nowhere.as_str(), "postgres://hufu@127.0.0.1:1/hufu"] {
        assert!(matches!(Db::open(url, SHORT).await, Err(Error::Unavailable(_))), "{url}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_corrupt() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hufu.db");
    std::fs::write(&path, [b'x'; 8192]).unwrap();
    assert!(matches!(Db::open(&format!("sqlite://{}", path.display()), SHORT).await, Err(Error::Corrupt(_))));
}

fn check() -> citizens::IdentityCheckRow {
    citizens::IdentityCheckRow {
        id: "k".into(),
        profile: "citizen".into(),
        department: Some("d".into()),
        submitted_by: "p".into(),
        submitted_at: 1,
        sealed_subject: Some(vec![1]),
        sealed_number: Some(vec![2]),
        salt: Some(vec![3; 32]),
        evidence_digest: vec![4; 32],
        checked: None,
        confirmed: None,
        locator: None,
        code_hash: None,
        works_from: None,
        expires_at: None,
        failures: 0,
        used_at: None,
        withdrawn: None,
    }
}

fn proofing(id: &str, mark: u8) -> citizens::ProofingRow {
    citizens::ProofingRow {
        id: id.into(),
        method: "oidc".into(),
        assurance: "high".into(),
        reference: Some(vec![mark; 32]),
        evidence: "{}".into(),
        identity_check: None,
        sealed_subject: Some(vec![1]),
        sealed_number: Some(vec![2]),
        blind_index: Some(vec![7; 32]),
        token_hash: vec![mark; 32],
        created_at: 1,
        expires_at: 10,
        enrolment: None,
        resumed: None,
    }
}

#[tokio::test]
async fn citizens_run_on_both() {
    use citizens::{Change, NewCode, write};
    on_each_database(async |_, db| {
        let mut tx = seeded(&db).await;
        let c = tx.connection();
        let conflict = |result: Result<(), Error>| matches!(result, Err(Error::Conflict));
        write(c, &Change::Check(check())).await.unwrap();
        let code = NewCode { locator: vec![5; 5], hash: [6; 32], works_from: 5, expires_at: 20 };
        let confirmed = Change::Confirmed { id: "k".into(), statement: [2; 32], code };
        assert!(conflict(write(c, &confirmed).await), "nobody has signed it");
        write(c, &Change::Checked { id: "k".into(), statement: [1; 32] }).await.unwrap();
        assert!(conflict(write(c, &Change::Checked { id: "k".into(), statement: [1; 32] }).await));
        write(c, &confirmed).await.unwrap();
        citizens::count_check_failure(c, "k").await.unwrap();
        for (at, taken) in [(4, false), (20, false), (5, true), (6, false)] {
            assert_eq!(write(c, &Change::UseCheck { id: "k".into(), at }).await.is_ok(), taken, "{at}");
        }
        let found = citizens::find_check_by_locator(c, &[5; 5]).await.unwrap().unwrap();
        assert_eq!((found.failures, found.used_at, citizens::find_check(c, "k").await.unwrap().unwrap().works_from), (1, Some(5), Some(5)));
        assert_eq!(citizens::checks(c).await.unwrap().len(), 1);

        let flow = citizens::OidcFlowRow {
            state_hash: vec![1; 32],
            browser_hash: vec![2; 32],
            sealed_secrets: vec![3],
            expires_at: 10,
            used_at: None,
        };
        citizens::insert_flow(c, &flow).await.unwrap();
        assert_eq!((citizens::count_flows(c, 9).await.unwrap(), citizens::count_flows(c, 10).await.unwrap()), (1, 0));
        for (browser, at, taken) in [([3; 32], 5, false), ([2; 32], 10, false), ([2; 32], 9, true), ([2; 32], 9, false)] {
            assert_eq!(citizens::use_flow(c, &[1; 32], &browser, at).await.is_ok(), taken, "{at}");
        }
        assert_eq!(citizens::flows(c).await.unwrap()[0].used_at, Some(9));

        let withdraw = |id: &str| Change::WithdrawCheck { id: id.into(), statement: [1; 32] };
        assert!(conflict(write(c, &withdraw("k")).await), "its code was used");
        write(c, &Change::Check(citizens::IdentityCheckRow { id: "w".into(), ..check() })).await.unwrap();
        write(c, &withdraw("w")).await.unwrap();
        assert!(conflict(write(c, &withdraw("w")).await));
        assert!(conflict(write(c, &Change::Checked { id: "w".into(), statement: [1; 32] }).await), "it was taken back");
        let taken_back = citizens::find_check(c, "w").await.unwrap().unwrap();
        for (department, state, expected) in
            [(None, None, vec!["k"]), (None, Some("used"), vec!["k"]), (None, Some("signed"), vec![]), (Some("elsewhere"), None, vec![])]
        {
            let page = citizens::page_of_checks(c, department, state, None, 10).await.unwrap();
            assert_eq!(page.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), expected, "{department:?} {state:?}");
        }
        assert!(citizens::page_of_checks(c, None, None, Some("k"), 10).await.unwrap().is_empty(), "after the last");
        assert_eq!((taken_back.withdrawn, taken_back.sealed_number, taken_back.salt), (Some(vec![1; 32]), None, None));
        write(c, &Change::Check(citizens::IdentityCheckRow { id: "l".into(), ..check() })).await.unwrap();

        for (id, mark) in [("x", 1), ("y", 2), ("z", 3)] {
            write(c, &Change::Proofing(proofing(id, mark))).await.unwrap();
        }
        let taken = Change::UseProofing { id: "x".into(), enrolment: "e".into(), at: 9 };
        write(c, &taken).await.unwrap();
        assert!(conflict(write(c, &taken).await), "a proof is for one enrolment");
        assert_eq!(citizens::find_proofing(c, &[1; 32]).await.unwrap().unwrap().enrolment.as_deref(), Some("e"));
        assert_eq!(citizens::proofing_of(c, "e").await.unwrap().unwrap().id, "x");
        assert_eq!(citizens::proofings_of_person(c, "p").await.unwrap().len(), 1);
        assert_eq!(citizens::proofings(c).await.unwrap().len(), 3);
        assert!(citizens::proven_the_same(c, "p").await.unwrap().is_empty());

        let slot = citizens::SlotRow { profile: "staff".into(), blind_index: vec![7; 32], enrolment: "e".into(), taken_at: 1 };
        assert!(citizens::waiting_for_proof(c, "staff", "high", 10).await.unwrap().is_empty());
        write(c, &Change::TakeSlot(slot.clone())).await.unwrap();
        assert_eq!(citizens::waiting_for_proof(c, "staff", "high", 10).await.unwrap(), ["e"]);
        assert!(citizens::waiting_for_proof(c, "staff", "low", 10).await.unwrap().is_empty());
        let pass = |from: &str| Change::PassSlot { slot: slot.clone(), from: from.into() };
        assert!(conflict(write(c, &pass("z")).await));
        write(c, &pass("e")).await.unwrap();
        assert_eq!(citizens::find_slot(c, "staff", &[7; 32]).await.unwrap(), citizens::slot_of(c, "e").await.unwrap());
        assert_eq!(citizens::slots(c).await.unwrap().len(), 1);

        let contest = citizens::ContestRow { later: "e".into(), earlier: "e".into(), opened_at: 1, state: "open".into(), decision: None };
        write(c, &Change::Contest(contest)).await.unwrap();
        let decide = Change::DecideContest { later: "e".into(), earlier: "e".into(), state: "upheld", decision: [3; 32] };
        write(c, &decide).await.unwrap();
        assert!(conflict(write(c, &decide).await));
        assert_eq!(citizens::find_contest(c, "e").await.unwrap().unwrap().state, "upheld");
        assert_eq!(citizens::all_contests(c).await.unwrap().len(), 1);
        for (department, expected) in [(None, 1), (Some("d"), 1), (Some("other"), 0)] {
            assert_eq!(citizens::contests(c, department, None, 10).await.unwrap().len(), expected, "{department:?}");
        }

        let notice = citizens::ContactNoticeRow {
            id: "n".into(),
            kind: "certificate-issued".into(),
            about: "p".into(),
            sealed_contact: vec![1],
            created_at: 1,
            sent_at: None,
        };
        write(c, &Change::Notice(notice)).await.unwrap();
        assert_eq!(citizens::waiting_notices(c, 10).await.unwrap().len(), 1);
        citizens::mark_notice_sent(c, "n", 2).await.unwrap();
        assert!(conflict(citizens::mark_notice_sent(c, "n", 3).await));
        assert!(citizens::waiting_notices(c, 10).await.unwrap().is_empty());
        assert_eq!((citizens::notices_about(c, "p").await.unwrap().len(), citizens::notices(c).await.unwrap().len()), (1, 1));

        certificates::insert_promised(c, &[certificate(1)]).await.unwrap();
        let resumed = |id: &str| Change::UseProofingToResume { id: id.into(), certificate: [1; 32], at: 9 };
        assert!(conflict(write(c, &resumed("x")).await), "it was used for an enrolment");
        write(c, &resumed("z")).await.unwrap();
        assert!(conflict(write(c, &resumed("z")).await));
        assert!(conflict(write(c, &Change::UseProofing { id: "z".into(), enrolment: "e".into(), at: 9 }).await));
        for locator in [1, 2] {
            let row = citizens::SuspensionCodeRow {
                certificate: vec![1; 32],
                locator: vec![locator; 5],
                code_hash: vec![locator; 32],
                created_at: 1,
                failures: 0,
                used_at: None,
            };
            citizens::replace_suspension_code(c, &row).await.unwrap();
            citizens::count_suspension_failure(c, &[1; 32]).await.unwrap();
        }
        assert!(citizens::find_suspension_code(c, &[1; 5]).await.unwrap().is_none(), "the second took its place");
        let used = Change::UseSuspensionCode { certificate: [1; 32], at: 3 };
        write(c, &used).await.unwrap();
        assert!(conflict(write(c, &used).await));
        assert_eq!(citizens::find_suspension_code(c, &[2; 5]).await.unwrap().map(|row| (row.failures, row.used_at)), Some((1, Some(3))));
        assert_eq!(citizens::suspension_codes(c).await.unwrap().len(), 1);

        // Both seeded statements are in one decision, and so are a pair.
        assert!(citizens::unpaired_statements(c, "approve", "e", 0).await.unwrap().is_empty());
        let alone = StatementRow {
            digest: vec![8; 32],
            jws: "a.b.c".into(),
            act: "erase".into(),
            about: "p".into(),
            signer_person: Some("p".into()),
            signer_certificate: None,
            nonce: "n8".into(),
            recorded_at: 5,
        };
        statements::insert_statement(c, &alone).await.unwrap();
        assert_eq!(citizens::unpaired_statements(c, "erase", "p", 4).await.unwrap().len(), 1);
        assert!(citizens::unpaired_statements(c, "erase", "p", 5).await.unwrap().is_empty());
        assert_eq!(citizens::statements_of_person(c, "p").await.unwrap().len(), 3);
        assert_eq!(citizens::enrolments_of_person(c, "p").await.unwrap(), ["e"]);

        assert_eq!(citizens::forget(c, 9, 0).await.unwrap(), 0);
        let forgotten = citizens::forget(c, 10, 1).await.unwrap();
        assert_eq!(forgotten, 4, "the login, the proof that was not used, the one that resumed, the check that nobody confirmed");
        assert!(citizens::find_check(c, "l").await.unwrap().unwrap().sealed_number.is_none());
        assert!(citizens::find_check(c, "k").await.unwrap().unwrap().sealed_number.is_some(), "its code was used");
        write(c, &Change::Erase { person: "p".into(), decision: [3; 32] }).await.unwrap();
        assert!(citizens::slots(c).await.unwrap().is_empty() && citizens::notices(c).await.unwrap().is_empty());
        assert!(citizens::suspension_codes(c).await.unwrap().is_empty());
        let left = citizens::proofings(c).await.unwrap();
        assert!(left.iter().all(|row| row.sealed_subject.is_none() && row.blind_index.is_none() && row.reference.is_none()));
        let row = enrolments::find(c, "e").await.unwrap().unwrap();
        assert_eq!((row.sealed_subject, row.salt), (None, None));
        assert_eq!(people::find_person(c, "p").await.unwrap().unwrap().sealed_profile, None);
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn of_a_certificate_the_newest_sessions_are_kept_and_what_is_over_is_forgotten() {
    on_each_database(async |_, db| {
        let mut tx = seeded(&db).await;
        let connection = tx.connection();
        certificates::insert_promised(connection, &[certificate(1)]).await.unwrap();
        let session = |id: &str, opened_at: i64| SessionRow {
            id: id.to_owned(),
            sealed_hash: vec![1],
            certificate: vec![1; 32],
            opened_at,
            used_at: opened_at,
            expires_at: opened_at + 100,
        };
        for (id, at) in [("a", 1), ("b", 2), ("c", 3)] {
            sessions::insert(connection, &session(id, at), 2).await.unwrap();
        }
        let ids = async |connection: &mut Connection| -> Vec<String> {
            sessions::of_person(connection, "p").await.unwrap().into_iter().map(|row| row.id).collect()
        };
        assert_eq!(ids(connection).await, ["c", "b"]);
        sessions::touch(connection, "b", 50).await.unwrap();
        sessions::touch(connection, "b", 40).await.unwrap();
        assert_eq!(sessions::find(connection, "b").await.unwrap().unwrap().used_at, 50);
        assert_eq!(sessions::delete_over(connection, 60, 3).await.unwrap(), 1, "c was not used");
        assert_eq!(sessions::delete_over(connection, 102, 0).await.unwrap(), 1, "b has expired");
        sessions::insert(connection, &session("d", 4), 2).await.unwrap();
        sessions::delete(connection, "d").await.unwrap();
        assert_eq!(ids(connection).await, Vec::<String>::new());
        assert_eq!(sessions::of_nothing(connection).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_token_is_granted_once_and_revoked_once() {
    on_each_database(async |_, db| {
        let mut tx = seeded(&db).await;
        let connection = tx.connection();
        let row = TokenRow {
            id: "t".to_owned(),
            name: "service".to_owned(),
            department: Some("d".to_owned()),
            scopes: "verify".to_owned(),
            salt: vec![1; 32],
            proposed_by: "p".to_owned(),
            proposed_at: 1,
            expires_at: 9,
            secret_hash: None,
            statement: None,
            granted_at: None,
            revoked_at: None,
            revoked_statement: None,
        };
        tokens::insert(connection, &row).await.unwrap();
        tokens::insert(connection, &TokenRow { id: "u".to_owned(), department: None, ..row }).await.unwrap();
        assert!(matches!(tokens::revoke(connection, "t", &[1; 32], 2).await, Err(Error::Conflict)), "not granted yet");
        tokens::grant(connection, "t", &[2; 32], &[1; 32], 2).await.unwrap();
        assert!(matches!(tokens::grant(connection, "t", &[3; 32], &[1; 32], 3).await, Err(Error::Conflict)));
        tokens::revoke(connection, "t", &[1; 32], 4).await.unwrap();
        assert!(matches!(tokens::revoke(connection, "t", &[1; 32], 5).await, Err(Error::Conflict)));
        let found = tokens::find(connection, "t").await.unwrap().unwrap();
        assert_eq!((found.secret_hash, found.granted_at, found.revoked_at), (Some(vec![2; 32]), Some(2), Some(4)));
        let listed =
            async |connection: &mut Connection, department, after| tokens::list(connection, department, after, 10).await.unwrap().len();
        assert_eq!(listed(connection, Some("d"), None).await, 1);
        assert_eq!(listed(connection, None, None).await, 2);
        assert_eq!(listed(connection, None, Some("t")).await, 1);
        assert_eq!(tokens::all(connection).await.unwrap().len(), 2);
    })
    .await;
}

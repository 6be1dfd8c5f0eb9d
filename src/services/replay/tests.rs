use super::{
    Code, Policies, Violation,
    export::{Export, GrantRecord},
    replay,
};
use crate::services::{audit, fixture::Installation};

/// What an installation exports that has lived through everything.
async fn lived() -> (Installation, Export) {
    let installation = audit::tests::life(None).await;
    let export = Export::gather(&installation.services().db).await.unwrap();
    (installation, export)
}

fn violations(installation: &Installation, export: &Export) -> Vec<Violation> {
    replay(export, &installation.bundle(), &mut Policies::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_decision_of_a_life_follows_from_the_database_and_from_the_files_alike() {
    let (installation, export) = lived().await;
    assert_eq!(violations(&installation, &export), []);

    let directory = tempfile::tempdir().unwrap();
    export.write(directory.path()).unwrap();
    assert_eq!(Export::read(directory.path()).unwrap(), export);
    let (whole, cut) = (directory.path().join("decisions.jsonl"), directory.path().join("entries.jsonl"));
    let entries = std::fs::read_to_string(&cut).unwrap();
    std::fs::write(&cut, &entries[..entries.len() - 10]).unwrap();
    let error = Export::read(directory.path()).unwrap_err().to_string();
    assert!(error.ends_with(&format!("entries.jsonl, line {}", entries.lines().count())), "{error}");
    std::fs::write(&cut, entries).unwrap();
    std::fs::remove_file(whole).unwrap();
    assert!(Export::read(directory.path()).unwrap_err().to_string().ends_with("decisions.jsonl"));

    // Nothing in it says who anybody is, beyond the certificates of those who signed. Departments have their names.
    let text: String = export.to_files().into_iter().map(|(_, text)| text).collect();
    for word in ["王芳", "李雷", "+8613800000000", "11010519491231002X"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn every_code_is_explained() {
    let documentation = std::fs::read_to_string("docs/audit.md").unwrap();
    for code in Code::ALL {
        assert!(documentation.contains(&format!("| `{}` |", code.as_str())), "{}", code.as_str());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_no_leaf_binds_gives_nothing_and_is_named() {
    let (installation, mut export) = lived().await;
    let GrantRecord { statement, grants, .. } = export.grants[0].clone();
    let mut slipped = grants[0].clone();
    slipped.id = "00".repeat(16);
    slipped.role = "approver".to_owned();
    export.grants[0].grants.push(slipped);
    let found = violations(&installation, &export);
    assert!(found.iter().any(|one| one.code == Code::GrantUnbound && one.index.is_some()), "{found:#?}");
    assert!(found.iter().any(|one| one.code == Code::GrantUnbound && one.statement.as_ref() == Some(&statement)), "{found:#?}");
    // Whoever lost the roles with that could do nothing of what they did.
    assert!(found.iter().any(|one| one.code == Code::NotPermitted), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_its_checkpoint_does_not_vouch_for_is_named() {
    let (installation, export) = lived().await;
    let mut shorter = export.clone();
    shorter.entries.pop();
    let found = violations(&installation, &shorter);
    assert!(found.iter().any(|one| one.code == Code::LogUntrusted && one.log == export.entries.last().map(|entry| entry.log.clone())));
}

//! The replay of decisions and the second program that checks it (`examples/replay`): they agree on every journey of these
//! tests, on generated histories, and on what somebody did to the database.

mod adversary;
mod histories;
mod planted;
mod reorganized;
mod story;

use hufu::{
    services::{
        replay::{Policies, export::Export, replay},
        trust::TrustBundle,
    },
    store::Db,
};
use serde_json::Value;

#[path = "../../examples/replay/judge/mod.rs"]
mod second;

/// The versions of the policy that both have read.
#[derive(Default)]
pub struct Read {
    ours: Policies,
    theirs: second::Versions,
}

/// What both programs find, without their words for it. They find the same.
pub fn agreed(export: &Export, bundle: &TrustBundle, read: &mut Read) -> Vec<Value> {
    let wordless = |mut value: Value| {
        value.as_object_mut().unwrap().remove("what");
        value
    };
    let ours = replay(export, bundle, &mut read.ours);
    let files = export.to_files();
    let file = |name: &str| Ok(files.iter().find(|(file, _)| *file == name).unwrap().1.clone());
    let theirs = second::replay(file, &serde_json::to_string(bundle).unwrap(), &mut read.theirs).unwrap();
    let told = || {
        let ours = ours.iter().map(|violation| format!("  {violation}\n"));
        let theirs = theirs.iter().map(|violation| format!("  {violation}\n"));
        format!("the service:\n{}the second program:\n{}", ours.collect::<String>(), theirs.collect::<String>())
    };
    let sorted = |mut values: Vec<Value>| {
        values.sort_by_cached_key(Value::to_string);
        values
    };
    let one = sorted(ours.iter().map(|violation| wordless(serde_json::to_value(violation).unwrap())).collect());
    let other = sorted(theirs.iter().map(|violation| wordless(violation.json())).collect());
    assert_eq!(one, other, "{}", told());
    one
}

/// Both programs find nothing in a database.
pub async fn finds_nothing(db: &Db, bundle: &TrustBundle) {
    let export = Export::gather(db).await.unwrap();
    let found = agreed(&export, bundle, &mut Read::default());
    assert!(found.is_empty(), "{:#?}", replay(&export, bundle, &mut Policies::new()));
}

fn codes(found: &[Value]) -> Vec<&str> {
    found.iter().map(|violation| violation["code"].as_str().unwrap()).collect()
}

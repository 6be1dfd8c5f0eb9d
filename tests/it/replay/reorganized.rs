//! A life in which departments move and merge, certificates are renewed, a key is stolen and a cap is reached: it replays clean, and
//! whatever is planted in it is found by both programs.

use std::collections::HashMap;

use hufu::{
    cli::Family,
    policy::{Act, Timestamp, statement::seen},
    services::replay::export::Export,
    store::{Db, Options},
};
use serde_json::json;
use time::Duration;

use super::{
    Read, agreed, codes,
    story::{Cast, Signer, Story, Word},
};
use crate::{
    departments::{bureau, done, propose, signed_by, withdraw},
    forged::put_in_force,
    officers::second_certificate,
    renewal::{member, renew},
    staff::{approve_list, import, in_state},
    world::{Person, TestCa, in_both_families, new_csr},
};

in_both_families! {
    what_reorganizations_re_reviews_and_caps_forbid_is_found,
}

/// How many suspensions anybody may sign in a day.
pub const CAP: usize = 3;

/// The history, and what was done to which thing.
pub struct Life {
    pub story: Story,
    what: HashMap<&'static str, String>,
}

pub async fn life(family: Family) -> Life {
    let soon = |text: String| text.replace("renewal_window = \"30 days\"", "renewal_window = \"364 days\"");
    let ca = TestCa::new()
        .at("2030-01-01T00:00:00Z")
        .with_policy("caps.toml", |_| format!("[suspend]\nstatements = {CAP}\n"))
        .with_policy("profiles/staff.toml", soon)
        .start()
        .await;
    let office = ca.office(family).await;
    let auditor = ca.auditor(family).await;
    let (old, beside) = (bureau(&ca, &office, "one", family).await, bureau(&ca, &office, "two", family).await);
    let section = bureau(&ca, &old, "section", family).await;
    let stay = async |by: &Person, certificate: &str| {
        ca.decide(by, "suspend", certificate, None, None).await.ok();
        ca.decide(&office.approver, "resume", certificate, None, None).await.ok();
    };

    // Two certificates may be renewed a day after they were issued.
    let (early, held_early) = member(&ca, &office, family).await;
    let (late, held_late) = member(&ca, &old, family).await;
    ca.clock.forward(Duration::days(2));
    renew(&ca, &early, &held_early.id, &new_csr(family)).await.ok();

    // A section moves out of its bureau, the bureau is merged, and another has a new name.
    let of_section = ca.issue(&section, "staff", family).await.id;
    stay(&old.approver, &of_section).await;
    let moved = done(&ca, &office, family, "PATCH", &format!("/{}", section.department), json!({"parent": office.department})).await;
    stay(&section.approver, &of_section).await;
    let renamed = done(&ca, &office, family, "PATCH", &format!("/{}", beside.department), json!({"name": "新处"})).await;
    let of_old = ca.issue(&old, "staff", family).await.id;
    let of_beside = ca.issue(&beside, "staff", family).await.id;
    stay(&beside.approver, &of_beside).await;
    ca.enrol(&old, "staff", family).await;
    ca.enrol(&old, "staff", family).await;
    let rename = json!({"name": "误"});
    let mistaken = propose(&ca, &office.administrator, "PATCH", &format!("/{}", beside.department), &rename).await.ok().json();
    assert_eq!(signed_by(&ca, &mistaken, &[auditor]).await.status, 202);
    withdraw(&ca, &office.administrator, &crate::world::text(&mistaken, "id")).await.ok();
    let merged = done(&ca, &office, family, "POST", &format!("/{}/merger", old.department), json!({"successor": office.department})).await;
    stay(&office.approver, &of_old).await;
    renew(&ca, &late, &held_late.id, &new_csr(family)).await.ok();
    let withdrawn = ca.enrol(&office, "staff", family).await;
    ca.decide(&office.registration, "withdraw", &withdrawn.enrolment, None, None).await.ok();
    put_in_force(&ca, [&office.administrator, auditor]).await;
    ca.audit_finds_nothing().await;

    // An officer's key is stolen, and others decide on what rests on it.
    let thief = ca.officer(&office.administrator, &office.department, &["approver"], family).await;
    let again = second_certificate(&ca, &office, &thief, family).await;
    stay(&again, &of_old).await;
    let since = Timestamp::new(ca.now()).to_string();
    let applicant = ca.enrol(&office, "staff", family).await;
    let on_its_word = ca.approve(&thief, applicant).await.id;
    import(&ca, &office.registration, &office.department, "number,CN\nE-1,李雷\n", "").await.ok();
    let keyless = in_state(&ca, &office, "submitted").await;
    approve_list(&ca, &thief, &keyless).await;
    let stolen = thief.identity.certificate().id().to_string();
    for person in [&office.administrator, auditor] {
        let draft = ca.draft(person, "re-review", &stolen, None, Some(&since)).await;
        ca.hand_in(person, "re-review", &stolen, &person.sign(&draft)).await.ok();
    }
    ca.decide(&office.approver, "resume", &on_its_word, None, None).await.ok();
    ca.decide(&office.approver, "approve", &keyless[0], None, None).await.ok();
    // As much as one may suspend in a day.
    stay(&office.approver, &of_old).await;
    stay(&office.approver, &of_beside).await;
    ca.audit_finds_nothing().await;

    let people = [
        ("administrator", &office.administrator),
        ("local", &old.administrator),
        ("auditor", auditor),
        ("registrar", &office.registration),
        ("approver", &office.approver),
        ("old", &old.approver),
        ("beside", &beside.approver),
        ("section", &section.approver),
        ("thief", &thief),
        ("again", &again),
        ("early", &early),
        ("late", &late),
    ];
    let fingerprint = |person: &Person| person.identity.certificate().fingerprint();
    let keys = people.iter().map(|(_, person)| (fingerprint(person), person.copy_of_key())).collect();
    let who: HashMap<_, _> = people.iter().map(|(name, person)| (*name, Signer::Person(fingerprint(person)))).collect();
    let options = Options { busy_timeout: std::time::Duration::from_secs(5), max_connections: 2 };
    let db = Db::open(&ca.config.database_url(), options).await.unwrap();
    let mut story = Story::read(&db, Cast::of(ca.bundle(), keys)).await;
    db.close().await;
    story.who = who;
    let change = |change: &serde_json::Value| crate::world::text(change, "id");
    let what = HashMap::from([
        ("moved", change(&moved)),
        ("merged", change(&merged)),
        ("renamed", change(&renamed)),
        ("old_approver", old.approver.id.clone()),
        ("mistaken", change(&mistaken)),
        ("of_section", of_section),
        ("of_old", of_old),
        ("on_its_word", on_its_word),
        ("keyless", keyless[0].clone()),
        ("stolen", stolen),
        ("held_early", held_early.id),
    ]);
    Life { story, what }
}

impl Life {
    /// The places of the decisions of an act on a thing.
    fn steps(&self, act: Act, what: &str) -> Vec<usize> {
        let is_it = |place: &usize| {
            let decision = &self.story.steps[*place].decision;
            decision.act == act && decision.about.to_string() == self.what[what]
        };
        (0..self.story.steps.len()).filter(is_it).collect()
    }

    /// Somebody else signs that in the place of whoever did.
    fn signed_by(&self, act: Act, what: &str, nth: usize, who: &str) -> Export {
        let mut story = self.story.clone();
        let word = story.steps[self.steps(act, what)[nth]].words[0];
        (story.words[word].signer, story.words[word].key) = (story.who[who], story.who[who]);
        story.sign()
    }

    /// One of two is missing: the one who did not complete it.
    fn signed_by_one(&self, act: Act, what: &str) -> Export {
        let mut story = self.story.clone();
        let step = self.steps(act, what)[0];
        let completing: Vec<&String> = (story.rest.department_changes.iter().map(|record| &record.statement))
            .chain(story.rest.re_reviews.iter().map(|record| &record.statement))
            .collect();
        let words: Vec<usize> = story.steps[step].words.iter().copied().filter(|word| completing.contains(&&word.to_string())).collect();
        assert_eq!((words.len(), story.steps[step].words.len()), (1, 2));
        story.steps[step].words = words;
        story.sign()
    }

    /// Everybody was shown another change, and it was done.
    fn changed_otherwise(&self, what: &str, from: &str, to: &str) -> Export {
        let mut story = self.story.clone();
        let record = story.rest.department_changes.iter_mut().find(|record| record.id == self.what[what]).unwrap();
        let shown = record.shown.replace(from, to);
        assert_ne!(record.shown, shown);
        record.shown = shown;
        let seen = seen(&[0; 32], &serde_json::from_str(&record.shown).unwrap());
        let about = |word: &&mut Word| word.payload.about.to_string() == self.what[what];
        story.words.iter_mut().filter(about).for_each(|word| word.payload.seen = seen);
        story.sign()
    }

    /// Somebody is granted their roles only after something else was done.
    fn granted_after(&self, who: &str, act: Act, what: &str) -> Export {
        let mut story = self.story.clone();
        let step = story.steps.remove(self.steps(Act::Grant, who)[0]);
        let later = self.steps(act, what)[0];
        story.steps.insert(later, step);
        story.sign()
    }

    fn without(&self, act: Act, what: &str) -> Export {
        let mut story = self.story.clone();
        story.steps.remove(self.steps(act, what)[0]);
        story.sign()
    }
}

async fn what_reorganizations_re_reviews_and_caps_forbid_is_found(family: Family) {
    let mut life = life(family).await;
    life.story.steps.iter_mut().for_each(|step| step.pause += 150);
    let mut read = Read::default();
    let mut shown_another = life.story.clone();
    let first = shown_another.steps[life.steps(Act::ChangeDepartment, "moved")[0]].words[0];
    shown_another.words[first].payload.seen.0[0] ^= 1;
    let mut another_place = life.story.sign();
    let moved = another_place.department_changes.iter_mut().find(|record| record.id == life.what["moved"]).unwrap();
    moved.decided_at += 1;
    let mut not_withdrawn = life.story.sign();
    not_withdrawn.withdrawn_changes.clear();
    let mut less_reviewed = life.story.sign();
    less_reviewed.re_reviews[0].items.pop();

    for (name, export, expected) in [
        ("nothing", life.story.sign(), None),
        (
            "whoever worked above a section acts there after it moved",
            life.signed_by(Act::Suspend, "of_section", 1, "old"),
            Some("not-permitted"),
        ),
        ("an officer of a merged department acts afterwards", life.signed_by(Act::Suspend, "of_old", 0, "old"), Some("not-permitted")),
        ("an officer of the department beside acts", life.signed_by(Act::Suspend, "of_old", 0, "beside"), Some("not-permitted")),
        (
            "the administrator of a bureau moves its section out",
            life.signed_by(Act::ChangeDepartment, "moved", 0, "local"),
            Some("not-permitted"),
        ),
        ("an auditor takes a proposal back", life.signed_by(Act::Withdraw, "mistaken", 0, "auditor"), Some("not-permitted")),
        ("somebody beside takes a proposal back", life.signed_by(Act::Withdraw, "mistaken", 0, "local"), Some("not-permitted")),
        ("a proposal is taken back that is not recorded so", not_withdrawn, Some("decision-misfit")),
        ("a department is moved by one", life.signed_by_one(Act::ChangeDepartment, "moved"), Some("quorum-missed")),
        ("a department is merged by one", life.signed_by_one(Act::MergeDepartment, "merged"), Some("quorum-missed")),
        ("a re-review by one", life.signed_by_one(Act::ReReview, "stolen"), Some("quorum-missed")),
        ("whose key it was resumes", life.signed_by(Act::Resume, "on_its_word", 0, "again"), Some("not-permitted")),
        ("whose key it was approves again", life.signed_by(Act::Approve, "keyless", 1, "again"), Some("not-permitted")),
        ("one more than the cap", life.signed_by(Act::Suspend, "of_section", 1, "approver"), Some("daily-cap")),
        ("whoever signed a change was shown another", shown_another.sign(), Some("statement-misfit")),
        ("the record of a change is another", another_place, Some("change-unbound")),
        (
            "a department is called as one beside it",
            life.changed_otherwise("renamed", "新处", "处one.mzj.example.cn"),
            Some("change-impossible"),
        ),
        (
            "a department is changed that was another",
            life.changed_otherwise("renamed", "two.mzj.example.cn", "two.other.example"),
            Some("change-impossible"),
        ),
        ("a role in a merged department", life.granted_after("old_approver", Act::MergeDepartment, "merged"), Some("department-merged")),
        ("something is taken out of a re-review", less_reviewed, Some("review-unbound")),
        ("requests end with a merger that there was not", life.without(Act::MergeDepartment, "merged"), Some("unfounded")),
        ("approvals end by a re-review that there was not", life.without(Act::ReReview, "stolen"), Some("unfounded")),
    ] {
        let found = agreed(&export, &life.story.cast.bundle, &mut read);
        match expected {
            None => assert_eq!(codes(&found), Vec::<&str>::new(), "{name}: {found:#?}"),
            Some(code) => assert!(codes(&found).contains(&code), "{name}: {code} in {found:#?}"),
        }
    }
}

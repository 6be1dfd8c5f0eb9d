//! A thousand histories, each another, with violations planted in most: both programs find the same, and what was planted.
//!
//! Each is one of four lives of a real installation, with some decisions left out, other pauses, and up to two violations. What is left
//! out and planted follows from its seed. The usual run judges seeds from 0 on, the long one from a number of its own; whatever fails names
//! its seed, and `HUFU_TEST_SEED=N` judges that one alone. The keys are new in each run.

use std::{
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hufu::{
    cli::Family,
    crypto::digest::sha256,
    ledger::{EventType, State, StatusKey},
    policy::{About, Act, Nonce, SignerReference, Statement, Timestamp},
    services::replay::export::Export,
    store::{Db, Options},
    world::{Clock as _, SystemClock, from_millis},
};
use serde_json::{Value, json};

use super::{
    Read, agreed, codes, reorganized,
    story::{Cast, Chance, DAY, Signer, Spoilt, Step, Story, Word, with_body},
};
use crate::{
    citizens::{Citizen, Counter, certificate},
    forged::put_in_force,
    staff::{approve_list, import, in_state},
    world::{Ca, Person, TestCa, new_csr, on_postgres, text},
};

/// How many histories a run judges, how many one on the other database, where only the lives come from, and how many the long one.
const USUAL: u64 = 1000;
const AGAIN: u64 = 400;
const MANY: u64 = 10_000;

/// What somebody does to a history before it is signed, or to its files after that; `None` where there is no place for it.
enum Plant {
    Before(fn(&mut Story, &mut Chance) -> Option<()>),
    After(fn(&mut Export, &mut Chance) -> Option<()>),
}

use Plant::{After, Before};

/// By the code that must be found.
static PLANTS: &[(&str, &str, Plant)] = &[
    ("log-untrusted", "the last leaf of a log is cut off", After(cut_log)),
    ("log-untrusted", "two leaves of a log change places", After(swap_leaves)),
    ("decision-missing", "a decision is removed", After(remove_decision)),
    ("decision-missing", "an approval is taken out of a decision", After(shorten_decision)),
    ("decision-misfit", "a certificate is revoked for another reason than was signed", Before(another_reason)),
    ("decision-misfit", "the leaf of another certificate", Before(another_certificate)),
    ("decision-misfit", "a decision that refused is carried out", Before(refused)),
    ("decision-overused", "a decision is carried out twice", Before(carried_out_twice)),
    ("policy-unknown", "the text of a version is removed", After(remove_policy)),
    ("policy-not-in-force", "decided under a version that was over or not in force yet", Before(another_policy)),
    ("statement-missing", "a statement is removed", After(remove_statement)),
    ("statement-malformed", "a statement in another form", Before(spoil_form)),
    ("statement-signature", "a forged signature", Before(spoil_signature)),
    ("statement-signature", "signed with another's key", Before(another_key)),
    ("statement-misfit", "a statement of another act", Before(another_act)),
    ("statement-misfit", "a statement about something else", Before(about_another)),
    ("statement-time", "dated ahead", Before(dated_ahead)),
    ("statement-time", "dated back before what its signer knew", Before(dated_back)),
    ("statement-replayed", "one statement for two decisions", Before(replay_statement)),
    ("nonce-reused", "a nonce again", Before(reuse_nonce)),
    ("list-mismatch", "something is put into a list", After(change_list)),
    ("log-position-unknown", "knew what was still to come", Before(from_the_future)),
    ("log-position-unknown", "knew a log that there is not", Before(another_log)),
    ("log-position-stale", "knew only the beginning", Before(stale)),
    ("signer-unknown", "the certificate of a signer is another's", After(another_person)),
    ("signer-unknown", "the certificate of a signer is removed", After(remove_certificate)),
    ("signer-not-good", "signed after the signer was suspended", Before(suspended_signer)),
    ("signer-not-good", "signed after the signer was suspended, and dated back", Before(backdated_signer)),
    ("not-permitted", "signed by somebody without the role", Before(without_role)),
    ("not-permitted", "approved by whoever asked", Before(own_request)),
    ("not-permitted", "the system key decides for people", Before(system_decides)),
    ("not-permitted", "somebody else takes a request back", Before(another_withdraws)),
    ("not-permitted", "somebody else renews", Before(another_renews)),
    ("not-permitted", "an officer of a merged department decides afterwards", Before(officer_of_merged)),
    ("not-permitted", "an officer of the department beside decides", Before(officer_beside)),
    ("not-permitted", "an officer of one department makes another", Before(makes_another)),
    ("not-permitted", "whose stolen key it was decides on what rests on it", Before(thief_decides)),
    ("not-permitted", "whoever asked for what rests on a stolen key resumes it", Before(requester_resumes)),
    ("not-permitted", "a request becomes that of somebody who might not ask", Before(anothers_request)),
    ("not-renewable", "renewed before its window", Before(renewed_early)),
    ("quorum-missed", "one of two is missing", Before(one_is_missing)),
    ("quorum-missed", "one person signs twice", Before(one_signs_twice)),
    ("quorum-missed", "one person says since when an officer's key is not trusted", Before(doubted_by_one)),
    ("quorum-missed", "one administrator revokes an authority", Before(authority_by_one)),
    ("not-permitted", "an authority is suspended", Before(authority_suspended)),
    ("daily-cap", "one more than the cap", Before(beyond_cap)),
    ("statement-misfit", "whoever signed a change of departments was shown another", Before(shown_another)),
    ("change-unbound", "the record of a change is another", After(another_change)),
    ("review-unbound", "something is taken out of a re-review", After(less_reviewed)),
    ("unfounded", "requests end with a merger that there was not", Before(no_merger)),
    ("unfounded", "approvals end by a re-review that there was not", Before(no_review)),
    ("unfounded", "a claim without its grant", Before(claim_without_grant)),
    ("grant-unbound", "a role is put into the record of a grant", After(widen_grant)),
    ("grant-unbound", "a grant is slipped in", After(slip_grant)),
];

#[tokio::test(flavor = "multi_thread")]
async fn both_programs_find_what_was_planted_in_generated_histories() {
    judge_many(0..if on_postgres() { AGAIN } else { USUAL }).await;
}

/// `cargo test --test it ten_thousand -- --ignored`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "some minutes without optimisation"]
async fn both_programs_agree_on_ten_thousand_histories() {
    let begin = SystemClock.now().unix_timestamp().unsigned_abs();
    judge_many(begin..begin + MANY).await;
}

async fn judge_many(seeds: std::ops::Range<u64>) {
    let only: Option<u64> = std::env::var("HUFU_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds = only.map_or(seeds, |seed| seed..seed + 1);
    let began = Instant::now();
    let lives = [
        life(Family::P256).await,
        reorganized::life(Family::P256).await.story,
        life(Family::Sm2).await,
        reorganized::life(Family::Sm2).await.story,
    ];
    let lived = began.elapsed();
    let next = AtomicU64::new(seeds.start);
    let planted: Mutex<BTreeMap<&str, usize>> = Mutex::default();
    let failed: Mutex<Vec<u64>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut read = Read::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    // What the programs have read stays what it is, whatever fails.
                    let judged = AssertUnwindSafe(|| judge_one(&lives[(seed % 4) as usize], seed, &mut read));
                    match catch_unwind(judged) {
                        Ok(names) => {
                            let mut planted = planted.lock().unwrap();
                            names.into_iter().for_each(|name| *planted.entry(name).or_default() += 1);
                        }
                        Err(_) => failed.lock().unwrap().push(seed),
                    }
                }
            });
        }
    });
    let planted = planted.into_inner().unwrap();
    let count = seeds.end - seeds.start;
    eprintln!("{count} histories: {} s of life, {} s judged; planted: {planted:#?}", lived.as_secs(), (began.elapsed() - lived).as_secs());
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "HUFU_TEST_SEED={} alone fails of {failed:?}", failed[0]);
    if only.is_some() {
        return;
    }
    // Each kind came to its turn, the clean ones too.
    let missing: Vec<&str> = PLANTS.iter().map(|(_, name, _)| *name).filter(|name| !planted.contains_key(name)).collect();
    assert!(missing.is_empty(), "never planted: {missing:?}");
    assert!(planted["nothing"] > 0);
}

/// Plants nothing, one or two violations; answers what was planted.
fn judge_one(life: &Story, seed: u64, read: &mut Read) -> Vec<&'static str> {
    let mut chance = Chance(seed);
    let mut story = life.clone();
    story.vary(&mut chance);
    // Every kind in turn, in each of the lives, and beside it sometimes another.
    let first = (seed / 4) as usize % (PLANTS.len() + 4);
    let mut chosen: Vec<&(&str, &str, Plant)> = PLANTS.get(first).into_iter().collect();
    if !chosen.is_empty() && chance.once_in(4) {
        // Some kinds done twice undo themselves.
        let first = chosen[0].1;
        chosen.extend(chance.pick(PLANTS).filter(|other| other.1 != first));
    }
    let mut planted = Vec::new();
    for plant in &chosen {
        if let Before(change) = &plant.2
            && change(&mut story, &mut chance).is_some()
        {
            planted.push(*plant);
        }
    }
    let mut export = story.sign();
    for plant in &chosen {
        if let After(change) = &plant.2
            && change(&mut export, &mut chance).is_some()
        {
            planted.push(*plant);
        }
    }
    let found = agreed(&export, &story.cast.bundle, read);
    let codes = codes(&found);
    match &planted[..] {
        [] => assert_eq!(codes, Vec::<&str>::new(), "seed {seed}"),
        // One hides the other where both are done to the same.
        [one] => assert!(codes.contains(&one.0), "seed {seed}: {} ({}) in {found:#?}", one.0, one.1),
        _ => assert!(planted.iter().any(|one| codes.contains(&one.0)), "seed {seed}: {found:#?}"),
    }
    let names: Vec<&str> = planted.iter().map(|plant| plant.1).collect();
    if names.is_empty() { vec!["nothing"] } else { names }
}

// ---- what is planted before everything is signed ----

/// The places of steps like this.
fn steps(story: &Story, like: impl Fn(&Step) -> bool) -> Vec<usize> {
    (0..story.steps.len()).filter(|place| like(&story.steps[*place])).collect()
}

fn pick(story: &Story, chance: &mut Chance, like: impl Fn(&Step) -> bool) -> Option<usize> {
    chance.pick(&steps(story, like)).copied()
}

/// Whether one person decided it, with a statement of their own.
fn by_one(story: &Story, step: &Step) -> bool {
    let alone = [Act::Suspend, Act::Resume, Act::Revoke, Act::GrantToken, Act::RevokeToken, Act::Dismiss, Act::Approve];
    alone.contains(&step.decision.act) && step.words.len() == 1 && {
        let word = &story.words[step.words[0]];
        matches!(word.signer, Signer::Person(_)) && word.payload.about == step.decision.about
    }
}

fn pick_by_one(story: &Story, chance: &mut Chance, like: impl Fn(&Step) -> bool) -> Option<usize> {
    pick(story, chance, |step| by_one(story, step) && like(step))
}

fn word(story: &mut Story, step: usize) -> &mut Word {
    let place = story.steps[step].words[0];
    &mut story.words[place]
}

fn another_reason(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick(story, chance, |step| step.decision.act == Act::Revoke && !step.leaves.is_empty())?;
    let reason = &mut story.steps[step].leaves[0].1.reason;
    *reason = if *reason == 4 { 5 } else { 4 };
    Some(())
}

fn another_certificate(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick(story, chance, |step| step.decision.act == Act::Suspend && !step.leaves.is_empty())?;
    let other = pick(story, chance, |other| {
        other.decision.act == Act::Approve
            && other.leaves.iter().any(|(_, entry)| entry.status_key != story.steps[step].leaves[0].1.status_key)
    })?;
    story.steps[step].leaves[0].1.status_key = story.steps[other].leaves.last()?.1.status_key;
    Some(())
}

fn refused(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick(story, chance, |step| !step.leaves.is_empty())?;
    story.steps[step].decision.outcome = hufu::policy::Outcome::Refused;
    Some(())
}

fn carried_out_twice(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick(story, chance, |step| {
        step.leaves.first().is_some_and(|(_, entry)| [EventType::ISSUE, EventType::HOLD, EventType::REVOKE].contains(&entry.event_type))
    })?;
    let again = story.steps[step].leaves[0].clone();
    story.steps[step].leaves.push(again);
    Some(())
}

/// The version that was not in force at that step: there are two.
fn another_policy(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let activation = story.steps.iter().rposition(|step| step.decision.act == Act::ActivatePolicy)?;
    let About::Digest(new) = story.steps[activation].decision.about else { return None };
    let old = story.steps[activation].decision.policy;
    let far: Vec<usize> = steps(story, |step| by_one(story, step)).into_iter().filter(|place| place.abs_diff(activation) > 1).collect();
    let step = *chance.pick(&far)?;
    let wrong = if step > activation { old } else { hufu::policy::Digest32(new) };
    story.steps[step].decision.policy = wrong;
    story.steps[step].leaves.iter_mut().for_each(|(_, entry)| entry.digests.policy = wrong.0);
    word(story, step).payload.policy = wrong;
    Some(())
}

fn spoil_form(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick_by_one(story, chance, |_| true)?;
    word(story, step).spoilt = Some(Spoilt::Form);
    Some(())
}

fn spoil_signature(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick(story, chance, |step| !step.words.is_empty())?;
    word(story, step).spoilt = Some(Spoilt::Signature);
    Some(())
}

/// Everybody who signed something, without those whose key is of another family.
fn others(story: &Story, than: Signer) -> Vec<Signer> {
    let mut found: Vec<Signer> = Vec::new();
    for word in &story.words {
        if word.signer != than && word.signer != Signer::System && !found.contains(&word.signer) {
            found.push(word.signer);
        }
    }
    found
}

fn another_key(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick_by_one(story, chance, |_| true)?;
    let signer = word(story, step).signer;
    let same_family: Vec<Signer> = others(story, signer).into_iter().filter(|other| story.cast.same_family(*other, signer)).collect();
    word(story, step).key = *chance.pick(&same_family)?;
    Some(())
}

fn another_act(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick_by_one(story, chance, |_| true)?;
    let word = word(story, step);
    (word.payload.act, word.payload.since) = (if word.payload.act == Act::Suspend { Act::Resume } else { Act::Suspend }, None);
    Some(())
}

fn about_another(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick_by_one(story, chance, |_| true)?;
    let word = word(story, step);
    word.payload.about = match word.payload.about {
        About::Identifier(mut octets) => {
            octets[0] ^= 1;
            About::Identifier(octets)
        }
        About::Digest(mut octets) => {
            octets[0] ^= 1;
            About::Digest(octets)
        }
    };
    Some(())
}

fn dated_ahead(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick_by_one(story, chance, |_| true)?;
    word(story, step).shift = 3600;
    Some(())
}

/// Its log has grown within the hour before.
fn dated_back(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick_by_one(story, chance, |step| step.decision.act != Act::Approve)?;
    word(story, step).shift = -7200;
    Some(())
}

fn replay_statement(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick_by_one(story, chance, |step| matches!(step.decision.act, Act::Suspend | Act::Resume))?;
    let again = Step { pause: 300, ..story.steps[step].clone() };
    story.steps.insert(step + 1, again);
    Some(())
}

fn reuse_nonce(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let (one, other) = (pick_by_one(story, chance, |_| true)?, pick_by_one(story, chance, |_| true)?);
    let (one, other) = (story.steps[one].words[0], story.steps[other].words[0]);
    let nonce: Nonce = story.words[one].payload.nonce;
    story.words[other].payload.nonce = nonce;
    (one != other).then_some(())
}

fn from_the_future(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick_by_one(story, chance, |_| true)?;
    word(story, step).size = Some(100_000);
    Some(())
}

fn another_log(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick_by_one(story, chance, |_| true)?;
    word(story, step).payload.log.origin.push('x');
    Some(())
}

/// The beginning of the operations log, which is there from the first step on.
fn stale(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let late = story.steps.len() * 2 / 3;
    let steps: Vec<usize> = steps(story, |step| by_one(story, step)).into_iter().filter(|place| *place > late).collect();
    let step = *chance.pick(&steps)?;
    let origin = story.cast.bundle.logs.iter().find(|log| log.name == "operations")?.origin.clone();
    let word = word(story, step);
    (word.payload.log.origin, word.size) = (origin, Some(1));
    Some(())
}

/// Somebody of the department, whom its officers may suspend.
fn in_department(story: &Story, signer: Signer) -> bool {
    let Signer::Person(fingerprint) = signer else { return false };
    story.certificate(fingerprint).is_some_and(|(record, _)| record.department.is_some())
}

/// Suspends the certificate of whoever signs a step, some minutes before that.
fn suspended_signer(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let model = pick_by_one(story, chance, |step| step.decision.act == Act::Suspend && !step.leaves.is_empty())?;
    let by = word(story, model).signer;
    let signed_by_another: Vec<usize> = steps(story, |step| by_one(story, step))
        .into_iter()
        .filter(|place| {
            let signer = story.words[story.steps[*place].words[0]].signer;
            *place > model && signer != by && in_department(story, signer)
        })
        .collect();
    let step = *chance.pick(&signed_by_another)?;
    let Signer::Person(victim) = word(story, step).signer else { return None };
    let (record, (log, issue)) = story.certificate(victim)?;
    let (id, log, status_key) = (hex::decode(&record.id).unwrap().try_into().unwrap(), log.clone(), issue.status_key);
    let mut suspension = Step { pause: 300, ..story.steps[model].clone() };
    let mut own = story.words[suspension.words[0]].clone();
    (own.payload.about, own.payload.nonce) = (About::Digest(id), "00112233445566778899aabbccddeeff".parse().unwrap());
    own.payload.policy = story.steps[step].decision.policy;
    (suspension.decision.about, suspension.decision.policy) = (About::Digest(id), own.payload.policy);
    let (place, entry) = &mut suspension.leaves[0];
    (*place, entry.status_key, entry.digests.policy) = (log, status_key, own.payload.policy.0);
    suspension.words = vec![story.words.len()];
    story.words.push(own);
    story.steps[step].pause = 600;
    story.steps.insert(step, suspension);
    Some(())
}

/// The same, and the statement claims a time before that, and knew no more than then.
fn backdated_signer(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let before = story.steps.len();
    suspended_signer(story, chance)?;
    assert_eq!(story.steps.len(), before + 1);
    let suspension = story.steps.iter().position(|step| step.words == [story.words.len() - 1])?;
    let word = word(story, suspension + 1);
    word.shift = -700;
    let origin = story.cast.bundle.logs.iter().find(|log| log.name == "operations")?.origin.clone();
    let known = story.operations_before(suspension);
    let place = story.steps[suspension + 1].words[0];
    (story.words[place].payload.log.origin, story.words[place].size) = (origin, Some(known));
    Some(())
}

/// Somebody who holds no role at all signs.
fn without_role(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick(story, chance, |step| step.decision.act == Act::Approve && step.words.len() == 1 && !step.leaves.is_empty())?;
    let approves = |who: Signer| story.words.iter().any(|word| word.payload.act == Act::Approve && word.signer == who);
    let hands_in = |word: &&Word| [Act::Withdraw, Act::CheckIdentity].contains(&word.payload.act) && !approves(word.signer);
    let registrar = story.words.iter().find(hands_in)?.signer;
    let word = word(story, step);
    (word.signer, word.key) = (registrar, registrar);
    Some(())
}

fn own_request(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick(story, chance, |step| step.decision.act == Act::Approve && step.words.len() == 1)?;
    let Signer::Person(fingerprint) = word(story, step).signer else { return None };
    let person = story.certificate(fingerprint)?.0.person.clone();
    let about = story.steps[step].decision.about.to_string();
    story.rest.enrolments.iter_mut().find(|record| record.id == about)?.submitted_by = person;
    Some(())
}

fn system_decides(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick_by_one(story, chance, |step| !step.leaves.is_empty())?;
    let word = word(story, step);
    (word.signer, word.key, word.payload.reason) = (Signer::System, Signer::System, word.payload.reason.clone().filter(|_| false));
    // The reason of a revocation is that of its leaf.
    if story.steps[step].decision.act == Act::Revoke {
        story.steps[step].leaves[0].1.reason = 0;
    }
    Some(())
}

/// Steps that two people decided. What ends a request with a department or a re-review rests on what they decided about that.
fn by_two(story: &Story, chance: &mut Chance, acts: &[Act]) -> Option<usize> {
    let is_own = |step: &Step| story.words[step.words[0]].payload.about == step.decision.about || step.decision.act == Act::Approve;
    pick(story, chance, |step| step.words.len() == 2 && acts.contains(&step.decision.act) && is_own(step))
}

/// The word that no record is kept under.
fn second_word(story: &Story, step: usize) -> Option<usize> {
    let kept: Vec<&String> = (story.rest.grants.iter().map(|record| &record.statement))
        .chain(story.rest.department_changes.iter().map(|record| &record.statement))
        .chain(story.rest.re_reviews.iter().map(|record| &record.statement))
        .collect();
    story.steps[step].words.iter().position(|place| !kept.contains(&&place.to_string()))
}

fn one_is_missing(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let acts = [Act::Grant, Act::ActivatePolicy, Act::Approve, Act::ChangeDepartment, Act::MergeDepartment, Act::ReReview];
    let step = by_two(story, chance, &acts)?;
    let second = second_word(story, step)?;
    story.steps[step].words.remove(second);
    Some(())
}

fn one_signs_twice(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = by_two(story, chance, &[Act::Grant, Act::ActivatePolicy, Act::ChangeDepartment, Act::MergeDepartment])?;
    let second = second_word(story, step)?;
    let (place, other) = (story.steps[step].words[second], story.steps[step].words[1 - second]);
    let signer = story.words[other].signer;
    (story.words[place].signer, story.words[place].key) = (signer, signer);
    Some(())
}

/// Whoever revokes a certificate revokes an officer's instead, with a time before that.
fn doubted_by_one(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick_by_one(story, chance, |step| step.decision.act == Act::Revoke && !step.leaves.is_empty())?;
    let own = word(story, step).signer;
    let officers: Vec<Signer> = others(story, own).into_iter().filter(|other| in_department(story, *other)).collect();
    let victims: Vec<Signer> = officers.into_iter().filter(|other| is_good(story, *other, step)).collect();
    retarget(story, step, *chance.pick(&victims)?)?;
    let since = story.begins + 1;
    word(story, step).payload.since = Some(Timestamp::new(from_millis(since as i64 * 1000)));
    let leaf = &mut story.steps[step].leaves[0].1;
    *leaf = with_body(leaf, since.to_be_bytes().to_vec());
    Some(())
}

/// What is done to a certificate is done to whose certificate this is.
fn retarget(story: &mut Story, step: usize, of: Signer) -> Option<()> {
    let Signer::Person(fingerprint) = of else { return None };
    let (record, (log, issue)) = story.certificate(fingerprint)?;
    let (id, log, status_key) = (hex::decode(&record.id).unwrap().try_into().unwrap(), log.clone(), issue.status_key);
    word(story, step).payload.about = About::Digest(id);
    let step = &mut story.steps[step];
    step.decision.about = About::Digest(id);
    let (place, entry) = &mut step.leaves[0];
    (*place, entry.status_key) = (log, status_key);
    Some(())
}

/// An administrator of the installation does to an authority what was done to a certificate.
fn to_authority(story: &mut Story, chance: &mut Chance, act: Act) -> Option<()> {
    let step = pick_by_one(story, chance, |step| step.decision.act == act && !step.leaves.is_empty())?;
    let administrator = *story.who.get("administrator")?;
    let authority = story.rest.certificates.iter().find(|record| record.profile == "authority")?;
    let id: [u8; 32] = hex::decode(&authority.id).unwrap().try_into().unwrap();
    let key = StatusKey::from_tbs_digest(&id);
    let log = story.steps.iter().flat_map(|step| &step.leaves).find(|(_, entry)| entry.status_key == key)?.0.clone();
    sign_instead(story, step, administrator)?;
    word(story, step).payload.about = About::Digest(id);
    let step = &mut story.steps[step];
    step.decision.about = About::Digest(id);
    let (place, entry) = &mut step.leaves[0];
    (*place, entry.status_key) = (log, key);
    Some(())
}

fn authority_by_one(story: &mut Story, chance: &mut Chance) -> Option<()> {
    to_authority(story, chance, Act::Revoke)
}

fn authority_suspended(story: &mut Story, chance: &mut Chance) -> Option<()> {
    to_authority(story, chance, Act::Suspend)
}

fn claim_without_grant(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick(story, chance, |step| step.decision.act == Act::Claim)?;
    let words = story.steps[step].words.clone();
    story.steps[step].words = words.into_iter().filter(|place| story.words[*place].payload.act == Act::Claim).collect();
    Some(())
}

/// Whether somebody's certificate is good at a step.
fn is_good(story: &Story, who: Signer, step: usize) -> bool {
    let Signer::Person(fingerprint) = who else { return true };
    let Some((_, (_, issue))) = story.certificate(fingerprint) else { return false };
    let mut before = story.steps[..step].iter().flat_map(|step| &step.leaves);
    let last = before.rfind(|(_, entry)| entry.status_key == issue.status_key);
    last.is_some_and(|(_, entry)| entry.new_state == State::Good)
}

/// Somebody else signs a step, whose certificate is good there.
fn sign_instead(story: &mut Story, step: usize, who: Signer) -> Option<()> {
    if !is_good(story, who, step) {
        return None;
    }
    let word = word(story, step);
    (word.signer, word.key) = (who, who);
    Some(())
}

fn another_signs(story: &mut Story, chance: &mut Chance, act: Act) -> Option<()> {
    let step = pick(story, chance, |step| step.decision.act == act)?;
    let own = word(story, step).signer;
    let others: Vec<Signer> = others(story, own).into_iter().filter(|other| is_good(story, *other, step)).collect();
    sign_instead(story, step, *chance.pick(&others)?)
}

fn another_withdraws(story: &mut Story, chance: &mut Chance) -> Option<()> {
    another_signs(story, chance, Act::Withdraw)
}

fn another_renews(story: &mut Story, chance: &mut Chance) -> Option<()> {
    another_signs(story, chance, Act::Renew)
}

fn officer_of_merged(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let merger = story.steps.iter().position(|step| step.decision.act == Act::MergeDepartment)?;
    let after: Vec<usize> = steps(story, |step| by_one(story, step)).into_iter().filter(|place| *place > merger).collect();
    let step = *chance.pick(&after)?;
    let officer = *story.who.get("old")?;
    sign_instead(story, step, officer)
}

/// The department of what a decision is about: a certificate, or a request.
fn department_of(story: &Story, step: &Step) -> Option<String> {
    let about = step.decision.about.to_string();
    let certificate = story.rest.certificates.iter().find(|record| record.id == about).and_then(|record| record.department.clone());
    certificate.or_else(|| story.rest.enrolments.iter().find(|record| record.id == about)?.department.clone())
}

fn officer_beside(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let officer @ Signer::Person(fingerprint) = *story.who.get("beside")? else { return None };
    let own = story.certificate(fingerprint)?.0.department.clone();
    let elsewhere = |step: &Step| department_of(story, step).is_some_and(|department| own.as_ref() != Some(&department));
    let step = pick_by_one(story, chance, elsewhere)?;
    sign_instead(story, step, officer)
}

fn makes_another(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick(story, chance, |step| step.decision.act == Act::DefineDepartment)?;
    let officer = *story.who.get("beside")?;
    sign_instead(story, step, officer)
}

/// Somebody who holds no role: a certificate of the staff is theirs.
fn anothers_request(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let step = pick(story, chance, |step| step.decision.act == Act::Approve)?;
    let (about, staff) = (story.steps[step].decision.about.to_string(), &story.rest.certificates);
    let member = staff.iter().find(|record| record.profile == "staff")?.person.clone();
    let request = story.rest.enrolments.iter_mut().find(|record| record.id == about && record.person != member)?;
    request.submitted_by = member;
    request.assurance.is_none().then_some(())
}

/// They may be renewed a day after they were issued.
fn renewed_early(story: &mut Story, _: &mut Chance) -> Option<()> {
    let renewal = story.steps.iter().position(|step| step.decision.act == Act::Renew)?;
    story.steps[..=renewal].iter_mut().for_each(|step| step.pause %= DAY);
    Some(())
}

/// What was put to re-review is decided on by whoever has that name in the story.
fn decides_on_review(story: &mut Story, chance: &mut Chance, acts: &[Act], who: &str) -> Option<()> {
    let review = story.steps.iter().position(|step| step.decision.act == Act::ReReview)?;
    let put = |step: &Step| {
        let about = step.decision.about.to_string();
        story.rest.re_reviews.iter().flat_map(|record| &record.items).any(|one| one.item == about)
    };
    let decided: Vec<usize> =
        steps(story, |step| acts.contains(&step.decision.act) && put(step)).into_iter().filter(|place| *place > review).collect();
    let step = *chance.pick(&decided)?;
    let who = *story.who.get(who)?;
    sign_instead(story, step, who)
}

/// They have another certificate, which is good.
fn thief_decides(story: &mut Story, chance: &mut Chance) -> Option<()> {
    decides_on_review(story, chance, &[Act::Resume, Act::Approve], "again")
}

fn requester_resumes(story: &mut Story, chance: &mut Chance) -> Option<()> {
    decides_on_review(story, chance, &[Act::Resume], "registrar")
}

/// Whoever suspended as much as they may signs another, too, within the day.
fn beyond_cap(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let officer = *story.who.get("approver")?;
    let renewal = story.steps.iter().position(|step| step.decision.act == Act::Renew)?;
    let mut suspensions = steps(story, |step| step.decision.act == Act::Suspend);
    suspensions.retain(|place| *place > renewal);
    if suspensions.len() <= reorganized::CAP {
        return None;
    }
    while suspensions.len() > reorganized::CAP + 1 {
        suspensions.remove(chance.below(suspensions.len() as u64) as usize);
    }
    for step in suspensions {
        sign_instead(story, step, officer)?;
    }
    story.steps[renewal + 1..].iter_mut().for_each(|step| step.pause %= DAY);
    Some(())
}

fn shown_another(story: &mut Story, chance: &mut Chance) -> Option<()> {
    let of_departments = [Act::DefineDepartment, Act::ChangeDepartment, Act::MergeDepartment];
    let step = pick(story, chance, |step| {
        of_departments.contains(&step.decision.act) && story.words[step.words[0]].payload.about == step.decision.about
    })?;
    word(story, step).payload.seen.0[0] ^= 1;
    Some(())
}

/// A decision about this is removed, with its leaves.
fn without(story: &mut Story, act: Act) -> Option<()> {
    let step = story.steps.iter().position(|step| step.decision.act == act && !step.leaves.is_empty())?;
    story.steps.remove(step);
    Some(())
}

fn no_merger(story: &mut Story, _: &mut Chance) -> Option<()> {
    without(story, Act::MergeDepartment)
}

fn no_review(story: &mut Story, _: &mut Chance) -> Option<()> {
    without(story, Act::ReReview)
}

// ---- what is done to the files afterwards ----

fn another_change(export: &mut Export, chance: &mut Chance) -> Option<()> {
    let place = chance.below(export.department_changes.len().max(1) as u64) as usize;
    export.department_changes.get_mut(place)?.decided_at += 1;
    Some(())
}

fn less_reviewed(export: &mut Export, _: &mut Chance) -> Option<()> {
    export.re_reviews.first_mut()?.items.pop().map(drop)
}

fn cut_log(export: &mut Export, chance: &mut Chance) -> Option<()> {
    let log = chance.pick(&export.checkpoints)?.log.clone();
    let last = export.entries.iter().rposition(|entry| entry.log == log)?;
    export.entries.remove(last);
    Some(())
}

fn swap_leaves(export: &mut Export, _: &mut Chance) -> Option<()> {
    let of: Vec<usize> = (0..export.entries.len()).filter(|place| export.entries[*place].log == "department-p256-g1").collect();
    export.entries.swap(*of.first()?, *of.last()?);
    (of.len() > 1).then_some(())
}

fn remove_decision(export: &mut Export, chance: &mut Chance) -> Option<()> {
    let decided: Vec<usize> =
        (0..export.decisions.len()).filter(|place| export.decisions[*place].text.contains("\"act\":\"suspend\"")).collect();
    export.decisions.remove(*chance.pick(&decided)?);
    Some(())
}

/// The decision is then another, which no leaf names.
fn shorten_decision(export: &mut Export, chance: &mut Chance) -> Option<()> {
    let with_two = |place: &usize| {
        let whole: Value = serde_json::from_str(&export.decisions[*place].text).unwrap();
        whole["decision"]["act"] == "grant" && whole["statements"].as_array().unwrap().len() == 2
    };
    let found: Vec<usize> = (0..export.decisions.len()).filter(with_two).collect();
    let record = &mut export.decisions[*chance.pick(&found)?];
    let mut whole: Value = serde_json::from_str(&record.text).unwrap();
    whole["statements"].as_array_mut().unwrap().pop();
    record.text = whole.to_string();
    Some(())
}

fn remove_policy(export: &mut Export, _: &mut Chance) -> Option<()> {
    export.policies.pop().map(drop)
}

fn remove_statement(export: &mut Export, chance: &mut Chance) -> Option<()> {
    let place = chance.below(export.statements.len() as u64) as usize;
    export.statements.remove(place);
    Some(())
}

/// A list has something more in it, or its items in another order.
fn change_list(export: &mut Export, chance: &mut Chance) -> Option<()> {
    // The one that was approved.
    let list = export.lists.iter_mut().find(|list| list.items.len() == 3)?;
    if chance.once_in(2) {
        list.items.push("0".repeat(32))
    } else {
        list.items.reverse()
    }
    Some(())
}

/// The certificates of those who signed.
fn signing(export: &Export) -> Vec<usize> {
    let named: Vec<[u8; 32]> = (export.statements.iter())
        .filter_map(|record| match Statement::parse(&record.jws).ok()?.signer() {
            SignerReference::Certificate(fingerprint) => Some(fingerprint),
            SignerReference::Key(_) => None,
        })
        .collect();
    let signed = |der: &String| named.contains(&sha256(&STANDARD.decode(der).unwrap()));
    (0..export.certificates.len()).filter(|place| export.certificates[*place].der.as_ref().is_some_and(signed)).collect()
}

fn another_person(export: &mut Export, chance: &mut Chance) -> Option<()> {
    let place = *chance.pick(&signing(export))?;
    let other = export.persons.iter().find(|person| person.id != export.certificates[place].person)?.id.clone();
    export.certificates[place].person = other;
    Some(())
}

fn remove_certificate(export: &mut Export, chance: &mut Chance) -> Option<()> {
    let place = *chance.pick(&signing(export))?;
    export.certificates[place].der = None;
    Some(())
}

fn widen_grant(export: &mut Export, chance: &mut Chance) -> Option<()> {
    let place = chance.below(export.grants.len() as u64) as usize;
    let role = export.grants[place].grants.first()?.clone();
    export.grants[place].grants.push(hufu::services::replay::export::RoleRecord { role: "approver".to_owned(), ..role });
    Some(())
}

fn slip_grant(export: &mut Export, chance: &mut Chance) -> Option<()> {
    let mut record = chance.pick(&export.grants)?.clone();
    record.statement = "ab".repeat(32);
    export.grants.push(record);
    Some(())
}

// ---- the life that they are made from ----

/// A department with everybody and everything that can be decided about it, in one family with people of the other among them.
async fn life(family: Family) -> Story {
    let other = if family == Family::P256 { Family::Sm2 } else { Family::P256 };
    let basic = |text: String| text.replace("cooling = \"24 hours\"", "cooling = \"0 seconds\"");
    let two = |text: String| text.replace("count = 1", "count = 2");
    let ca =
        TestCa::new().with_policy("profiles/citizen-basic.toml", basic).with_policy("profiles/staff-short-lived.toml", two).start().await;
    let counter = Counter::open(&ca, family).await;
    let office = &counter.office;
    let second = ca.officer(&office.administrator, &office.department, &["approver"], other).await;
    let chief = ca.officer(&office.administrator, &office.department, &["administrator"], other).await;
    let auditor = ca.auditor(family).await;

    let mut held = Vec::new();
    for by in [&office.approver, &second, &office.approver, &second] {
        let applicant = ca.enrol(office, "staff", family).await;
        held.push(ca.approve(by, applicant).await.id);
    }
    let short = ca.enrol(office, "staff-short-lived", other).await;
    ca.decide(&office.approver, "approve", &short.enrolment, None, None).await.ok();
    ca.decide(&second, "approve", &short.enrolment, None, None).await.ok();
    import(&ca, &office.registration, &office.department, "number,CN\n1,甲\n2,乙\n3,丙\n", "").await.ok();
    let ids = in_state(&ca, office, "submitted").await;
    approve_list(&ca, &office.approver, &ids).await;
    let codes = ca.client(&office.registration).post("/api/v1/enrolments/codes", &json!({"enrolments": &ids[..2]})).await.ok().json();
    let claim = json!({"code": text(&codes["codes"][0], "code"), "csr": new_csr(other)});
    ca.anonymous().post("/api/v1/claims", &claim).await.ok();

    for (by, act, place) in [
        (&second, "suspend", 0),
        (&office.approver, "resume", 0),
        (&office.registration, "suspend", 0),
        (&chief, "suspend", 1),
        (&second, "resume", 1),
        (&office.administrator, "suspend", 2),
    ] {
        ca.decide(by, act, &held[place], None, None).await.ok();
    }
    ca.revoke(&chief, &held[0], "keyCompromise", None).await;
    revoke_list(&ca, &[&office.administrator, &chief], &held[1..3]).await;
    let (rejected, withdrawn) = (ca.enrol(office, "staff", family).await, ca.enrol(office, "staff", family).await);
    ca.decide(&second, "reject", &rejected.enrolment, None, None).await.ok();
    ca.decide(&office.registration, "withdraw", &withdrawn.enrolment, None, None).await.ok();
    let (_, _, citizen) = certificate(&ca, &counter, "citizen-basic", &Citizen::new("李雷"), family).await;
    certificate(&ca, &counter, "citizen-basic", &Citizen::new("韩梅"), other).await;
    for person in [&chief, &office.administrator] {
        let statement = person.sign(&ca.draft(person, "erase", &citizen.id, None, None).await);
        let path = format!("/api/v1/citizens/{}/erasure", citizen.id);
        ca.client(person).post(&path, &json!({"statement": statement})).await.ok();
    }
    let body = json!({"name": "service", "department": office.department, "scopes": ["verify"]});
    let token = text(&ca.client(&office.administrator).post("/api/v1/tokens", &body).await.ok().json(), "id");
    ca.decide(&office.administrator, "grant-token", &token, None, None).await.ok();

    put_in_force(&ca, [&office.administrator, auditor]).await;
    let applicant = ca.enrol(office, "staff", other).await;
    let last = ca.approve(&second, applicant).await;
    ca.decide(&office.administrator, "suspend", &last.id, None, None).await.ok();
    ca.decide(&office.approver, "resume", &last.id, None, None).await.ok();
    ca.revoke(&second, &last.id, "superseded", None).await;
    ca.decide(&chief, "revoke-token", &token, None, None).await.ok();
    ca.dismiss(&office.administrator, &second).await;
    ca.audit_finds_nothing().await;

    let people = [&office.administrator, &office.registration, &office.approver, &second, &chief, auditor];
    let keys: HashMap<[u8; 32], _> =
        people.into_iter().map(|person| (person.identity.certificate().fingerprint(), person.copy_of_key())).collect();
    let options = Options { busy_timeout: std::time::Duration::from_secs(5), max_connections: 2 };
    let db = Db::open(&ca.config.database_url(), options).await.unwrap();
    let mut story = Story::read(&db, Cast::of(ca.bundle(), keys)).await;
    db.close().await;
    story.who.insert("administrator", Signer::Person(office.administrator.identity.certificate().fingerprint()));
    story
}

async fn revoke_list(ca: &Ca, by: &[&Person], list: &[String]) {
    for person in by {
        let body = json!({"act": "revoke", "list": list, "reason": "cessationOfOperation"});
        let draft = ca.client(person).post("/api/v1/statements/drafts", &body).await.ok().json();
        let statement = person.sign(&serde_json::from_value(draft["payload"].clone()).unwrap());
        ca.client(person).post("/api/v1/revocations", &json!({"list": list, "statement": statement})).await.ok();
    }
}

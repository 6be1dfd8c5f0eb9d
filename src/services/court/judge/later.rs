//! What became of the signers' keys after they signed.
//!
//! Whoever revokes a certificate, or puts what it signed to re-review, may say since when its key is not trusted; of an officer's key that
//! counts when two people have signed it, since nobody alone makes doubtful what others rest on. What it signed before stands. What it signed since then is treated as a re-review treats it: what it let in is not proven to be well decided,
//! until somebody else has looked at it again; what it stopped stays stopped.

use std::collections::BTreeSet;

use super::{Change, Judge, Person, Signer, Word, happened, person, time};
use crate::{
    ledger::{Entry, EventType, State},
    policy::{About, Act},
    services::revoke::reason_name,
    validation::report::Remark,
};

/// Since when a key is not trusted.
struct Distrust {
    since: u64,
    reason: &'static str,
}

/// How many people say since when an officer's key is not trusted.
const ENOUGH_TO_DOUBT: usize = 2;

impl Judge<'_> {
    /// Who said since when the keys of those who signed are not trusted.
    pub(super) fn revocations(&mut self) {
        let others = self.proven.iter().filter(|(id, _)| **id != self.evidence.about);
        let revoked: Vec<(String, Entry, u64)> = others
            .filter_map(|(id, proven)| {
                let said = |leaf: &Entry| Some((id.clone(), leaf.clone(), leaf.invalid_since().ok()??));
                proven.history.iter().find_map(said)
            })
            .collect();
        for (id, leaf, since) in revoked {
            let (_, words) = self.decided(&format!("the revocation of {id}"), &leaf);
            let same = words.into_iter().filter(|word| word.since == Some(since));
            let people = same.filter_map(|word| word.signer).map(|signer| signer.person).collect();
            self.distrusted_by.insert(id, people);
        }
    }

    /// Which decisions rest on a key that is not trusted, and what else is to be known of the signers' keys.
    pub(super) fn later(&self, changes: &[Change<'_>]) -> (Vec<Remark>, Vec<Remark>) {
        let (mut distrusted, mut remarks) = (Vec::new(), Vec::new());
        let mut told = BTreeSet::new();
        for (number, change) in changes.iter().enumerate() {
            for word in &change.words {
                let Some((signer, distrust)) = self.distrust_of(word, changes) else { continue };
                let is_there_before = change.leaf.time < distrust.since;
                // Whoever put it to re-review knew when it was recorded.
                let is_reviewed = changes.iter().any(|change| is_review_of(change, signer));
                if is_there_before || (word.latest < distrust.since && !is_reviewed) {
                    remarks.extend((!is_there_before).then(|| early(word, signer, &distrust, change.leaf.time)));
                    continue;
                }
                told.insert(signer.certificate.clone());
                match kept(number, signer, changes) {
                    _ if matches!(change.leaf.event_type, EventType::HOLD | EventType::REVOKE) => {
                        remarks.push(stopped(word, signer, &distrust));
                    }
                    Some(at) => remarks.push(looked_at(word, signer, &distrust, at)),
                    None => distrusted.push(not_trusted(word, signer, &distrust)),
                }
            }
        }
        let own: BTreeSet<&str> = changes.iter().flat_map(|change| &change.words).map(|word| word.digest.as_str()).collect();
        for held in self.offices.values() {
            // What the certificate itself rests on was looked at above.
            for word in held.words.iter().filter(|word| !own.contains(word.digest.as_str())) {
                if let Some((signer, distrust)) = self.distrust_of(word, changes).filter(|(_, distrust)| distrust.since <= word.latest) {
                    told.insert(signer.certificate.clone());
                    remarks.push(appointed_by(&self.appointed(held), signer, &distrust));
                }
            }
        }
        remarks.extend(self.ended(&told));
        (distrusted, remarks)
    }

    /// The certificates of those who signed, as the ledger has them.
    pub(super) fn signers(&self) -> Vec<Signer> {
        let others = self.proven.iter().filter(|(id, _)| **id != self.evidence.about);
        let signer = |(id, proven): (&String, &super::Proven)| Signer {
            certificate: id.clone(),
            subject: proven.certificate.subject_text(),
            history: proven.history.iter().map(happened).collect(),
        };
        others.map(signer).collect()
    }

    /// Since when the key is not trusted that signed a statement: as its revocation says, or a re-review that stopped the certificate.
    fn distrust_of<'w>(&self, word: &'w Word, changes: &[Change<'_>]) -> Option<(&'w Person, Distrust)> {
        let signer = word.signer.as_ref()?;
        let history = &self.proven.get(&signer.certificate)?.history;
        let revoked =
            history.iter().find_map(|leaf| Some(Distrust { since: leaf.invalid_since().ok()??, reason: reason_name(leaf.reason) }));
        let revoked = revoked.filter(|_| self.counts(&signer.certificate, &signer.person));
        let reviewed = changes.iter().filter(|change| is_review_of(change, signer)).flat_map(|change| &change.words);
        let reviewed = reviewed.filter_map(|word| word.since).map(|since| Distrust { since, reason: "keyCompromise" });
        revoked.into_iter().chain(reviewed).min_by_key(|distrust| distrust.since).map(|distrust| (signer, distrust))
    }

    /// Whether the time counts that the revocation of a signer's certificate names. Of the holder's own it always does: nothing of
    /// anybody else's rests on it.
    fn counts(&self, certificate: &str, of: &str) -> bool {
        let about = self.proven.get(&self.evidence.about).and_then(|proven| person(&proven.certificate));
        let said_by = self.distrusted_by.get(certificate).map_or(0, BTreeSet::len);
        about.as_deref() == Some(of) || said_by >= ENOUGH_TO_DOUBT
    }

    /// Certificates of signers that have ended or stand still, and whose key was good as far as anybody says when it signed.
    fn ended(&self, told: &BTreeSet<String>) -> Vec<Remark> {
        let others = self.proven.iter().filter(|(id, _)| **id != self.evidence.about && !told.contains(*id));
        let ended = others.filter_map(|(id, proven)| {
            let last = proven.history.last()?;
            let counts = person(&proven.certificate).is_some_and(|person| self.counts(id, &person));
            let (subject, at, reason) = (proven.certificate.subject_text(), time(last.time), reason_name(last.reason));
            match (last.new_state, last.invalid_since().ok().flatten().map(time)) {
                (State::Revoked, Some(since)) if !counts => Some(Remark::new(
                    "distrusted-by-one-alone",
                    format!("{subject} 的证书已于 {at} 被吊销({reason}),吊销者一人称其私钥自 {since} 起不再可信。此说须由两人签署方为有效;吊销前的签名不受影响。"),
                    format!(
                        "The certificate of {subject} was revoked at {at} ({reason}). One person alone says that its key is not trusted since {since}, which counts when two sign it; what it signed before it was revoked stands."
                    ),
                )),
                (State::Revoked, Some(since)) => Some(Remark::new(
                    "signer-revoked",
                    format!("{subject} 的证书已于 {at} 被吊销({reason}),其私钥自 {since} 起不再可信;此前的签名不受影响。"),
                    format!(
                        "The certificate of {subject} was revoked at {at} ({reason}), and its key is not trusted since {since}; what it signed before stands."
                    ),
                )),
                (State::Revoked, None) => Some(Remark::new(
                    "signer-revoked",
                    format!("{subject} 的证书已于 {at} 被吊销({reason});账本未说明私钥自何时起不再可信,此前的签名不受影响。"),
                    format!(
                        "The certificate of {subject} was revoked at {at} ({reason}); the ledger names no time since when its key is not trusted, so what it signed before stands."
                    ),
                )),
                (State::Hold, _) => Some(Remark::new(
                    "signer-suspended",
                    format!("{subject} 的证书自 {at} 起被暂停;此前的签名不受影响。"),
                    format!("The certificate of {subject} is suspended since {at}; what it signed before stands."),
                )),
                (State::Good | State::Absent, _) => None,
            }
        });
        ended.collect()
    }
}

/// Whether a change stopped the certificate because this key was stolen.
fn is_review_of(change: &Change<'_>, signer: &Person) -> bool {
    let about = change.decision.as_ref().filter(|decision| decision.act == Act::ReReview).map(|decision| decision.about);
    change.leaf.event_type == EventType::HOLD
        && about.is_some_and(|about| matches!(about, About::Digest(_)) && about.to_string() == signer.certificate)
}

/// When other people looked at it again and kept the certificate, after a re-review of the key had stopped it.
fn kept(number: usize, signer: &Person, changes: &[Change<'_>]) -> Option<u64> {
    let mut later = changes[number + 1..].iter();
    later.find(|change| is_review_of(change, signer))?;
    let by_another = |change: &&Change<'_>| {
        let resuming = change.words.iter().filter(|word| word.act == Act::Resume).filter_map(|word| word.signer.as_ref());
        change.leaf.event_type == EventType::RESUME && resuming.map(|one| &one.person).any(|person| *person != signer.person)
    };
    later.find(by_another).map(|change| change.leaf.time)
}

fn not_trusted(word: &Word, signer: &Person, distrust: &Distrust) -> Remark {
    let (act, at, Person { subject, .. }, Distrust { since, reason }) = (word.act, time(word.at), signer, distrust);
    let since = time(*since);
    Remark::new(
        "key-not-trusted",
        format!("{subject} 于 {at} 签署了 {act},而其私钥自 {since} 起已不再可信({reason})。"),
        format!("The key of {subject}, who signed ({act}) at {at}, is not trusted since {since} ({reason})."),
    )
}

fn looked_at(word: &Word, signer: &Person, distrust: &Distrust, at: u64) -> Remark {
    let Remark { zh, en, .. } = not_trusted(word, signer, distrust);
    let at = time(at);
    Remark::new(
        "reviewed-and-kept",
        format!("{zh}经复核,他人已于 {at} 决定保留该证书。"),
        format!("{en} After the re-review others decided at {at} to keep the certificate."),
    )
}

fn stopped(word: &Word, signer: &Person, distrust: &Distrust) -> Remark {
    let Remark { zh, en, .. } = not_trusted(word, signer, distrust);
    Remark::new("stopped-by-a-distrusted-key", format!("{zh}已停止的仍然停止。"), format!("{en} What it stopped stays stopped."))
}

fn early(word: &Word, signer: &Person, distrust: &Distrust, leaf: u64) -> Remark {
    let (act, said, since, leaf, subject) = (word.act, time(word.at), time(distrust.since), time(leaf), &signer.subject);
    Remark::new(
        "signed-before-by-its-own-word",
        format!("{subject} 的私钥自 {since} 起不再可信。其声明({act})自称于此前的 {said} 签署,账本最早于 {leaf} 予以证明。"),
        format!(
            "The key of {subject} is not trusted since {since}. Its statement ({act}) says that it was signed before, at {said}; the ledger proves that it was there at {leaf}."
        ),
    )
}

fn appointed_by(appointed: &str, signer: &Person, distrust: &Distrust) -> Remark {
    let (since, subject, reason) = (time(distrust.since), &signer.subject, distrust.reason);
    Remark::new(
        "appointed-by-a-distrusted-key",
        format!("{appointed} 的任命由 {subject} 签署,而其私钥自 {since} 起已不再可信({reason})。被任命者所作的决定不因此自动失效。"),
        format!(
            "The appointment of {appointed} was signed by {subject}, whose key is not trusted since {since} ({reason}). What the appointed decided is not undone by that alone."
        ),
    )
}

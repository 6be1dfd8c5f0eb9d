//! What citizens are told: the rows of `contact_notice`, each written in the transaction of what it tells, go out by the mailer.
//!
//! Their contact is sealed and belongs to whoever it is of. A row is marked when the mail server has taken it; one that cannot
//! be sent stays, is tried again ever more seldom, and after a start anew. A telephone number waits for somebody else to send.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::{
    Failure, Services,
    deliver::{cause, wait},
    mail::{Letter, Mailer},
};
use crate::{
    services::error::Error,
    store::{self, citizens::ContactNoticeRow},
    world::{from_millis, millis},
};

/// Rows that are sent in one round.
const BATCH: i64 = 100;

/// Rows that could not be sent. Whoever sends holds them, so that nobody is written to twice at once.
#[derive(Default)]
pub struct Postponed(Mutex<BTreeMap<String, Postponement>>);

struct Postponement {
    attempts: i64,
    /// `None`: not before the next start.
    until: Option<OffsetDateTime>,
}

impl Services {
    /// Sends what waits. Answers how many mails were taken.
    pub(super) async fn write_to_citizens(&self, mailer: &Mailer) -> Result<usize, Error> {
        let mut postponed = self.notices.postponed.0.lock().await;
        let rows = {
            let mut connection = self.db.read().await?;
            store::citizens::waiting_notices(&mut connection, postponed.len() as i64 + BATCH).await?
        };
        let waiting: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        postponed.retain(|id, _| waiting.contains(id.as_str()));
        let mut written = 0;
        for row in &rows {
            let now = self.clock.now();
            let earlier = postponed.get(&row.id);
            if earlier.is_some_and(|earlier| earlier.until.is_none_or(|until| now < until)) {
                continue;
            }
            let attempts = earlier.map_or(0, |earlier| earlier.attempts) + 1;
            match self.write_to_citizen(mailer, row).await {
                Ok(()) => {
                    self.mark_written(row).await?;
                    postponed.remove(&row.id);
                    written += 1;
                }
                Err(failure) => {
                    tracing::warn!(kind = row.kind, attempts, error = cause(&failure), "a citizen was not told");
                    let until = (!failure.is_final()).then(|| now + wait(attempts));
                    postponed.insert(row.id.clone(), Postponement { attempts, until });
                    if failure.is_silence() {
                        break;
                    }
                }
            }
        }
        Ok(written)
    }

    async fn write_to_citizen(&self, mailer: &Mailer, row: &ContactNoticeRow) -> Result<(), Failure> {
        let contact = self.sealer.open(&format!("contact-notice/{}", row.id), &row.sealed_contact).map_err(Error::from)?;
        let address = std::str::from_utf8(&contact).ok().and_then(|contact| contact.parse().ok()).ok_or(Failure::NoMailAddress)?;
        let (subject, text) = words(&row.kind)?;
        mailer.post(Letter { id: row.id.clone(), to: vec![address], subject, text, date: from_millis(row.created_at) }).await
    }

    async fn mark_written(&self, row: &ContactNoticeRow) -> Result<(), Error> {
        let mut tx = self.db.begin_write().await?;
        match store::citizens::mark_notice_sent(tx.connection(), &row.id, millis(self.clock.now())).await {
            Ok(()) => Ok(tx.commit().await?),
            // Marked by another node, or erased with the person meanwhile.
            Err(store::Error::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Subject and text for each kind of row. They name nobody: a mailbox may be read by others.
fn words(kind: &str) -> Result<(String, String), Error> {
    let (zh, en, zh_text, en_text) = match kind {
        "identity-confirmed" => (
            "已在柜台核验您的身份",
            "Your identity was checked at a counter",
            "有人在柜台出示了您的身份证件,并领取了用于申请数字证书的领取码。该码须等待一段时间后才能使用。",
            "Somebody showed your documents at a counter and was given a code for a certificate. It works only after a waiting time.",
        ),
        "second-application" => (
            "有人以您的身份再次申请证书",
            "Another certificate was applied for as you",
            "您已有一张有效证书,现有人以您的身份再次申请。该申请将由工作人员审核。",
            "You have a valid certificate, and another was applied for as you. Officers will decide about it.",
        ),
        "certificate-issued" => (
            "已为您颁发证书",
            "A certificate was issued to you",
            "已按您的申请颁发数字证书。",
            "The certificate that was applied for was issued.",
        ),
        "certificate-suspended" => (
            "您的证书已暂停使用",
            "Your certificate was suspended",
            "有人使用了您的暂停码,您的证书现已暂停使用。",
            "Your suspension code was used; the certificate is suspended now.",
        ),
        "certificate-resumed" => (
            "您的证书已恢复使用",
            "Your certificate is in use again",
            "有人以您的身份重新通过身份核验,您被暂停的证书现已恢复使用。",
            "Somebody proved anew to be you, and your suspended certificate is good again.",
        ),
        "contest-decided" => (
            "证书争议已有决定",
            "The contest about your certificate was decided",
            "关于以您的身份提出的另一份证书申请,工作人员已作出决定。",
            "Officers have decided about the other application that was made as you.",
        ),
        other => return Err(Error::Corrupt(format!("a notice of the kind {other}"))),
    };
    let text = format!(
        "{zh_text}\n\n如非您本人所为,请立即联系发证机构。\n\n----\n\n{en_text}\n\nIf that was not you, tell the office that issues certificates at once.\n"
    );
    Ok((format!("{zh} / {en}"), text))
}

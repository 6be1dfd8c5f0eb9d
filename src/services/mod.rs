//! What the CA does, one file a thing: enrol, issue, revoke, publish, answer, verify. They know neither HTTP nor SQL text.
//!
//! Read `issue.rs` first, then `journal.rs`, which commits whatever the ledger records, and `statements.rs`, which is how
//! people decide. Kept out on purpose: status codes and bodies (`http/`), SQL (`store/`), and who may do what (`policy/`).

pub mod acknowledge;
pub mod anchors;
pub mod answer_ocsp;
pub mod approve;
pub mod audit;
pub mod authorities;
pub mod bearer;
pub mod callers;
pub mod citizens;
pub mod codes;
pub mod contents;
pub mod court;
pub mod crash;
pub mod departments;
pub mod enrol;
pub mod error;
pub mod evidence;
pub mod fetch;
#[cfg(test)]
pub mod fixture;
pub mod https;
pub mod identities;
pub mod install;
pub mod issue;
pub mod journal;
pub mod limits;
pub mod logs;
pub mod notices;
pub mod own_certificates;
pub mod own_keys;
pub mod policies;
pub mod proofing;
pub mod publish_crl;
pub mod re_review;
pub mod read_ledger;
pub mod register;
pub mod renew;
pub mod replay;
pub mod revoke;
pub mod revoke_list;
pub mod rows;
pub mod sealing;
pub mod sessions;
pub mod signed;
pub mod staff;
pub mod start;
pub mod statements;
pub mod suspend_by_code;
pub mod time_stamp;
pub mod tokens;
pub mod trust;
pub mod upkeep;
pub mod verify;
mod verify_foreign;
pub mod verify_signature;

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use time::{Duration, OffsetDateTime};

use crate::{
    config::Sm2Parameters,
    crypto::keys::{KeyStore, SigningKey},
    policy::{PersonId, PolicySet},
    store::Db,
    world::{Clock, Entropy},
};

pub use error::Error;

/// Everything the CA does, over one database, one set of keys and one policy.
pub struct Services {
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) keys: KeyStore,
    pub(crate) sealer: sealing::Sealer,
    pub(crate) vault: identities::Vault,
    pub(crate) provider: Option<proofing::oidc::Provider>,
    pub(crate) anchors: anchors::Anchors,
    pub(crate) fetcher: Option<fetch::Fetcher>,
    pub(crate) limits: limits::Limits,
    pub(crate) logins: sessions::Logins,
    pub(crate) pace: time_stamp::Pace,
    pub(crate) notices: notices::Notices,
    pub(crate) journal: journal::Journal,
    pub(crate) logs: Arc<logs::Logs>,
    pub(crate) authorities: authorities::Authorities,
    pub(crate) policy: ArcSwap<PolicySet>,
    pub(crate) system_key: Arc<dyn SigningKey>,
    pub(crate) system_person: PersonId,
    pub(crate) incarnation: String,
    pub(crate) responders: ArcSwap<BTreeMap<String, answer_ocsp::Responder>>,
    pub(crate) own_keys: ArcSwap<Vec<own_keys::OwnKey>>,
    pub(crate) crl_rounds: tokio::sync::Mutex<()>,
    /// The public address that every URL in a certificate starts with.
    pub base_url: String,
    /// Scheme, host and port of the API as browsers see them: what a login must name.
    pub api_origin: String,
    pub(crate) organization: String,
    pub(crate) crl_life: Duration,
    pub(crate) ocsp_life: Duration,
    /// How long a request may wait for its decision.
    pub(crate) request_life: Duration,
    pub(crate) new_crl_shards: u16,
    pub(crate) new_policy: Option<String>,
    pub(crate) sm2_parameters: Sm2Parameters,
}

impl Services {
    /// The origin line of a log.
    pub fn origin(&self, log: &str) -> Result<String, Error> {
        self.logs.read().get(log).map(|log| log.origin.clone()).ok_or_else(|| Error::unknown("log", log))
    }

    pub fn authorities(&self) -> &authorities::Authorities {
        &self.authorities
    }

    /// Whether the database answers.
    pub async fn is_ready(&self) -> Result<(), Error> {
        let mut connection = self.db.read().await?;
        crate::store::installation::find(&mut connection).await?;
        Ok(())
    }

    /// The time, as this installation's clock has it.
    pub fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// The version of the policy in force.
    pub fn policy(&self) -> Arc<PolicySet> {
        self.policy.load_full()
    }
}

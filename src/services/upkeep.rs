//! What the service does by itself, at start and every minute: finish promises, settle what was approved, close
//! stale requests, forget sessions that are over, renew its own certificates, publish CRLs, queue notices of what expires.

use super::{Services, error::Error};

/// How often.
pub const INTERVAL: std::time::Duration = std::time::Duration::from_secs(60);

/// A promise that is younger is being kept by whoever made it.
const PROMISE_AGE: time::Duration = time::Duration::minutes(1);

/// What a round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    pub promises_finished: usize,
    pub approvals_settled: usize,
    pub requests_expired: usize,
    pub crls_published: usize,
    pub sessions_ended: u64,
    pub notices_queued: usize,
    pub listener_is_new: bool,
}

impl Services {
    /// Each thing by itself: one that fails is reported and keeps nothing else from being done.
    pub async fn upkeep(&self) -> Round {
        let promises_finished = report("promises", self.finish_promises(PROMISE_AGE).await).unwrap_or(0);
        let approvals_settled = report("approvals", self.settle_approved().await).unwrap_or(0);
        let requests_expired = report("requests", self.expire_requests().await).unwrap_or(0);
        let listener_is_new = report("own certificates", self.renew_own_certificates().await).unwrap_or(false);
        report("citizens' enrolments", self.decide_by_proofs().await);
        report("unused proofs", self.forget_unused_proofs().await);
        let sessions_ended = report("sessions", self.end_sessions().await).unwrap_or(0);
        let crls_published = report("CRLs", self.publish_due_crls().await).unwrap_or(0);
        // After the renewals: what was renewed in time is nothing to write about.
        let notices_queued = report("notices", self.queue_notices().await).unwrap_or(0);
        Round { promises_finished, approvals_settled, requests_expired, crls_published, sessions_ended, notices_queued, listener_is_new }
    }
}

fn report<T>(what: &str, outcome: Result<T, Error>) -> Option<T> {
    outcome.inspect_err(|error| tracing::error!(%error, what, "upkeep failed; the next round is in a minute")).ok()
}

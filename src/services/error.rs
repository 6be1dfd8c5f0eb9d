//! Why the service did not do what it was asked. Refusals carry data; `http/problem.rs` words them.

use crate::{
    crypto,
    policy::{self, DepartmentId, TreeError},
    store, x509,
    x509::lints::Finding,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    // What came in cannot be read.
    #[error("{field}: {why}")]
    Malformed { field: &'static str, why: String },
    #[error("the certification request cannot be read: {0}")]
    RequestMalformed(String),
    #[error("the request's signature does not verify with its own key")]
    ProofOfPossession,
    #[error("keys of {found} are not allowed here, only {allowed}")]
    KeyAlgorithm { found: String, allowed: String },
    #[error("this key belongs to another person")]
    KeyUsedByAnother,
    #[error("the request has no key for any family of the profile")]
    NoRequests,
    #[error("{total} lines are refused; the first of them: {}", .first.as_ref().map(ToString::to_string).unwrap_or_default())]
    LinesRefused { total: usize, first: Option<Box<super::staff::lines::Finding>> },

    // Who asks.
    #[error("this needs a client certificate")]
    Unauthenticated,
    #[error("the client certificate is not good: {0}")]
    CallerNotGood(&'static str),
    #[error("the session is unknown or over")]
    SessionNotGood,
    #[error("the token is unknown, expired or revoked")]
    TokenNotGood,
    #[error("this takes a person, with a certificate or a session")]
    PersonNeeded,
    #[error("the token is not for this: it takes the scope {0}")]
    ScopeNeeded(super::tokens::Scope),
    #[error("the token is of another department")]
    OtherDepartment,
    #[error("not the answer to an open challenge of this service, signed in time with the certificate that it names")]
    LoginRefused,
    #[error(transparent)]
    Refused(#[from] policy::Refusal),
    #[error("the claim code is unknown, used or expired; ask whoever handed it out for a new one")]
    ClaimRefused,
    #[error("the code, the login or the proof is unknown, used or out of its time; go to the counter for a new code, or log in again")]
    ProofingRefused,
    /// Whatever was not right: whoever holds a code of somebody else's learns nothing.
    #[error(
        "the proof is unknown, used, out of its time, of another person, or of somebody who was seen before the suspension: go to the \
         counter for a new code, or log in again; what an officer suspended, no code resumes: ask the office, whose officer resumes it"
    )]
    ResumptionRefused,
    #[error("the profile asks for a better proof of who you are")]
    AssuranceTooLow,
    /// With how long to wait.
    #[error("too many attempts from this address; try again in {} seconds", .0.whole_seconds() + 1)]
    TooManyAttempts(time::Duration),
    #[error("too many requests from this caller; try again in {} seconds", .0.whole_seconds() + 1)]
    TooManyRequests(time::Duration),

    // What is asked about.
    #[error("there is no {what} {id}")]
    Unknown { what: &'static str, id: String },
    #[error("there is no profile {0}")]
    ProfileUnknown(String),
    #[error("the profile {profile} does not allow this: {field}")]
    FieldRefused { profile: String, field: policy::FieldError },
    #[error("department {department} was merged into {successor}")]
    DepartmentMerged { department: DepartmentId, successor: DepartmentId },
    #[error(transparent)]
    DepartmentsRefused(TreeError),
    #[error("the {what} is {found}, not {expected}")]
    WrongState { what: &'static str, found: String, expected: &'static str },
    #[error(
        "another enrolment or certificate of the same citizen stands against enrolment {later}: two officers decide, each with \
         hufu citizen uphold {later} or each with hufu citizen dismiss {later}; hufu citizen contests lists what waits"
    )]
    Contested { later: String },
    #[error("{item}: {error}")]
    OfItem { item: String, error: Box<Error> },
    #[error(
        "a revocation of this list waits already, {}, signed by {}; draft those words to sign that one, or begin another beside it (anew)",
        .0.words, .0.signed_by.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    RevocationWaits(Box<super::revoke_list::WaitingRevocation>),
    #[error(
        "a revocation of an officer's certificate says no time before itself: that would make doubtful what they decided. Two people \
         say since when the key is not trusted (hufu rereview); one may revoke it at once, without that time"
    )]
    ReReviewNeeded,
    #[error("this is the certificate of an authority: two administrators revoke it, by a list (hufu revoke, POST /api/v1/revocations)")]
    AuthorityTakesTwo,
    #[error("an authority is not suspended: nothing below it would be good until somebody resumes it")]
    AuthorityNotSuspended,
    #[error("this Idempotency-Key was used for another request")]
    IdempotencyKeyReused,

    #[error("the personal data of this {0} were erased")]
    Erased(&'static str),

    // The statement.
    #[error("the statement cannot be read: {0}")]
    StatementMalformed(#[from] policy::StatementError),
    #[error("the statement's signature does not verify")]
    StatementSignature,
    #[error("the statement was signed by {0}")]
    StatementSigner(&'static str),
    #[error("the statement's {field} is not what this request is about")]
    StatementTarget { field: &'static str },
    #[error("the nonce is unknown, expired or of another person or act")]
    NonceUnknown,
    #[error("the nonce was used before")]
    NonceReplayed,
    #[error("the record changed after it was shown to the signer")]
    SeenStale,
    #[error(transparent)]
    PolicyRefused(#[from] policy::PolicyErrors),
    #[error("another policy is in force now")]
    PolicyStale,
    #[error("the statement's log position is not one of this ledger")]
    LogPosition,
    #[error("the statement's log position is older than its draft")]
    LogPositionStale,
    #[error("the statement's time is outside the life of its nonce")]
    StatementTime,
    #[error("one person signs at most {} {} of {act} in 24 hours{}", .reached.most, .reached.of, opens(.reached))]
    DailyCap {
        act: policy::Act,
        reached: policy::cap::Reached,
        /// How long until there is room; `None` when there never is.
        wait: Option<time::Duration>,
    },

    // What went wrong here.
    #[error("the draft breaks a rule: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Lint(Vec<Finding>),
    #[error("too many requests are waiting")]
    Busy,
    #[error("the service is stopping")]
    Stopping,
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the signing key did not answer")]
    Key(#[source] crypto::Error),
    #[error("an object could not be encoded")]
    Encoding(#[from] x509::Error),
    #[error("the identity provider did not answer as it must ({0})")]
    ProviderAway(&'static str),
    #[error("the ledger refused: {0}")]
    Ledger(String),
    #[error("log {0} was advanced by another writer")]
    HeadLost(String),
    #[error("sealed data cannot be opened")]
    Unsealable(#[from] super::sealing::Unsealable),
    #[error("{0}")]
    Corrupt(String),
}

fn opens(reached: &policy::cap::Reached) -> String {
    match reached.opens {
        Some(opens) => format!("; there is room again at {}", policy::Timestamp::new(opens)),
        None => "; this alone is more".to_owned(),
    }
}

impl From<TreeError> for Error {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Unknown(id) => Self::unknown("department", id),
            TreeError::Merged { department, successor } => Self::DepartmentMerged { department, successor },
            TreeError::Stale(_) => Self::SeenStale,
            other => Self::DepartmentsRefused(other),
        }
    }
}

impl From<x509::linted::Failure> for Error {
    fn from(failure: x509::linted::Failure) -> Self {
        match failure {
            x509::linted::Failure::Encoding(error) => Self::Encoding(error),
            x509::linted::Failure::Findings(findings) => Self::Lint(findings),
        }
    }
}

impl Error {
    pub fn unknown(what: &'static str, id: impl std::fmt::Display) -> Self {
        Self::Unknown { what, id: id.to_string() }
    }

    /// Whether a certification request is at fault: what counts against the code that it came with.
    pub fn is_of_a_bad_request(&self) -> bool {
        matches!(self, Self::RequestMalformed(_) | Self::ProofOfPossession | Self::KeyAlgorithm { .. } | Self::KeyUsedByAnother)
    }

    /// The same error about one item of a list.
    pub fn of_item(self, item: &str) -> Self {
        Self::OfItem { item: item.to_owned(), error: Box::new(self) }
    }

    pub fn malformed(field: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Malformed { field, why: why.to_string() }
    }
}

//! Problem documents (RFC 9457): the one place where an error becomes a status code, a stable code and words.
//!
//! `docs/problems.md` lists every code; a test compares the list with `CODES`.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use time::Duration;

use crate::{policy::Act, services, store};

/// How long to wait for a service that is busy.
const BUSY_WAIT: Duration = Duration::SECOND;

/// A stable code with its status and its title in both languages.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    pub name: &'static str,
    pub status: StatusCode,
    pub zh: &'static str,
    pub en: &'static str,
}

macro_rules! codes {
    ($($constant:ident $name:literal $status:ident $zh:literal $en:literal;)*) => {
        $(const $constant: Code = Code { name: $name, status: StatusCode::$status, zh: $zh, en: $en };)*
        /// Every code this service answers with.
        pub static CODES: &[Code] = &[$($constant),*];
    };
}

codes! {
    REQUEST_MALFORMED "malformed-request" BAD_REQUEST "请求格式有误" "The request cannot be read";
    MEDIA_TYPE "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "不支持的内容类型" "The content type is not one this address takes";
    TOO_LARGE "body-too-large" PAYLOAD_TOO_LARGE "请求内容过大" "The body is larger than allowed";
    NOT_FOUND "not-found" NOT_FOUND "地址不存在" "There is nothing at this address";
    METHOD "method-not-allowed" METHOD_NOT_ALLOWED "不支持的请求方法" "This address does not take this method";
    TIMEOUT "timeout" SERVICE_UNAVAILABLE "处理超时" "The request took too long";
    CSR_MALFORMED "csr-malformed" BAD_REQUEST "证书请求格式有误" "The certification request cannot be read";
    POSSESSION "proof-of-possession-failed" UNPROCESSABLE_ENTITY "无法证明持有私钥" "The certification request does not prove possession of its key";
    KEY_ALGORITHM "key-algorithm-not-allowed" UNPROCESSABLE_ENTITY "不允许的密钥算法或曲线" "The key's algorithm or curve is not allowed";
    KEY_TAKEN "key-used-by-another" CONFLICT "该密钥已被他人使用" "The key belongs to another person";
    NO_REQUESTS "csr-missing" UNPROCESSABLE_ENTITY "缺少证书请求" "The enrolment has no certification request";
    LINES "lines-refused" UNPROCESSABLE_ENTITY "清单中有错误行" "Lines of the list are wrong";
    UNAUTHENTICATED "authentication-required" UNAUTHORIZED "需要客户端证书" "A client certificate is needed";
    SESSION "session-not-good" UNAUTHORIZED "会话无效" "The session is not good";
    TOKEN "token-not-good" UNAUTHORIZED "令牌无效" "The token is not good";
    CALLER "client-certificate-not-good" UNAUTHORIZED "客户端证书无效" "The client certificate is not good";
    NOT_PERMITTED "not-permitted" FORBIDDEN "无权执行该操作" "The caller may not do this";
    OWN_REQUEST "own-request" FORBIDDEN "不得审批自己的申请" "Nobody decides on their own request";
    LOGIN "login-refused" FORBIDDEN "登录无效" "The login is not accepted";
    ORIGIN "origin-refused" FORBIDDEN "请求来自其他网站" "The request comes from a page of another site";
    CLAIM "claim-refused" FORBIDDEN "领取码无效" "The claim code is unknown, used or expired";
    PROOFING "proofing-refused" FORBIDDEN "身份核验无效" "The code, the login or the proof of identity is not accepted";
    ASSURANCE "assurance-too-low" FORBIDDEN "身份核验等级不足" "The proof of identity is not good enough for the profile";
    REQUESTS "too-many-requests" TOO_MANY_REQUESTS "请求过于频繁" "Too many requests from this caller";
    ATTEMPTS "too-many-attempts" TOO_MANY_REQUESTS "尝试次数过多" "Too many attempts from this address";
    UNKNOWN_RECORD "unknown-record" NOT_FOUND "记录不存在" "There is no such record";
    UNKNOWN_CERTIFICATE "unknown-certificate" NOT_FOUND "证书不存在" "There is no such certificate";
    PROFILE "unknown-profile" UNPROCESSABLE_ENTITY "证书模板不存在" "There is no such profile";
    FIELD "field-refused" UNPROCESSABLE_ENTITY "字段不符合模板要求" "A field is not what the profile allows";
    STATE "wrong-state" CONFLICT "当前状态不允许该操作" "The record's state does not allow this";
    RE_REVIEW_NEEDED "re-review-needed" FORBIDDEN "须由两人复核" "This takes a re-review, which two people sign";
    AUTHORITY_TWO "authority-takes-two" FORBIDDEN "吊销发证机构证书须两名管理员" "Two administrators revoke an authority";
    AUTHORITY_HOLD "authority-not-suspended" FORBIDDEN "发证机构证书不可暂停" "An authority is not suspended";
    REVOCATION_WAITS "revocation-waits" CONFLICT "该清单已有待签的吊销" "A revocation of this list waits in other words";
    CONTESTED "contested" CONFLICT "该公民的申请存在异议" "Two enrolments are of one citizen, and two officers decide between them";
    MERGED "department-merged" CONFLICT "该部门已并入其他部门" "The department was merged into another";
    DEPARTMENTS "departments-refused" CONFLICT "部门的层级或名称有冲突" "The departments cannot be so";
    ERASED "erased" GONE "个人信息已删除" "The personal data were erased";
    IDEMPOTENCY "idempotency-key-reused" CONFLICT "幂等键已用于其他请求" "The Idempotency-Key was used for another request";
    STATEMENT "statement-malformed" BAD_REQUEST "声明格式有误" "The statement cannot be read";
    STATEMENT_SIGNATURE "statement-signature-invalid" FORBIDDEN "声明签名无效" "The statement's signature does not verify";
    STATEMENT_SIGNER "statement-signer-refused" FORBIDDEN "声明签署者无效" "The statement's signer is not accepted";
    STATEMENT_TARGET "statement-target-mismatch" CONFLICT "声明与操作对象不符" "The statement is about something else";
    NONCE "nonce-unknown" CONFLICT "随机数无效" "The nonce is unknown, expired or somebody else's";
    REPLAYED "nonce-replayed" CONFLICT "声明已被使用" "The statement was used before";
    SEEN "seen-stale" CONFLICT "记录已变更,请重新查看" "The record changed after it was shown";
    POLICY "policy-stale" CONFLICT "策略已更新" "Another policy is in force now";
    POLICY_REFUSED "policy-refused" UNPROCESSABLE_ENTITY "策略文件有误" "A file of the policy is refused";
    LOG_POSITION "log-position-unknown" CONFLICT "账本位置无效" "The log position is not one of this ledger";
    LOG_POSITION_STALE "log-position-stale" CONFLICT "账本位置已过时" "The log position is older than the draft";
    STATEMENT_TIME "statement-time-refused" CONFLICT "声明时间无效" "The statement's time is not acceptable";
    DAILY_CAP "daily-cap" TOO_MANY_REQUESTS "超过每日限额" "One person signs no more of this in a day";
    LINT "certificate-refused-by-lint" UNPROCESSABLE_ENTITY "证书内容不符合规范" "The certificate would break a rule";
    BUSY "busy" SERVICE_UNAVAILABLE "服务繁忙" "Too many requests are waiting";
    STOPPING "stopping" SERVICE_UNAVAILABLE "服务正在停止" "The service is stopping";
    STORAGE_BUSY "storage-busy" SERVICE_UNAVAILABLE "数据库繁忙" "The database is locked by another";
    STORAGE_FULL "storage-full" INSUFFICIENT_STORAGE "存储空间已满" "The disk is full";
    STORAGE_AWAY "storage-unavailable" SERVICE_UNAVAILABLE "数据库不可用" "The database does not answer";
    KEY_AWAY "key-unavailable" SERVICE_UNAVAILABLE "签名密钥不可用" "The signing key does not answer";
    PROVIDER_AWAY "identity-provider-unavailable" BAD_GATEWAY "身份认证平台不可用" "The identity provider does not answer as it must";
    INTERNAL "internal" INTERNAL_SERVER_ERROR "内部错误" "Something went wrong here";
}

/// An answer in the form of RFC 9457, with `code` and `message` beside its members.
///
/// On its way out it goes with the response: who logs it looks there, and puts the request's id in.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: String,
    /// The rule of the policy that refused, and what it was that was not to be done. Boxed: few problems have one.
    refusal: Option<Box<(String, Option<Act>)>>,
    retry_after: Option<Duration>,
}

/// What a problem is sent as.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument<'a> {
    /// A URN made of the code.
    r#type: String,
    title: &'static str,
    status: u16,
    /// What programs decide by.
    code: &'static str,
    /// Which field, rule or limit.
    detail: &'a str,
    #[schema(inline)]
    message: Message,
    /// The id of the request.
    #[serde(skip_serializing_if = "str::is_empty")]
    instance: &'a str,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Message {
    zh: &'static str,
    en: &'static str,
}

impl Problem {
    fn new(code: Code, detail: impl std::fmt::Display) -> Self {
        Self { code, detail: detail.to_string(), refusal: None, retry_after: None }
    }

    /// Logs the whole chain once and tells the client none of it.
    fn internal(error: &dyn std::error::Error) -> Self {
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            chain = format!("{chain}: {error}");
            source = error.source();
        }
        tracing::error!(error = chain, "a request failed");
        Self::new(INTERNAL, "the cause is in the service's log under this request's id")
    }

    pub fn code(&self) -> &'static str {
        self.code.name
    }

    /// Whether somebody was refused, rather than not understood or not served.
    pub fn is_refusal(&self) -> bool {
        use StatusCode as S;
        [S::UNAUTHORIZED, S::FORBIDDEN, S::CONFLICT, S::TOO_MANY_REQUESTS].contains(&self.code.status)
    }

    /// The rule that refused, as a stable word.
    pub fn rule(&self) -> &str {
        self.refusal.as_ref().map_or(self.code.name, |refusal| refusal.0.as_str())
    }

    /// What was not to be done, where a rule of the policy says so.
    pub fn act(&self) -> &'static str {
        self.refusal.as_ref().and_then(|refusal| refusal.1).map_or("", Act::as_str)
    }

    fn of_rule(self, rule: &str, act: Option<Act>) -> Self {
        Self { refusal: Some(Box::new((rule.to_owned(), act))), ..self }
    }

    fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    pub fn other_origin() -> Self {
        Self::new(ORIGIN, "what changes something is taken from pages of this service alone, with their Origin header")
    }

    pub fn malformed(detail: impl std::fmt::Display) -> Self {
        Self::new(REQUEST_MALFORMED, detail)
    }

    pub fn bad_cursor() -> Self {
        Self::malformed("cursor is the `next` of the page before")
    }

    pub fn not_found() -> Self {
        Self::new(NOT_FOUND, "see the list of interfaces in the documentation")
    }

    pub fn method_not_allowed() -> Self {
        Self::new(METHOD, "see the Allow header")
    }

    pub fn media_type(expected: &str) -> Self {
        Self::new(MEDIA_TYPE, format!("this address takes {expected}"))
    }

    pub fn too_large() -> Self {
        Self::new(TOO_LARGE, "the limit is in the service's configuration (limits.body)")
    }

    /// Of the address whose bodies have a limit of their own.
    pub fn by_signature_limit(self) -> Self {
        let is_about_it = self.code.name == TOO_LARGE.name;
        let detail = "the limit is in the service's configuration (limits.signature_body); of a detached signature the digest of the \
                      content will do, and hufu verify signature --trust bundle.json asks no service";
        if is_about_it { Self { detail: detail.to_owned(), ..self } } else { self }
    }

    pub fn timeout() -> Self {
        Self::new(TIMEOUT, "try again; a POST with an Idempotency-Key or a signed statement is never done twice")
    }

    pub fn panicked() -> Self {
        Self::new(INTERNAL, "the cause is in the service's log under this request's id")
    }
}

impl From<services::Error> for Problem {
    fn from(error: services::Error) -> Self {
        use services::Error as E;
        match &error {
            E::Malformed { .. } => Self::new(REQUEST_MALFORMED, error),
            E::RequestMalformed(_) => Self::new(CSR_MALFORMED, error),
            E::ProofOfPossession => Self::new(POSSESSION, error),
            E::KeyAlgorithm { .. } => Self::new(KEY_ALGORITHM, error),
            E::KeyUsedByAnother => Self::new(KEY_TAKEN, error),
            E::NoRequests => Self::new(NO_REQUESTS, error),
            E::LinesRefused { .. } => Self::new(LINES, error),
            E::Unauthenticated => Self::new(UNAUTHENTICATED, error),
            E::CallerNotGood(_) => Self::new(CALLER, error),
            E::SessionNotGood => Self::new(SESSION, error),
            E::TokenNotGood => Self::new(TOKEN, error),
            E::LoginRefused => Self::new(LOGIN, error),
            E::PersonNeeded => Self::new(NOT_PERMITTED, error).of_rule("person-needed", None),
            E::ScopeNeeded(_) => Self::new(NOT_PERMITTED, error).of_rule("scope-needed", None),
            E::OtherDepartment => Self::new(NOT_PERMITTED, error).of_rule("other-department", None),
            E::Refused(refusal) if refusal.is_about_own_request() => Self::new(OWN_REQUEST, refusal).of_rule(refusal.rule(), refusal.act()),
            E::Refused(refusal) => Self::new(NOT_PERMITTED, refusal).of_rule(refusal.rule(), refusal.act()),
            E::ProofingRefused | E::ResumptionRefused => Self::new(PROOFING, error),
            E::AssuranceTooLow => Self::new(ASSURANCE, error),
            E::TooManyAttempts(wait) => Self::new(ATTEMPTS, &error).after(*wait),
            E::TooManyRequests(wait) => Self::new(REQUESTS, &error).after(*wait),
            E::Erased(_) => Self::new(ERASED, error),
            E::ProviderAway(_) => Self::new(PROVIDER_AWAY, error),
            E::ClaimRefused => Self::new(CLAIM, error),
            E::Unknown { what: "certificate", .. } => Self::new(UNKNOWN_CERTIFICATE, error),
            E::Unknown { .. } => Self::new(UNKNOWN_RECORD, error),
            E::ProfileUnknown(_) => Self::new(PROFILE, error),
            E::FieldRefused { .. } => Self::new(FIELD, error),
            E::DepartmentMerged { .. } => Self::new(MERGED, error),
            E::DepartmentsRefused(_) => Self::new(DEPARTMENTS, error),
            E::WrongState { .. } => Self::new(STATE, error),
            E::ReReviewNeeded => Self::new(RE_REVIEW_NEEDED, error),
            E::AuthorityTakesTwo => Self::new(AUTHORITY_TWO, error),
            E::AuthorityNotSuspended => Self::new(AUTHORITY_HOLD, error),
            E::RevocationWaits(_) => Self::new(REVOCATION_WAITS, error),
            E::Contested { .. } => Self::new(CONTESTED, error),
            E::OfItem { item, .. } => {
                let item = item.clone();
                let E::OfItem { error, .. } = error else { unreachable!("matched above") };
                let problem = Self::from(*error);
                Self { detail: format!("{item}: {}", problem.detail), ..problem }
            }
            E::IdempotencyKeyReused => Self::new(IDEMPOTENCY, error),
            E::StatementMalformed(_) => Self::new(STATEMENT, error),
            E::StatementSignature => Self::new(STATEMENT_SIGNATURE, error),
            E::StatementSigner(_) => Self::new(STATEMENT_SIGNER, error),
            E::StatementTarget { .. } => Self::new(STATEMENT_TARGET, error),
            E::NonceUnknown => Self::new(NONCE, error),
            E::NonceReplayed => Self::new(REPLAYED, error),
            E::SeenStale => Self::new(SEEN, error),
            E::PolicyRefused(_) => Self::new(POLICY_REFUSED, error),
            E::PolicyStale => Self::new(POLICY, error),
            E::LogPosition => Self::new(LOG_POSITION, error),
            E::LogPositionStale => Self::new(LOG_POSITION_STALE, error),
            E::StatementTime => Self::new(STATEMENT_TIME, error),
            E::DailyCap { act, wait, .. } => {
                let problem = Self::new(DAILY_CAP, &error).of_rule(DAILY_CAP.name, Some(*act));
                Self { retry_after: *wait, ..problem }
            }
            E::Lint(findings) => Self::new(
                LINT,
                findings
                    .iter()
                    .map(|finding| format!("{} ({}): {}", finding.lint, finding.clause, finding.detail))
                    .collect::<Vec<_>>()
                    .join("; "),
            ),
            E::Busy => Self::new(BUSY, error),
            E::Stopping => Self::new(STOPPING, error),
            E::Store(store) => Self::storage(store, &error),
            E::Key(_) => {
                tracing::error!(%error, "a signing key did not answer");
                Self::new(KEY_AWAY, "nothing was changed; try again later")
            }
            E::HeadLost(_) => Self::new(STOPPING, "try again in a moment"),
            E::Encoding(_) | E::Ledger(_) | E::Unsealable(_) | E::Corrupt(_) => Self::internal(&error),
        }
    }
}

impl Problem {
    fn storage(store: &store::Error, error: &services::Error) -> Self {
        match store {
            store::Error::Busy(_) => Self::new(STORAGE_BUSY, "nothing was changed; try again later"),
            store::Error::Full(_) => {
                tracing::error!("the disk is full");
                Self::new(STORAGE_FULL, "nothing was changed")
            }
            store::Error::Unavailable(_) => {
                tracing::error!(%error, "the database does not answer");
                Self::new(STORAGE_AWAY, "try again later; a signed statement or an Idempotency-Key is never done twice")
            }
            store::Error::Taken { .. }
            | store::Error::Conflict
            | store::Error::NewerSchema { .. }
            | store::Error::Corrupt(_)
            | store::Error::Other(_) => Self::internal(error),
        }
    }
}

impl Problem {
    /// The document itself, with the id of the request as its instance.
    pub fn into_response_for(self, id: &str) -> Response {
        let body = ProblemDocument {
            r#type: format!("urn:hufu:problem:{}", self.code.name),
            title: self.code.en,
            status: self.code.status.as_u16(),
            code: self.code.name,
            detail: &self.detail,
            message: Message { zh: self.code.zh, en: self.code.en },
            instance: id,
        };
        let mut response = (self.code.status, Json(body)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let wait = self.retry_after.or((self.code.status == StatusCode::SERVICE_UNAVAILABLE).then_some(BUSY_WAIT));
        if let Some(wait) = wait {
            // RFC 9110 §10.2.3: whole seconds, and no sooner than it is worth while.
            let seconds = u32::try_from(wait.whole_seconds() + 1).unwrap_or(u32::MAX);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.code.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2 asks for it; a client certificate has no scheme of its own.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"hufu\""));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.clone().into_response_for("");
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_request_brings_about_has_its_code_all_the_same() {
        let finding = crate::x509::lints::Finding { lint: "version-is-v3", clause: "RFC 5280 §4.1.2.1", detail: "it is 1".to_owned() };
        let key = crate::crypto::Error::KeyUnavailable("slot 3 does not answer".to_owned());
        for (error, status, code, detail) in [
            (services::Error::Lint(vec![finding]), 422, "certificate-refused-by-lint", "version-is-v3 (RFC 5280 §4.1.2.1): it is 1"),
            (services::Error::Key(key), 503, "key-unavailable", "nothing was changed; try again later"),
            (services::Error::Stopping, 503, "stopping", "the service is stopping"),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.code.status.as_u16(), problem.code(), problem.detail.as_str()), (status, code, detail));
        }
    }

    #[test]
    fn codes_are_unique_and_every_one_is_documented() {
        let documentation = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/problems.md")).unwrap();
        for (index, code) in CODES.iter().enumerate() {
            assert!(CODES[index + 1..].iter().all(|other| other.name != code.name), "{}", code.name);
            let row = format!("| `{}` | {} |", code.name, code.status.as_u16());
            assert!(documentation.contains(&row), "docs/problems.md has no row {row}");
        }
    }
}

//! Proofing by a login at an OpenID Connect provider: authorization code flow (OpenID Connect Core §3.1) with PKCE (RFC 7636).
//!
//! A login that is begun is a row: the state by which the answer finds it, the browser that began it, and, sealed, the nonce
//! and the PKCE verifier. It is used once, within minutes, by that browser. The ID token's signature, issuer, audience, times
//! and nonce are checked by the `openidconnect` crate, against our clock. The person logs in anew: a session that somebody left
//! open at the provider proves nothing. How much a login is worth says the provider's `acr`,
//! and what an `acr` is worth says the configuration; one that it does not name is worth nothing.

use std::{collections::BTreeMap, time::Duration as Wait};

use anyhow::Context;
use async_trait::async_trait;
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthenticationContextClass, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, HttpRequest, HttpResponse, IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope, StandardErrorResponse, StandardTokenResponse, TokenResponse, UserInfoClaims,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
        CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
        CoreTokenIntrospectionResponse, CoreTokenType,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{Established, ProofToken, Proofing, ProvenSubject, check_contact};
use crate::{
    config::{OidcConfig, read_passphrase},
    crypto::digest::sha256,
    policy::{Assurance, IdentityNumber, Timestamp},
    services::{Services, error::Error, https, register::check_text},
    store::{self, citizens::OidcFlowRow},
    world::{millis, random},
};

/// How long a person may take to log in.
const FLOW_LIFE: Duration = Duration::minutes(10);
/// How long ago a login and its ID token may be, and how far the provider's clock ahead.
const TOKEN_AGE: Duration = Duration::minutes(10);
const CLOCK_SKEW: Duration = Duration::minutes(2);
const REQUEST_TIME: Wait = Wait::from_secs(10);
/// How many logins may be under way; whoever begins one more is told to come again.
const MOST_FLOWS: i64 = 10_000;
/// The largest answer of a provider that is read.
const MOST_OCTETS: usize = 256 * 1024;
const LONGEST_PARAMETER: usize = 4096;

/// Asymmetric algorithms only: a shared secret would let whoever has it log in as anybody.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 6] = [
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
];

/// The provider, as it is configured.
pub struct Provider {
    http: reqwest::Client,
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: Option<ClientSecret>,
    redirect_uri: RedirectUrl,
    scopes: Vec<Scope>,
    assurance: BTreeMap<String, Assurance>,
    name_claim: String,
    number_claim: Option<String>,
    contact_claim: String,
}

/// A login to be made in a browser.
pub struct Begun {
    /// Where the browser goes.
    pub url: String,
    /// What the browser keeps, as a cookie, until it comes back.
    pub cookie: String,
}

/// What the browser brings back.
pub struct Returned {
    pub state: String,
    pub code: String,
    /// RFC 9207: who says that it answers.
    pub issuer: Option<String>,
    pub cookie: String,
}

/// What is kept, sealed, between the two.
#[derive(Serialize, Deserialize)]
struct Secrets {
    nonce: String,
    verifier: String,
}

/// Claims beyond the standard's, by name.
#[derive(Clone, Default, Serialize, Deserialize)]
struct OtherClaims(BTreeMap<String, Value>);

impl AdditionalClaims for OtherClaims {}

impl std::fmt::Debug for OtherClaims {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // They are about a person.
        write!(formatter, "{} other claims", self.0.len())
    }
}

type Answer = StandardTokenResponse<
    IdTokenFields<OtherClaims, EmptyExtraTokenFields, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>,
    CoreTokenType,
>;

type Client<Auth, Token, UserInfo> = openidconnect::Client<
    OtherClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Answer,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    Auth,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    Token,
    UserInfo,
>;

type Discovered = Client<openidconnect::EndpointSet, openidconnect::EndpointMaybeSet, openidconnect::EndpointMaybeSet>;

impl Provider {
    /// `None` when no provider is configured.
    pub fn open(config: &OidcConfig) -> anyhow::Result<Option<Self>> {
        let Some(issuer) = &config.issuer else { return Ok(None) };
        let client_id = config.client_id.clone().context("oidc.client_id is needed with oidc.issuer")?;
        let redirect_uri = config.redirect_uri.clone().context("oidc.redirect_uri is needed with oidc.issuer")?;
        let secret = config.client_secret_file.as_deref().map(read_passphrase).transpose()?;
        let mut assurance = BTreeMap::new();
        for line in &config.assurance {
            let (acr, level) = line.rsplit_once('=').context("oidc.assurance has entries as \"acr = level\"")?;
            assurance.insert(acr.trim().to_owned(), level.trim().parse().with_context(|| format!("oidc.assurance: {line:?}"))?);
        }
        // The configured text, not the parsed URL, which may have grown a slash: issuers are compared as they are written.
        Ok(Some(Self {
            http: https::client(issuer, &config.ca_file, REQUEST_TIME).context("oidc.issuer")?,
            issuer: IssuerUrl::new(issuer.as_str().trim_end_matches('/').to_owned())?,
            client_id: ClientId::new(client_id),
            client_secret: secret.map(|secret| ClientSecret::new(secrecy::ExposeSecret::expose_secret(&secret).to_owned())),
            redirect_uri: RedirectUrl::new(redirect_uri.to_string())?,
            scopes: config.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new).collect(),
            assurance,
            name_claim: config.name_claim.clone(),
            number_claim: config.number_claim.clone(),
            contact_claim: config.contact_claim.clone(),
        }))
    }

    /// The provider as it describes itself now: endpoints and keys may change from one login to the next.
    async fn discover(&self) -> Result<Discovered, Error> {
        let http = |request| send(self.http.clone(), request);
        let metadata = CoreProviderMetadata::discover_async(self.issuer.clone(), &http).await.map_err(away("discovery"))?;
        let client = Client::from_provider_metadata(metadata, self.client_id.clone(), self.client_secret.clone());
        Ok(client.set_redirect_uri(self.redirect_uri.clone()))
    }
}

/// Why a request to the provider came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    #[error("the provider's answer is larger than {MOST_OCTETS} octets")]
    TooLarge,
    #[error("the provider's answer is no HTTP")]
    Form(#[from] openidconnect::http::Error),
}

async fn send(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, Failure> {
    let mut answer = http.execute(request.try_into()?).await?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_OCTETS {
            return Err(Failure::TooLarge);
        }
    }
    let mut response = openidconnect::http::Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    Ok(response.body(body)?)
}

/// What failed while the provider was asked. Its words may be about a person, so only their kind is kept.
fn away<E: std::error::Error>(what: &'static str) -> impl Fn(E) -> Error {
    move |error| {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        tracing::warn!(what, cause, "the identity provider did not answer as it must");
        Error::ProviderAway(what)
    }
}

impl Services {
    /// Begins a login at the configured provider.
    pub async fn begin_login(&self) -> Result<Begun, Error> {
        let provider = self.provider()?;
        let under_way = store::citizens::count_flows(&mut self.db.read().await?, millis(self.clock.now())).await?;
        if under_way >= MOST_FLOWS {
            return Err(Error::Busy);
        }
        let client = provider.discover().await?;
        let secret = || hex::encode(random::<32>(&*self.entropy));
        let (state, cookie, secrets) = (secret(), secret(), Secrets { nonce: secret(), verifier: secret() });
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(secrets.verifier.clone()));
        let (state_in_url, nonce) = (state.clone(), secrets.nonce.clone());
        let mut request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || CsrfToken::new(state_in_url), move || Nonce::new(nonce))
            .set_pkce_challenge(challenge)
            .add_prompt(CoreAuthPrompt::Login)
            .set_max_age(TOKEN_AGE.unsigned_abs());
        for scope in &provider.scopes {
            request = request.add_scope(scope.clone());
        }
        for acr in provider.assurance.keys() {
            request = request.add_auth_context_value(AuthenticationContextClass::new(acr.clone()));
        }
        let (url, ..) = request.url();

        let state_hash = sha256(state.as_bytes());
        // Two texts always serialise.
        let sealed = zeroize::Zeroizing::new(serde_json::to_vec(&secrets).expect("secrets serialise"));
        let row = OidcFlowRow {
            state_hash: state_hash.to_vec(),
            browser_hash: sha256(cookie.as_bytes()).to_vec(),
            sealed_secrets: self.sealer.seal(&flow_row(&state_hash), &sealed, &*self.entropy),
            expires_at: millis(self.clock.now() + FLOW_LIFE),
            used_at: None,
        };
        let mut tx = self.db.begin_write().await?;
        store::citizens::insert_flow(tx.connection(), &row).await?;
        tx.commit().await?;
        Ok(Begun { url: url.to_string(), cookie })
    }

    pub fn provider(&self) -> Result<&Provider, Error> {
        self.provider.as_ref().ok_or_else(|| Error::unknown("identity provider", "in this installation"))
    }

    /// Uses the login up that this browser began.
    async fn end_login(&self, returned: &Returned) -> Result<Secrets, Error> {
        let (state_hash, browser_hash) = (sha256(returned.state.as_bytes()), sha256(returned.cookie.as_bytes()));
        let mut tx = self.db.begin_write().await?;
        let used = store::citizens::use_flow(tx.connection(), &state_hash, &browser_hash, millis(self.clock.now())).await;
        let row = used.map_err(|error| match error {
            store::Error::Conflict => Error::ProofingRefused,
            other => other.into(),
        })?;
        tx.commit().await?;
        let opened = self.sealer.open(&flow_row(&state_hash), &row.sealed_secrets)?;
        serde_json::from_slice(&opened).map_err(|_| Error::Corrupt("a login's secrets".to_owned()))
    }
}

fn flow_row(state_hash: &[u8; 32]) -> String {
    format!("oidc-flow/{}", hex::encode(state_hash))
}

#[async_trait]
impl Proofing for Provider {
    type Presented = Returned;

    async fn establish(&self, services: &Services, now: OffsetDateTime, returned: Returned) -> Result<Established, Error> {
        let other_issuer = returned.issuer.as_ref().is_some_and(|issuer| *issuer != *self.issuer.as_str());
        if other_issuer || [&returned.state, &returned.code, &returned.cookie].iter().any(|text| text.len() > LONGEST_PARAMETER) {
            return Err(Error::ProofingRefused);
        }
        let secrets = services.end_login(&returned).await?;
        let login = self.exchange(now, returned.code, secrets).await?;

        let claim = |name: &str| login.claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let acr = claim("acr").unwrap_or_default();
        let assurance = *self.assurance.get(&acr).ok_or(Error::AssuranceTooLow)?;
        let subject = claim("sub").ok_or(Error::ProofingRefused)?;
        let issuer = self.issuer.as_str();
        let number = match self.number_claim.as_deref().and_then(claim) {
            Some(text) => {
                let number = IdentityNumber::resident(&text, now.date());
                Some(number.map_err(|error| Error::malformed("number", error))?)
            }
            None => None,
        };
        let name = claim(&self.name_claim);
        name.as_deref().map(|name| check_text("name", name)).transpose()?;
        let vault = &services.vault;
        Ok(Established {
            method: "oidc",
            assurance,
            reference: vault.reference_of_subject(issuer, &subject),
            blind_index: number.as_ref().map_or_else(|| vault.index_of_subject(issuer, &subject), |number| vault.index_of_number(number)),
            evidence: json!({
                "method": "oidc",
                "assurance": assurance.as_str(),
                "issuer": issuer,
                "acr": acr,
                "id_token": hex::encode(login.token_digest),
                "auth_time": Timestamp::new(login.at).to_string(),
            }),
            token: ProofToken::of(random(&*services.entropy)),
            identity_check: None,
            subject: ProvenSubject { name, contact: self.contact(&login.claims) },
            number,
            rows: Vec::new(),
        })
    }
}

/// A login that the provider vouches for.
struct Login {
    /// Of the ID token and, where the provider has it, of the UserInfo endpoint.
    claims: serde_json::Map<String, Value>,
    /// SHA-256 of the ID token with its signature: it is evidence to whoever has the token, and to nobody else anything.
    token_digest: [u8; 32],
    /// When the person logged in, as the provider says.
    at: OffsetDateTime,
}

impl Provider {
    /// Exchanges the code for an ID token and checks it (OpenID Connect Core §3.1.3.7).
    async fn exchange(&self, now: OffsetDateTime, code: String, secrets: Secrets) -> Result<Login, Error> {
        let client = self.discover().await?;
        let http = |request| send(self.http.clone(), request);
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(away("token endpoint"))?;
        let answer = request.set_pkce_verifier(PkceCodeVerifier::new(secrets.verifier)).request_async(&http).await;
        // The provider refuses a code that is not its own, and that is the applicant's to know.
        let answer: Answer = match answer {
            Err(openidconnect::RequestTokenError::ServerResponse(_)) => return Err(Error::ProofingRefused),
            other => other.map_err(away("token endpoint"))?,
        };
        let token = answer.id_token().ok_or(Error::ProofingRefused)?;
        let refused = |error: &dyn std::fmt::Display| {
            tracing::warn!(cause = %error, "an ID token was refused");
            Error::ProofingRefused
        };
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || instant(now))
            .set_issue_time_verifier_fn(move |issued| in_time(issued.timestamp(), now.unix_timestamp()))
            .set_auth_time_verifier_fn(move |login| match login {
                Some(login) => in_time(login.timestamp(), now.unix_timestamp()),
                None => Err("it does not say when the person logged in".to_owned()),
            });
        let claims = token.claims(&verifier, &Nonce::new(secrets.nonce)).map_err(|error| refused(&error))?;
        let at = claims.auth_time().and_then(|login| OffsetDateTime::from_unix_timestamp(login.timestamp()).ok());
        let at = at.ok_or_else(|| refused(&"it does not say when the person logged in"))?;
        if let Some(expected) = claims.access_token_hash() {
            let algorithm = token.signing_alg().map_err(|error| refused(&error))?;
            let key = token.signing_key(&verifier).map_err(|error| refused(&error))?;
            let found = AccessTokenHash::from_token(answer.access_token(), algorithm, key).map_err(|error| refused(&error))?;
            if found != *expected {
                return Err(refused(&"the access token is another's"));
            }
        }
        let mut all = object(claims)?;
        if client.user_info_url().is_some() {
            let request = client.user_info(answer.access_token().clone(), Some(claims.subject().clone())).map_err(away("UserInfo"))?;
            let more: UserInfoClaims<OtherClaims, CoreGenderClaim> = request.request_async(&http).await.map_err(away("UserInfo"))?;
            // What the ID token says is signed and stays.
            for (name, value) in object(&more)? {
                all.entry(name).or_insert(value);
            }
        }
        Ok(Login { claims: all, token_digest: sha256(token.to_string().as_bytes()), at })
    }

    /// The contact that the provider says it has verified (OpenID Connect Core §5.1: `email_verified`, `phone_number_verified`).
    fn contact(&self, claims: &serde_json::Map<String, Value>) -> Option<String> {
        let verified = claims.get(&format!("{}_verified", self.contact_claim)).and_then(Value::as_bool) == Some(true);
        let contact = claims.get(&self.contact_claim).and_then(Value::as_str).filter(|_| verified)?;
        check_contact(contact).is_ok().then(|| contact.to_owned())
    }
}

fn instant(now: OffsetDateTime) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp(now.unix_timestamp(), 0).unwrap_or_default()
}

/// Whether the person logged in, and the token was issued, just now (OpenID Connect Core §3.1.3.7 (10) and (13)).
fn in_time(at: i64, now: i64) -> Result<(), String> {
    let age = Duration::seconds(now.saturating_sub(at));
    if age > TOKEN_AGE {
        return Err("the login was too long ago".to_owned());
    }
    if age < -CLOCK_SKEW { Err("the login is in the future".to_owned()) } else { Ok(()) }
}

/// Standard and other claims by name.
fn object(claims: &impl Serialize) -> Result<serde_json::Map<String, Value>, Error> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(claims)) => Ok(claims),
        _ => Err(Error::ProviderAway("claims")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_young_and_not_from_the_future() {
        for (age, accepted) in [(0, true), (600, true), (601, false), (-120, true), (-121, false)] {
            assert_eq!(in_time(1_000_000 - age, 1_000_000).is_ok(), accepted, "{age}");
        }
    }

    #[test]
    fn a_provider_is_configured_whole_or_not_at_all() {
        assert!(Provider::open(&OidcConfig::default()).unwrap().is_none());
        let whole = || OidcConfig {
            issuer: Some("http://127.0.0.1:1".parse().unwrap()),
            client_id: Some("hufu".to_owned()),
            redirect_uri: Some("https://ca.example/api/v1/citizens/oidc/callback".parse().unwrap()),
            assurance: vec!["urn:loa:3 = high".to_owned()],
            ..OidcConfig::default()
        };
        assert_eq!(Provider::open(&whole()).unwrap().unwrap().assurance["urn:loa:3"], Assurance::High);
        let wrong: [fn(&mut OidcConfig); 5] = [
            |config| config.issuer = Some("http://id.example".parse().unwrap()),
            |config| config.client_id = None,
            |config| config.redirect_uri = None,
            |config| config.assurance = vec!["urn:loa:3".to_owned()],
            |config| config.assurance = vec!["urn:loa:3 = great".to_owned()],
        ];
        for (index, change) in wrong.into_iter().enumerate() {
            let mut config = whole();
            change(&mut config);
            assert!(Provider::open(&config).is_err(), "{index}");
        }
    }

    #[test]
    fn a_contact_counts_when_the_provider_verified_it() {
        let config = OidcConfig {
            issuer: Some("http://localhost:1".parse().unwrap()),
            client_id: Some("hufu".to_owned()),
            redirect_uri: Some("https://ca.example/".parse().unwrap()),
            ..OidcConfig::default()
        };
        let provider = Provider::open(&config).unwrap().unwrap();
        let contact = |claims: Value| provider.contact(claims.as_object().unwrap());
        assert_eq!(contact(json!({"email": "li@example.cn", "email_verified": true})).as_deref(), Some("li@example.cn"));
        for claims in [
            json!({}),
            json!({"email": "li@example.cn"}),
            json!({"email": "li@example.cn", "email_verified": false}),
            json!({"email": "li@example.cn", "email_verified": "true"}),
            json!({"email": "li lei", "email_verified": true}),
        ] {
            assert_eq!(contact(claims.clone()), None, "{claims}");
        }
    }
}

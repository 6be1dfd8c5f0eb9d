//! The configuration: one typed tree, filled from defaults, a TOML file, `HUFU_*` variables and the command line, in that
//! order. A key nobody knows is refused, so a misspelt one is never silently a default.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

/// Where Debian keeps the roots that the machine trusts.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The data directory: keys, policies, trust bundle and, without `database`, the SQLite database.
    pub data: PathBuf,
    /// `postgres://…` or `sqlite://…`; absent: `{data}/hufu.db`.
    pub database: Option<String>,
    /// Where the API listens.
    pub https: SocketAddr,
    /// Where certificates, CRLs, OCSP and the ledger are served.
    pub http: SocketAddr,
    /// The address of `http` as others reach it. Every URL inside certificates starts with it.
    pub base_url: Option<Url>,
    /// The address of `https` as browsers reach it: whoever logs in signs it.
    pub api_url: Option<Url>,
    /// A file that holds the passphrase of the keys; otherwise `HUFU_PASSPHRASE`, or the systemd credential `hufu-passphrase`.
    pub passphrase_file: Option<PathBuf>,
    /// The O of the authorities' own names.
    pub organization: String,
    pub authority: AuthorityConfig,
    pub limits: Limits,
    pub oidc: OidcConfig,
    pub fetch: FetchConfig,
    pub notices: NoticesConfig,
}

/// What is fixed when an authority is made, and how it publishes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthorityConfig {
    /// The number of CRL shards of a new authority; it stands in its certificates and never changes.
    pub crl_shards: u16,
    /// How long a CRL is valid, in hours; a new one is published after half of it.
    pub crl_hours: u32,
    /// How long an OCSP answer is valid, in minutes.
    pub ocsp_minutes: u32,
    /// The parameters of sm2sign-with-sm3 in new objects: `null` as the national root writes them, or `absent`.
    pub sm2_parameters: Sm2Parameters,
    /// The certificate policy of new authorities; absent: an arc under 2.25 made from a UUID.
    pub policy: Option<String>,
    /// The work factor of the passphrase over key files, in PBKDF2 iterations.
    pub key_iterations: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sm2Parameters {
    Null,
    Absent,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest body of a request, in octets.
    pub body: usize,
    /// The same for signatures that are to be verified, which carry the certificates of all who signed.
    pub signature_body: usize,
    /// The longest a request may take, in seconds.
    pub request_seconds: u64,
    /// Connections at once, to each listener; one more waits.
    pub connections: usize,
    /// The longest a client may take to shake hands, and to send the head of its next request, in seconds.
    pub header_seconds: u64,
    /// Commits that may wait for the journal; one more is answered with 503.
    pub queue: usize,
    /// Time stamps in a second, over all who ask; one more is refused. Each stays in the ledger for ever.
    pub time_stamps: u32,
    /// How long a request for a certificate may wait for its decision, in days; then it expires.
    pub enrolment_days: u32,
    /// The longest wait for a locked database, in milliseconds.
    pub database_wait_millis: u64,
    /// Connections to PostgreSQL.
    pub database_connections: u32,
    /// Requests to the API of one caller (certificate, session or token) in a second; one more is answered with 429.
    pub caller_requests_second: u32,
    /// The same in a day.
    pub caller_requests_day: u32,
    /// Requests to the API in a second of everybody at one address who has not said who they are; of IPv6, at one /64.
    pub address_requests_second: u32,
    /// The same in a day.
    pub address_requests_day: u32,
    /// Codes and logins that are refused, of one address in ten minutes; then it waits.
    pub failures: u32,
}

/// Fetching what certificates of other PKIs point to: revocation lists, OCSP responses, issuers' certificates.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FetchConfig {
    pub enabled: bool,
    /// Networks that may be asked although they are private, as `10.0.0.0/8`.
    pub allow: Vec<String>,
    /// The largest answer, in octets.
    pub octets: usize,
    /// The longest that one answer may take, in seconds.
    pub seconds: u64,
}

/// The OpenID Connect provider by which citizens prove who they are; without an issuer there is none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OidcConfig {
    /// Its issuer identifier, https://…
    pub issuer: Option<Url>,
    /// What it calls us.
    pub client_id: Option<String>,
    /// A file that holds the client secret; none for a public client.
    pub client_secret_file: Option<PathBuf>,
    /// Where it sends browsers back: the address of `/api/v1/citizens/oidc/callback` as browsers reach it.
    pub redirect_uri: Option<Url>,
    /// The roots (PEM) that its TLS certificate must lead to.
    pub ca_file: PathBuf,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// What its `acr` values are worth, as `acr = low | substantial | high`; any other is worth nothing.
    pub assurance: Vec<String>,
    /// The claim with the person's name.
    pub name_claim: String,
    /// The claim with the identity number, if it tells it.
    pub number_claim: Option<String>,
    /// The claim with the contact; it counts when the claim of that name with `_verified` is true.
    pub contact_claim: String,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self { enabled: false, allow: Vec::new(), octets: 8 << 20, seconds: 5 }
    }
}

/// Who is told that a certificate will end, when and how. Without a mail server and a webhook nobody is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NoticesConfig {
    /// How many days before the end.
    pub days: Vec<u16>,
    /// Mail addresses of whoever runs the CA: for its own certificates, and for those that lead to no other address.
    pub operators: Vec<String>,
    /// Mail addresses of departments, as `department = address`, for their certificates without an address in them.
    pub departments: Vec<String>,
    pub smtp: SmtpConfig,
    pub webhook: WebhookConfig,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmtpConfig {
    /// The host of the mail server; none: no mail is sent.
    pub server: Option<String>,
    /// Its port; absent: the usual one for `tls`.
    pub port: Option<u16>,
    pub tls: SmtpTls,
    /// Who the mails are from.
    pub from: Option<String>,
    /// The name to log in with; none: no login.
    pub user: Option<String>,
    /// A file that holds its password.
    pub password_file: Option<PathBuf>,
    /// The roots (PEM) that the server's certificate must lead to.
    pub ca_file: PathBuf,
}

/// When a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// From its first octet (RFC 8314 §3.3).
    Implicit,
    /// After STARTTLS, which the server must offer (RFC 3207).
    StartTls,
    /// Never: only to this machine.
    None,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// Where events are posted, https://…; none: nowhere.
    pub url: Option<Url>,
    /// The roots (PEM) that its TLS certificate must lead to.
    pub ca_file: PathBuf,
}

impl Default for NoticesConfig {
    fn default() -> Self {
        Self {
            days: vec![60, 30, 7, 1],
            operators: Vec::new(),
            departments: Vec::new(),
            smtp: SmtpConfig::default(),
            webhook: WebhookConfig::default(),
        }
    }
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            server: None,
            port: None,
            tls: SmtpTls::Implicit,
            from: None,
            user: None,
            password_file: None,
            ca_file: PathBuf::from(SYSTEM_ROOTS),
        }
    }
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self { url: None, ca_file: PathBuf::from(SYSTEM_ROOTS) }
    }
}

impl Default for OidcConfig {
    fn default() -> Self {
        Self {
            issuer: None,
            client_id: None,
            client_secret_file: None,
            redirect_uri: None,
            ca_file: PathBuf::from(SYSTEM_ROOTS),
            scopes: vec!["openid".to_owned(), "profile".to_owned(), "email".to_owned()],
            assurance: Vec::new(),
            name_claim: "name".to_owned(),
            number_claim: None,
            contact_claim: "email".to_owned(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("hufu-data"),
            database: None,
            https: SocketAddr::from(([127, 0, 0, 1], 8443)),
            http: SocketAddr::from(([127, 0, 0, 1], 8080)),
            base_url: None,
            api_url: None,
            passphrase_file: None,
            organization: "Hufu Trial".to_owned(),
            authority: AuthorityConfig::default(),
            limits: Limits::default(),
            oidc: OidcConfig::default(),
            fetch: FetchConfig::default(),
            notices: NoticesConfig::default(),
        }
    }
}

impl Default for AuthorityConfig {
    fn default() -> Self {
        Self {
            crl_shards: 16,
            crl_hours: 24,
            ocsp_minutes: 60,
            sm2_parameters: Sm2Parameters::Null,
            policy: None,
            key_iterations: crate::crypto::keys::KeyStore::ITERATIONS,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 256 * 1024,
            signature_body: 1024 * 1024,
            request_seconds: 30,
            connections: 1024,
            header_seconds: 10,
            queue: 4096,
            time_stamps: 1000,
            enrolment_days: 30,
            database_wait_millis: 5000,
            database_connections: 16,
            caller_requests_second: 2000,
            caller_requests_day: 20_000_000,
            address_requests_second: 2000,
            address_requests_day: 20_000_000,
            failures: 10,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration cannot be read: {0}")]
    Read(Box<figment::Error>),
    #[error("api_url (--api-url) must be an address as https://ca.example:8443, without path, query or user, and is {0}")]
    ApiUrl(String),
    #[error("base_url (--base-url) must be an address as http://ca.example, without path, query or user, and is {0}")]
    BaseUrl(String),
    #[error(
        "{listener} listens on every address of this machine ({address}): say under which name others reach it, with {url} (--{option})"
    )]
    Unnamed { listener: &'static str, address: SocketAddr, url: &'static str, option: &'static str },
    #[error("the passphrase file {path}: {error}")]
    Passphrase { path: PathBuf, error: std::io::Error },
    #[error("authority.crl_shards must be between 1 and 4096")]
    Shards,
}

impl Config {
    /// Reads the file, if one is named, then `HUFU_*` (`HUFU_LIMITS__BODY` for `limits.body`), then `overrides`.
    pub fn load(file: Option<&Path>, overrides: impl Serialize) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            figment = figment.merge(Toml::file_exact(file));
        }
        // Settings of the command-line client and of tests share the prefix and are not of this tree.
        let others = ["PASSPHRASE", "SERVER", "IDENTITY", "TRUST", "KEY_PASSPHRASE", "LOG", "LOG_FORMAT", "CRASH_AT", "VECTORS", "CONFIG"];
        let environment = Env::prefixed("HUFU_")
            .filter(move |key| {
                !others.iter().any(|other| key.as_str().eq_ignore_ascii_case(other))
                    && !key.as_str().to_ascii_uppercase().starts_with("TEST_")
            })
            .split("__");
        let config: Self = figment
            .merge(environment)
            .merge(Serialized::defaults(overrides))
            .extract()
            .map_err(|error| ConfigError::Read(Box::new(error)))?;
        config.checked()
    }

    fn checked(self) -> Result<Self, ConfigError> {
        if let Some(url) = &self.base_url {
            let plain = matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none() && url.username().is_empty();
            if !plain || url.host_str().is_none() {
                return Err(ConfigError::BaseUrl(url.to_string()));
            }
        }
        if let Some(url) = &self.api_url
            && !(url.scheme() == "https" && url.path() == "/" && url.query().is_none() && url.username().is_empty())
        {
            return Err(ConfigError::ApiUrl(url.to_string()));
        }
        // Others would be sent to 0.0.0.0 for years: the addresses stand in certificates and in the origins of the logs.
        if self.http.ip().is_unspecified() && self.base_url.is_none() {
            return Err(ConfigError::Unnamed { listener: "http", address: self.http, url: "base_url", option: "base-url" });
        }
        if self.https.ip().is_unspecified() && self.api_url.is_none() {
            return Err(ConfigError::Unnamed { listener: "https", address: self.https, url: "api_url", option: "api-url" });
        }
        if !(1..=4096).contains(&self.authority.crl_shards) {
            return Err(ConfigError::Shards);
        }
        Ok(self)
    }

    /// The public address without a slash at its end.
    pub fn base_url(&self) -> String {
        match &self.base_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.http),
        }
    }

    /// The file of the trust anchors beside the installation's own roots.
    pub fn anchors(&self) -> PathBuf {
        self.data.join("anchors.toml")
    }

    /// The origin of the API (RFC 6454 §6.2).
    pub fn api_origin(&self) -> String {
        let own = || format!("https://{}", self.https).parse::<Url>();
        // An address and a port make a URL.
        self.api_url.clone().map_or_else(own, Ok).expect("an address is a host and a port").origin().ascii_serialization()
    }

    /// The address of the database.
    pub fn database_url(&self) -> String {
        self.database.clone().unwrap_or_else(|| format!("sqlite://{}", self.data.join("hufu.db").display()))
    }

    /// The passphrase from a file, the environment or systemd; `None` when none of them has one.
    pub fn passphrase(&self) -> Result<Option<SecretString>, ConfigError> {
        if let Some(path) = &self.passphrase_file {
            return read_passphrase(path).map(Some);
        }
        if let Ok(passphrase) = std::env::var("HUFU_PASSPHRASE") {
            return Ok(Some(passphrase.into()));
        }
        match std::env::var_os("CREDENTIALS_DIRECTORY").map(|directory| Path::new(&directory).join("hufu-passphrase")) {
            Some(path) if path.exists() => read_passphrase(&path).map(Some),
            _ => Ok(None),
        }
    }
}

/// The first line of a file, without its end.
pub fn read_passphrase(path: &Path) -> Result<SecretString, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Passphrase { path: path.to_owned(), error })?;
    let text = zeroize::Zeroizing::new(text);
    Ok(text.lines().next().unwrap_or_default().to_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hufu.toml");
        std::fs::write(&file, "htps = '127.0.0.1:1'\n").unwrap();
        let error = Config::load(Some(&file), serde_json::json!({})).unwrap_err().to_string();
        assert!(error.contains("htps"), "{error}");
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hufu.toml");
        std::fs::write(&file, "http = '127.0.0.1:1'\n[authority]\ncrl_shards = 3\n").unwrap();
        let config = Config::load(Some(&file), serde_json::json!({"http": "127.0.0.1:2"})).unwrap();
        assert_eq!((config.http.port(), config.authority.crl_shards), (2, 3));
        assert_eq!(config.base_url(), "http://127.0.0.1:2");
    }

    #[test]
    fn the_origin_of_the_api_leaves_out_the_port_that_everybody_expects() {
        let origin = |settings| Config::load(None, settings).map(|config| config.api_origin()).map_err(|error| error.to_string());
        assert_eq!(origin(serde_json::json!({"https": "[::1]:8443"})).unwrap(), "https://[::1]:8443");
        assert_eq!(origin(serde_json::json!({"api_url": "https://CA.example:443/"})).unwrap(), "https://ca.example");
        for url in ["http://ca.example", "https://ca.example/api", "https://user@ca.example"] {
            assert!(origin(serde_json::json!({"api_url": url})).is_err(), "{url}");
        }
    }

    #[test]
    fn whoever_listens_on_every_address_says_under_which_name() {
        let loaded = |settings| Config::load(None, settings).map(drop).map_err(|error| error.to_string());
        assert!(loaded(serde_json::json!({"http": "0.0.0.0:80"})).unwrap_err().contains("base_url"));
        assert!(loaded(serde_json::json!({"https": "[::]:443"})).unwrap_err().contains("--api-url"));
        let named = serde_json::json!({"http": "0.0.0.0:80", "base_url": "http://ca.example", "https": "[::]:443", "api_url": "https://ca.example"});
        loaded(named).unwrap();
    }

    #[test]
    fn a_base_url_with_a_path_is_refused() {
        for url in ["http://ca.example/path", "ftp://ca.example", "http://user@ca.example"] {
            assert!(Config::load(None, serde_json::json!({"base_url": url})).is_err(), "{url}");
        }
    }
}

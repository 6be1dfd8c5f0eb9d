//! Notices as mails: plain text, Chinese first and English below, to whoever holds the certificate, else to their department,
//! else to whoever runs the CA. The Message-ID is that of the notice, so that one that was sent twice is seen to be one.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate as Root, CertificateStore, Tls, TlsParameters},
        extension::ClientId,
    },
};
use secrecy::ExposeSecret;
use time::OffsetDateTime;

use super::{Channel, Expiry, Failure, Services};
use crate::{
    config::{NoticesConfig, SmtpConfig, SmtpTls, read_passphrase},
    policy::DepartmentId,
    services::{error::Error, https},
    world::rfc3339,
    x509::general_name::GeneralName,
};

/// The longest that the server may take for one step.
const STEP: Duration = Duration::from_secs(10);
/// RFC 3834 §5: nobody answers such a mail with an absence.
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");
/// In seconds.
const DAY: i64 = 24 * 60 * 60;

/// A mail server, and who is written to.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    operators: Vec<Mailbox>,
    departments: BTreeMap<DepartmentId, Mailbox>,
}

/// A mail.
pub struct Letter {
    /// What stands before the @ of its Message-ID.
    pub id: String,
    pub to: Vec<Mailbox>,
    pub subject: String,
    pub text: String,
    pub date: OffsetDateTime,
}

impl Mailer {
    /// `None` when no server is configured.
    pub fn open(config: &NoticesConfig) -> anyhow::Result<Option<Self>> {
        let Some(server) = &config.smtp.server else { return Ok(None) };
        ensure!(!config.operators.is_empty(), "notices.operators is needed with notices.smtp.server");
        let from = config.smtp.from.as_deref().context("notices.smtp.from is needed with notices.smtp.server")?;
        let from = mailbox(from).context("notices.smtp.from")?;
        let operators = config.operators.iter().map(|text| mailbox(text)).collect::<Result<_, _>>().context("notices.operators")?;
        let departments = config.departments.iter().map(|line| department(line)).collect::<Result<_, _>>()?;
        let transport = transport(server, &config.smtp, from.email.domain()).context("notices.smtp")?;
        Ok(Some(Self { transport, from, operators, departments }))
    }

    /// Hands a mail to the server, which has taken it when this returns.
    pub async fn post(&self, letter: Letter) -> Result<(), Failure> {
        let id = format!("<{}@{}>", letter.id, self.from.email.domain());
        let mut message = Message::builder().from(self.from.clone()).subject(letter.subject).message_id(Some(id));
        message = message.date(letter.date.into()).header(ContentType::TEXT_PLAIN);
        message = message.raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()));
        message = letter.to.into_iter().fold(message, lettre::message::MessageBuilder::to);
        let message = message.body(letter.text).map_err(|error| Error::Corrupt(format!("a mail: {error}")))?;
        self.transport.send(message).await.map(drop).map_err(|error| failure(&error))
    }

    /// Whose attention a certificate needs. Those of the service itself are its operators'.
    fn recipients(&self, expiry: &Expiry) -> Vec<Mailbox> {
        let named = expiry.certificate.extensions().subject_alt_names.iter().flatten().filter_map(|name| match name {
            GeneralName::Email(text) => text.parse::<Address>().ok().map(|address| Mailbox::new(None, address)),
            _ => None,
        });
        let named: Vec<Mailbox> = if expiry.serves.is_none() { named.collect() } else { Vec::new() };
        if !named.is_empty() {
            return named;
        }
        let department = expiry.department.and_then(|id| self.departments.get(&id));
        department.map_or_else(|| self.operators.clone(), |mailbox| vec![mailbox.clone()])
    }
}

#[async_trait]
impl Channel for Mailer {
    fn name(&self) -> &'static str {
        "mail"
    }

    async fn send(&self, services: &Services, expiry: &Expiry) -> Result<(), Failure> {
        let now = services.clock.now();
        let (subject, text) = words(expiry, now);
        self.post(Letter { id: expiry.id(), to: self.recipients(expiry), subject, text, date: now }).await
    }
}

fn mailbox(text: &str) -> anyhow::Result<Mailbox> {
    text.parse().with_context(|| format!("{text:?} is no mail address"))
}

fn department(line: &str) -> anyhow::Result<(DepartmentId, Mailbox)> {
    let (id, address) = line.split_once('=').context("notices.departments has entries as \"department = address\"")?;
    let id = id.trim().parse().with_context(|| format!("notices.departments: {line:?}"))?;
    Ok((id, mailbox(address.trim()).context("notices.departments")?))
}

/// Trusts the roots in `ca_file` alone, and names itself by the domain that it writes from.
fn transport(server: &str, config: &SmtpConfig, domain: &str) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
    let (tls, usual_port) = match config.tls {
        SmtpTls::Implicit => (Tls::Wrapper(tls(server, &config.ca_file)?), 465),
        SmtpTls::StartTls => (Tls::Required(tls(server, &config.ca_file)?), 587),
        SmtpTls::None if https::is_this_machine(server) => (Tls::None, 25),
        SmtpTls::None => bail!("tls = \"none\" is for a server on this machine"),
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server).tls(tls).timeout(Some(STEP));
    let builder = builder.port(config.port.unwrap_or(usual_port)).hello_name(ClientId::Domain(domain.to_owned()));
    let Some(user) = &config.user else { return Ok(builder.build()) };
    let file = config.password_file.as_deref().context("password_file is needed with user")?;
    let password = read_passphrase(file)?;
    Ok(builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned())).build())
}

fn tls(server: &str, ca_file: &Path) -> anyhow::Result<TlsParameters> {
    let mut builder = TlsParameters::builder(server.to_owned()).certificate_store(CertificateStore::None);
    for root in https::roots(ca_file)? {
        builder = builder.add_root_certificate(Root::from_der(root.to_vec())?);
    }
    Ok(builder.build_rustls()?)
}

/// RFC 5321 §4.2.3: 550 to 553 are about the mailbox or the mail; other codes, of a login for one, about what an operator can set right.
fn failure(error: &lettre::transport::smtp::Error) -> Failure {
    match error.status().map(u16::from) {
        Some(code @ 550..=553) => Failure::Refused(code),
        Some(code) => Failure::Answer(code),
        None if error.is_timeout() => Failure::Timeout,
        None if error.is_tls() => Failure::Tls,
        None => Failure::Connection,
    }
}

/// Subject and text.
fn words(expiry: &Expiry, now: OffsetDateTime) -> (String, String) {
    let end = expiry.certificate.not_after();
    // Days that have begun: thirty at the threshold of thirty.
    let (date, left) = (&rfc3339(end)[..10], ((end - now).whole_seconds() + DAY - 1) / DAY);
    let (zh, en) = if end <= now {
        (format!("证书已于 {date} 到期"), format!("Certificate expired on {date}"))
    } else {
        (format!("证书将于 {date} 到期(剩余 {left} 天)"), format!("Certificate expires on {date} ({left} days left)"))
    };
    let (zh_next, en_next) = next_step(expiry.serves.as_deref());
    let (subject, serial, end) = (expiry.certificate.subject_text(), hex::encode(&expiry.row.serial), rfc3339(end));
    let (authority, profile) = (&expiry.row.authority, &expiry.row.profile);
    let text = format!(
        "{zh}。\n\n主题: {subject}\n序列号: {serial}\n颁发机构: {authority}\n证书类型: {profile}\n到期时间: {end}\n\n{zh_next}\n\n\
         ----\n\n{en}.\n\nSubject: {subject}\nSerial number: {serial}\nIssuer: {authority}\nProfile: {profile}\nEnds: {end}\n\n{en_next}\n"
    );
    (format!("{zh} / {en}"), text)
}

/// What whoever reads it should do.
fn next_step(serves: Option<&str>) -> (&'static str, &'static str) {
    match serves {
        None => (
            "请在到期之前向所在部门的登记人员申请新证书;证书到期后将无法使用。",
            "Ask the registration officer of your department for a new one before then; afterwards it cannot be used.",
        ),
        Some("authority") => (
            "这是颁发机构的证书;到期后由其颁发的证书将全部失效。请及时启用新一代颁发机构。",
            "It is an authority's: when it ends, so does everything that it issued. Put its successor to use in time.",
        ),
        Some(_) => (
            "这是本系统自身的证书,系统会自动更新,但尚未成功。请查看服务日志。",
            "It is one of the service's own, which renews it by itself and has not succeeded. See the service's log.",
        ),
    }
}

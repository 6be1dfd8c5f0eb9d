//! `hufu claim`: makes a key on this machine, proves its possession, and fetches the certificate that a claim code stands for.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use der::pem::LineEnding;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{
    Family, citizen,
    client::{Client, Problem, Trust},
};
use crate::{
    config::read_passphrase,
    crypto::{PrivateKey, Secret, algorithms, digest::sha256, keys::software::decrypt_pem},
    files,
    services::codes::Code,
    world::{Entropy, SystemEntropy, random},
    x509::{Certificate, name, pkcs12::Pkcs12, request::CertificationRequest, signed::assemble},
};

/// PBKDF2 iterations of the PKCS#12 file: what OpenSSL and Java read without a pause.
pub(super) const PKCS12_ITERATIONS: u32 = 100_000;

#[derive(Debug, Args)]
pub struct Claim {
    /// The claim code, as the administrator handed it out; or the code from a counter
    pub code: String,
    /// The address of the API, https://…
    #[arg(long, env = "HUFU_SERVER", default_value = "https://127.0.0.1:8443")]
    pub server: String,
    /// The family of the key that is made here
    #[arg(long, value_enum, default_value = "p256")]
    pub family: Family,
    /// Where to put NAME.crt, NAME.key, NAME.p12 and trust.pem
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub out: PathBuf,
    /// The name of the files; default: the name the server knows the claim by
    #[arg(long)]
    pub name: Option<String>,
    /// A file with the passphrase of NAME.p12; without one a passphrase is made and written to NAME.p12.passphrase
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// What a claim left on this machine.
pub struct Claimed {
    pub name: String,
    pub person: String,
    pub certificate: Certificate,
    /// Suspends the certificate from any machine; it is nowhere else.
    pub suspension_code: String,
}

impl Claim {
    pub async fn run(self) -> anyhow::Result<()> {
        if Code::is_meant(&self.code) {
            return citizen::Enrol::of(self).run().await;
        }
        self.print(&self.execute().await?);
        Ok(())
    }

    /// Says what lies where, and the code that is nowhere else.
    pub(super) fn print(&self, claimed: &Claimed) {
        let file = |extension: &str| self.out.join(format!("{}.{extension}", claimed.name)).display().to_string();
        if self.json {
            let value = json!({
                "name": claimed.name, "person": claimed.person, "id": claimed.certificate.id().to_string(),
                "certificate": file("crt"), "key": file("key"), "pkcs12": file("p12"), "trust": self.out.join("trust.pem"),
                "suspension_code": claimed.suspension_code,
            });
            println!("{value:#}");
        } else {
            println!("{}", claimed.certificate.subject_text());
            println!("  certificate  {}  (id {})", file("crt"), claimed.certificate.id());
            println!("  private key  {}  made here, never sent", file("key"));
            println!("  PKCS#12      {}", file("p12"));
            println!("  roots        {}", self.out.join("trust.pem").display());
            println!("  suspension code, to be kept on paper: {}", claimed.suspension_code);
        }
    }

    pub async fn execute(&self) -> anyhow::Result<Claimed> {
        let pin = pin(&self.code)?;
        let client = Client::new(&self.server, Trust::Pin(pin), None)?;
        // The key is on disk before the code is used, under the code's digest: when the answer is lost, the same command
        // finds the same key again, and the service answers it once more.
        let unnamed = self.unnamed("key");
        let made_now = !unnamed.exists();
        let secret = self.secret(&unnamed)?;
        let key = algorithms::load_any(&secret)?;
        let answer = match client.post("/api/v1/claims", &json!({"code": self.code, "csr": request(&*key)?})).await {
            Ok(answer) => answer,
            // A key that no answer can be for is not left lying about.
            Err(error) if made_now && is_refusal(&error) => {
                std::fs::remove_file(&unnamed).with_context(|| format!("removing {}", unnamed.display()))?;
                return Err(error);
            }
            Err(error) => {
                eprintln!("hufu: the key is kept in {}; the same command uses it again", unnamed.display());
                return Err(error);
            }
        };
        let claimed = self.keep(&answer, &secret, &*key)?;
        std::fs::remove_file(&unnamed).with_context(|| format!("removing {}", unnamed.display()))?;
        Ok(claimed)
    }

    /// A file that belongs to the code until the certificate has a name.
    pub(super) fn unnamed(&self, extension: &str) -> PathBuf {
        self.out.join(format!("claim-{}.{extension}", &hex::encode(sha256(self.code.as_bytes()))[..16]))
    }

    /// The key of an earlier try with this code, or a new one.
    pub(super) fn secret(&self, path: &Path) -> anyhow::Result<Secret> {
        if path.exists() {
            let kept = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            return decrypt_pem(&kept, b"").with_context(|| format!("reading {}", path.display()));
        }
        let secret = self.family.algorithm().generate()?;
        files::write_private(path, key_pem(&secret)?.as_bytes())?;
        Ok(secret)
    }

    /// Keeps what the service answered, once it fits the key that was made here.
    pub(super) fn keep(&self, answer: &Value, secret: &Secret, key: &dyn PrivateKey) -> anyhow::Result<Claimed> {
        let text = |field: &str| answer[field].as_str().with_context(|| format!("the server's answer has no {field}"));
        let name = self.name.clone().unwrap_or(text("name")?.to_owned());
        if name.is_empty() || !name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_')) {
            bail!("the server calls this claim {name:?}, which is no file name; choose one with --name");
        }
        let chain = Certificate::parse_many(text("chain")?.as_bytes())?;
        let certificate = chain[0].clone();
        if certificate.public_key() != Ok(key.public_key()) {
            bail!("the certificate is not for the key that was made here");
        }
        let file = |extension: &str| self.out.join(format!("{name}.{extension}"));
        let pem = key_pem(secret)?;
        if std::fs::read(file("key")).is_ok_and(|there| there != pem.as_bytes()) {
            bail!("{} is another key, which is not overwritten; repeat the command with another --name or --out", file("key").display());
        }
        files::write_private(&file("key"), pem.as_bytes())?;
        files::write(&file("crt"), text("chain")?.as_bytes())?;
        files::write(&self.out.join("trust.pem"), text("roots")?.as_bytes())?;
        let passphrase = self.passphrase(&file("p12.passphrase"))?;
        let ders: Vec<Vec<u8>> = chain.iter().map(|certificate| certificate.der().to_vec()).collect();
        let container = Pkcs12 { key: secret, certificates: &ders, friendly_name: &name };
        let sealed = container.seal(passphrase.expose_secret(), PKCS12_ITERATIONS, &SystemEntropy)?;
        files::write_private(&file("p12"), &sealed)?;
        let suspension_code = text("suspension_code")?.to_owned();
        Ok(Claimed { name, person: text("person")?.to_owned(), certificate, suspension_code })
    }

    fn passphrase(&self, new_file: &std::path::Path) -> anyhow::Result<SecretString> {
        match &self.passphrase_file {
            Some(file) => Ok(read_passphrase(file)?),
            None => {
                let passphrase = SecretString::from(hex::encode(random::<16>(&SystemEntropy as &dyn Entropy)));
                files::write_private(new_file, passphrase.expose_secret().as_bytes())?;
                Ok(passphrase)
            }
        }
    }
}

/// Whether the service has said no, so that nothing was done: not that it did not answer, or could not say.
fn is_refusal(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Problem>().is_some_and(|problem| problem.status < 500)
}

pub(super) fn key_pem(secret: &Secret) -> anyhow::Result<zeroize::Zeroizing<String>> {
    let pem = der::pem::encode_string("PRIVATE KEY", LineEnding::LF, secret).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(zeroize::Zeroizing::new(pem))
}

/// A PEM certification request that proves possession. Its subject says nothing: the names come from the enrolment.
pub fn request(key: &dyn PrivateKey) -> anyhow::Result<String> {
    let subject = name::build(&[])?;
    let info = CertificationRequest::to_be_signed(&subject, key.public_key())?;
    let signature = key.sign(&info)?;
    let der = assemble(&info, &key.public_key().algorithm().signature_algorithm(), &signature, &[])?;
    der::pem::encode_string("CERTIFICATE REQUEST", LineEnding::LF, &der).map_err(|error| anyhow::anyhow!("{error}"))
}

/// A claim code is `{secret}-{pin}`: the second half is the start of the fingerprint of the root to trust.
fn pin(code: &str) -> anyhow::Result<Vec<u8>> {
    let wrong = "this is no claim code: two halves of 32 digits and letters a to f, with a hyphen between them";
    let (secret, pin) = code.rsplit_once('-').context(wrong)?;
    match (hex::decode(secret), hex::decode(pin)) {
        (Ok(secret), Ok(pin)) if secret.len() == 16 && pin.len() == 16 => Ok(pin),
        _ => bail!("{wrong}"),
    }
}

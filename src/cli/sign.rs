//! `hufu sign`: signs a file with one's own key, as CAdES baseline B, or T with a time stamp (ETSI EN 319 122-1), or as
//! GM/T 0010. The content passes through; it may be larger than memory.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use der::Decode;
use pkcs8::PrivateKeyInfoRef;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use spki::AlgorithmIdentifierOwned;
use url::Url;

use super::{source::Source, time_stamp};
use crate::{
    config::read_passphrase,
    crypto::{
        ALGORITHMS, Digest, Secret,
        keys::{SigningKey, SoftwareKey, software::decrypt_pem},
    },
    files,
    validation::signature::cms::{format, level},
    world::{Clock, SystemClock, rfc3339},
    x509::{
        Certificate,
        cms::{self, Dialect, Draft, Envelope, ID_SIGNATURE_TIME_STAMP, SM2_SIGN},
        pkcs12::Opened,
    },
};

#[derive(Debug, Args)]
pub struct Sign {
    /// What to sign
    pub file: PathBuf,
    /// The private key: PKCS#8 (PEM), encrypted or not, or PKCS#12
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The certificate of the key, and those above it (PEM); a PKCS#12 file has them in it
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// A file with the passphrase of the key; default: HUFU_KEY_PASSPHRASE, or KEY.passphrase
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Leave the content out of the signature: the default
    #[arg(long, conflicts_with = "attached")]
    pub detached: bool,
    /// Put the content into the signature
    #[arg(long)]
    pub attached: bool,
    /// Have the signature stamped by this authority, http://…/tsa
    #[arg(long, value_name = "URL")]
    pub timestamp: Option<Url>,
    /// The form; default: gmt0010 with an SM2 key, else cades
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Where to put the signature, in the place of what is there; default: FILE.p7s, attached FILE.p7m, if nothing is there
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// In whose words a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// ETSI EN 319 122-1 over RFC 5652
    Cades,
    /// GM/T 0010, with an SM2 key
    Gmt0010,
}

impl Sign {
    pub async fn run(self) -> anyhow::Result<()> {
        let json = self.json;
        let result = self.execute().await?;
        if json {
            println!("{result:#}");
            return Ok(());
        }
        let text = |field: &str| result[field].as_str().unwrap_or_default().to_owned();
        println!("{}  {}, signed by {}", text("signature"), text("level"), text("signer"));
        if !result["time"].is_null() {
            println!("  stamped  {}", text("time"));
        }
        Ok(())
    }

    /// Signs and answers what was made.
    pub async fn execute(&self) -> anyhow::Result<Value> {
        let signer = Signer::load(self)?;
        let dialect = signer.dialect(self.format)?;
        let (content, out) = (Content(&self.file), self.out());
        ensure!(out != self.file, "the signature would replace what it is of");
        // It may be somebody else's signature.
        ensure!(self.out.is_some() || !out.exists(), "{} is there already; name a file with --out", out.display());
        let (length, content_digest) = content.hash(signer.digest())?;
        let draft = Draft {
            content_type: dialect.data(),
            digest: signer.digest(),
            content_digest: &content_digest,
            certificate: &signer.certificate,
            signing_time: SystemClock.now(),
            signature_algorithm: signer.signature_algorithm(dialect),
        };
        let to_be_signed = draft.to_be_signed()?;
        let signature = signer.key.sign(to_be_signed.clone()).await?;
        let stamp = match &self.timestamp {
            Some(url) => Some(time_stamp::fetch(url, signer.digest(), &signer.digest().hash(&signature)).await?),
            None => None,
        };
        let stamps = stamp.iter().map(|stamp| cms::attribute(ID_SIGNATURE_TIME_STAMP, stamp.der())).collect::<Result<Vec<_>, _>>()?;
        let info = draft.signer_info(&to_be_signed, &signature, &stamps)?;
        let inside = self.attached.then_some(length);
        let envelope = Envelope::new(dialect, dialect.data(), inside, signer.digest(), &signer.enclosed(), &info)?;

        files::write_with(&out, |file| {
            file.write_all(&envelope.before)?;
            if self.attached {
                content.copy(signer.digest(), &content_digest, file)?;
            }
            file.write_all(&envelope.after)
        })?;
        Ok(json!({
            "signature": out, "format": format(dialect), "attached": self.attached,
            "level": level(dialect, stamp.is_some()),
            "signer": signer.certificate.subject_text(), "certificate": signer.certificate.id().to_string(),
            "time": stamp.map(|stamp| rfc3339(stamp.time())),
        }))
    }

    fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| with_suffix(&self.file, if self.attached { ".p7m" } else { ".p7s" }))
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Who signs, with the certificates that go along.
struct Signer {
    key: SoftwareKey,
    certificate: Certificate,
    /// As they were given, without the signer's own.
    above: Vec<Certificate>,
}

impl Signer {
    fn load(sign: &Sign) -> anyhow::Result<Self> {
        let (secret, mut certificates) = read_key(sign)?;
        if let Some(path) = &sign.certificate {
            let file = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            certificates.splice(0..0, Certificate::parse_many(&file).with_context(|| format!("reading {}", path.display()))?);
        }
        let kinds = ALGORITHMS.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ");
        let key = SoftwareKey::from_pkcs8(&secret).with_context(|| format!("{} is not a key of {kinds}", sign.key.display()))?;
        let own = certificates.iter().position(|certificate| certificate.public_key() == Ok(key.public_key()));
        let own = own.context("there is no certificate of this key: name it with --certificate FILE")?;
        let certificate = certificates.remove(own);
        certificates.retain(|other| other.der() != certificate.der());
        let signer = Self { key, certificate, above: certificates };
        signer.check()?;
        Ok(signer)
    }

    /// Refuses to make a signature that nobody could accept.
    fn check(&self) -> anyhow::Result<()> {
        let (now, certificate) = (SystemClock.now(), &self.certificate);
        ensure!(certificate.not_before() <= now, "the certificate is valid from {}", rfc3339(certificate.not_before()));
        ensure!(now <= certificate.not_after(), "the certificate was valid until {}", rfc3339(certificate.not_after()));
        let may_sign = certificate.key_usage().is_none_or(|usage| usage.digital_signature() || usage.non_repudiation());
        ensure!(may_sign, "the certificate's key usage does not allow signatures");
        Ok(())
    }

    fn digest(&self) -> Digest {
        self.key.public_key().algorithm().digest()
    }

    fn dialect(&self, format: Option<Format>) -> anyhow::Result<Dialect> {
        let is_sm2 = self.digest() == Digest::Sm3;
        match format {
            Some(Format::Gmt0010) if !is_sm2 => {
                bail!("GM/T 0010 takes an SM2 key, and {} is of another kind", self.certificate.subject_text())
            }
            Some(Format::Gmt0010) => Ok(Dialect::Gm),
            None if is_sm2 => Ok(Dialect::Gm),
            Some(Format::Cades) | None => Ok(Dialect::Cms),
        }
    }

    fn signature_algorithm(&self, dialect: Dialect) -> AlgorithmIdentifierOwned {
        match dialect {
            Dialect::Cms => self.key.public_key().algorithm().signature_algorithm(),
            // GB/T 35275 names the algorithm of the key.
            Dialect::Gm => AlgorithmIdentifierOwned { oid: SM2_SIGN, parameters: None },
        }
    }

    /// All but roots, which a verifier has or does not trust.
    fn enclosed(&self) -> Vec<Vec<u8>> {
        let above = self.above.iter().filter(|certificate| certificate.subject_der() != certificate.issuer_der());
        std::iter::once(&self.certificate).chain(above).map(|certificate| certificate.der().to_vec()).collect()
    }
}

/// The key, and the certificates beside it in a PKCS#12 file.
fn read_key(sign: &Sign) -> anyhow::Result<(Secret, Vec<Certificate>)> {
    let name = sign.key.display();
    let file = zeroize::Zeroizing::new(std::fs::read(&sign.key).with_context(|| format!("reading {name}"))?);
    let passphrase = passphrase(sign)?;
    let passphrase = passphrase.expose_secret();
    if file.starts_with(b"\x30") {
        let opened = Opened::open(&file, passphrase).with_context(|| format!("reading {name}"))?;
        let certificates = opened.certificates.iter().map(|der| Certificate::parse(der)).collect::<Result<_, _>>()?;
        return Ok((opened.key, certificates));
    }
    let pem = std::str::from_utf8(&file).with_context(|| format!("{name} is neither PEM nor PKCS#12"))?;
    let ask = || format!("reading {name}; is the passphrase right?");
    let secret = decrypt_pem(pem, passphrase.as_bytes()).with_context(ask)?;
    // The padding of one wrong passphrase in 256 is right by chance; what it opened is then no PKCS#8.
    PrivateKeyInfoRef::from_der(&secret).with_context(ask)?;
    Ok((secret, Vec::new()))
}

fn passphrase(sign: &Sign) -> anyhow::Result<SecretString> {
    let beside = with_suffix(&sign.key, ".passphrase");
    match (&sign.passphrase_file, std::env::var("HUFU_KEY_PASSPHRASE")) {
        (Some(path), _) => Ok(read_passphrase(path)?),
        (None, Ok(passphrase)) => Ok(passphrase.into()),
        (None, Err(_)) if beside.exists() => Ok(read_passphrase(&beside)?),
        (None, Err(_)) => Ok(SecretString::default()),
    }
}

/// The file to be signed. It is read twice when it goes into the signature, and must not change in between.
struct Content<'a>(&'a Path);

impl Content<'_> {
    /// Its length and its hash.
    fn hash(&self, digest: Digest) -> anyhow::Result<(u64, Vec<u8>)> {
        self.pass(digest, &mut std::io::sink()).with_context(|| format!("reading {}", self.0.display()))
    }

    fn copy(&self, digest: Digest, expected: &[u8], to: &mut dyn Write) -> std::io::Result<()> {
        match self.pass(digest, to)? {
            (_, hash) if hash == expected => Ok(()),
            _ => Err(std::io::Error::other("the file changed while it was signed")),
        }
    }

    fn pass(&self, digest: Digest, to: &mut dyn Write) -> std::io::Result<(u64, Vec<u8>)> {
        let mut source = File::open(self.0).and_then(Source::new)?;
        let (length, mut hasher, mut written) = (source.length(), digest.hasher(), Ok(()));
        let mut each = |part: &[u8]| {
            hasher.update(part);
            if written.is_ok() {
                written = to.write_all(part);
            }
        };
        source.parts(0..length, &mut each).map_err(std::io::Error::other)?;
        written.map(|()| (length, hasher.finish()))
    }
}

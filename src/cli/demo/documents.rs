//! A document that was signed and stamped in each family: good as long as its signers' certificates are, and, because it was
//! stamped, good after they were revoked.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use base64::prelude::*;
use serde_json::{Value, json};
use url::Url;

use super::{Subject, name, text};
use crate::{
    cli::{
        Family,
        client::{Client, Trust},
        sign::{Format, Sign},
        time_stamp,
    },
    files,
    x509::Certificate,
};

const DOCUMENT: &str = "兹证明本文件于签名之时存在。\nThis document existed when it was signed.\n";

/// Where they are, under the names that `tests/peers/README.md` gives them.
pub struct Documents {
    api: Client,
    directory: PathBuf,
    tsa: Url,
    held: usize,
}

impl Documents {
    pub fn new(server: &str, public: &str, roots: Vec<Certificate>, directory: &Path) -> anyhow::Result<Self> {
        files::write(&directory.join("document.txt"), DOCUMENT.as_bytes())?;
        Ok(Self {
            api: Client::new(server, Trust::Roots(roots), None)?,
            directory: directory.to_owned(),
            tsa: format!("{public}/tsa").parse()?,
            held: 0,
        })
    }

    /// How many checks held since the last time.
    pub fn summary(&mut self) -> String {
        format!("{} checks held", std::mem::take(&mut self.held))
    }

    /// Beside the document with a stamp and without, around it with a stamp, and for SM2 in the words of GM/T 0010 too.
    pub async fn sign(&self, subject: &Subject) -> anyhow::Result<()> {
        let family = name(subject.family);
        let (key, certificate) = (self.directory.join(format!("{family}.key")), self.directory.join(format!("{family}.crt")));
        files::write_private(&key, subject.pem()?.as_bytes())?;
        let authority = self.api.get(&format!("/api/v1/authorities/{}", subject.authority)).await?;
        let chain = format!("{}{}", subject.certificate()?.to_pem(), text(&authority, "certificate")?);
        files::write(&certificate, chain.as_bytes())?;
        for (file, format, attached, stamped) in forms(subject.family) {
            let sign = Sign {
                file: self.directory.join("document.txt"),
                key: key.clone(),
                certificate: Some(certificate.clone()),
                passphrase_file: None,
                detached: !attached,
                attached,
                timestamp: stamped.then(|| self.tsa.clone()),
                format: Some(format),
                out: Some(self.directory.join(&file)),
                json: false,
            };
            sign.execute().await.with_context(|| format!("making {file}"))?;
        }
        let digest = subject.family.algorithm().digest();
        let stamp = time_stamp::fetch(&self.tsa, digest, &digest.hash(DOCUMENT.as_bytes())).await?;
        files::write(&self.directory.join(format!("{family}.tst")), stamp.der())
    }

    /// What was stamped holds, whatever became of the certificate; what was not holds as long as the certificate does.
    pub async fn verify(&mut self, family: Family, unstamped: &str) -> anyhow::Result<()> {
        let content = BASE64_STANDARD.encode(DOCUMENT);
        for (file, _, attached, stamped) in forms(family) {
            let body = json!({"signature": self.base64(&file)?, "content": (!attached).then_some(&content)});
            let report = self.api.post("/api/v1/verify/signature", &body).await?;
            self.hold(&report, if stamped { "PASSED" } else { unstamped }, &file)?;
        }
        let file = format!("{}.tst", name(family));
        let body = json!({"format": "time-stamp", "signature": self.base64(&file)?, "content": content});
        let report = self.api.post("/api/v1/verify/signature", &body).await?;
        self.hold(&report, "PASSED", &file)
    }

    fn base64(&self, file: &str) -> anyhow::Result<String> {
        let path = self.directory.join(file);
        Ok(BASE64_STANDARD.encode(std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?))
    }

    fn hold(&mut self, report: &Value, verdict: &str, file: &str) -> anyhow::Result<()> {
        ensure!(text(report, "verdict")? == verdict, "{file} should be {verdict}: {report:#}");
        self.held += 1;
        Ok(())
    }
}

/// What there is to keep: the document, its signatures, its stamp.
pub fn names(family: Family) -> Vec<String> {
    let signatures = forms(family).into_iter().map(|(file, ..)| file);
    signatures.chain(["document.txt".to_owned(), format!("{}.tst", name(family))]).collect()
}

/// File, form, whether the content is in it, whether it is stamped.
fn forms(family: Family) -> Vec<(String, Format, bool, bool)> {
    let mut forms =
        vec![("p7s", Format::Cades, false, true), ("p7m", Format::Cades, true, true), ("unstamped.p7s", Format::Cades, false, false)];
    if family == Family::Sm2 {
        forms.extend([("gmt0010.p7s", Format::Gmt0010, false, true), ("gmt0010.p7m", Format::Gmt0010, true, true)]);
    }
    forms.into_iter().map(|(file, format, attached, stamped)| (format!("{}.{file}", name(family)), format, attached, stamped)).collect()
}

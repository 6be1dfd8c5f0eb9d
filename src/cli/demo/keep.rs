//! Every object of a demonstration, gathered through the public interfaces while the service runs.
//! `tests/peers/README.md` describes the directory.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use serde_json::json;

use super::{Subject, documents, is_signer, name};
use crate::{
    cli::{
        client::{Client, Identity, Trust},
        serve::Running,
    },
    crypto::Digest,
    files,
    services::replay::export::Export,
    world::{SystemEntropy, random},
    x509::{Certificate, ocsp, ocsp::Nonce},
};

/// Relative path → contents. Private keys are marked.
#[derive(Default)]
pub struct Kept {
    files: BTreeMap<String, (Vec<u8>, Access)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Public,
    Private,
}

impl Kept {
    pub async fn gather(
        server: &str,
        public: &str,
        temporary: &Path,
        running: &Running,
        subjects: &[Subject],
        identities: &[(&str, Identity)],
    ) -> anyhow::Result<Self> {
        let roots: Vec<Certificate> = running.services.authorities().roots()?.iter().map(|root| (**root).clone()).collect();
        let mut gatherer = Gatherer {
            api: Client::new(server, Trust::Roots(roots.clone()), None)?,
            public: Client::new(public, Trust::Roots(roots), None)?,
            running,
            kept: Self::default(),
            expected: serde_json::Map::new(),
            documents: serde_json::Map::new(),
        };
        gatherer.trust(temporary)?;
        gatherer.authorities().await?;
        for (label, identity) in identities {
            let csr = crate::cli::claim::request(&*identity.key)?;
            let key = std::fs::read(temporary.join("people").join(format!("{label}.key")))?;
            gatherer.certificate(label, identity.certificate(), &csr, key).await?;
        }
        for subject in subjects {
            gatherer.certificate(&subject.label, subject.certificate()?, &subject.csr, subject.pem()?.as_bytes().to_vec()).await?;
        }
        for family in ["p256", "sm2"] {
            gatherer.unknown(family).await?;
        }
        gatherer.ledgers().await?;
        gatherer.documents(&temporary.join("signatures"), subjects)?;
        for (file, text) in Export::gather(&running.services.db).await?.to_files() {
            gatherer.kept.put(format!("export/{file}"), text);
        }
        let expected = serde_json::to_vec_pretty(&json!({"certificates": gatherer.expected, "documents": gatherer.documents}))?;
        gatherer.kept.put("expected.json", expected);
        Ok(gatherer.kept)
    }

    fn put(&mut self, path: impl Into<String>, contents: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), (contents.into(), Access::Public));
    }

    pub async fn write(&self, directory: &Path) -> anyhow::Result<()> {
        for (path, (contents, access)) in &self.files {
            match access {
                Access::Public => files::write(&directory.join(path), contents)?,
                Access::Private => files::write_private(&directory.join(path), contents)?,
            }
        }
        Ok(())
    }
}

struct Gatherer<'a> {
    api: Client,
    public: Client,
    running: &'a Running,
    kept: Kept,
    expected: serde_json::Map<String, serde_json::Value>,
    /// By family.
    documents: serde_json::Map<String, serde_json::Value>,
}

impl Gatherer<'_> {
    fn trust(&mut self, temporary: &Path) -> anyhow::Result<()> {
        for file in ["root-p256-g1.pem", "root-sm2-g1.pem", "bundle.json"] {
            self.kept.put(format!("trust/{file}"), std::fs::read(temporary.join("data/trust").join(file))?);
        }
        Ok(())
    }

    async fn authorities(&mut self) -> anyhow::Result<()> {
        for authority in self.running.services.authorities().all() {
            let name = authority.log();
            if !authority.is_root() {
                self.kept.put(format!("authorities/{name}.pem"), authority.certificate()?.to_pem());
            }
            self.kept.put(format!("responders/{name}.pem"), self.running.services.responder(&authority)?.certificate.to_pem());
            self.kept.put(format!("crl/{name}.crl"), self.public.get_bytes(&format!("/crl/{name}.crl")).await?);
            for shard in 0..authority.crl_shards {
                let path = format!("crl/{name}/{shard}.crl");
                let list = self.public.get_bytes(&format!("/{path}")).await?;
                self.kept.put(path, list);
            }
        }
        let listener = self.running.services.listener_identity().await?;
        self.kept.put("listener.pem", Certificate::parse(listener.chain.first().context("the listener has no certificate")?)?.to_pem());
        Ok(())
    }

    async fn certificate(&mut self, label: &str, certificate: &Certificate, csr: &str, key: Vec<u8>) -> anyhow::Result<()> {
        let id = certificate.id();
        let row = self.running.services.find_certificate(&id.to_string()).await?;
        let authority = self.running.services.authorities().load(&row.authority)?;
        let status = if self.running.services.status_name(&row)? == "revoked" { "revoked" } else { "good" };
        self.kept.put(format!("certificates/{label}.crt"), certificate.to_pem());
        self.kept.put(format!("certificates/{label}.chain.pem"), format!("{}{}", certificate.to_pem(), authority.certificate()?.to_pem()));
        self.kept.put(format!("certificates/{label}.der"), self.api.get_bytes(&format!("/api/v1/certificates/{id}.der")).await?);
        self.kept.put(format!("certificates/{label}.p7c"), self.api.get_bytes(&format!("/api/v1/certificates/{id}.p7c")).await?);
        self.kept.files.insert(format!("certificates/{label}.key"), (key, Access::Private));
        self.kept.put(format!("requests/{label}.csr"), csr);
        self.kept.put(format!("receipts/{label}.receipt"), self.api.get_bytes(&format!("/api/v1/certificates/{id}/receipt")).await?);
        self.kept
            .put(format!("status/{label}.status-proof"), self.api.get_bytes(&format!("/api/v1/certificates/{id}/status-proof")).await?);
        let issuer = (*authority.certificate()?).clone();
        self.ocsp(&format!("{label}.{status}"), &issuer, certificate.serial()).await?;
        self.expected.insert(
            label.to_owned(),
            json!({"authority": row.authority, "family": authority.name.family(), "serial": hex::encode(certificate.serial()), "status": status}),
        );
        Ok(())
    }

    /// A serial number that no authority of the family issued.
    async fn unknown(&mut self, family: &str) -> anyhow::Result<()> {
        let authority = self.running.services.authorities().load(&format!("department-{family}-g1"))?;
        let issuer = (*authority.certificate()?).clone();
        let mut serial = [0x41; 20];
        serial[4..].copy_from_slice(&random::<16>(&SystemEntropy));
        self.ocsp(&format!("{family}.unknown"), &issuer, &serial).await
    }

    async fn ocsp(&mut self, file: &str, issuer: &Certificate, serial: &[u8]) -> anyhow::Result<()> {
        let nonce = Nonce::generate(&SystemEntropy);
        let request = ocsp::request(Digest::Sha256, &issuer.subject_der(), issuer.public_key()?.octets(), &[serial], Some(&nonce))?;
        let response = self.public.post_bytes("/ocsp", "application/ocsp-request", request.clone()).await?;
        self.kept.put(format!("ocsp/{file}.req"), request);
        self.kept.put(format!("ocsp/{file}.resp"), response);
        Ok(())
    }

    /// The document, its signatures and stamps, and who signed.
    fn documents(&mut self, directory: &Path, subjects: &[Subject]) -> anyhow::Result<()> {
        for signer in subjects.iter().filter(|subject| is_signer(subject)) {
            for file in documents::names(signer.family) {
                let path = directory.join(&file);
                let contents = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
                self.kept.put(format!("signatures/{file}"), contents);
            }
            self.documents.insert(name(signer.family).to_owned(), json!({"signer": signer.label}));
        }
        Ok(())
    }

    async fn ledgers(&mut self) -> anyhow::Result<()> {
        for log in self.running.services.trust_bundle()?.logs {
            let path = format!("ledger/{}/checkpoint", log.name);
            let checkpoint = self.public.get_bytes(&format!("/{path}")).await?;
            self.kept.put(path, checkpoint);
        }
        Ok(())
    }
}

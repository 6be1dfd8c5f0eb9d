//! What the demonstration checks by itself, as a relying service would: through the public interfaces alone.

use anyhow::{Context, bail, ensure};
use serde_json::json;

use super::{Subject, text};
use crate::{
    cli::{
        client::{Client, Trust},
        serve::Running,
    },
    crypto::Digest,
    ledger::{Note, Receipt, State, StatusProof, Tree, TrustedLog, merkle, proof, tiles},
    services::trust::TrustBundle,
    world::{Clock, SystemClock, SystemEntropy, random, seconds},
    x509::{
        Certificate,
        crl::CertificateList,
        ocsp::{self, BasicResponse, CertStatus, Nonce, OcspResponse},
    },
};

/// How old a status proof may be.
const MAX_AGE: u64 = 3600;

pub struct Checks {
    api: Client,
    public: Client,
    bundle: TrustBundle,
    authorities: Vec<(String, Certificate)>,
    held: usize,
}

impl Checks {
    pub fn new(server: &str, public: &str, running: &Running) -> anyhow::Result<Self> {
        let roots: Vec<Certificate> = running.services.authorities().roots()?.iter().map(|root| (**root).clone()).collect();
        let authorities = running.services.authorities().all();
        Ok(Self {
            api: Client::new(server, Trust::Roots(roots.clone()), None)?,
            public: Client::new(public, Trust::Roots(roots), None)?,
            bundle: running.services.trust_bundle()?,
            authorities: authorities.iter().map(|one| Ok((one.log(), (*one.certificate()?).clone()))).collect::<anyhow::Result<_>>()?,
            held: 0,
        })
    }

    /// How many checks held since the last time.
    pub fn summary(&mut self) -> String {
        format!("{} checks held", std::mem::take(&mut self.held))
    }

    pub async fn good(&mut self, subject: &Subject) -> anyhow::Result<()> {
        self.judge(subject, "PASSED", State::Good).await.with_context(|| format!("{} should be good", subject.label))
    }

    pub async fn revoked(&mut self, subject: &Subject) -> anyhow::Result<()> {
        self.judge(subject, "FAILED", State::Revoked).await.with_context(|| format!("{} should be revoked", subject.label))
    }

    async fn judge(&mut self, subject: &Subject, verdict: &str, state: State) -> anyhow::Result<()> {
        let certificate = subject.certificate()?.clone();
        let report = self.api.post("/api/v1/verify/certificate", &json!({"certificate": certificate.to_pem()})).await?;
        self.hold(text(&report, "verdict")? == verdict, || format!("verification says {report}"))?;

        let id = certificate.id();
        let log = self.log(&subject.authority)?;
        let receipt = self.api.get_bytes(&format!("/api/v1/certificates/{id}/receipt")).await?;
        let receipt = Receipt::parse(&String::from_utf8(receipt)?)?;
        let proven = proof::verify_issue_receipt(&receipt, &id.0, &log);
        self.hold(proven.is_ok(), || "the receipt does not verify".to_owned())?;

        let status = self.api.get_bytes(&format!("/api/v1/certificates/{id}/status-proof")).await?;
        let status = StatusProof::parse(&String::from_utf8(status)?)?;
        let proven = proof::verify_status_proof(&status, &id.0, &log, seconds(SystemClock.now()), MAX_AGE)?;
        self.hold(proven.state == state, || format!("the status proof says {:?}", proven.state))?;

        self.crls(subject, state).await?;
        for digest in [Digest::Sha1, Digest::Sha256, Digest::Sm3] {
            let answered = self.ocsp(&subject.authority, certificate.serial(), digest).await?;
            let fits = matches!((&answered, state), (CertStatus::Good, State::Good) | (CertStatus::Revoked { .. }, State::Revoked));
            self.hold(fits, || format!("OCSP with {digest:?} says {answered:?}"))?;
        }
        Ok(())
    }

    async fn crls(&mut self, subject: &Subject, state: State) -> anyhow::Result<()> {
        let certificate = subject.certificate()?;
        let serial = certificate.our_serial().context("a serial number that is not ours")?;
        let authority = self.api.get(&format!("/api/v1/authorities/{}", subject.authority)).await?;
        let shards = authority["crl_shards"].as_u64().and_then(|shards| u16::try_from(shards).ok()).context("no crl_shards")?;
        let issuer = self.authority(&subject.authority)?.clone();
        for path in [format!("/crl/{}.crl", subject.authority), format!("/crl/{}/{}.crl", subject.authority, serial.shard(shards))] {
            let der = self.public.get_bytes(&path).await?;
            let list = CertificateList::parse(&der)?;
            self.hold(list.signed.verify(issuer.public_key()?).is_ok(), || format!("{path}: the signature is wrong"))?;
            self.hold(list.find(serial.as_bytes()).is_some() == (state == State::Revoked), || format!("{path}: not what {state:?} means"))?;
        }
        Ok(())
    }

    /// Serial numbers that were never issued are unknown to OCSP.
    pub async fn never_issued(&mut self) -> anyhow::Result<()> {
        for (name, _) in self.authorities.clone() {
            let mut serial = [0x41; 20];
            serial[4..].copy_from_slice(&random::<16>(&SystemEntropy));
            let answered = self.ocsp(&name, &serial, Digest::Sha256).await?;
            self.hold(matches!(answered, CertStatus::Unknown), || {
                format!("OCSP knows a serial number that {name} never issued: {answered:?}")
            })?;
        }
        Ok(())
    }

    /// Asks and checks the answer: nonce, certificate, the responder's right to answer.
    async fn ocsp(&mut self, authority: &str, serial: &[u8], digest: Digest) -> anyhow::Result<CertStatus> {
        let issuer = self.authority(authority)?.clone();
        let nonce = Nonce::generate(&SystemEntropy);
        let name = issuer.subject_der();
        let request = ocsp::request(digest, &name, issuer.public_key()?.octets(), &[serial], Some(&nonce))?;
        let answer = self.public.post_bytes("/ocsp", "application/ocsp-request", request).await?;
        let response: Box<BasicResponse<'_>> = match OcspResponse::parse(&answer)? {
            OcspResponse::Basic(response) => response,
            OcspResponse::Error(status) => bail!("OCSP answers {status:?}"),
        };
        let responder = Certificate::parse(response.certificates.first().context("the answer has no responder certificate")?)?;
        responder.verify_signature(&issuer)?;
        ensure!(
            responder.extended_key_usage().is_some_and(|usage| usage.contains(&const_oid::db::rfc5280::ID_KP_OCSP_SIGNING)),
            "not a responder"
        );
        response.signed.verify(responder.public_key()?)?;
        ensure!(response.data.nonce.as_ref() == Some(&nonce), "the nonce is another");
        let single = response.data.responses.first().context("the answer is empty")?;
        ensure!(single.cert_id.serial() == serial, "the answer is about another certificate");
        Ok(single.status)
    }

    /// Every log: its checkpoint is signed by both keys, and its entries make its root.
    pub async fn ledgers(&mut self) -> anyhow::Result<()> {
        for log in self.bundle.logs.clone() {
            let note = self.public.get_bytes(&format!("/ledger/{}/checkpoint", log.name)).await?;
            let note = Note::parse(&String::from_utf8(note)?)?;
            let trusted = self.log(&log.name)?.verify(&note)?;
            let size = trusted.checkpoint.size;
            let mut tree = Tree::new();
            while tree.size() < size {
                let n = tree.size() / 256;
                let width = (size - n * 256).min(256);
                let group = |n: u64| format!("{:03}", n % 1000);
                let path = if n < 1000 { group(n) } else { format!("x{}/{}", group(n / 1000), group(n)) };
                let part = if width < 256 { format!(".p/{width}") } else { String::new() };
                let bundle = self.public.get_bytes(&format!("/ledger/{}/tile/entries/{path}{part}", log.name)).await?;
                for entry in tiles::decode_bundle(&bundle)? {
                    tree.append(merkle::leaf_hash(entry));
                }
            }
            self.hold(tree.root() == trusted.checkpoint.root, || format!("{}: the entries do not make the root", log.name))?;
        }
        Ok(())
    }

    fn log(&self, name: &str) -> anyhow::Result<TrustedLog> {
        let origin = &self.bundle.logs.iter().find(|log| log.name == name).with_context(|| format!("no log {name}"))?.origin;
        self.bundle.trusted_logs().into_iter().find(|log| log.origin == *origin).with_context(|| format!("no keys for {name}"))
    }

    fn authority(&self, name: &str) -> anyhow::Result<&Certificate> {
        self.authorities
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, certificate)| certificate)
            .with_context(|| format!("no authority {name}"))
    }

    fn hold(&mut self, held: bool, otherwise: impl FnOnce() -> String) -> anyhow::Result<()> {
        ensure!(held, otherwise());
        self.held += 1;
        Ok(())
    }
}

//! `hufu demo`: the whole life of a department, its staff and a citizen, in both families, against a service it starts
//! itself, checked by this program and by the `openssl` of the machine. `--keep` leaves every object as a file.

mod checks;
mod documents;
mod keep;
mod openssl;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{
    Family,
    claim::{Claim, request},
    client::{Client, Identity, Trust},
    decide::decide,
    department,
    serve::Running,
};
use crate::{
    config::Config,
    crypto::{PrivateKey, Secret},
    services::{
        replay::{Policies, export::Export, replay},
        start::World,
    },
    world::{SystemClock, SystemEntropy},
    x509::Certificate,
};

use checks::Checks;
use documents::Documents;
use keep::Kept;

#[derive(Debug, Args)]
pub struct Demo {
    /// Leave every certificate, key, CRL, OCSP response, receipt and checkpoint in this directory
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// A person or service of the demonstration, with what was issued to them.
pub struct Subject {
    /// What their files are called.
    pub label: String,
    pub family: Family,
    pub key: Box<dyn PrivateKey>,
    pub secret: Secret,
    pub csr: String,
    pub certificate: Option<Certificate>,
    pub authority: String,
}

impl Demo {
    pub async fn run(self) -> anyhow::Result<()> {
        let temporary = temporary_directory()?;
        let outcome = self.play(&temporary).await;
        let _ = std::fs::remove_dir_all(&temporary);
        outcome
    }

    async fn play(&self, temporary: &std::path::Path) -> anyhow::Result<()> {
        let mut story = Story::new();
        story.begin("A trial installation: two roots, four authorities, responders, ledgers");
        let mut config = Config { data: temporary.join("data"), ..Config::default() };
        config.https = ([127, 0, 0, 1], 0).into();
        config.http = ([127, 0, 0, 1], 0).into();
        config.authority.crl_shards = 4;
        let world = World { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) };
        let running = Running::start(config, world).await?;
        let server = format!("https://127.0.0.1:{}", running.https.port());
        let public = format!("http://{}", running.http);
        story.done(&format!("{server} (API), {public} (certificates, CRLs, OCSP, ledger)"));

        let result = Play { story: &mut story, server: &server, public: &public, temporary, running: &running }.all().await;
        let kept = match result {
            Ok(kept) => kept,
            Err(error) => {
                running.stop().await?;
                return Err(error);
            }
        };
        if let Some(directory) = &self.keep {
            story.begin("Keeping every object");
            kept.write(directory).await?;
            story.done(&directory.display().to_string());
        }
        story.begin("Stopping: what is in flight is finished");
        running.stop().await?;
        story.done("stopped");
        story.end(self.keep.as_deref())
    }
}

/// The demonstration while its service runs.
struct Play<'a> {
    story: &'a mut Story,
    server: &'a str,
    public: &'a str,
    temporary: &'a std::path::Path,
    running: &'a Running,
}

impl Play<'_> {
    async fn all(&mut self) -> anyhow::Result<Kept> {
        let claims: Value = serde_json::from_slice(&std::fs::read(self.temporary.join("data/claims.json"))?)?;
        let code = |who: &str| claims[who].as_str().map(str::to_owned).context("claims.json has no code");

        self.story.begin("The first administrator and auditor claim their certificates; their keys are made on their machine");
        let administrator = self.claim(code("administrator")?, Family::P256, "administrator").await?;
        let auditor = self.claim(code("auditor")?, Family::Sm2, "auditor").await?;
        self.story.done("administrator (P-256), auditor (SM2)");
        let admin = self.client(&administrator)?;

        self.story.begin("A department with two officers, one who enrols and one who decides; administrator and auditor grant their roles");
        let names = json!({"name": "民政局", "organizations": ["民政局"], "dns": ["mzj.example.cn"], "mail": ["mzj.example.cn"]});
        let department = text(&department::make(&admin, &administrator, &names).await?, "id")?;
        let registration = self
            .appoint([&administrator, &auditor], &department, "李登记", "registration-officer", Family::P256, "officer-registration")
            .await?;
        let approver = self.appoint([&administrator, &auditor], &department, "赵审批", "approver", Family::Sm2, "officer-approver").await?;
        self.story.done("民政局: registration officer (P-256), approver (SM2, signs statements with SM2)");

        let mut subjects = Vec::new();
        for (who, profile, fields, evidence) in [
            ("staff", "staff", json!({"CN": "王芳"}), Value::Null),
            ("citizen", "citizen", json!({"CN": "陈明"}), json!(hex::encode([7; 32]))),
        ] {
            self.story.begin(&format!("Enrolled as {who} under P-256 and SM2; the approver signs; two certificates are issued"));
            let mut p256 = Subject::new(&format!("{who}-p256"), Family::P256)?;
            let mut sm2 = Subject::new(&format!("{who}-sm2"), Family::Sm2)?;
            let body = json!({
                "profile": profile, "department": department, "subject": fields, "evidence": evidence,
                "requests": [p256.csr, sm2.csr],
            });
            let enrolment = self.client(&registration)?.post("/api/v1/enrolments", &body).await?;
            let id = text(&enrolment, "id")?;
            let refused = decide(&self.client(&registration)?, &registration, "approve", &id, None, None).await;
            if refused.is_ok() {
                bail!("the registration officer approved their own request");
            }
            let answer = decide(&self.client(&approver)?, &approver, "approve", &id, None, None).await?;
            for (subject, view) in [&mut p256, &mut sm2].into_iter().zip(answer["certificates"].as_array().into_iter().flatten()) {
                subject.accept(view)?;
            }
            self.story.done(&format!("{} and {}", p256.short()?, sm2.short()?));
            subjects.extend([p256, sm2]);
        }

        self.story.begin("Every certificate is verified, by the service and offline from its receipt and status proof");
        let identities = [
            ("administrator", administrator),
            ("auditor", auditor),
            ("officer-registration", registration),
            ("officer-approver", approver),
        ];
        let mut checks = Checks::new(self.server, self.public, self.running)?;
        for subject in &subjects {
            checks.good(subject).await?;
        }
        self.story.done(&checks.summary());

        self.story.begin("A document is signed with a key of each family (CAdES, GM/T 0010) and stamped; everything is verified");
        let roots = self.running.services.authorities().roots()?.iter().map(|root| (**root).clone()).collect();
        let mut documents = Documents::new(self.server, self.public, roots, &self.temporary.join("signatures"))?;
        let signers = || subjects.iter().filter(|subject| is_signer(subject));
        for signer in signers() {
            documents.sign(signer).await?;
            documents.verify(signer.family, "PASSED").await?;
        }
        self.story.done(&documents.summary());

        self.story.begin("Two are revoked, one of each family: OCSP, CRL, verification and status proof change at once");
        let approver = &identities[3].1;
        // The ledger counts whole seconds, and what was stamped in the second of a revocation was not stamped before it.
        tokio::time::sleep(Duration::from_secs(1)).await;
        for subject in signers() {
            let id = subject.certificate()?.id().to_string();
            decide(&self.client(approver)?, approver, "revoke", &id, Some("keyCompromise"), None).await?;
            checks.revoked(subject).await?;
        }
        for subject in subjects.iter().filter(|subject| matches!(subject.label.as_str(), "staff-sm2" | "citizen-p256")) {
            checks.good(subject).await?;
        }
        checks.never_issued().await?;
        self.story.done(&checks.summary());

        self.story.begin("What they had signed and stamped before is still good; of what has no stamp nobody can say");
        for signer in signers() {
            documents.verify(signer.family, "INDETERMINATE").await?;
        }
        self.story.done(&documents.summary());

        self.story.begin("The ledger of every authority: tiles, checkpoint and proofs fit together");
        checks.ledgers().await?;
        self.story.done(&checks.summary());

        self.story.begin("Every decision is taken anew, from the ledger, the statements and the text of the policy");
        let replayed = self.replay().await?;
        self.story.done(&replayed);

        let kept = Kept::gather(self.server, self.public, self.temporary, self.running, &subjects, &identities).await?;
        self.story.begin("The openssl of this machine judges every object");
        let told = openssl::judge(&kept, &self.temporary.join("openssl")).await?;
        self.story.done(&told);
        Ok(kept)
    }

    async fn replay(&self) -> anyhow::Result<String> {
        let services = &self.running.services;
        let export = Export::gather(&services.db).await?;
        let violations = replay(&export, &services.trust_bundle()?, &mut Policies::new());
        if let Some(first) = violations.first() {
            bail!("{} decisions do not follow, among them: {first}", violations.len());
        }
        Ok(format!("{} decisions on {} statements follow", export.decisions.len(), export.statements.len()))
    }

    async fn claim(&self, code: String, family: Family, label: &str) -> anyhow::Result<Identity> {
        let out = self.temporary.join("people");
        let claim = Claim {
            code,
            server: self.server.to_owned(),
            family,
            out: out.clone(),
            name: Some(label.to_owned()),
            passphrase_file: None,
            json: false,
        };
        claim.execute().await.with_context(|| format!("claiming {label}"))?;
        Identity::load(&out.join(label))
    }

    fn client(&self, identity: &Identity) -> anyhow::Result<Client> {
        let roots = self.running.services.authorities().roots()?.iter().map(|root| (**root).clone()).collect();
        Client::new(self.server, Trust::Roots(roots), Some(identity))
    }

    /// Two people grant: whoever administers, and somebody from outside the department.
    async fn appoint(
        &self,
        [administrator, second]: [&Identity; 2],
        department: &str,
        name: &str,
        role: &str,
        family: Family,
        label: &str,
    ) -> anyhow::Result<Identity> {
        let client = self.client(administrator)?;
        let officer = client.post("/api/v1/officers", &json!({"name": name, "department": department, "roles": [role]})).await?;
        let id = text(&officer, "id")?;
        let alone = decide(&client, administrator, "grant", &id, None, None).await?;
        if !alone["claim"].is_null() {
            bail!("the administrator appointed an officer alone");
        }
        let granted = decide(&self.client(second)?, second, "grant", &id, None, None).await?;
        self.claim(text(&granted, "claim")?, family, label).await
    }
}

impl Subject {
    /// Someone with a key made on their own machine and a request that proves its possession.
    fn new(label: &str, family: Family) -> anyhow::Result<Self> {
        let secret = family.algorithm().generate()?;
        let key = family.algorithm().load(&secret)?;
        let csr = request(&*key)?;
        Ok(Self { label: label.to_owned(), family, key, secret, csr, certificate: None, authority: String::new() })
    }

    fn accept(&mut self, view: &Value) -> anyhow::Result<()> {
        let certificate = Certificate::parse_many(text(view, "pem")?.as_bytes())?.remove(0);
        if certificate.public_key() != Ok(self.key.public_key()) {
            bail!("{} was issued for another key", self.label);
        }
        self.authority = text(view, "authority")?;
        self.certificate = Some(certificate);
        Ok(())
    }

    pub fn certificate(&self) -> anyhow::Result<&Certificate> {
        self.certificate.as_ref().with_context(|| format!("{} has no certificate", self.label))
    }

    /// The private key (PEM).
    fn pem(&self) -> anyhow::Result<zeroize::Zeroizing<String>> {
        let pem = der::pem::encode_string("PRIVATE KEY", der::pem::LineEnding::LF, &self.secret);
        pem.map(zeroize::Zeroizing::new).map_err(|error| anyhow::anyhow!("{error}"))
    }

    fn short(&self) -> anyhow::Result<String> {
        let certificate = self.certificate()?;
        Ok(format!("{} ({}, id {}…)", certificate.subject_text(), name(self.family), &certificate.id().to_string()[..12]))
    }
}

/// One of each family signs, and is revoked afterwards.
fn is_signer(subject: &Subject) -> bool {
    matches!(subject.label.as_str(), "staff-p256" | "citizen-sm2")
}

pub fn name(family: Family) -> &'static str {
    family.algorithm().name()
}

pub fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    value[field].as_str().map(str::to_owned).with_context(|| format!("the answer has no {field}"))
}

/// What the viewer sees: a numbered line a scene, with a spinner while it plays.
struct Story {
    scene: u32,
    started: std::time::Instant,
    spinner: Option<ProgressBar>,
}

impl Story {
    fn new() -> Self {
        println!("虎符 Hufu: one identity from bootstrap to proof, P-256 and SM2\n");
        Self { scene: 0, started: std::time::Instant::now(), spinner: None }
    }

    fn begin(&mut self, title: &str) {
        self.scene += 1;
        let spinner = ProgressBar::new_spinner().with_message(title.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(Duration::from_millis(100));
        self.spinner = Some(spinner);
        println!("{:>2}. {title}", self.scene);
    }

    fn done(&mut self, detail: &str) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
        println!("    ✓ {detail}");
    }

    fn end(self, kept: Option<&std::path::Path>) -> anyhow::Result<()> {
        println!("\nEvery check held, in {:.1} s.\n", self.started.elapsed().as_secs_f64());
        println!("Try next:");
        println!("  hufu serve --data hufu-data             your own trial installation");
        println!("  hufu claim CODE --out me                the first administrator, with a code of hufu-data/claims.json");
        match kept {
            Some(directory) => println!("  ls {}    every object of this run", directory.display()),
            None => println!("  hufu demo --keep DIR                    the same, leaving every object as a file"),
        }
        Ok(())
    }
}

fn temporary_directory() -> anyhow::Result<PathBuf> {
    let entropy: &dyn crate::world::Entropy = &SystemEntropy;
    let path = std::env::temp_dir().join(format!("hufu-demo-{}", hex::encode(crate::world::random::<8>(entropy))));
    std::fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
    Ok(path)
}

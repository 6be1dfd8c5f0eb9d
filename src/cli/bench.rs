//! `hufu bench`: how fast this machine does what the service does, beside the work that bounds it.

use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use time::OffsetDateTime;
use x509_cert::ext::{Extension, pkix::KeyUsages};

use crate::{
    crypto::{Algorithm, PrivateKey, PublicKey, Strength, algorithms},
    validation::{Anchor, Inputs, Purpose, TrustStore, validate},
    world::{Clock, Entropy, SystemClock, SystemEntropy},
    x509::{Certificate, Draft, SerialNumber, Signed, extensions, name, signed::assemble},
};

#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Judge chains of three whose authorities are known, on one core, beside the bare check of their last signatures
    Verify(BenchVerify),
}

#[derive(Debug, Args)]
pub struct BenchVerify {
    /// How long each family is measured
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    pub seconds: u64,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// How many end entities there are: more than any cache remembers by chance.
const LEAVES: usize = 256;

impl Bench {
    pub fn run(self) -> anyhow::Result<()> {
        let Self::Verify(verify) = self;
        verify.run()
    }
}

impl BenchVerify {
    fn run(self) -> anyhow::Result<()> {
        let families: [&'static dyn Algorithm; 2] = [&algorithms::P256, &algorithms::Sm2];
        let results =
            families.map(|family| Chains::new(family).and_then(|chains| chains.measure(Duration::from_secs(self.seconds.max(1)))));
        for result in results {
            let Measured { family, bare, chains } = result?;
            let ratio = chains / bare;
            if self.json {
                println!(
                    "{}",
                    json!({"family": family, "signatures_per_second": bare, "chains_per_second": chains, "ratio": ratio}) as Value
                );
            } else {
                println!("{family:5} {bare:9.0} signatures/s  {chains:9.0} chains/s  {:5.1} %", ratio * 100.0);
            }
        }
        Ok(())
    }
}

/// End entities as received, and what is known of those above them.
struct Chains {
    family: &'static str,
    ca: Certificate,
    trust: TrustStore,
    leaves: Vec<Vec<u8>>,
    now: OffsetDateTime,
}

/// Medians over the rounds.
struct Measured {
    family: &'static str,
    bare: f64,
    chains: f64,
}

impl Chains {
    fn new(family: &'static dyn Algorithm) -> anyhow::Result<Self> {
        let now = SystemClock.now();
        let key = || anyhow::Ok(family.load(&family.generate()?)?);
        let (root_key, ca_key, leaf_key) = (key()?, key()?, key()?);
        let root = certify("Root", root_key.public_key(), "Root", &*root_key, now)?;
        let ca = certify("CA", ca_key.public_key(), "Root", &*root_key, now)?;
        let leaf = |index: usize| end_entity(&format!("holder {index}"), leaf_key.public_key(), "CA", &*ca_key, now);
        let leaves = (0..LEAVES).map(leaf).collect::<anyhow::Result<_>>()?;
        let (root, ca) = (Certificate::parse(&root)?, Certificate::parse(&ca)?);
        let trust = TrustStore::new([Anchor::new(root)], [ca.clone()]);
        Ok(Self { family: family.name(), ca, trust, leaves, now })
    }

    /// Both by turns, so that whatever else the machine does meets both.
    fn measure(&self, time: Duration) -> anyhow::Result<Measured> {
        let begun = Instant::now();
        let (mut bare, mut chains) = (Vec::new(), Vec::new());
        while begun.elapsed() < time {
            bare.push(self.rate(|leaf| self.check_signature(leaf))?);
            chains.push(self.rate(|leaf| self.judge(leaf))?);
        }
        Ok(Measured { family: self.family, bare: median(&mut bare)?, chains: median(&mut chains)? })
    }

    fn rate(&self, each: impl Fn(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<f64> {
        let begun = Instant::now();
        self.leaves.iter().try_for_each(|leaf| each(leaf))?;
        Ok(self.leaves.len() as f64 / begun.elapsed().as_secs_f64())
    }

    /// The least that any verifier must do.
    fn check_signature(&self, leaf: &[u8]) -> anyhow::Result<()> {
        Ok(Signed::parse(leaf)?.verify_with(self.ca.verifying_key()?, Strength::Modern)?)
    }

    /// From the received octets to a path.
    fn judge(&self, leaf: &[u8]) -> anyhow::Result<()> {
        let path = validate(&Certificate::parse(leaf)?, &[], &self.trust, &Inputs::new(self.now, Purpose::ClientAuth))?;
        anyhow::ensure!(path.certificates().len() == 3, "a chain of {}", path.certificates().len());
        Ok(())
    }
}

fn median(rates: &mut [f64]) -> anyhow::Result<f64> {
    rates.sort_unstable_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().context("nothing was measured")
}

/// An authority.
fn certify(subject: &str, key: &PublicKey, issuer: &str, issuer_key: &dyn PrivateKey, now: OffsetDateTime) -> anyhow::Result<Vec<u8>> {
    let usage = extensions::key_usage(KeyUsages::KeyCertSign | KeyUsages::CRLSign)?;
    sign(subject, key, issuer, issuer_key, now, vec![extensions::basic_constraints(None)?, usage])
}

fn end_entity(subject: &str, key: &PublicKey, issuer: &str, issuer_key: &dyn PrivateKey, now: OffsetDateTime) -> anyhow::Result<Vec<u8>> {
    let purposes = extensions::extended_key_usage(vec![const_oid::db::rfc5280::ID_KP_CLIENT_AUTH])?;
    let names = extensions::subject_alternative_names(vec![extensions::general_name("mail", "holder@dept.example")?])?;
    let own = vec![
        extensions::key_usage(KeyUsages::DigitalSignature.into())?,
        purposes,
        names,
        extensions::certificate_policies(&[const_oid::ObjectIdentifier::new_unwrap("2.25.1.2.3")])?,
        extensions::crl_distribution_point("http://pki.example.gov.cn/crl/department/1.crl")?,
        extensions::authority_information_access("http://pki.example.gov.cn/ocsp", "http://pki.example.gov.cn/ca/department.cer")?,
    ];
    sign(subject, key, issuer, issuer_key, now, own)
}

fn sign(
    subject: &str,
    key: &PublicKey,
    issuer: &str,
    issuer_key: &dyn PrivateKey,
    now: OffsetDateTime,
    own: Vec<Extension>,
) -> anyhow::Result<Vec<u8>> {
    let named = |text: &str| {
        let attributes =
            [(const_oid::db::rfc4519::ORGANIZATION_NAME, "Hufu Bench".to_owned()), (const_oid::db::rfc4519::COMMON_NAME, text.to_owned())];
        anyhow::Ok(name::to_der(&name::build(&attributes)?)?)
    };
    let identifiers = [extensions::subject_key_identifier(key)?, extensions::authority_key_identifier(issuer_key.public_key())?];
    let algorithm = issuer_key.public_key().algorithm().signature_algorithm();
    let entropy: &dyn Entropy = &SystemEntropy;
    let draft = Draft {
        serial: SerialNumber::generate(entropy, now),
        signature_algorithm: algorithm.clone(),
        issuer: named(issuer)?,
        not_before: now - time::Duration::days(1),
        not_after: now + time::Duration::days(365),
        subject: named(subject)?,
        public_key: key.clone(),
        extensions: own.into_iter().chain(identifiers).collect(),
    };
    let tbs = draft.to_tbs()?;
    Ok(assemble(&tbs, &algorithm, &issuer_key.sign(&tbs)?, &[])?)
}

//! `hufu verify … --anchor`: by anchors of other PKIs, with lists and responses from files. Nobody is asked.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use time::OffsetDateTime;

use crate::{
    validation::{
        Inputs, Report, TrustStore,
        foreign::{self, Demand, Files, without_path},
        signature::Asked,
        validate,
    },
    x509::{Certificate, crl::CertificateList},
};

#[derive(Debug, Args)]
pub struct ForeignTrust {
    /// Trust these certificates of authorities too (PEM or DER); what leads to them is judged here, by lists and responses
    #[arg(long = "anchor", value_name = "FILE")]
    pub anchors: Vec<PathBuf>,
    /// A revocation list (PEM or DER)
    #[arg(long = "crl", value_name = "FILE", requires = "anchors")]
    pub lists: Vec<PathBuf>,
    /// An OCSP response (DER)
    #[arg(long = "ocsp", value_name = "FILE", requires = "anchors")]
    pub responses: Vec<PathBuf>,
    /// What is wanted of the status of certificates below these anchors
    #[arg(long, value_enum, default_value_t, requires = "anchors")]
    pub revocation: Revocation,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Revocation {
    /// One that is not known is no good status
    #[default]
    Required,
    /// Without any word of it a certificate passes
    WhenKnown,
}

/// The anchors with what is known of the status of certificates below them, read.
pub struct Foreign {
    trust: TrustStore,
    files: Files,
    demand: Demand,
}

impl ForeignTrust {
    /// `None` when there are no anchors.
    pub fn read(&self) -> anyhow::Result<Option<Foreign>> {
        if self.anchors.is_empty() {
            return Ok(None);
        }
        let mut anchors = Vec::new();
        for path in &self.anchors {
            anchors.extend(Certificate::parse_many(&read(path)?).with_context(|| format!("reading {}", path.display()))?);
        }
        let files = Files {
            lists: self.lists.iter().map(|path| list(path)).collect::<Result<_, _>>()?,
            responses: self.responses.iter().map(|path| read(path)).collect::<Result<_, _>>()?,
        };
        let demand = match self.revocation {
            Revocation::Required => Demand::Status,
            Revocation::WhenKnown => Demand::StatusWhereKnown,
        };
        Ok(Some(Foreign { trust: TrustStore::of_roots(&anchors), files, demand }))
    }
}

impl Foreign {
    /// By what is in the files and what came along.
    pub fn judge(&self, asked: &Asked<'_>, now: OffsetDateTime) -> Report {
        let (bag, trust, at) = (asked.candidates, &self.trust, asked.at.unwrap_or(now));
        let inputs = Inputs::new(at, asked.purpose);
        if let Some(report) = trust.judge_itself(asked.certificate, &inputs) {
            return report;
        }
        match validate(asked.certificate, bag, trust, &inputs) {
            Ok(path) => {
                let question = foreign::Asked { path: &path, bag, trust, demand: self.demand, at, now };
                question.judge(&self.files.read().and(asked.evidence))
            }
            Err(error) => without_path(asked.certificate, &error, at),
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn list(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = read(path)?;
    let der = match file.first() {
        Some(0x30) => file,
        _ => der::pem::decode_vec(&file).map_err(|error| anyhow::anyhow!("{} is no list in PEM or DER: {error}", path.display()))?.1,
    };
    CertificateList::parse(&der).map_err(|error| anyhow::anyhow!("{} is no list: {error}", path.display()))?;
    Ok(der)
}

//! Whom to trust beside this installation's own roots, and for what: a file that is read at start and again while the service
//! runs. One that cannot be read keeps the last good one in force, and says so.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use arc_swap::ArcSwap;
use serde::Deserialize;

use super::fetch::network::Network;
use crate::{
    validation::{Anchor, Purpose, foreign::Demand},
    x509::{Certificate, DistinguishedName, GeneralName, constraints::NameConstraints},
};

/// An anchor of another PKI.
#[derive(Debug, Clone)]
pub struct ForeignAnchor {
    pub anchor: Anchor,
    pub demand: Demand,
}

/// The anchors in force.
pub struct Anchors {
    path: PathBuf,
    current: ArcSwap<Loaded>,
}

#[derive(Default)]
struct Loaded {
    anchors: Vec<ForeignAnchor>,
    /// What they were read from, to tell whether it has changed.
    files: Vec<Vec<u8>>,
}

impl Anchors {
    /// Without the file there are none.
    pub fn open(path: PathBuf) -> anyhow::Result<Self> {
        let loaded = read(&path)?;
        Ok(Self { path, current: ArcSwap::from_pointee(loaded) })
    }

    pub fn all(&self) -> Vec<ForeignAnchor> {
        self.current.load().anchors.clone()
    }

    /// Reads the file again; answers whether it had changed.
    ///
    /// Errors: what is wrong with it. Then nothing has changed.
    pub fn reload(&self) -> anyhow::Result<bool> {
        let loaded = read(&self.path)?;
        if loaded.files == self.current.load().files {
            return Ok(false);
        }
        self.current.store(loaded.into());
        Ok(true)
    }

    /// The same for a service that runs: the log says what came of it.
    pub fn reload_or_keep(&self) {
        match self.reload() {
            Ok(true) => tracing::warn!(file = %self.path.display(), anchors = self.all().len(), "the trust anchors have changed"),
            Ok(false) => {}
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(file = %self.path.display(), error, "the trust anchors cannot be read; the last good ones stay in force");
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    anchor: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// A certificate, PEM or DER, by its path from the folder of this file.
    certificate: PathBuf,
    /// Left out: for every purpose.
    purposes: Option<Vec<String>>,
    /// Names below it, `dns:`, `email:`, `uri:`, `ip:` or `dn:`. Left out: whatever its certificate permits.
    #[serde(default)]
    permitted: Vec<String>,
    #[serde(default)]
    excluded: Vec<String>,
    #[serde(default)]
    revocation: Revocation,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Revocation {
    #[default]
    Required,
    WhenKnown,
}

/// The most anchors: a mistake in a file should not cost the service its memory.
const MAX_ANCHORS: usize = 1000;

/// What a file of anchors says. Also for `hufu check`.
fn read(path: &Path) -> anyhow::Result<Loaded> {
    if !path.exists() {
        return Ok(Loaded::default());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let file: File = toml::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
    ensure!(file.anchor.len() <= MAX_ANCHORS, "{}: more than {MAX_ANCHORS} anchors", path.display());
    let mut loaded = Loaded { anchors: Vec::new(), files: vec![text.into_bytes()] };
    let folder = path.parent().unwrap_or(Path::new("."));
    for entry in &file.anchor {
        let path = folder.join(&entry.certificate);
        let certificate = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let anchor = entry.anchor(&certificate).with_context(|| format!("the anchor {}", path.display()))?;
        let is_twice = loaded.anchors.iter().any(|other| other.anchor.certificate() == anchor.anchor.certificate());
        ensure!(!is_twice, "the anchor {} stands there twice", path.display());
        loaded.anchors.push(anchor);
        loaded.files.push(certificate);
    }
    Ok(loaded)
}

impl Entry {
    fn anchor(&self, file: &[u8]) -> anyhow::Result<ForeignAnchor> {
        let certificates = Certificate::parse_many(file)?;
        let [certificate] = &certificates[..] else { bail!("one certificate a file, not {}", certificates.len()) };
        ensure!(certificate.is_authority(), "it is not the certificate of an authority");
        let mut anchor = Anchor::new(certificate.clone());
        if let Some(purposes) = &self.purposes {
            let find = |name: &String| {
                Purpose::find(name).with_context(|| format!("purpose {name:?}; one of {}", Purpose::ALL.map(Purpose::name).join(", ")))
            };
            anchor = anchor.with_purposes(purposes.iter().map(find).collect::<Result<_, _>>()?);
        }
        if !self.permitted.is_empty() || !self.excluded.is_empty() {
            anchor = anchor.with_names(NameConstraints { permitted: bases(&self.permitted)?, excluded: bases(&self.excluded)? });
        }
        let demand = match self.revocation {
            Revocation::Required => Demand::Status,
            Revocation::WhenKnown => Demand::StatusWhereKnown,
        };
        Ok(ForeignAnchor { anchor, demand })
    }
}

fn bases(texts: &[String]) -> anyhow::Result<Vec<GeneralName>> {
    texts.iter().map(|text| base(text).with_context(|| format!("the name {text:?}"))).collect()
}

/// The base of a subtree of names (RFC 5280 §4.2.1.10).
fn base(text: &str) -> anyhow::Result<GeneralName> {
    let (form, value) = text.split_once(':').context("it has no form; dns:, email:, uri:, ip: or dn:")?;
    ensure!(value.is_ascii() || form == "dn", "it is not ASCII; write a host in its A-labels (xn--…)");
    Ok(match form {
        "dns" => GeneralName::Dns(value.to_owned()),
        "email" => GeneralName::Email(value.to_owned()),
        "uri" => GeneralName::Uri(value.to_owned()),
        "ip" => GeneralName::Ip(value.parse::<Network>()?.octets()),
        "dn" => {
            let name: x509_cert::name::Name = value.parse()?;
            GeneralName::Directory(DistinguishedName::parse(&crate::x509::name::to_der(&name)?)?)
        }
        other => bail!("there is no form {other}:"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::fixtures::Authority;

    fn write(folder: &Path, text: &str) -> PathBuf {
        std::fs::write(folder.join("root.der"), Authority::p256().certificate()).unwrap();
        let path = folder.join("anchors.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn an_anchor_has_purposes_names_and_a_demand() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[[anchor]]\ncertificate = 'root.der'\npurposes = ['server-auth']\npermitted = ['dns:gov.cn', 'ip:10.0.0.0/8', \
                    'dn:O=Hufu,C=CN']\nexcluded = ['email:example.com']\nrevocation = 'when-known'\n";
        let anchors = Anchors::open(write(folder.path(), text)).unwrap().all();
        assert_eq!((anchors.len(), anchors[0].demand), (1, Demand::StatusWhereKnown));
        let none = Anchors::open(folder.path().join("missing.toml")).unwrap();
        assert!(none.all().is_empty());
    }

    #[test]
    fn a_file_that_makes_no_sense_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let good = "[[anchor]]\ncertificate = 'root.der'\n";
        let anchors = Anchors::open(write(folder.path(), good)).unwrap();
        for (name, text) in [
            ("no TOML", "[[anchor"),
            ("an unknown key", "[[anchor]]\ncertificate = 'root.der'\npurpose = 'any'\n"),
            ("no file", "[[anchor]]\ncertificate = 'other.der'\n"),
            ("no certificate", "[[anchor]]\ncertificate = 'anchors.toml'\n"),
            ("an unknown purpose", "[[anchor]]\ncertificate = 'root.der'\npurposes = ['all']\n"),
            ("a name without form", "[[anchor]]\ncertificate = 'root.der'\npermitted = ['gov.cn']\n"),
            ("a network with bits behind", "[[anchor]]\ncertificate = 'root.der'\npermitted = ['ip:10.0.0.1/8']\n"),
            ("one anchor twice", "[[anchor]]\ncertificate = 'root.der'\n[[anchor]]\ncertificate = 'root.der'\n"),
            ("an unknown word", "[[anchor]]\ncertificate = 'root.der'\nrevocation = 'never'\n"),
        ] {
            write(folder.path(), text);
            assert!(anchors.reload().is_err(), "{name}");
            assert_eq!(anchors.all().len(), 1, "{name}");
        }
        write(folder.path(), "");
        assert!(anchors.reload().unwrap() && anchors.all().is_empty());
        assert!(!anchors.reload().unwrap());
    }
}

//! The extensions that GB/T 20518 §5.2.4 adds to X.509: numbers by which a register knows the holder.
//!
//! None is in a certificate unless its profile names it and says where the value comes from. One is in none at all: the
//! identity code, which holds the number of a person's document. A certificate is copied for ever (PIPL articles 6 and 28).

use std::collections::BTreeMap;

use der::asn1::ObjectIdentifier;
use serde::Deserialize;
use toml::Spanned;

use crate::x509::identity_number::holds_resident_number;

use super::{
    profile::{Fault, Need, Profile, RawNeed},
    subject::{FieldError, FieldRule},
};

/// One of these extensions. Its value is a PrintableString.
#[derive(Debug, PartialEq, Eq)]
pub struct NationalExtension {
    /// As the standard spells it.
    pub name: &'static str,
    pub oid: ObjectIdentifier,
}

pub static NATIONAL: &[NationalExtension] = &[
    known("insuranceNumber", "1.2.156.10260.4.1.2"),
    known("icRegistrationNumber", "1.2.156.10260.4.1.3"),
    // Also the eighteen characters of the unified social credit code (GB 32100), which took its place.
    known("organizationCode", "1.2.156.10260.4.1.4"),
    known("taxationNumber", "1.2.156.10260.4.1.5"),
];

/// Known, so that whoever asks for it is told why it is not to be had.
const IDENTITY_CODE: &str = "identifyCode";

/// The longest number of any of these registers has 20 characters; the rest is room.
const LONGEST: usize = 32;

const fn known(name: &'static str, oid: &str) -> NationalExtension {
    NationalExtension { name, oid: ObjectIdentifier::new_unwrap(oid) }
}

/// One such extension of a profile.
#[derive(Debug, Clone)]
pub struct NationalField {
    pub extension: &'static NationalExtension,
    pub source: NationalSource,
    pub need: Need,
}

/// Never the CSR: what its holder writes about themselves is in no register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NationalSource {
    /// The profile says it.
    Fixed(String),
    /// The request says it, under the extension's name.
    Request,
}

impl Profile {
    /// The national extensions with their values, in the order of the profile.
    pub fn national_extensions(&self, requested: &BTreeMap<String, String>) -> Result<Vec<(ObjectIdentifier, String)>, FieldError> {
        let mut found = Vec::new();
        for field in &self.national {
            let NationalExtension { name, oid } = *field.extension;
            let value = match &field.source {
                NationalSource::Fixed(value) => Some(value),
                NationalSource::Request => requested.get(name),
            };
            match value {
                Some(value) => found.push((oid, check_number(value).map(|()| value.clone()).map_err(|rule| FieldError::new(name, rule))?)),
                None if field.need == Need::Required => return Err(FieldError::new(name, FieldRule::Missing)),
                None => {}
            }
        }
        Ok(found)
    }

    /// Whether the request gives the value of the extension of this name.
    pub(super) fn asks_for_number(&self, name: &str) -> bool {
        self.national.iter().any(|field| field.extension.name == name && field.source == NationalSource::Request)
    }
}

fn check_number(value: &str) -> Result<(), FieldRule> {
    if value.is_empty() {
        return Err(FieldRule::Blank);
    }
    if value.len() > LONGEST {
        return Err(FieldRule::TooLong { limit: LONGEST });
    }
    if !value.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-') {
        return Err(FieldRule::Syntax);
    }
    if holds_resident_number(value) { Err(FieldRule::IdentityNumber) } else { Ok(()) }
}

/// A `[[national]]` of the file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNational {
    extension: Spanned<String>,
    from: Spanned<RawFrom>,
    value: Option<Spanned<String>>,
    #[serde(default)]
    required: RawNeed,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawFrom {
    Fixed,
    Request,
}

pub(super) fn national(fields: &[RawNational]) -> Result<Vec<NationalField>, Fault> {
    let mut found: Vec<NationalField> = Vec::new();
    for raw in fields {
        let field = NationalField { extension: extension(&raw.extension)?, source: source(raw)?, need: raw.required.into() };
        if found.iter().any(|earlier| earlier.extension == field.extension) {
            return Err(Fault::at(&raw.extension, format!("the extension \"{}\" stands here twice", field.extension.name)));
        }
        found.push(field);
    }
    Ok(found)
}

fn extension(name: &Spanned<String>) -> Result<&'static NationalExtension, Fault> {
    if name.get_ref() == IDENTITY_CODE {
        return Err(Fault::at(name, "the number of a person's document is in no certificate (PIPL articles 6 and 28)"));
    }
    let found = NATIONAL.iter().find(|extension| extension.name == name.get_ref());
    found.ok_or_else(|| Fault::at(name, format!("\"{}\" is no extension of GB/T 20518 known here", name.get_ref())))
}

fn source(raw: &RawNational) -> Result<NationalSource, Fault> {
    match (raw.from.get_ref(), &raw.value) {
        (RawFrom::Request, None) => Ok(NationalSource::Request),
        (RawFrom::Request, Some(value)) => Err(Fault::at(value, "only a fixed field has a value")),
        (RawFrom::Fixed, None) => Err(Fault::at(&raw.from, "a fixed field has a value")),
        (RawFrom::Fixed, Some(value)) => {
            check_number(value.get_ref()).map_err(|rule| Fault::at(value, rule.to_string()))?;
            Ok(NationalSource::Fixed(value.get_ref().clone()))
        }
    }
}

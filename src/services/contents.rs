//! What an enrolment's certificates will say: what its profile makes of the request, the department, the person and the CSR.
//!
//! Every value passes the profile's rules for the source that the profile names, and nothing else gets in: this is the one
//! place from which a subject and the extensions of a profile come.

use std::collections::BTreeMap;

use const_oid::db::rfc5280::ID_CE_SUBJECT_ALT_NAME;
use der::Decode;
use serde_json::json;
use x509_cert::{
    ext::{
        Extension,
        pkix::{SubjectAltName, name::GeneralName},
    },
    name::Name,
};

use super::{error::Error, issue::profile_extensions};
use crate::{
    policy::{AlternativeName, DepartmentFacts, FieldError, NameKind, PersonId, Profile, subject::SubjectData},
    x509::{self, extensions, name, request::CertificationRequest},
};

/// All that the contents of a certificate may be made of.
pub struct Sources<'a> {
    pub profile: &'a Profile,
    /// What the request says: attributes and numbers by name, alternative names by kind.
    pub fields: &'a BTreeMap<String, String>,
    pub alternative_names: &'a BTreeMap<String, Vec<String>>,
    pub department: &'a DepartmentFacts,
    pub person: PersonId,
    /// The first of the requests: all certificates of one enrolment say the same.
    pub csr: Option<&'a CertificationRequest>,
}

impl Sources<'_> {
    /// The subject, and the extensions that the profile adds to those of every certificate.
    pub fn contents(&self) -> Result<(Name, Vec<Extension>), Error> {
        let subject = self.subject()?;
        let names = self.alternative_names()?;
        let numbers = self.profile.national_extensions(self.fields).map_err(|field| self.refused(field))?;
        let mut list = profile_extensions(self.profile, names)?;
        for (oid, value) in numbers {
            list.push(extensions::national(oid, &value)?);
        }
        Ok((subject, list))
    }

    pub fn subject(&self) -> Result<Name, Error> {
        let csr_subject = self.csr.map(|request| name::attributes(request.subject())).unwrap_or_default();
        let data = SubjectData { fields: self.fields, department: self.department, person: self.person, csr_subject: &csr_subject };
        Ok(name::build(&self.profile.subject(&data).map_err(|field| self.refused(field))?)?)
    }

    fn alternative_names(&self) -> Result<Vec<GeneralName>, Error> {
        let mut requested = Vec::new();
        for (kind, names) in self.alternative_names {
            let kind: NameKind = serde_json::from_value(json!(kind)).map_err(|_| Error::malformed("alternative_names", "unknown kind"))?;
            requested.extend(names.iter().map(|name| (kind, name.clone())));
        }
        let names = self.profile.alternative_names(&requested, &self.names_of_csr()?, self.department);
        let general = |name: &AlternativeName| match name {
            AlternativeName::Dns(text) => extensions::general_name("dns", text),
            AlternativeName::Mail(text) => extensions::general_name("mail", text),
            AlternativeName::Ip(address) => extensions::general_name("ip", &address.to_string()),
        };
        Ok(names.map_err(|field| self.refused(field))?.iter().map(general).collect::<Result<_, x509::Error>>()?)
    }

    /// The alternative names that the CSR asks for. Kinds that no profile can name are passed over like all else in a CSR.
    fn names_of_csr(&self) -> Result<Vec<(NameKind, String)>, Error> {
        let asked = self.csr.map(CertificationRequest::requested_extensions).unwrap_or_default();
        let Some(extension) = asked.iter().find(|extension| extension.extn_id == ID_CE_SUBJECT_ALT_NAME) else { return Ok(Vec::new()) };
        let names =
            SubjectAltName::from_der(extension.extn_value.as_bytes()).map_err(|error| Error::RequestMalformed(error.to_string()))?;
        Ok(names.0.iter().filter_map(offered).collect())
    }

    fn refused(&self, field: FieldError) -> Error {
        Error::FieldRefused { profile: self.profile.name().to_string(), field }
    }
}

fn offered(name: &GeneralName) -> Option<(NameKind, String)> {
    match name {
        GeneralName::DnsName(name) => Some((NameKind::Dns, name.to_string())),
        GeneralName::Rfc822Name(name) => Some((NameKind::Mail, name.to_string())),
        GeneralName::IpAddress(octets) => address(octets.as_bytes()).map(|address| (NameKind::Ip, address.to_string())),
        _ => None,
    }
}

fn address(octets: &[u8]) -> Option<std::net::IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(Into::into);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(Into::into)).ok()
}

#[cfg(test)]
mod tests;

//! Whom we trust, and the authorities we know: what paths end in and what they are built from.

use std::collections::HashMap;

use super::Purpose;
use crate::x509::{Certificate, DistinguishedName, constraints::NameConstraints};

/// A trusted authority, with what the one who trusts it limits it to (RFC 5937 §3).
#[derive(Debug, Clone)]
pub struct Anchor {
    certificate: Certificate,
    purposes: Option<Vec<Purpose>>,
    names: Option<NameConstraints>,
}

impl Anchor {
    /// Trusted for whatever its certificate allows.
    pub fn new(certificate: Certificate) -> Self {
        Self { certificate, purposes: None, names: None }
    }

    /// Trusted for these purposes alone.
    pub fn with_purposes(self, purposes: Vec<Purpose>) -> Self {
        Self { purposes: Some(purposes), ..self }
    }

    /// Trusted for these names alone, beside what its certificate says.
    pub fn with_names(self, names: NameConstraints) -> Self {
        Self { names: Some(names), ..self }
    }

    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    pub(super) fn names(&self) -> Option<&NameConstraints> {
        self.names.as_ref()
    }

    /// One that is limited is not trusted for a question that names no purpose either.
    pub(super) fn serves(&self, purpose: Purpose) -> bool {
        self.purposes.as_ref().is_none_or(|purposes| purposes.contains(&purpose) || purposes.contains(&Purpose::Any))
    }
}

/// Anchors, and authorities that may stand between them and an end entity, by their name. Made once, asked often: what is found
/// out about an authority, above all that its signature verified, stays with it.
#[derive(Debug, Clone, Default)]
pub struct TrustStore {
    anchors: HashMap<DistinguishedName, Vec<Anchor>>,
    authorities: HashMap<DistinguishedName, Vec<Certificate>>,
}

impl TrustStore {
    pub fn new(anchors: impl IntoIterator<Item = Anchor>, authorities: impl IntoIterator<Item = Certificate>) -> Self {
        let mut store = Self::default();
        for anchor in anchors {
            store.anchors.entry(anchor.certificate.subject().clone()).or_default().push(anchor);
        }
        for authority in authorities {
            store.authorities.entry(authority.subject().clone()).or_default().push(authority);
        }
        store
    }

    /// Every certificate here as an anchor without limits.
    pub fn of_roots(roots: &[Certificate]) -> Self {
        Self::new(roots.iter().cloned().map(Anchor::new), [])
    }

    pub fn anchors(&self) -> impl Iterator<Item = &Anchor> {
        self.anchors.values().flatten()
    }

    pub(super) fn anchors_named(&self, name: &DistinguishedName) -> &[Anchor] {
        self.anchors.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn authorities_named(&self, name: &DistinguishedName) -> &[Certificate] {
        self.authorities.get(name).map_or(&[], Vec::as_slice)
    }
}

//! Whom we trust, and the authorities we know: what paths end in and what they are built from.

use std::collections::HashMap;

use super::{Check, CheckName, Inputs, Outcome, Purpose, Reason, Report, StatusReport};
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

    /// One that is limited is not trusted for a question that names no purpose either. Who is trusted for mail, whose signatures are the
    /// same, is trusted for signatures over documents.
    pub(super) fn serves(&self, purpose: Purpose) -> bool {
        let serving: &[Purpose] = match purpose {
            Purpose::DocumentSigning => &[Purpose::DocumentSigning, Purpose::EmailProtection, Purpose::Any],
            other => &[other, Purpose::Any],
        };
        self.purposes.as_ref().is_none_or(|purposes| purposes.iter().any(|purpose| serving.contains(purpose)))
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

    /// The verdict on a root that is itself an anchor: whoever asks trusts it, and no path says more. `None` for every other certificate
    /// (of another anchor nobody has said that it is good, only what it issues), and where more is asked than whether it is trusted.
    pub fn judge_itself(&self, certificate: &Certificate, inputs: &Inputs) -> Option<Report> {
        let is_anchor = self.anchors_named(certificate.subject()).iter().any(|anchor| anchor.certificate() == certificate);
        let is_root = is_anchor && certificate.is_self_issued() && certificate.is_authority();
        if inputs.purpose != Purpose::Any || !is_root {
            return None;
        }
        let reason = match inputs.at {
            at if at < certificate.not_before() => Reason::NotYetValid,
            at if at > certificate.not_after() => Reason::Expired,
            _ => Reason::TrustedRoot,
        };
        let outcome = if reason == Reason::TrustedRoot { Outcome::Passed } else { Outcome::Failed };
        let report = Report::without_status(reason, inputs.at);
        let check = Check::new(CheckName::Path, "RFC 5280 §6.1.1 (d)", outcome, "the certificate is an anchor itself");
        let status = StatusReport { state: "trusted", ..report.status.clone() };
        Some(Report { status, chain: vec![certificate.subject_text()], checks: vec![check], ..report })
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

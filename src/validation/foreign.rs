//! The verdict on a certificate of another PKI: its path is found; what becomes of it, its own lists and responses say.

use time::OffsetDateTime;

use super::{
    Check, CheckName, Outcome, Path, PathError, Reason, Report, StatusReport, TrustStore,
    report::Remark,
    revocation::{self, Evidence, EvidenceInputs, Kind, Signers, Status},
};
use crate::{
    crypto::Strength,
    world::rfc3339,
    x509::{
        Certificate,
        crl::{CertificateList, CrlReason},
        ocsp::{BasicResponse, OcspResponse},
    },
};

/// What the one who trusts an anchor wants to know of the certificates below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Demand {
    /// A status that is not known is no good status.
    #[default]
    Status,
    /// A revocation counts when it is known; without any word a certificate passes.
    StatusWhereKnown,
}

/// Lists and responses as received.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The DER of CRLs.
    pub lists: Vec<Vec<u8>>,
    /// The DER of OCSP responses, or of the BasicOCSPResponse alone.
    pub responses: Vec<Vec<u8>>,
}

impl Files {
    /// What can be read of them; the rest says nothing.
    pub fn read(&self) -> Evidence<'_> {
        Evidence::read(self.lists.iter().map(Vec::as_slice), self.responses.iter().map(Vec::as_slice))
    }

    /// The places of lists and of responses that cannot be read, from 1.
    pub fn unreadable(&self) -> (Vec<usize>, Vec<usize>) {
        fn places(files: &[Vec<u8>], is_readable: impl Fn(&[u8]) -> bool) -> Vec<usize> {
            files.iter().zip(1..).filter(|(file, _)| !is_readable(file)).map(|(_, place)| place).collect()
        }
        let lists = places(&self.lists, |der| CertificateList::parse(der).is_ok());
        (lists, places(&self.responses, |der| OcspResponse::parse(der).is_ok() || BasicResponse::parse(der).is_ok()))
    }

    pub fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.responses.is_empty()
    }
}

/// What a verdict is asked with.
pub struct Asked<'a> {
    pub path: &'a Path,
    /// Certificates that may have signed lists.
    pub bag: &'a [Certificate],
    pub trust: &'a TrustStore,
    pub demand: Demand,
    /// The time of the verdict.
    pub at: OffsetDateTime,
    pub now: OffsetDateTime,
}

impl Asked<'_> {
    /// Every certificate below the anchor must be good: a revoked authority takes what it issued with it.
    pub fn judge(&self, evidence: &Evidence<'_>) -> Report {
        let certificates = self.path.certificates();
        let chain: Vec<String> = certificates.iter().map(Certificate::subject_text).collect();
        let mut checks = vec![Check::new(CheckName::Path, "RFC 5280 §6.1", Outcome::Passed, format!("{} certificates", chain.len()))];
        let mut reason = Reason::Valid;
        let mut report = status_report(&Status::Unknown(revocation::Obstacle::NoEvidence), self.at);
        let mut later = None;
        for (depth, (certificate, issuer)) in self.path.links().enumerate() {
            let status = self.status(certificate, issuer, evidence);
            let found = self.reason(&status, depth);
            checks.push(check(certificate, &status, found));
            if depth == 0 {
                report = status_report(&status, self.at);
                later = matches!((&status, found), (Status::Revoked { .. }, Reason::Valid)).then(|| report.clone());
            }
            // The worst counts, and of two alike the one nearer to the end entity.
            if rank(found) > rank(reason) {
                reason = found;
            }
        }
        Report { later, ..Report::new(reason, report, chain, checks, None) }
    }

    /// What is known now comes first: it also knows of revocations that were made known after `at`.
    fn status(&self, certificate: &Certificate, issuer: &Certificate, evidence: &Evidence<'_>) -> Status {
        let signers = Signers::new(self.bag, self.trust, self.path.anchor());
        let as_of = |at| {
            let inputs = EvidenceInputs { at, max_age: None, strength: Strength::Modern };
            revocation::status(certificate, issuer, signers, evidence, &inputs)
        };
        match as_of(self.now) {
            Status::Unknown(_) if self.at != self.now => as_of(self.at),
            known => known,
        }
    }

    fn reason(&self, status: &Status, depth: usize) -> Reason {
        match status {
            Status::Good { .. } => Reason::Valid,
            Status::Unknown(_) if self.demand == Demand::StatusWhereKnown => Reason::ValidStatusNotProven,
            Status::Unknown(_) => Reason::StatusUnknown,
            revoked @ Status::Revoked { .. } if !revocation::counts(revoked, self.at) => Reason::Valid,
            Status::Revoked { reason: Some(CrlReason::CertificateHold), .. } => Reason::Suspended,
            Status::Revoked { .. } if depth > 0 => Reason::AuthorityRevoked,
            Status::Revoked { .. } => Reason::Revoked,
        }
    }
}

/// The verdict on one without a path.
pub fn without_path(certificate: &Certificate, error: &PathError, at: OffsetDateTime) -> Report {
    let check = Check::new(CheckName::Path, "RFC 5280 §6.1", Outcome::Failed, error.to_string());
    let report = Report::without_status(Reason::from(error), at);
    let remarks = match error {
        PathError::AnchorPurpose(anchor, purpose) => vec![Remark::new(
            "anchor-for-other-purposes",
            format!("证书通向信任锚 {anchor},但该信任锚未被信任用于 {purpose}。"),
            format!("The certificate leads to the anchor {anchor}, which is trusted, but not for {purpose}."),
        )],
        _ => Vec::new(),
    };
    Report { chain: vec![certificate.subject_text()], checks: vec![check], remarks, ..report }
}

fn rank(reason: Reason) -> u8 {
    match reason {
        Reason::Valid => 0,
        Reason::ValidStatusNotProven => 1,
        Reason::StatusUnknown => 2,
        Reason::Suspended => 3,
        _ => 4,
    }
}

fn check(certificate: &Certificate, status: &Status, reason: Reason) -> Check {
    let outcome = match reason {
        Reason::Valid => Outcome::Passed,
        Reason::StatusUnknown | Reason::ValidStatusNotProven => Outcome::Unknown,
        _ => Outcome::Failed,
    };
    let (clause, detail) = match status {
        Status::Good { source } => (clause(source.kind), format!("good as of {}", rfc3339(source.this_update))),
        Status::Revoked { source, at, .. } => (clause(source.kind), format!("revoked since {}", rfc3339(*at))),
        Status::Unknown(obstacle) => ("RFC 5280 §6.3", format!("cannot be known: of the evidence, {obstacle}")),
    };
    Check::new(CheckName::Status, clause, outcome, format!("{}: {detail}", certificate.subject_text()))
}

fn clause(kind: Kind) -> &'static str {
    match kind {
        Kind::Crl => "RFC 5280 §6.3.3",
        Kind::Ocsp => "RFC 6960 §3.2",
    }
}

fn status_report(status: &Status, at: OffsetDateTime) -> StatusReport {
    let unknown = StatusReport { state: "unknown", reason: None, since: None, invalid_since: None, as_of: rfc3339(at) };
    match status {
        Status::Good { source } => StatusReport { state: "good", as_of: rfc3339(source.this_update), ..unknown },
        Status::Revoked { source, at, reason, invalidity_date } => StatusReport {
            state: if *reason == Some(CrlReason::CertificateHold) { "suspended" } else { "revoked" },
            reason: reason.map(reason_name),
            since: Some(rfc3339(*at)),
            invalid_since: invalidity_date.map(rfc3339),
            as_of: rfc3339(source.this_update),
        },
        Status::Unknown(_) => unknown,
    }
}

/// The names of RFC 5280 §5.3.1.
fn reason_name(reason: CrlReason) -> &'static str {
    match reason {
        CrlReason::Unspecified => "unspecified",
        CrlReason::KeyCompromise => "keyCompromise",
        CrlReason::CaCompromise => "cACompromise",
        CrlReason::AffiliationChanged => "affiliationChanged",
        CrlReason::Superseded => "superseded",
        CrlReason::CessationOfOperation => "cessationOfOperation",
        CrlReason::CertificateHold => "certificateHold",
        CrlReason::RemoveFromCRL => "removeFromCRL",
        CrlReason::PrivilegeWithdrawn => "privilegeWithdrawn",
        CrlReason::AaCompromise => "aACompromise",
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::validation::{Inputs, Purpose, testing::*, validate};

    #[test]
    fn the_verdict_follows_from_the_status_of_every_certificate() {
        for family in FAMILIES {
            let root = Node::root(family);
            let ca = root.authority("CA", |draft| draft);
            let leaf = ca.issue("EE", |draft| draft);
            let bag = [ca.certificate.clone()];
            let trust = TrustStore::of_roots(std::slice::from_ref(&root.certificate));
            let path = validate(&leaf.certificate, &bag, &trust, &Inputs::new(NOW, Purpose::Any)).unwrap();
            let judge = |lists: &[Vec<u8>], at, demand| {
                let files = Files { lists: lists.to_vec(), responses: vec![b"no response".to_vec()] };
                let asked = Asked { path: &path, bag: &bag, trust: &trust, demand, at, now: NOW };
                asked.judge(&files.read())
            };
            let (of_root, of_ca) = (List::by(&root, &[]).der(), List::by(&ca, &[]).der());
            let revoked = |reason| List::by(&ca, &[(&leaf.certificate, reason)]).der();
            let without = List::by(&root, &[(&ca.certificate, 1)]).der();
            // An entry says that it was revoked two days ago.
            let before = NOW - Duration::days(3);
            let cases = [
                ("good", vec![of_root.clone(), of_ca.clone()], NOW, Demand::Status, Reason::Valid, "good"),
                ("nothing known", vec![], NOW, Demand::Status, Reason::StatusUnknown, "unknown"),
                ("of the leaf alone", vec![of_ca.clone()], NOW, Demand::Status, Reason::StatusUnknown, "good"),
                ("nothing known nor asked", vec![], NOW, Demand::StatusWhereKnown, Reason::ValidStatusNotProven, "unknown"),
                ("revoked", vec![of_root.clone(), revoked(1)], NOW, Demand::StatusWhereKnown, Reason::Revoked, "revoked"),
                ("revoked since", vec![of_root.clone(), revoked(1)], before, Demand::Status, Reason::Valid, "revoked"),
                ("held", vec![of_root.clone(), revoked(6)], NOW, Demand::Status, Reason::Suspended, "suspended"),
                ("its authority", vec![without, of_ca.clone()], NOW, Demand::Status, Reason::AuthorityRevoked, "good"),
            ];
            for (name, lists, at, demand, reason, state) in cases {
                let report = judge(&lists, at, demand);
                assert_eq!((report.reason(), report.status.state), (reason, state), "{name}");
            }
            // Lists of long ago speak for a time of long ago.
            let old = |node: &Node| {
                let (this_update, next_update) = (NOW - Duration::days(40), NOW - Duration::days(30));
                List { this_update, next_update, ..List::by(node, &[]) }.der()
            };
            let then = NOW - Duration::days(35);
            assert_eq!(judge(&[old(&root), old(&ca)], then, Demand::Status).reason(), Reason::Valid);
            assert_eq!(judge(&[old(&root), old(&ca)], NOW, Demand::Status).reason(), Reason::StatusUnknown);
        }
    }
}

//! Revocation lists: complete, partitioned, of some reasons, delta and indirect (RFC 5280 §6.3.3).

use super::revocation::{Evidence, EvidenceInputs, Kind, Obstacle, Signers, Source, Status, is_current};
use crate::{
    crypto::Strength,
    x509::{
        Certificate, GeneralName,
        crl::{CertificateList, CrlReason, RevokedEntry},
        distribution_point::{Coverage, DistributionPoint, PointName, Reasons},
    },
};

/// The status of a certificate by lists of its issuer.
pub(super) fn status(
    certificate: &Certificate,
    issuer: &Certificate,
    signers: Signers<'_>,
    evidence: &Evidence<'_>,
    inputs: &EvidenceInputs,
) -> Status {
    let question = Question { certificate, issuer, signers, evidence, inputs };
    let mut covered = Reasons::NONE;
    let mut obstacle = Obstacle::NoEvidence;
    let mut source = None;
    let mut looked_at = 0;
    for list in newest_first(evidence.lists().filter(|list| !list.is_delta())) {
        let reasons = match question.reasons(list) {
            Ok(reasons) if covered.contains(reasons) => continue,
            Ok(reasons) => reasons,
            Err(found) => {
                obstacle = obstacle.max(found);
                continue;
            }
        };
        looked_at += 1;
        if looked_at > MAX_LISTS {
            break;
        }
        match question.by_list(list) {
            Ok(Finding { revoked: Some(entry), source }) => return revoked(entry, source),
            Ok(Finding { revoked: None, source: found }) => {
                covered = covered.union(reasons);
                source.get_or_insert(found);
            }
            Err(found) => obstacle = obstacle.max(found),
        }
    }
    match source {
        Some(source) if covered.contains(Reasons::ALL) => Status::Good { source },
        Some(_) => Status::Unknown(Obstacle::SomeReasonsOnly),
        None => Status::Unknown(obstacle),
    }
}

/// The most lists of one scope whose signature is checked for one certificate.
const MAX_LISTS: usize = 32;
/// The most distribution points of one certificate that are compared with a list, and names of each.
const MAX_POINTS: usize = 32;
const MAX_NAMES: usize = 32;

/// Of two lists that are both in their time, the newer one knows more; of two of the same second, the one with the higher number
/// (RFC 5280 §5.2.3).
fn newest_first<'l, 'a>(lists: impl Iterator<Item = &'l CertificateList<'a>>) -> Vec<&'l CertificateList<'a>>
where
    'a: 'l,
{
    let mut lists: Vec<_> = lists.collect();
    lists.sort_by_key(|list| std::cmp::Reverse((list.this_update, list.number())));
    lists
}

fn revoked(entry: RevokedEntry, source: Source) -> Status {
    Status::Revoked { source, at: entry.revoked_at, reason: entry.reason, invalidity_date: entry.invalidity_date }
}

/// §6.3.3 (d).
fn reasons_of(point: &DistributionPoint, list: &CertificateList<'_>) -> Reasons {
    let of_list = list.scope.as_ref().and_then(|scope| scope.only_some_reasons).unwrap_or(Reasons::ALL);
    of_list.intersection(point.reasons.unwrap_or(Reasons::ALL))
}

struct Question<'a> {
    certificate: &'a Certificate,
    issuer: &'a Certificate,
    signers: Signers<'a>,
    evidence: &'a Evidence<'a>,
    inputs: &'a EvidenceInputs,
}

struct Finding {
    revoked: Option<RevokedEntry>,
    source: Source,
}

impl Question<'_> {
    /// For which reasons a list speaks of the certificate, at whichever of its distribution points the list is found. Without a
    /// point, and where the points leave reasons open, any list of the issuer will do (the last paragraph of §6.3.3).
    fn reasons(&self, list: &CertificateList<'_>) -> Result<Reasons, Obstacle> {
        let own = DistributionPoint { name: None, reasons: None, crl_issuer: None };
        let points = self.certificate.extensions().crl_distribution_points.as_deref().unwrap_or_default();
        let mut found: Result<Reasons, Obstacle> = Err(Obstacle::NoEvidence);
        for point in points.iter().take(MAX_POINTS).chain(Some(&own)) {
            found = match (found, self.check_scope(point, list).map(|()| reasons_of(point, list))) {
                (Ok(one), Ok(other)) => Ok(one.union(other)),
                (Ok(reasons), Err(_)) | (Err(_), Ok(reasons)) => Ok(reasons),
                (Err(one), Err(other)) => Err(one.max(other)),
            };
        }
        found
    }

    /// What a complete list says, brought up to date by the newest delta list if there is one.
    fn by_list(&self, list: &CertificateList<'_>) -> Result<Finding, Obstacle> {
        self.check_form(list)?;
        let deltas = newest_first(self.evidence.lists().filter(|delta| delta.is_delta()));
        let delta = deltas.into_iter().take(MAX_LISTS).find(|delta| self.updates(delta, list));
        let current = |list: &CertificateList<'_>| is_current(list.this_update, list.next_update, self.inputs);
        // A list that is out of date is as good as new with a delta list that is not (§6.3.3 (a) (1)).
        if !current(list) && (delta.is_none() || list.this_update > self.inputs.at) {
            return Err(Obstacle::NotCurrent);
        }
        if !self.is_signed_for_the_issuer(list) {
            return Err(Obstacle::NotAuthorized);
        }
        let find = |list: &'_ CertificateList<'_>| list.find_of(self.certificate.issuer(), self.certificate.serial()).cloned();
        let entry = match delta.and_then(find) {
            Some(entry) if entry.reason == Some(CrlReason::RemoveFromCRL) => None,
            Some(entry) => Some(entry),
            None => find(list),
        };
        let this_update = delta.map_or(list.this_update, |delta| delta.this_update);
        Ok(Finding { revoked: entry, source: Source { kind: Kind::Crl, this_update } })
    }

    /// §6.3.3 (b): the list is about certificates like this one.
    fn check_scope(&self, point: &DistributionPoint, list: &CertificateList<'_>) -> Result<(), Obstacle> {
        let is_of_its_issuer = match &point.crl_issuer {
            None => list.issuer_name() == self.certificate.issuer(),
            // §6.3.3 (b) (1): the list of another one says itself that it is about certificates of others.
            Some(issuers) => list.is_indirect() && issuers.contains(&GeneralName::Directory(list.issuer_name().clone())),
        };
        if !is_of_its_issuer {
            return Err(Obstacle::OtherCertificates);
        }
        let Some(scope) = &list.scope else { return Ok(()) };
        let covers = match scope.coverage {
            Coverage::All => true,
            // Version 1 cannot say whether it is one or the other.
            Coverage::UserCertificates => self.certificate.version() == 3 && !self.certificate.is_authority(),
            Coverage::AuthorityCertificates => self.certificate.is_authority(),
            Coverage::AttributeCertificates => false,
        };
        if covers && self.names_match(point, list) { Ok(()) } else { Err(Obstacle::OtherCertificates) }
    }

    /// §6.3.3 (b) (2) (i): the list says that it is found where the certificate says. A point without a name is named as who signs.
    fn names_match(&self, point: &DistributionPoint, list: &CertificateList<'_>) -> bool {
        let Some(of_list) = list.scope.as_ref().and_then(|scope| scope.name.as_ref()) else { return true };
        let own = || vec![GeneralName::Directory(self.certificate.issuer().clone())];
        let name = point.name.clone().unwrap_or_else(|| PointName::Full(point.crl_issuer.clone().unwrap_or_else(own)));
        let of_point = name.names(list.issuer_name());
        let of_point = &of_point[..of_point.len().min(MAX_NAMES)];
        of_list.names(list.issuer_name()).iter().take(MAX_NAMES).any(|name| of_point.contains(name))
    }

    /// Without a number lists cannot be put in order, so RFC 5280 §5.2.3 demands one; those of older rules have none.
    fn check_form(&self, list: &CertificateList<'_>) -> Result<(), Obstacle> {
        let numbered = list.has_number() || self.inputs.strength == Strength::Legacy;
        if list.obstacles.is_empty() && numbered { Ok(()) } else { Err(Obstacle::Unsupported) }
    }

    /// §6.3.3 (c): a delta list of the same scope and key that starts from this list, and can be used itself.
    fn updates(&self, delta: &CertificateList<'_>, list: &CertificateList<'_>) -> bool {
        delta.is_delta()
            && delta.issuer_name() == list.issuer_name()
            && delta.scope == list.scope
            && delta.authority_key_identifier == list.authority_key_identifier
            && delta.updates(list)
            && delta.obstacles.is_empty()
            && is_current(delta.this_update, delta.next_update, self.inputs)
            && self.is_signed_for_the_issuer(delta)
    }

    /// §6.3.3 (f), (g): by the issuer of the certificate, or by another certificate with the name of the list's issuer that leads to
    /// the same anchor.
    fn is_signed_for_the_issuer(&self, list: &CertificateList<'_>) -> bool {
        let signs = |signer: &Certificate| signs_lists(signer) && self.is_signed_by(list, signer);
        if list.issuer_name() == self.issuer.subject() && signs(self.issuer) {
            return true;
        }
        let others = self.signers.named(list.issuer_name()).filter(|other| signs(other));
        others.take(MAX_SIGNERS).any(|other| self.signers.is_good(other, self.evidence, self.inputs))
    }

    fn is_signed_by(&self, list: &CertificateList<'_>, signer: &Certificate) -> bool {
        signer.verifying_key().is_ok_and(|key| list.signed.verify_with(key, self.inputs.strength).is_ok())
    }
}

/// The most certificates with the issuer's name that are tried as signers of one list.
const MAX_SIGNERS: usize = 8;

/// RFC 5280 §6.3.3 (f): if there is a keyUsage, it has cRLSign.
fn signs_lists(certificate: &Certificate) -> bool {
    certificate.extensions().key_usage.as_ref().is_none_or(|usage| usage.crl_sign())
}

#[cfg(test)]
mod tests;

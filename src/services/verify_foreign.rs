//! The verdict on a certificate that leads to none of our roots but to an anchor of another PKI: missing certificates and evidence are
//! fetched, if that is on.

use tokio::runtime::Handle;

use super::{Services, fetch, verify::Question};
use crate::{
    ledger::StatusKey,
    validation::{
        Inputs, Path, PathError, Reason, Report, TrustStore,
        foreign::{Asked, Files, without_path},
        revocation::Evidence,
        validate,
    },
    x509::Certificate,
};

/// The most certificates of one level that are looked for further.
const MAX_FETCHED: usize = 4;

impl Services {
    /// Reads the file of the trust anchors again. One that makes no sense changes nothing, and the log says so.
    pub fn reload_anchors(&self) {
        self.anchors.reload_or_keep();
    }

    /// `None` when it is no certificate of another PKI that anybody here trusts. Blocks, as `verify_certificate` does.
    pub(super) fn verify_foreign(
        &self,
        question: &Question,
        evidence: &Evidence<'_>,
        bag: &[Certificate],
        inputs: &Inputs,
    ) -> Option<Report> {
        let anchors = self.anchors.all();
        // What the ledger knows is judged by the ledger alone, whoever has certified its authority too.
        if anchors.is_empty() || self.is_recorded(&question.certificate) {
            return None;
        }
        let trust = TrustStore::new(anchors.iter().map(|foreign| foreign.anchor.clone()), []);
        let mut bag = bag.to_vec();
        match self.find_path(&question.certificate, &mut bag, &trust, inputs) {
            Ok(path) if path.certificates().iter().any(|certificate| self.is_recorded(certificate)) => None,
            Ok(path) => {
                let anchor = anchors.iter().find(|foreign| foreign.anchor.certificate() == path.anchor())?;
                let asked = Asked { path: &path, bag: &bag, trust: &trust, demand: anchor.demand, at: inputs.at, now: self.clock.now() };
                Some(self.judge_foreign(&asked, evidence))
            }
            Err(PathError::NoPath) => None,
            Err(error) => Some(without_path(&question.certificate, &error, inputs.at)),
        }
    }

    fn is_recorded(&self, certificate: &Certificate) -> bool {
        let key = StatusKey::from_tbs_digest(&certificate.id().0);
        self.authorities.all().iter().any(|authority| self.logs.status(&authority.log(), &key).is_some())
    }

    /// A path, over issuers that the certificates themselves point to where the bag has none.
    fn find_path(
        &self,
        certificate: &Certificate,
        bag: &mut Vec<Certificate>,
        trust: &TrustStore,
        inputs: &Inputs,
    ) -> Result<Path, PathError> {
        let mut found = validate(certificate, bag, trust, inputs);
        let Some(fetcher) = &self.fetcher else { return found };
        let mut last = vec![certificate.clone()];
        for _ in 0..fetch::MAX_LEVELS {
            if !matches!(found, Err(PathError::NoPath)) {
                break;
            }
            let mut next = Vec::new();
            for certificate in &last {
                next.extend(Handle::current().block_on(fetcher.issuers(certificate)));
            }
            next.truncate(MAX_FETCHED);
            bag.extend(next.iter().cloned());
            last = next;
            found = validate(certificate, bag, trust, inputs);
        }
        found
    }

    /// What came along is looked at first; what is still not known then is fetched, responses before lists.
    fn judge_foreign(&self, asked: &Asked<'_>, evidence: &Evidence<'_>) -> Report {
        let mut report = asked.judge(evidence);
        let Some(fetcher) = &self.fetcher else { return report };
        let is_open = |report: &Report| matches!(report.reason(), Reason::StatusUnknown | Reason::ValidStatusNotProven);
        let mut fetched = Files::default();
        if is_open(&report) {
            fetched = Handle::current().block_on(fetcher.responses(asked.path));
            report = asked.judge(&evidence.and(&fetched.read()));
        }
        if is_open(&report) {
            fetched.lists.extend(Handle::current().block_on(fetcher.lists(asked.path)));
            report = asked.judge(&evidence.and(&fetched.read()));
        }
        report
    }
}

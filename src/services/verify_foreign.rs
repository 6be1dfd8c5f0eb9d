//! The verdict on a certificate of another PKI whose anchor is trusted: missing certificates and evidence are fetched, if that is on.

use tokio::runtime::Handle;

use super::{Services, fetch};
use crate::{
    validation::{
        Inputs, Path, PathError, Reason, Report, TrustStore,
        foreign::{Asked, Files},
        validate,
    },
    x509::Certificate,
};

impl Services {
    /// Reads the file of the trust anchors again. One that makes no sense changes nothing, and the log says so.
    pub fn reload_anchors(&self) {
        self.anchors.reload_or_keep();
    }

    /// A path, over issuers that the certificates themselves point to where the bag has none.
    pub(super) fn find_path(
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
    pub(super) fn judge_foreign(&self, asked: &Asked<'_>, evidence: &Files) -> Report {
        let mut report = asked.judge(&evidence.read());
        let Some(fetcher) = &self.fetcher else { return report };
        let is_open = |report: &Report| matches!(report.reason(), Reason::StatusUnknown | Reason::ValidStatusNotProven);
        let mut evidence = evidence.clone();
        if is_open(&report) {
            let fetched = Handle::current().block_on(fetcher.responses(asked.path));
            evidence.lists.extend(fetched.lists);
            evidence.responses.extend(fetched.responses);
            report = asked.judge(&evidence.read());
        }
        if is_open(&report) {
            evidence.lists.extend(Handle::current().block_on(fetcher.lists(asked.path)));
            report = asked.judge(&evidence.read());
        }
        report
    }
}

/// The most certificates of one level that are looked for further.
const MAX_FETCHED: usize = 4;

//! Certificate policies along a path (RFC 5280 §6.1.2 to §6.1.5), as the graph of RFC 9618: one node a policy and level, so that
//! mappings cannot make it grow beyond what the certificates list.

use std::collections::{BTreeMap, BTreeSet};

use const_oid::db::rfc5280;
use der::asn1::ObjectIdentifier;

use super::PathError;
use crate::x509::{Certificate, CertificateExtensions};

pub const ANY_POLICY: ObjectIdentifier = rfc5280::ANY_POLICY;

/// What the caller asks of policies (RFC 5280 §6.1.1 (c), (e), (f), (g)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyInputs {
    /// The policies that are acceptable; `None` stands for any.
    pub initial_set: Option<BTreeSet<ObjectIdentifier>>,
    pub explicit: bool,
    pub inhibit_mapping: bool,
    pub inhibit_any: bool,
}

impl Default for PolicyInputs {
    /// Any policy, and none needed.
    fn default() -> Self {
        Self { initial_set: None, explicit: false, inhibit_mapping: false, inhibit_any: false }
    }
}

/// Which policies hold for the end entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policies {
    Any,
    These(BTreeSet<ObjectIdentifier>),
}

/// The policies of one certificate that are still valid. `any` stands for all that are not named.
#[derive(Default)]
struct Level {
    any: bool,
    /// By policy; the parents are policies of the level above, none when it hangs under its anyPolicy.
    nodes: BTreeMap<ObjectIdentifier, BTreeSet<ObjectIdentifier>>,
}

pub(super) struct PolicyState<'a> {
    inputs: &'a PolicyInputs,
    levels: Vec<Level>,
    explicit: u32,
    mapping: u32,
    any: u32,
}

impl<'a> PolicyState<'a> {
    /// §6.1.2, for a path of `length` certificates below the anchor.
    pub fn new(inputs: &'a PolicyInputs, length: u32) -> Self {
        let unless = |forbidden: bool| if forbidden { 0 } else { length + 1 };
        let root = Level { any: true, ..Level::default() };
        Self {
            inputs,
            levels: vec![root],
            explicit: unless(inputs.explicit),
            mapping: unless(inputs.inhibit_mapping),
            any: unless(inputs.inhibit_any),
        }
    }

    /// §6.1.3 (d), (e), (f) and §6.1.4 (a), (b), (h), (i), (j): a certificate between anchor and end entity.
    pub fn authority(&mut self, certificate: &Certificate) -> Result<(), PathError> {
        let extensions = certificate.extensions();
        self.certificate(certificate, certificate.is_self_issued())?;
        self.map(certificate, extensions)?;
        if !certificate.is_self_issued() {
            self.explicit = self.explicit.saturating_sub(1);
            self.mapping = self.mapping.saturating_sub(1);
            self.any = self.any.saturating_sub(1);
        }
        let constraints = extensions.policy_constraints;
        self.explicit = self.explicit.min(constraints.and_then(|constraints| constraints.require_explicit_policy).unwrap_or(u32::MAX));
        self.mapping = self.mapping.min(constraints.and_then(|constraints| constraints.inhibit_policy_mapping).unwrap_or(u32::MAX));
        self.any = self.any.min(extensions.inhibit_any_policy.unwrap_or(u32::MAX));
        Ok(())
    }

    /// §6.1.3 for the end entity and §6.1.5 (a), (b), (g): the policies that it has by the caller's leave.
    pub fn end_entity(mut self, certificate: &Certificate) -> Result<Policies, PathError> {
        self.certificate(certificate, false)?;
        self.explicit = self.explicit.saturating_sub(1);
        if certificate.extensions().policy_constraints.is_some_and(|constraints| constraints.require_explicit_policy == Some(0)) {
            self.explicit = 0;
        }
        let policies = self.intersect();
        let empty = matches!(&policies, Policies::These(policies) if policies.is_empty());
        if self.explicit == 0 && empty { Err(PathError::Policy(certificate.subject_text())) } else { Ok(policies) }
    }

    fn certificate(&mut self, certificate: &Certificate, exempt: bool) -> Result<(), PathError> {
        // There is always the level that `new` made.
        let level = self.levels.last_mut().expect("a graph has a level");
        match &certificate.extensions().policies {
            None => *level = Level::default(),
            // No policy stands twice in a certificate (§4.2.1.4).
            Some(policies) if policies.iter().collect::<BTreeSet<_>>().len() < policies.len() => {
                return Err(PathError::Policy(certificate.subject_text()));
            }
            Some(policies) => {
                let any = policies.contains(&ANY_POLICY) && (self.any > 0 || exempt);
                level.keep(policies, any);
            }
        }
        if self.explicit == 0 && level.is_empty() { Err(PathError::Policy(certificate.subject_text())) } else { Ok(()) }
    }

    fn map(&mut self, certificate: &Certificate, extensions: &CertificateExtensions) -> Result<(), PathError> {
        let mappings = extensions.policy_mappings.as_deref().unwrap_or_default();
        if mappings.iter().any(|mapping| mapping.issuer_domain == ANY_POLICY || mapping.subject_domain == ANY_POLICY) {
            return Err(PathError::Policy(certificate.subject_text()));
        }
        // There is always the level that `new` made.
        let level = self.levels.last_mut().expect("a graph has a level");
        let mapped: BTreeSet<ObjectIdentifier> = mappings.iter().map(|mapping| mapping.issuer_domain).collect();
        let mut next = Level { any: level.any, ..Level::default() };
        if self.mapping == 0 {
            level.nodes.retain(|policy, _| !mapped.contains(policy));
        } else {
            if level.any {
                level.add(mapped.iter());
            }
            for mapping in mappings.iter().filter(|mapping| level.nodes.contains_key(&mapping.issuer_domain)) {
                next.nodes.entry(mapping.subject_domain).or_default().insert(mapping.issuer_domain);
            }
        }
        for policy in level.nodes.keys().filter(|policy| !mapped.contains(*policy)) {
            next.nodes.entry(*policy).or_default().insert(*policy);
        }
        self.levels.push(next);
        Ok(())
    }

    /// §6.1.5 (g): what the caller accepts of what the path gives, in the words of the authority nearest to the anchor.
    fn intersect(&self) -> Policies {
        // There is always the level that `new` made.
        let last = self.levels.last().expect("a graph has a level");
        let accepted = self.inputs.initial_set.as_ref();
        let mut found = match (last.any, accepted) {
            (true, None) => return Policies::Any,
            (true, Some(accepted)) => accepted.clone(),
            (false, _) => BTreeSet::new(),
        };
        let mut reachable: BTreeSet<ObjectIdentifier> = last.nodes.keys().copied().collect();
        for level in self.levels.iter().rev() {
            let mut above = BTreeSet::new();
            for policy in &reachable {
                match level.nodes.get(policy) {
                    // It hangs under anyPolicy: here begins the caller's domain.
                    Some(parents) if parents.is_empty() && accepted.is_none_or(|accepted| accepted.contains(policy)) => {
                        found.insert(*policy);
                    }
                    Some(parents) => above.extend(parents.iter().copied()),
                    None => {}
                }
            }
            reachable = above;
        }
        Policies::These(found)
    }
}

impl Level {
    fn is_empty(&self) -> bool {
        !self.any && self.nodes.is_empty()
    }

    /// Policies that anyPolicy stood for until now.
    fn add<'p>(&mut self, policies: impl Iterator<Item = &'p ObjectIdentifier>) {
        for policy in policies {
            self.nodes.entry(*policy).or_default();
        }
    }

    /// §6.1.3 (d): what was expected and is asserted; under anyPolicy also what was not expected by name.
    fn keep(&mut self, policies: &[ObjectIdentifier], any: bool) {
        if !any {
            self.nodes.retain(|policy, _| policies.contains(policy));
        }
        if self.any {
            let named = policies.iter().filter(|policy| **policy != ANY_POLICY);
            self.add(named);
        }
        self.any &= any;
    }
}

#[cfg(test)]
mod tests;

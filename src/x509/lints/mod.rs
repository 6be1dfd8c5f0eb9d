//! Rules that every certificate and CRL meets before it is signed, one file each: a clause, a check, and bad objects.
//!
//! To add a rule, write `<rule>.rs` on the model of `version_is_v3.rs` and put its name into the list below; the tests at the end show
//! every good object to it, and each of its bad objects must fail it and nothing else. So rules do not overlap: one that needs
//! something another rule demands stays silent when that is missing. `certificate.rs` and `crl.rs` are what a rule looks at.
//! Kept out on purpose: whether the subject may have the certificate (that is policy), and signatures, which do not exist yet.

/// Ends a rule with what was found, unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($found:tt)+) => {
        if !$condition {
            return Err(format!($($found)+));
        }
    };
}

mod certificate;
mod crl;
mod extensions;
#[cfg(test)]
mod fixture;

use certificate::CertificateUnderLint;
pub use certificate::{CertificateContext, Expected, IssuerFacts, Role};
use crl::CrlUnderLint;
pub use crl::{CrlContext, ExpectedCrl, ExpectedEntry};

/// Declares the file of each rule and the list of all: to add a rule is to add its line.
macro_rules! rules {
    ($($rule:ident)*) => {
        $(mod $rule;)*

        /// All the rules: first those for certificates, then those for CRLs.
        pub static LINTS: &[&Lint] = &[$(&$rule::LINT),*];
    };
}

rules! {
    certificate_is_der
    parsers_agree
    matches_draft
    version_is_v3
    serial_number_is_positive
    serial_number_is_twenty_octets
    signature_algorithm_is_known
    signature_algorithm_fits_the_issuer
    issuer_is_not_empty
    issuer_is_the_issuers_subject
    subject_is_present
    authorities_are_fully_named
    validity_is_ordered
    validity_times_have_the_right_type
    validity_ends_with_the_issuer
    validity_is_within_its_maximum
    no_unique_identifiers
    country_is_two_capitals
    directory_strings_have_modern_types
    subject_serial_number_is_printable
    names_use_their_alphabet
    names_are_within_bounds
    names_are_clean
    subject_attributes_appear_once
    no_identity_number
    public_key_algorithm_is_known
    public_key_is_a_point
    extensions_appear_once
    critical_extensions_are_known
    extensions_are_known
    extension_values_are_der
    plain_extensions_are_not_critical
    subject_key_identifier_is_present
    subject_key_identifier_is_the_keys
    authority_key_identifier_is_present
    authority_key_identifier_is_the_issuers
    authority_key_identifier_is_only_a_key
    key_usage_is_present
    key_usage_is_critical
    key_usage_is_not_empty
    authorities_sign_certificates_and_crls
    only_authorities_sign_certificates
    signing_and_encryption_are_separate
    key_usage_fits_the_purposes
    authorities_have_basic_constraints
    basic_constraints_are_critical
    end_entities_have_no_basic_constraints
    end_entities_constrain_nothing
    constraints_are_critical
    purposes_are_specific
    purposes_are_not_empty
    purposes_appear_once
    roots_have_no_purposes
    responders_only_sign_ocsp
    responders_are_not_checked
    only_responders_sign_ocsp
    policies_are_present
    policies_appear_once
    end_entities_have_specific_policies
    distribution_points_are_present
    distribution_points_are_http
    distribution_points_are_whole
    authority_information_is_present
    authority_information_is_http
    alternative_names_are_critical_alone
    alternative_names_are_not_empty
    alternative_names_are_of_known_kinds
    dns_names_are_host_names
    wildcards_are_whole_first_labels
    mail_addresses_are_addresses
    uris_are_absolute
    ip_addresses_have_their_length
    servers_name_a_host
    crl_is_der
    crl_parsers_agree
    crl_matches_draft
    crl_version_is_v2
    crl_signature_algorithm_is_the_issuers
    crl_issuer_is_the_issuers_subject
    crl_next_update_is_present
    crl_updates_are_ordered
    crl_is_replaced_in_time
    crl_is_not_from_the_future
    crl_times_have_the_right_type
    crl_extensions_appear_once
    crl_extensions_are_known
    crl_extension_values_are_der
    crl_number_is_present
    crl_number_is_within_bounds
    crl_number_grows
    crl_names_the_issuers_key
    crl_names_its_distribution_point
    crl_covers_all_kinds
    crl_is_complete
    crl_list_is_absent_when_empty
    crl_entries_appear_once
    crl_serial_numbers_are_positive
    crl_reasons_say_something
    crl_revocations_have_happened
    crl_entry_extensions_are_not_critical
    crl_invalidity_dates_come_first
}

/// Shows the TBSCertificate that is about to be signed, exactly these bytes, to every rule. An empty answer is a good one.
pub fn check_certificate(tbs: &[u8], context: &CertificateContext) -> Vec<Finding> {
    match CertificateUnderLint::read(tbs, context) {
        Ok(certificate) => findings(|lint| match lint.check {
            Check::Certificate(check) => check(&certificate),
            Check::Crl(_) => Ok(()),
        }),
        Err(why) => vec![certificate_is_der::LINT.finding(why)],
    }
}

/// Shows the TBSCertList that is about to be signed, exactly these bytes, to every rule. An empty answer is a good one.
pub fn check_crl(tbs: &[u8], context: &CrlContext) -> Vec<Finding> {
    match CrlUnderLint::read(tbs, context) {
        Ok(crl) => findings(|lint| match lint.check {
            Check::Crl(check) => check(&crl),
            Check::Certificate(_) => Ok(()),
        }),
        Err(why) => vec![crl_is_der::LINT.finding(why)],
    }
}

/// A rule.
pub struct Lint {
    /// Stable, lower case with hyphens; it goes into problem documents and logs.
    pub name: &'static str,
    /// The clauses that demand it.
    pub clause: &'static str,
    check: Check,
    /// Objects of one family that break this rule and no other.
    #[cfg(test)]
    bad: fn(&'static dyn crate::crypto::Algorithm) -> Vec<fixture::Object>,
}

/// What a rule looks at.
enum Check {
    Certificate(fn(&CertificateUnderLint) -> Outcome),
    Crl(fn(&CrlUnderLint) -> Outcome),
}

/// What was found, in words without personal data: they may be logged.
type Outcome = Result<(), String>;

/// A rule that an object breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{lint}: {detail} ({clause})")]
pub struct Finding {
    pub lint: &'static str,
    pub clause: &'static str,
    pub detail: String,
}

impl Lint {
    fn finding(&self, detail: String) -> Finding {
        Finding { lint: self.name, clause: self.clause, detail }
    }
}

fn findings(check: impl Fn(&Lint) -> Outcome) -> Vec<Finding> {
    LINTS.iter().filter_map(|lint| check(lint).err().map(|detail| lint.finding(detail))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{
        fixture::{P256, Sm2, good},
        *,
    };
    use crate::crypto::Algorithm;

    const FAMILIES: [&'static dyn Algorithm; 2] = [&P256, &Sm2];

    #[test]
    fn good_objects_of_both_families_meet_every_rule() {
        for family in FAMILIES {
            for (name, object) in good(family) {
                assert_eq!(object.findings(), [], "{name} of {}", family.name());
            }
        }
    }

    #[test]
    fn each_bad_object_breaks_its_own_rule_and_no_other() {
        let mut wrong = Vec::new();
        for family in FAMILIES {
            for lint in LINTS {
                let objects = (lint.bad)(family);
                assert!(!objects.is_empty(), "{} has no bad object", lint.name);
                for (index, object) in objects.iter().enumerate() {
                    let findings = object.findings();
                    if findings.len() != 1 || findings[0].lint != lint.name {
                        wrong.push(format!("{} of {}, object {index}: {findings:#?}", lint.name, family.name()));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn rules_have_distinct_names_in_one_form_and_a_clause() {
        assert!(LINTS.len() >= 40);
        let names: HashSet<_> = LINTS.iter().map(|lint| lint.name).collect();
        assert_eq!(names.len(), LINTS.len());
        for lint in LINTS {
            assert!(lint.name.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-'), "{}", lint.name);
            assert!(lint.clause.contains(|character: char| character.is_ascii_digit()), "{} has no clause", lint.name);
        }
    }

    #[test]
    fn every_file_of_a_rule_is_in_the_list() {
        let support = ["mod", "certificate", "crl", "extensions", "fixture"];
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/x509/lints")).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().replace('_', "-")).collect();
        files.retain(|file| !support.contains(&file.as_str()));
        files.sort();
        let mut names: Vec<_> = LINTS.iter().map(|lint| lint.name.to_owned()).collect();
        names.sort();
        assert_eq!(files, names);
    }

    #[test]
    fn a_certificate_with_any_octet_changed_is_refused() {
        for family in FAMILIES {
            for (name, object) in good(family).iter().filter(|(_, object)| matches!(object, fixture::Object::Certificate(_))) {
                let der = object.der();
                for index in 0..der.len() {
                    let mut changed = der.clone();
                    changed[index] ^= 1 << (index % 8);
                    assert!(!object.findings_in(&changed).is_empty(), "octet {index} of {name} of {}", family.name());
                }
            }
        }
    }

    #[test]
    fn objects_cut_short_or_of_the_other_kind_are_refused() {
        for (name, object) in good(&P256) {
            let der = object.der();
            for length in 0..der.len() {
                assert!(!object.findings_in(&der[..length]).is_empty(), "{name} after {length} octets");
            }
        }
        let objects = good(&P256);
        let (certificate, crl) = (&objects[0].1, &objects.last().unwrap().1);
        assert_eq!(certificate.findings_in(&crl.der())[0].lint, "certificate-is-der");
        assert_eq!(crl.findings_in(&certificate.der())[0].lint, "crl-is-der");
    }

    #[test]
    fn no_finding_quotes_a_subject() {
        for family in FAMILIES {
            for finding in LINTS.iter().flat_map(|lint| (lint.bad)(family)).flat_map(|object| object.findings()) {
                assert!(finding.detail.is_ascii(), "{finding}");
                assert!(["Li", "zhang", "19491231"].iter().all(|personal| !finding.detail.contains(personal)), "{finding}");
            }
        }
    }
}

//! The rules of RFC 5280 §6.1 for certificates, each kept and broken, in the order of NIST's PKITS (its sections in brackets).

use time::Duration;
use x509_cert::ext::pkix::KeyUsages;

use super::*;
use crate::{
    validation::testing::*,
    world::{Clock, SystemClock},
    x509::fixtures::OpenSsl,
};

/// Judges `leaf` under `root`, with the others as a bag.
fn judge(root: &Node, bag: &[&Node], leaf: &Node) -> Result<Path, PathError> {
    let bag: Vec<Certificate> = bag.iter().map(|node| node.certificate.clone()).collect();
    let trust = TrustStore::of_roots(std::slice::from_ref(&root.certificate));
    validate(&leaf.certificate, &bag, &trust, &Inputs::new(NOW, Purpose::Any))
}

/// `None` for a good path; otherwise a word of the error.
fn check(name: &str, judged: Result<Path, PathError>, expected: Option<&str>) {
    match (judged, expected) {
        (Ok(_), None) => {}
        (Err(error), Some(expected)) => assert!(error.to_string().contains(expected), "{name}: {error}"),
        (Ok(path), Some(expected)) => panic!("{name}: a path of {} instead of {expected}", path.certificates().len()),
        (Err(error), None) => panic!("{name}: {error}"),
    }
}

/// A root, an authority and an end entity, both bent.
fn check_three(name: &str, authority: impl Fn(Draft) -> Draft, leaf: impl Fn(Draft) -> Draft, expected: Option<&str>) {
    for family in FAMILIES {
        let root = Node::root(family);
        let ca = root.authority("CA", &authority);
        check(name, judge(&root, &[&ca], &ca.issue("EE", &leaf)), expected);
    }
}

fn same(draft: Draft) -> Draft {
    draft
}

#[test]
fn signatures_verify_along_the_whole_path() {
    for family in FAMILIES {
        let (root, other) = (Node::root(family), Node::root(family));
        let (ca, impostor) = (root.authority("CA", same), other.authority("CA", same));
        let leaf = ca.issue("EE", same);
        check("[4.1.1]", judge(&root, &[&ca], &leaf), None);
        check("[4.1.2] of the authority", judge(&root, &[&impostor], &impostor.issue("EE", same)), Some("does not verify"));
        check("[4.1.3] of the end entity", judge(&root, &[&ca], &impostor.issue("EE", same)), Some("does not verify"));
        check("one of two keys fits", judge(&root, &[&impostor, &ca], &leaf), None);
    }
}

/// By openssl: the kinds of keys and signatures that are not of ours.
#[test]
fn chains_of_every_algorithm_are_followed_and_weak_ones_are_not() {
    let Some(openssl) = OpenSsl::find() else { return };
    openssl.write("leaf.cnf", b"authorityKeyIdentifier = keyid\nsubjectAltName = DNS:www.example.com\n");
    openssl.run("dsaparam -out dsa.param 1024");
    for (name, key, sign, expected) in [
        ("RSA PKCS #1", "rsa:2048", "-sha384", None),
        ("RSA PSS", "rsa:2048", "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32", None),
        ("RSA PSS, the longest salt", "rsa:3072", "-sha512 -sigopt rsa_padding_mode:pss", None),
        ("a key for RSA PSS alone", "rsa-pss -pkeyopt rsa_keygen_bits:2048", "-sha256", None),
        ("P-384", "ec -pkeyopt ec_paramgen_curve:P-384", "-sha384", None),
        ("P-521", "ec -pkeyopt ec_paramgen_curve:P-521", "-sha512", None),
        ("Ed25519", "ed25519", "", None),
        ("SHA-1", "rsa:2048", "-sha1", Some("RSA PKCS #1 v1.5 with SHA-1")),
        ("RSA PSS with SHA-1", "rsa:2048", "-sha1 -sigopt rsa_padding_mode:pss", Some("RSA PSS with SHA-1")),
        ("a short key", "rsa:1024", "-sha256", Some("with this key")),
        ("a curve of others", "ec -pkeyopt ec_paramgen_curve:secp256k1", "-sha256", Some("1.3.132.0.10")),
        ("DSA", "dsa:dsa.param", "-sha256", Some("1.2.840.10040.4.1")),
    ] {
        openssl.run(&format!("req -x509 -newkey {key} {sign} -nodes -keyout root.key -out root.pem -subj /CN=Root -days 30"));
        openssl.run(&format!("req -new -newkey {key} {sign} -nodes -keyout leaf.key -out leaf.csr -subj /CN=EE"));
        openssl.run(&format!("x509 -req -in leaf.csr -CA root.pem -CAkey root.key -days 20 {sign} -extfile leaf.cnf -out leaf.pem"));
        let one = |file: &str| Certificate::parse_many(&openssl.read(file)).unwrap().remove(0);
        let judged =
            validate(&one("leaf.pem"), &[], &TrustStore::of_roots(&[one("root.pem")]), &Inputs::new(SystemClock.now(), Purpose::Any));
        check(name, judged, expected);
    }
}

#[test]
fn certificates_count_from_their_first_second_to_their_last() {
    let at = |seconds: i64| instant(NOW + Duration::seconds(seconds));
    let from = |seconds: i64| move |draft: Draft| Draft { not_before: at(seconds), ..draft };
    let to = |seconds: i64| move |draft: Draft| Draft { not_after: at(seconds), ..draft };
    check_three("[4.2.1]", from(1), same, Some("not valid yet"));
    check_three("[4.2.2]", same, from(1), Some("not valid yet"));
    check_three("from now", from(0), from(0), None);
    check_three("[4.2.5]", to(-1), same, Some("has expired"));
    check_three("[4.2.6]", same, to(-1), Some("has expired"));
    check_three("to now", to(0), to(0), None);
    let year = |text: &'static [u8]| move |draft: Draft| Draft { not_before: tlv(0x17, &[text]), ..draft };
    check_three("[4.2.3] since 1950", same, year(b"500101120100Z"), None);
    let expired = |draft: Draft| Draft { not_before: tlv(0x17, &[b"980101120100Z"]), not_after: tlv(0x17, &[b"990101120100Z"]), ..draft };
    check_three("[4.2.7] until 1999", same, expired, Some("has expired"));
    let until = |draft: Draft| Draft { not_after: tlv(0x18, &[b"20500101120100Z"]), ..draft };
    check_three("[4.2.8] until 2050", same, until, None);
}

#[test]
fn names_chain_whatever_their_white_space_case_and_string_type() {
    for family in FAMILIES {
        let root = Node::root(family);
        let ca = root.authority("Good CA", same);
        let named = |bytes: Vec<u8>| ca.issue("EE", |draft| Draft { issuer: bytes, ..draft });
        let printable = |organization: &str, common_name: &str| {
            let attribute = |id: &str, text: &str| tlv(0x31, &[&sequence(&[&oid(id), &tlv(0x13, &[text.as_bytes()])])]);
            sequence(&[&attribute("2.5.4.10", organization), &attribute("2.5.4.3", common_name)])
        };
        check("[4.3.1]", judge(&root, &[&ca], &named(name("Other CA"))), Some("no chain"));
        check("[4.3.3]", judge(&root, &[&ca], &named(printable(" Hufu  Test", "Good   CA "))), None);
        check("[4.3.5], [4.3.10], [4.3.11]", judge(&root, &[&ca], &named(printable("HUFU TEST", "good ca"))), None);
        let reversed = sequence(&[
            &tlv(0x31, &[&sequence(&[&oid("2.5.4.3"), &tlv(0x13, &[b"Good CA"])])]),
            &tlv(0x31, &[&sequence(&[&oid("2.5.4.10"), &tlv(0x13, &[b"Hufu Test"])])]),
        ]);
        check("[4.3.2]", judge(&root, &[&ca], &named(reversed)), Some("no chain"));
    }
}

#[test]
fn a_key_change_is_followed_by_self_issued_certificates() {
    for family in FAMILIES {
        let root = Node::root(family);
        let (old, new) =
            (root.authority("CA", |draft| draft.path_length(Some(0))), root.authority("CA", |draft| draft.path_length(Some(0))));
        let rekeyed = old.certify(&new, same);
        let leaf = new.issue("EE", same);
        let trust = TrustStore::of_roots(std::slice::from_ref(&root.certificate));
        let path = |bag: &[Certificate]| validate(&leaf.certificate, bag, &trust, &Inputs::new(NOW, Purpose::Any));
        // A self-issued certificate does not count against pathLenConstraint.
        check("[4.5.3], [4.6.15]", path(&[old.certificate.clone(), rekeyed]), None);
        let sub = old.authority("CA 2", same);
        check("[4.6.16]", judge(&root, &[&old, &sub], &sub.issue("EE", same)), Some("longer than allowed"));
    }
}

#[test]
fn authorities_say_that_they_are() {
    let not = |ca: u8| move |draft: Draft| draft.with(BASIC_CONSTRAINTS, true, sequence(&[&tlv(1, &[&[ca]])]));
    check_three("[4.6.1]", |draft| draft.without(BASIC_CONSTRAINTS), same, Some("may not issue"));
    check_three("[4.6.2]", not(0), same, Some("may not issue"));
    check_three("[4.6.4] not critical", |draft| draft.with(BASIC_CONSTRAINTS, false, sequence(&[&tlv(1, &[&[0xff]])])), same, None);
    check_three("[4.7.1]", |draft| draft.usage(KeyUsages::CRLSign | KeyUsages::DigitalSignature), same, Some("may not issue"));
    check_three("no keyUsage", |draft| draft.without(KEY_USAGE), same, None);
    check_three("[4.7.3] keyCertSign, not critical", |draft| draft.with(KEY_USAGE, false, vec![3, 2, 2, 4]), same, None);
    // What is trusted by choice has to be conforming, unless it is national.
    for family in FAMILIES {
        let root = Node::root_with(family, |draft| draft.with(BASIC_CONSTRAINTS, false, sequence(&[&tlv(1, &[&[0xff]])])));
        let expected = (family.name() == "p256").then_some("§4.2.1.9");
        check("a root", judge(&root, &[], &root.issue("EE", same)), expected);
    }
}

#[test]
fn paths_are_no_longer_than_each_authority_allows() {
    for family in FAMILIES {
        let root = Node::root(family);
        let zero = root.authority("CA 0", |draft| draft.path_length(Some(0)));
        check("[4.6.7]", judge(&root, &[&zero], &zero.issue("EE", same)), None);
        check("[4.6.8] an authority at the end", judge(&root, &[&zero], &zero.authority("CA 1", same)), None);
        let below = zero.authority("CA 1", same);
        check("[4.6.5]", judge(&root, &[&zero, &below], &below.issue("EE", same)), Some("longer than allowed"));
        // A later and greater limit does not lift an earlier one.
        let first = root.authority("CA 1", |draft| draft.path_length(Some(1)));
        let second = first.authority("CA 2", |draft| draft.path_length(Some(4)));
        let third = second.authority("CA 3", same);
        check("[4.6.13]", judge(&root, &[&first, &second], &second.issue("EE", same)), None);
        check("[4.6.11]", judge(&root, &[&first, &second, &third], &third.issue("EE", same)), Some("longer than allowed"));
        let limited = Node::root_with(family, |draft| draft.path_length(Some(0)));
        let ca = limited.authority("CA", same);
        check("of the root", judge(&limited, &[&ca], &ca.issue("EE", same)), Some("longer than allowed"));
    }
}

#[test]
fn names_stay_within_what_every_authority_permits() {
    let dns = |text: &str| tlv(0x82, &[text.as_bytes()]);
    let mail = |text: &str| tlv(0x81, &[text.as_bytes()]);
    let uri = |text: &str| tlv(0x86, &[text.as_bytes()]);
    let directory = |bytes: Vec<u8>| tlv(0xa4, &[&bytes]);
    let unit = "Hufu Test";
    let organization = |text: &str| sequence(&[&tlv(0x31, &[&sequence(&[&oid("2.5.4.10"), &tlv(0x0c, &[text.as_bytes()])])])]);
    type Names = Vec<Vec<u8>>;
    let cases: Vec<(&str, Names, Names, Names, bool)> = vec![
        ("[4.13.1]", vec![directory(organization(unit))], vec![], vec![], true),
        ("[4.13.2]", vec![directory(organization("Other"))], vec![], vec![], false),
        ("[4.13.6]", vec![], vec![directory(organization("Other"))], vec![], true),
        ("[4.13.7]", vec![], vec![directory(organization(unit))], vec![], false),
        (
            "[4.13.5] a permitted subject, another name",
            vec![directory(organization(unit))],
            vec![],
            vec![directory(organization("X"))],
            false,
        ),
        ("[4.13.21]", vec![mail(".example.gov.cn")], vec![], vec![mail("a@b.example.gov.cn")], true),
        ("[4.13.22]", vec![mail(".example.gov.cn")], vec![], vec![mail("a@example.gov.cn")], false),
        ("[4.13.25]", vec![], vec![mail("example.gov.cn")], vec![mail("a@b.example.gov.cn")], true),
        ("[4.13.26]", vec![], vec![mail("example.gov.cn")], vec![mail("a@example.gov.cn")], false),
        ("[4.13.30]", vec![dns("example.gov.cn")], vec![], vec![dns("a.example.gov.cn")], true),
        ("[4.13.31]", vec![dns("example.gov.cn")], vec![], vec![dns("example.com")], false),
        ("[4.13.33]", vec![], vec![dns("example.gov.cn")], vec![dns("a.example.gov.cn")], false),
        ("[4.13.38]", vec![dns("example.gov.cn")], vec![], vec![dns("myexample.gov.cn")], false),
        ("[4.13.34]", vec![uri(".gov.cn")], vec![], vec![uri("http://a.gov.cn/x")], true),
        ("[4.13.35]", vec![uri(".gov.cn")], vec![], vec![uri("ftp://gov.cn:21/")], false),
        ("[4.13.37]", vec![], vec![uri("a.gov.cn")], vec![uri("http://A.gov.cn/x")], false),
    ];
    for (name, permitted, excluded, names, good) in cases {
        let leaf = |draft: Draft| if names.is_empty() { draft } else { draft.alternative_names(&names) };
        check_three(name, |draft| draft.name_constraints(&permitted, &excluded), leaf, (!good).then_some("does not permit"));
    }
    // [4.13.28]: without alternative names, the addresses in the subject.
    let address = tlv(0x31, &[&sequence(&[&oid("1.2.840.113549.1.9.1"), &tlv(0x16, &[b"a@example.com"])])]);
    let subject = |draft: Draft| Draft { subject: sequence(&[&address]), ..draft };
    check_three("[4.13.29]", |draft| draft.name_constraints(&[mail("example.gov.cn")], &[]), subject, Some("does not permit"));
}

#[test]
fn constraints_of_names_add_up_and_spare_authorities_that_change_their_key() {
    let base = |text: &str| tlv(0x82, &[text.as_bytes()]);
    let directory = tlv(0xa4, &[&sequence(&[&tlv(0x31, &[&sequence(&[&oid("2.5.4.10"), &tlv(0x0c, &[b"Other"])])])])]);
    for family in FAMILIES {
        let root = Node::root(family);
        let ca = root.authority("CA", |draft| draft.name_constraints(&[base("gov.cn")], &[]));
        let sub = ca.authority("CA 2", |draft| draft.name_constraints(&[base("a.gov.cn"), base("example.com")], &[]));
        let leaf = |host: &str| sub.issue("EE", |draft| draft.alternative_names(&[base(host)]));
        check("[4.13.12]", judge(&root, &[&ca, &sub], &leaf("x.a.gov.cn")), None);
        check("[4.13.13]", judge(&root, &[&ca, &sub], &leaf("b.gov.cn")), Some("does not permit"));
        check("[4.13.17]", judge(&root, &[&ca, &sub], &leaf("example.com")), Some("does not permit"));
        // Whoever is named like its issuer cannot keep to constraints of its own on names; an end entity can ([4.13.19], [4.13.20]).
        let (old, new) =
            (root.authority("CA", |draft| draft.name_constraints(std::slice::from_ref(&directory), &[])), root.authority("CA", same));
        let rekeyed = old.certify(&new, same);
        let good = new.issue("EE", |draft| Draft {
            subject: sequence(&[&tlv(0x31, &[&sequence(&[&oid("2.5.4.10"), &tlv(0x0c, &[b"Other"])])])]),
            ..draft
        });
        let trust = TrustStore::of_roots(std::slice::from_ref(&root.certificate));
        let judged = |leaf: &Certificate, bag: &[Certificate]| validate(leaf, bag, &trust, &Inputs::new(NOW, Purpose::Any));
        check("[4.13.19]", judged(&good.certificate, &[old.certificate.clone(), rekeyed.clone()]), None);
        check("[4.13.20]", judged(&rekeyed, std::slice::from_ref(&old.certificate)), Some("does not permit"));
    }
}

#[test]
fn an_extension_that_is_not_known_ends_a_path_only_when_it_is_critical() {
    let private = |critical: bool| move |draft: Draft| draft.with("1.2.3.4.5", critical, vec![5, 0]);
    check_three("[4.16.1]", private(false), private(false), None);
    check_three("[4.16.2]", same, private(true), Some("critical extension"));
    check_three("in an authority", private(true), same, Some("critical extension"));
}

#[test]
fn a_root_is_judged_about_itself_and_another_anchor_is_not() {
    for family in FAMILIES {
        let (root, stranger) = (Node::root(family), Node::root(family));
        let ca = root.authority("CA", same);
        check("a root", judge(&root, &[], &root), None);
        check("another of the same name", judge(&root, &[], &stranger), Some("does not verify"));
        let trust = TrustStore::of_roots(std::slice::from_ref(&ca.certificate));
        let judged = |leaf: &Node| validate(&leaf.certificate, &[], &trust, &Inputs::new(NOW, Purpose::Any));
        check("what an anchor issued", judged(&ca.issue("EE", same)), None);
        check("the anchor itself", judged(&ca), Some("no chain"));
    }
}

#[test]
fn circles_and_crowds_of_certificates_end_the_search() {
    for family in FAMILIES {
        let (root, lost) = (Node::root(family), Node::root(family));
        // Authorities that certify each other, and nobody else does: every way is tried, none twice.
        let mesh: Vec<Node> = (0..8).map(|index| lost.authority(&format!("CA {index}"), same)).collect();
        let pairs =
            mesh.iter().flat_map(|one| mesh.iter().filter(|other| other.certificate != one.certificate).map(move |other| (one, other)));
        let bag: Vec<Certificate> = pairs.map(|(one, other)| one.certify(other, same)).collect();
        let trust = TrustStore::of_roots(std::slice::from_ref(&root.certificate));
        let leaf = mesh[0].issue("EE", same);
        let error = validate(&leaf.certificate, &bag, &trust, &Inputs::new(NOW, Purpose::Any)).unwrap_err();
        assert_eq!(error, PathError::TooMuchWork);

        // Hundreds of the right name and the wrong key.
        let ca = root.authority("CA", same);
        let crowd: Vec<Certificate> = (0..300).map(|_| lost.authority("CA", same).certificate).collect();
        let leaf = ca.issue("EE", |draft| draft.without("2.5.29.35").with("2.5.29.35", false, sequence(&[&tlv(0x80, &[b"nobody"])])));
        let judged = validate(&leaf.certificate, &crowd, &trust, &Inputs::new(NOW, Purpose::Any));
        assert_eq!(judged.unwrap_err(), PathError::TooMuchWork);
    }
}

#[test]
fn whole_paths_and_comparisons_of_names_are_counted_over_the_search() {
    let host = |index: usize| tlv(0x82, &[format!("h{index}.gov.cn").as_bytes()]);
    let many = |most: usize| (0..most).map(host).collect::<Vec<_>>();
    for family in FAMILIES {
        let root = Node::root(family);
        // A hundred authorities certify the same one: a hundred whole paths, all refused at their end.
        let above: Vec<Node> = (0..100).map(|index| root.authority(&format!("CA {index}"), same)).collect();
        let ca = above[0].authority("CA", same);
        let crossed: Vec<Certificate> = above.iter().map(|above| above.certify(&ca, same)).collect();
        for (above, crossed) in above.iter().zip(&crossed) {
            // Known beforehand, so that they are not what ends the search.
            above.certificate.verify_signature(&root.certificate).unwrap();
            crossed.verify_signature(&above.certificate).unwrap();
        }
        let bag: Vec<Certificate> = above.iter().map(|above| above.certificate.clone()).chain(crossed).collect();
        let leaf = ca.issue("EE", same);
        let trust = TrustStore::of_roots(std::slice::from_ref(&root.certificate));
        let mut paths = 0;
        let judged = validate_if(&leaf.certificate, &bag, &trust, &Inputs::new(NOW, Purpose::Any), &mut |_| {
            paths += 1;
            Err(PathError::NoPath)
        });
        assert_eq!(judged.unwrap_err(), PathError::TooMuchWork);
        assert!((60..=65).contains(&paths), "{paths}");

        let ca = root.authority("CA", |draft| draft.name_constraints(&many(2500), &many(1000)));
        let leaf = ca.issue("EE", |draft| draft.alternative_names(&many(4000)));
        check("names", judge(&root, &[&ca], &leaf), Some("too much work"));
    }
}

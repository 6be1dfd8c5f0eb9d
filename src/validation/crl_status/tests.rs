//! What lists say of a certificate, each rule kept and broken, in the order of NIST's PKITS (its sections in brackets).

use time::Duration;
use x509_cert::ext::pkix::KeyUsages;

use super::*;
use crate::validation::{Inputs, PathError, Purpose, TrustStore, revocation::check_path, testing::*, validate_if};

const KEY_COMPROMISE: u8 = 1;
const HOLD: u8 = 6;
const REMOVE: u8 = 8;

/// A root with its list, an authority, an end entity.
struct World {
    root: Node,
    ca: Node,
    leaf: Node,
    /// Further certificates.
    bag: Vec<Certificate>,
}

impl World {
    fn each() -> Vec<Self> {
        Self::each_with(|draft| draft, |draft| draft)
    }

    fn each_with(authority: impl Fn(Draft) -> Draft, leaf: impl Fn(Draft) -> Draft) -> Vec<Self> {
        let make = |family| {
            let root = Node::root(family);
            let ca = root.authority("CA", &authority);
            let leaf = ca.issue("EE", &leaf);
            Self { root, ca, leaf, bag: Vec::new() }
        };
        FAMILIES.into_iter().map(make).collect()
    }

    /// Judges the end entity by these lists and an empty one of the root.
    fn judge(&self, lists: &[List<'_>]) -> Result<(), PathError> {
        self.judge_der(&lists.iter().map(List::der).chain([List::by(&self.root, &[]).der()]).collect::<Vec<_>>())
    }

    fn judge_der(&self, lists: &[Vec<u8>]) -> Result<(), PathError> {
        let evidence = Evidence::read(lists.iter().map(Vec::as_slice), []);
        assert_eq!(evidence.lists().count(), lists.len());
        let trust = TrustStore::of_roots(std::slice::from_ref(&self.root.certificate));
        let bag: Vec<Certificate> = self.bag.iter().cloned().chain([self.ca.certificate.clone()]).collect();
        let inputs = Inputs::new(NOW, Purpose::Any);
        let at = EvidenceInputs { at: NOW, max_age: None, strength: Strength::Modern };
        let mut accept = |path: &_| check_path(path, &bag, &trust, &evidence, &at);
        validate_if(&self.leaf.certificate, &bag, &trust, &inputs, &mut accept).map(drop)
    }

    fn list(&self) -> List<'_> {
        List::by(&self.ca, &[])
    }

    fn revoking(&self, reason: u8) -> List<'_> {
        List::by(&self.ca, &[(&self.leaf.certificate, reason)])
    }
}

fn check(name: &str, judged: Result<(), PathError>, expected: Option<&str>) {
    match (judged, expected) {
        (Ok(()), None) => {}
        (Err(error), Some(expected)) => assert!(error.to_string().contains(expected), "{name}: {error}"),
        (Ok(()), Some(expected)) => panic!("{name}: good instead of {expected}"),
        (Err(error), None) => panic!("{name}: {error}"),
    }
}

const UNKNOWN: Option<&str> = Some("cannot be known");
const REVOKED: Option<&str> = Some("is revoked");

#[test]
fn a_list_of_the_issuer_in_its_time_says_who_is_revoked() {
    for world in World::each() {
        check("good", world.judge(&[world.list()]), None);
        check("[4.4.1] no list", world.judge(&[]), UNKNOWN);
        check("[4.4.3]", world.judge(&[world.revoking(KEY_COMPROMISE)]), REVOKED);
        let roots = List::by(&world.root, &[(&world.ca.certificate, KEY_COMPROMISE)]);
        check("[4.4.2] the authority", world.judge_der(&[roots.der(), world.list().der()]), REVOKED);
        let mut broken = world.list().der();
        *broken.last_mut().unwrap() ^= 1;
        check("[4.4.4]", world.judge_der(&[broken, List::by(&world.root, &[]).der()]), UNKNOWN);
        check("[4.4.6] of another", world.judge(&[List::by(&world.root, &[(&world.leaf.certificate, 1)])]), UNKNOWN);
        let impostor = Node::root(FAMILIES[0]).authority("CA", |draft| draft);
        check("[4.4.7] a stranger of the same name", world.judge(&[List::by(&impostor, &[]), world.list()]), None);
        check("[4.4.5]", world.judge(&[List::by(&impostor, &[])]), UNKNOWN);
        let old = List { next_update: NOW - Duration::seconds(1), ..world.list() };
        check("[4.4.11] out of date", world.judge(&[old]), UNKNOWN);
        let early = List { this_update: NOW + Duration::seconds(1), ..world.list() };
        check("from the future", world.judge(&[early]), UNKNOWN);
        let critical = || vec![("1.2.3.4.5".to_owned(), true, vec![5, 0])];
        check("[4.4.8] in an entry", world.judge(&[List { entry_extensions: critical(), ..world.revoking(1) }]), UNKNOWN);
        check("[4.4.9] in the list", world.judge(&[List { extensions: critical(), ..world.list() }]), UNKNOWN);
    }
}

#[test]
fn serial_numbers_are_compared_whole() {
    for (name, serial) in [("[4.4.14] negative", vec![0xff]), ("[4.4.16] long", vec![0x7f; 20]), ("zero in front", vec![0, 0xff])] {
        for world in World::each_with(|draft| draft, |draft| Draft { serial: serial.clone(), ..draft }) {
            let other = world.ca.issue("EE 2", |draft| Draft { serial: vec![0x7f; 19], ..draft });
            check(name, world.judge(&[List::by(&world.ca, &[(&other.certificate, 1)])]), None);
            check(name, world.judge(&[world.revoking(1)]), REVOKED);
        }
    }
}

/// Of two lists in their time, the newer one counts, in whichever order they come.
#[test]
fn the_newest_list_counts() {
    for world in World::each() {
        let (before, now) = (NOW - Duration::days(1), NOW - Duration::hours(1));
        let good = |at| List { this_update: at, ..world.list() };
        let revoked = |at| List { this_update: at, ..world.revoking(KEY_COMPROMISE) };
        check("revoked since", world.judge(&[good(before), revoked(now)]), REVOKED);
        check("revoked since, the other order", world.judge(&[revoked(now), good(before)]), REVOKED);
        check("resumed since", world.judge(&[revoked(before), good(now)]), None);
        let delta = |number, reason, at| List { number, base: Some(5), this_update: at, ..world.revoking(reason) };
        check("of two delta lists", world.judge(&[good(before), delta(6, REMOVE, before), delta(7, KEY_COMPROMISE, now)]), REVOKED);
        check("and the other order", world.judge(&[good(before), delta(7, KEY_COMPROMISE, now), delta(6, REMOVE, before)]), REVOKED);
    }
}

#[test]
fn a_key_for_lists_alone_leads_to_the_same_anchor() {
    for mut world in World::each_with(|draft| draft.usage(KeyUsages::KeyCertSign), |draft| draft) {
        check("[4.7.4] no cRLSign", world.judge(&[world.list()]), UNKNOWN);
        let signer = world.root.issue("CA", |draft| draft.usage(KeyUsages::CRLSign));
        check("[4.4.19] not at hand", world.judge(&[List::by(&signer, &[])]), UNKNOWN);
        world.bag.push(signer.certificate.clone());
        check("[4.4.19]", world.judge(&[List::by(&signer, &[])]), None);
        check("[4.4.20]", world.judge(&[List::by(&signer, &[(&world.leaf.certificate, 1)])]), REVOKED);
        let roots = List::by(&world.root, &[(&signer.certificate, 1)]);
        check("[4.4.21] the signer is revoked", world.judge_der(&[roots.der(), List::by(&signer, &[]).der()]), UNKNOWN);
        let other = Node::root(FAMILIES[1]).issue("CA", |draft| draft.usage(KeyUsages::CRLSign));
        world.bag.push(other.certificate.clone());
        check("of another anchor", world.judge(&[List::by(&other, &[])]), UNKNOWN);
    }
}

/// `[0] { fullName [0] { URI } }`
fn at(uri: &str) -> Vec<u8> {
    tlv(0xa0, &[&tlv(0xa0, &[&tlv(0x86, &[uri.as_bytes()])])])
}

fn points(points: &[Vec<u8>]) -> impl Fn(Draft) -> Draft + use<> {
    let value = sequence(&[&points.iter().map(|point| sequence(&[point])).collect::<Vec<_>>().concat()]);
    move |draft| draft.with(DISTRIBUTION_POINTS, false, value.clone())
}

#[test]
fn a_list_is_about_its_distribution_point_and_its_kind_of_certificate() {
    const FLAG: [u8; 1] = [0xff];
    let relative = |text: &str| tlv(0xa0, &[&tlv(0xa1, &[&sequence(&[&oid("2.5.4.3"), &tlv(0x0c, &[text.as_bytes()])])])]);
    for world in World::each_with(|draft| draft, points(&[at("http://a/"), at("http://b/")])) {
        let of = |scope: Vec<u8>| List { scope: Some(scope), ..world.list() };
        check("[4.14.1]", world.judge(&[of(at("http://a/"))]), None);
        check("[4.14.1] the second", world.judge(&[of(at("http://b/"))]), None);
        check("[4.14.2]", world.judge(&[List { scope: Some(at("http://a/")), ..world.revoking(1) }]), REVOKED);
        check("[4.14.3]", world.judge(&[of(at("http://c/"))]), UNKNOWN);
        check("[4.14.6]", world.judge(&[of(relative("x"))]), UNKNOWN);
        check("[4.14.10] of all", world.judge(&[world.list()]), None);
        check("users'", world.judge(&[of(tlv(0x81, &[&FLAG]))]), None);
        check("[4.14.12] authorities'", world.judge(&[of(tlv(0x82, &[&FLAG]))]), UNKNOWN);
        check("[4.14.14] attributes'", world.judge(&[of(tlv(0x85, &[&FLAG]))]), UNKNOWN);
        check("indirect", world.judge(&[of(tlv(0x84, &[&FLAG]))]), UNKNOWN);
        let users = List { scope: Some(tlv(0x81, &[&FLAG])), ..List::by(&world.root, &[]) };
        check("[4.14.11] users', of an authority", world.judge_der(&[users.der(), world.list().der()]), UNKNOWN);
        let authorities = List { scope: Some(tlv(0x82, &[&FLAG])), ..List::by(&world.root, &[]) };
        check("[4.14.13]", world.judge_der(&[authorities.der(), world.list().der()]), None);
    }
    for world in World::each_with(|draft| draft, points(&[relative("x")])) {
        check("[4.14.5] a relative name", world.judge(&[List { scope: Some(relative("x")), ..world.list() }]), None);
        check("[4.14.6] another", world.judge(&[List { scope: Some(relative("y")), ..world.list() }]), UNKNOWN);
    }
    let issuer = |text: &str| [at("http://a/"), tlv(0xa2, &[&tlv(0xa4, &[&name(text)])])].concat();
    for world in World::each_with(|draft| draft, points(&[issuer("Lists")])) {
        check("[4.14.27] lists of somebody else", world.judge(&[List { scope: Some(at("http://a/")), ..world.list() }]), UNKNOWN);
    }
}

#[test]
fn lists_of_some_reasons_count_together() {
    // keyCompromise and cACompromise; the other reasons.
    let (compromise, others) = (tlv(0x83, &[&[5, 0x60]]), tlv(0x83, &[&[7, 0x9f, 0x80]]));
    for world in World::each() {
        let of = |scope: &[u8]| List { scope: Some(scope.to_vec()), ..world.list() };
        check("[4.14.17] some", world.judge(&[of(&compromise)]), UNKNOWN);
        check("[4.14.17] the same twice", world.judge(&[of(&compromise), of(&compromise)]), UNKNOWN);
        check("[4.14.18] all", world.judge(&[of(&compromise), of(&others)]), None);
        let revoking = List { scope: Some(compromise.clone()), ..world.revoking(KEY_COMPROMISE) };
        check("[4.14.15]", world.judge(&[revoking]), REVOKED);
        let held = List { scope: Some(others.clone()), ..world.revoking(HOLD) };
        check("[4.14.16]", world.judge(&[of(&compromise), held]), REVOKED);
    }
    let point = |uri: &str, reasons: &[u8]| [at(uri), tlv(0x81, &[reasons])].concat();
    let leaf = points(&[point("http://a/", &[5, 0x60]), point("http://b/", &[7, 0x9f, 0x80])]);
    for world in World::each_with(|draft| draft, leaf) {
        let of = |uri: &str, reasons: &[u8]| List { scope: Some([at(uri), reasons.to_vec()].concat()), ..world.list() };
        check("[4.14.19]", world.judge(&[of("http://a/", &compromise), of("http://b/", &others)]), None);
        check("at one point only", world.judge(&[of("http://a/", &compromise)]), UNKNOWN);
        check("the wrong ones at each", world.judge(&[of("http://a/", &others), of("http://b/", &compromise)]), UNKNOWN);
    }
}

#[test]
fn delta_lists_bring_complete_ones_up_to_date() {
    for world in World::each() {
        let complete = || world.list();
        let delta = |base, number| List { number, base: Some(base), ..world.list() };
        let with = |list: List<'_>, reason| List { entries: vec![(&world.leaf.certificate, reason)], ..list }.der();
        let root = List::by(&world.root, &[]).der();
        check("[4.15.1] no complete list", world.judge(&[delta(1, 6)]), UNKNOWN);
        check("[4.15.2]", world.judge(&[complete(), delta(5, 6)]), None);
        let judge = |lists: Vec<Vec<u8>>| world.judge_der(&lists.into_iter().chain([root.clone()]).collect::<Vec<_>>());
        check("[4.15.3]", judge(vec![complete().der(), with(delta(5, 6), 1)]), REVOKED);
        check("[4.15.4] in the complete one", judge(vec![with(complete(), 1), delta(5, 6).der()]), REVOKED);
        check("[4.15.5] resumed", judge(vec![with(complete(), HOLD), with(delta(5, 6), REMOVE)]), None);
        check("[4.15.6] held, then revoked", judge(vec![with(complete(), HOLD), with(delta(5, 6), 1)]), REVOKED);
        let old = || List { this_update: NOW - Duration::days(9), next_update: NOW - Duration::days(2), ..world.list() };
        check("[4.15.8] an old complete list", world.judge(&[old(), delta(5, 6)]), None);
        check("[4.15.9]", judge(vec![old().der(), with(delta(5, 6), 1)]), REVOKED);
        check("[4.15.10] a delta to a newer one", world.judge(&[old(), delta(6, 7)]), UNKNOWN);
        check("an old complete list alone", world.judge(&[old()]), UNKNOWN);
        let other = List { scope: Some(tlv(0x81, &[&[0xff]])), ..delta(5, 6) };
        check("a delta of another scope says nothing", judge(vec![complete().der(), with(other, 1)]), None);
        let impostor = Node::root(FAMILIES[0]).authority("CA", |draft| draft);
        let foreign = List { number: 6, base: Some(5), ..List::by(&impostor, &[]) };
        check("a delta of a stranger says nothing", judge(vec![complete().der(), with(foreign, 1)]), None);
    }
}

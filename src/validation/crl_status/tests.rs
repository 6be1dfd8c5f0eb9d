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
        let bag: Vec<Certificate> = self.bag.iter().cloned().chain([self.ca.certificate.clone()]).collect();
        judge_under(&self.root, &self.leaf.certificate, &bag, lists)
    }

    fn list(&self) -> List<'_> {
        List::by(&self.ca, &[])
    }

    fn revoking(&self, reason: u8) -> List<'_> {
        List::by(&self.ca, &[(&self.leaf.certificate, reason)])
    }
}

fn judge_under(root: &Node, leaf: &Certificate, bag: &[Certificate], lists: &[Vec<u8>]) -> Result<(), PathError> {
    let evidence = Evidence::read(lists.iter().map(Vec::as_slice), []);
    assert_eq!(evidence.lists().count(), lists.len());
    let trust = TrustStore::of_roots(std::slice::from_ref(&root.certificate));
    let at = EvidenceInputs { at: NOW, max_age: None, strength: Strength::Modern };
    let mut accept = |path: &_| check_path(path, bag, &trust, &evidence, &at);
    validate_if(leaf, bag, &trust, &Inputs::new(NOW, Purpose::Any), &mut accept).map(drop)
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
        let users = List { scope: Some(tlv(0x81, &[&FLAG])), ..List::by(&world.root, &[]) };
        check("[4.14.11] users', of an authority", world.judge_der(&[users.der(), world.list().der()]), UNKNOWN);
        let authorities = List { scope: Some(tlv(0x82, &[&FLAG])), ..List::by(&world.root, &[]) };
        check("[4.14.13]", world.judge_der(&[authorities.der(), world.list().der()]), None);
    }
    // The same place by its whole name and by what is below the issuer ([4.14.4], [4.14.7]).
    let whole = |text: &str| {
        let below = sequence(&[&oid("2.5.4.3"), &tlv(0x0c, &[text.as_bytes()])]);
        let issuer = name("CA");
        let rdns = <der::asn1::AnyRef<'_> as der::Decode>::from_der(&issuer).unwrap().value().to_vec();
        tlv(0xa0, &[&tlv(0xa0, &[&tlv(0xa4, &[&sequence(&[&rdns, &tlv(0x31, &[&below])])])])])
    };
    for world in World::each_with(|draft| draft, points(&[whole("x")])) {
        check("[4.14.7] whole there, relative here", world.judge(&[List { scope: Some(relative("x")), ..world.list() }]), None);
        check("another", world.judge(&[List { scope: Some(relative("y")), ..world.list() }]), UNKNOWN);
    }
    for world in World::each_with(|draft| draft, points(&[relative("x")])) {
        check("[4.14.4] relative there, whole here", world.judge(&[List { scope: Some(whole("x")), ..world.list() }]), None);
        check("[4.14.5] a relative name", world.judge(&[List { scope: Some(relative("x")), ..world.list() }]), None);
        check("[4.14.6] another", world.judge(&[List { scope: Some(relative("y")), ..world.list() }]), UNKNOWN);
    }
    let issuer = |text: &str| [at("http://a/"), tlv(0xa2, &[&tlv(0xa4, &[&name(text)])])].concat();
    for world in World::each_with(|draft| draft, points(&[issuer("Lists")])) {
        check("[4.14.27] lists of somebody else", world.judge(&[List { scope: Some(at("http://a/")), ..world.list() }]), UNKNOWN);
    }
}

/// An authority that changed its key: lists are by one key, and the certificate of that key is good by a list of its own.
#[test]
fn a_changed_key_signs_the_lists_of_both() {
    for family in FAMILIES {
        let root = Node::root(family);
        let (old, new) = (root.authority("CA", |draft| draft), root.authority("CA", |draft| draft));
        let place = tlv(0xa0, &[&tlv(0xa0, &[&tlv(0x86, &[b"http://self-issued/"])])]);
        // [4.5.3], [4.5.4]: the old key certifies the new one, and the lists are by the new one but for that about itself.
        let rekeyed = old.certify(&new, points(std::slice::from_ref(&place)));
        let bag = vec![old.certificate.clone(), rekeyed.clone()];
        let of_itself = |entries: &[(&Certificate, u8)]| List { scope: Some(place.clone()), ..List::by(&old, entries) }.der();
        let judge = |leaf: &Certificate, lists: &[Vec<u8>]| {
            let lists: Vec<Vec<u8>> = lists.iter().cloned().chain([List::by(&root, &[]).der()]).collect();
            judge_under(&root, leaf, &bag, &lists)
        };
        for (name, leaf) in [("old", old.issue("EE", |draft| draft)), ("new", new.issue("EE", |draft| draft))] {
            let (good, bad) = (List::by(&new, &[]).der(), List::by(&new, &[(&leaf.certificate, 1)]).der());
            check(name, judge(&leaf.certificate, &[good.clone(), of_itself(&[])]), None);
            check(name, judge(&leaf.certificate, &[bad, of_itself(&[])]), REVOKED);
            check(name, judge(&leaf.certificate, std::slice::from_ref(&good)), UNKNOWN);
            let word = if name == "new" { REVOKED } else { UNKNOWN };
            check(name, judge(&leaf.certificate, &[good, of_itself(&[(&rekeyed, 1)])]), word);
        }
    }
}

fn indirect<'a>(by: &'a Node, entries: &[(&'a Certificate, u8)]) -> List<'a> {
    List { scope: Some(tlv(0x84, &[&[0xff]])), names_issuers: true, ..List::by(by, entries) }
}

/// Lists of somebody else, and of somebody else's certificates ([4.14.22] to [4.14.35]).
#[test]
fn an_indirect_list_is_about_the_certificates_that_name_its_issuer() {
    let flag = tlv(0x84, &[&[0xff]]);
    let by = |text: &str| tlv(0xa2, &[&tlv(0xa4, &[&name(text)])]);
    for family in FAMILIES {
        let root = Node::root(family);
        let (ca, other) = (root.authority("CA", |draft| draft), root.authority("CA 2", |draft| draft));
        let lists = root.issue("Lists", |draft| draft.usage(KeyUsages::CRLSign));
        let leaf = |issuer: &Node, point: &[u8]| issuer.issue("EE", points(&[point.to_vec()])).certificate;
        let (named, unnamed) = (leaf(&ca, &by("Lists")), ca.issue("EE", |draft| draft).certificate);
        let serial = named.serial().to_vec();
        let twin = other.issue("EE", |draft| Draft { serial, ..points(&[by("Lists")])(draft) }).certificate;
        let bag = [&ca, &other, &lists].map(|node| node.certificate.clone());
        let indirect = |entries: &_| indirect(&lists, entries);
        let of_root = List::by(&root, &[]).der();
        let judge = |leaf: &Certificate, list: &List<'_>| judge_under(&root, leaf, &bag, &[list.der(), of_root.clone()]);

        check("[4.14.28] good", judge(&named, &indirect(&[])), None);
        check("[4.14.31] revoked", judge(&named, &indirect(&[(&named, 1)])), REVOKED);
        check("an entry of another's certificate", judge(&named, &indirect(&[(&twin, 1)])), None);
        check("and of the other", judge(&twin, &indirect(&[(&twin, 1)])), REVOKED);
        let two = other.issue("EE 3", |draft| draft).certificate;
        check("whose an entry is holds on", judge(&twin, &indirect(&[(&named, 1), (&two, 1), (&twin, 1)])), REVOKED);
        check("until it changes", judge(&named, &indirect(&[(&twin, 1), (&unnamed, 1)])), None);
        check(
            "without a word whose, it is the issuer's own",
            judge(&named, &List { names_issuers: false, ..indirect(&[(&named, 1)]) }),
            None,
        );
        check("[4.14.26] of one that does not name it", judge(&unnamed, &indirect(&[])), UNKNOWN);
        check("[4.14.27] a list that says nothing of others", judge(&named, &List::by(&lists, &[])), UNKNOWN);
        let issuers = List { scope: Some(flag.clone()), ..List::by(&ca, &[(&unnamed, 1)]) };
        check("[4.14.22] by the issuer itself, of another", judge(&named, &issuers), None);
        check("[4.14.23] by the issuer itself", judge(&unnamed, &issuers), REVOKED);
        let direct = List { names_issuers: true, scope: None, ..indirect(&[(&twin, 1)]) };
        check("entries of others where there are none", judge(&named, &List { by: &ca, ..direct }), UNKNOWN);

        let at_place = |point: Vec<u8>| leaf(&ca, &[point, by("Lists")].concat());
        let of_place = |place: Vec<u8>| List { scope: Some([place, flag.clone()].concat()), ..indirect(&[]) };
        check("[4.14.29] at its place", judge(&at_place(at("http://a/")), &of_place(at("http://a/"))), None);
        check("at another", judge(&at_place(at("http://a/")), &of_place(at("http://b/"))), UNKNOWN);
        let below = tlv(0xa0, &[&tlv(0xa1, &[&sequence(&[&oid("2.5.4.3"), &tlv(0x0c, &[b"x"])])])]);
        check("a place below the issuer of the list", judge(&at_place(below.clone()), &of_place(below)), None);
        let own = tlv(0xa0, &[&tlv(0xa0, &[&tlv(0xa4, &[&name("Lists")])])]);
        check("a point without a name is named as the issuer of the list", judge(&named, &of_place(own)), None);

        let impostor = Node::root(family).issue("Lists", |draft| draft.usage(KeyUsages::CRLSign));
        let forged = List { scope: Some(flag.clone()), ..List::by(&impostor, &[]) };
        let with = [bag.to_vec(), vec![impostor.certificate.clone()]].concat();
        check("of another anchor", judge_under(&root, &named, &with, &[forged.der(), of_root.clone()]), UNKNOWN);
        let revoked = List::by(&root, &[(&lists.certificate, 1)]).der();
        check("its signer is revoked", judge_under(&root, &named, &bag, &[indirect(&[]).der(), revoked]), UNKNOWN);
        let by_root = leaf(&ca, &by("Root"));
        check("by the anchor itself", judge(&by_root, &List { by: &root, ..indirect(&[]) }), None);
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

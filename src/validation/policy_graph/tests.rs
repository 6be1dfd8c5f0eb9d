//! Policies along a path, each rule kept and broken, in the order of NIST's PKITS (its sections in brackets).

use super::*;
use crate::validation::{Inputs, Purpose, TrustStore, testing::*, validate};

const ONE: &str = "2.16.840.1.101.3.2.1.48.1";
const TWO: &str = "2.16.840.1.101.3.2.1.48.2";
const THREE: &str = "2.16.840.1.101.3.2.1.48.3";
const ANY: &str = "2.5.29.32.0";

fn policies(list: &[&str]) -> BTreeSet<ObjectIdentifier> {
    list.iter().map(|policy| ObjectIdentifier::new_unwrap(policy)).collect()
}

fn explicit() -> PolicyInputs {
    PolicyInputs { explicit: true, ..PolicyInputs::default() }
}

fn of(list: &[&str]) -> PolicyInputs {
    PolicyInputs { initial_set: Some(policies(list)), ..explicit() }
}

/// A certificate of a path, from the one below the root on; the last is the end entity.
type Bend = fn(Draft) -> Draft;

/// Judges a path of these certificates, in both families; answers the policies that hold.
fn judge(certificates: &[Bend], inputs: &PolicyInputs) -> Option<BTreeSet<String>> {
    let found = FAMILIES.map(|family| {
        let root = Node::root(family);
        let mut path: Vec<Node> = Vec::new();
        for (depth, bend) in certificates.iter().enumerate() {
            let above = path.last().unwrap_or(&root);
            let is_last = depth + 1 == certificates.len();
            let next = if is_last { above.issue("EE", bend) } else { above.authority(&format!("CA {depth}"), bend) };
            path.push(next);
        }
        let bag: Vec<_> = path.iter().map(|node| node.certificate.clone()).collect();
        let trust = TrustStore::of_roots(std::slice::from_ref(&root.certificate));
        let mut asked = Inputs::new(NOW, Purpose::Any);
        asked.policies = inputs.clone();
        let leaf = bag.last().unwrap();
        validate(leaf, &bag[..bag.len() - 1], &trust, &asked).ok().map(|path| path.policies().names())
    });
    assert_eq!(found[0], found[1]);
    found[0].clone()
}

fn check(name: &str, certificates: &[Bend], inputs: &PolicyInputs, expected: Option<&[&str]>) {
    let expected = expected.map(|policies| policies.iter().map(|policy| policy.replace(ANY, "any")).collect());
    assert_eq!(judge(certificates, inputs), expected, "{name}");
}

#[test]
fn the_policies_of_all_certificates_hold() {
    let (one, two, none): (Bend, Bend, Bend) = (|draft| draft.policies(&[ONE]), |draft| draft.policies(&[TWO]), |draft| draft);
    let (both, any): (Bend, Bend) = (|draft| draft.policies(&[ONE, TWO]), |draft| draft.policies(&[ANY]));
    check("[4.8.1] subpart 1", &[one, one], &explicit(), Some(&[ONE]));
    check("[4.8.1] subpart 3", &[one, one], &of(&[TWO]), None);
    check("[4.8.1] subpart 4", &[one, one], &of(&[ONE, TWO]), Some(&[ONE]));
    check("[4.8.2] none, none needed", &[none, none], &PolicyInputs::default(), Some(&[]));
    check("[4.8.2] none", &[none, none], &explicit(), None);
    check("[4.8.3] others in the middle", &[one, two, one], &explicit(), None);
    check("[4.8.3] and none needed", &[one, two, one], &PolicyInputs::default(), Some(&[]));
    check("[4.8.4] others at the end", &[one, two], &explicit(), None);
    check("[4.8.6] overlapping", &[both, one], &of(&[TWO]), None);
    check("[4.8.10] two", &[both, both], &of(&[TWO]), Some(&[TWO]));
    check("[4.8.11] any above all", &[any, any], &explicit(), Some(&[ANY]));
    check("[4.8.11] any, and asked for one", &[any, any], &of(&[ONE]), Some(&[ONE]));
    check("[4.8.13] any above one", &[any, one], &of(&[ONE]), Some(&[ONE]));
    check("[4.8.14] any above another", &[any, one], &of(&[TWO]), None);
    let twice: Bend = |draft| draft.policies(&[ONE, ONE]);
    check("one twice", &[twice, one], &PolicyInputs::default(), None);
}

#[test]
fn policies_are_demanded_from_some_depth_on() {
    let none: Bend = |draft| draft;
    let (zero, two, ten): (Bend, Bend, Bend) = (
        |draft| draft.policies(&[ONE]).policy_constraints(Some(0), None),
        |draft| draft.policies(&[ONE]).policy_constraints(Some(2), None),
        |draft| draft.policies(&[ONE]).policy_constraints(Some(10), None),
    );
    check("[4.9.1] far away", &[ten, none, none, none], &PolicyInputs::default(), Some(&[]));
    check("[4.9.2] just away", &[two, none], &PolicyInputs::default(), Some(&[]));
    check("[4.9.3]", &[zero, none], &PolicyInputs::default(), None);
    check("[4.9.4]", &[zero, |draft| draft.policies(&[ONE])], &PolicyInputs::default(), Some(&[ONE]));
    check("[4.9.5] the depth counts down", &[ten, two, none, none], &PolicyInputs::default(), None);
    let leaf: Bend = |draft| draft.policy_constraints(Some(0), None);
    check("in the end entity", &[none, leaf], &PolicyInputs::default(), None);
}

#[test]
fn policies_are_mapped_unless_that_is_inhibited() {
    let map: Bend = |draft| draft.policies(&[ONE]).mappings(&[(ONE, TWO)]);
    let two: Bend = |draft| draft.policies(&[TWO]);
    let one: Bend = |draft| draft.policies(&[ONE]);
    let inhibit = PolicyInputs { inhibit_mapping: true, ..explicit() };
    check("[4.10.1] subpart 1", &[map, two], &of(&[ONE]), Some(&[ONE]));
    check("[4.10.1] subpart 2", &[map, two], &of(&[TWO]), None);
    check("[4.10.1] subpart 3", &[map, two], &inhibit, None);
    check("[4.10.2] the name before the mapping", &[map, one], &explicit(), None);
    let (from_any, to_any): (Bend, Bend) =
        (|draft| draft.policies(&[ANY]).mappings(&[(ANY, ONE)]), |draft| draft.policies(&[ONE]).mappings(&[(ONE, ANY)]));
    check("[4.10.7] from any", &[from_any, one], &PolicyInputs::default(), None);
    check("[4.10.8] to any", &[to_any, one], &PolicyInputs::default(), None);
    let under_any: Bend = |draft| draft.policies(&[ANY]).mappings(&[(ONE, TWO)]);
    check("[4.10.9] under any", &[under_any, two], &of(&[ONE]), Some(&[ONE]));
    let again: Bend = |draft| draft.policies(&[TWO]).mappings(&[(TWO, THREE)]);
    check("[4.10.3] and again", &[map, again, |draft| draft.policies(&[THREE])], &of(&[ONE]), Some(&[ONE]));
    let spread: Bend = |draft| draft.policies(&[ONE]).mappings(&[(ONE, TWO), (ONE, THREE)]);
    check("[4.10.11] to two", &[spread, |draft| draft.policies(&[THREE])], &of(&[ONE]), Some(&[ONE]));

    let (now, later): (Bend, Bend) = (
        |draft| draft.policies(&[ONE]).policy_constraints(Some(0), Some(0)),
        |draft| draft.policies(&[ONE]).policy_constraints(Some(0), Some(1)),
    );
    check("[4.11.1]", &[now, map, two], &PolicyInputs::default(), None);
    check("[4.11.2]", &[later, map, two], &PolicyInputs::default(), Some(&[ONE]));
    check("[4.11.3] counted down", &[later, |draft| draft.policies(&[ONE]), map, two], &PolicyInputs::default(), None);
}

#[test]
fn any_policy_stands_for_others_unless_that_is_inhibited() {
    let (none_left, one_left): (Bend, Bend) = (
        |draft| draft.policies(&[ONE]).policy_constraints(Some(0), None).inhibit_any(0),
        |draft| draft.policies(&[ONE]).policy_constraints(Some(0), None).inhibit_any(1),
    );
    let (any, one): (Bend, Bend) = (|draft| draft.policies(&[ANY]), |draft| draft.policies(&[ONE]));
    check("[4.12.1]", &[none_left, any], &PolicyInputs::default(), None);
    check("[4.12.2]", &[none_left, |draft| draft.policies(&[ONE, ANY])], &PolicyInputs::default(), Some(&[ONE]));
    check("[4.12.3] subpart 1", &[one_left, any, one], &PolicyInputs::default(), Some(&[ONE]));
    check("[4.12.4] counted down", &[one_left, any, any], &PolicyInputs::default(), None);
    let from_the_caller = PolicyInputs { inhibit_any: true, ..explicit() };
    check("[4.12.3] subpart 2", &[any, one], &from_the_caller, None);
}

/// Each level maps every policy to every other: a tree has fifty to the tenth leaves, the graph fifty nodes a level.
#[test]
fn mappings_of_everything_to_everything_cost_no_more_than_they_list() {
    let arcs: Vec<String> = (1..=50).map(|arc| format!("1.2.3.{arc}")).collect();
    let all: Vec<&str> = arcs.iter().map(String::as_str).collect();
    let pairs: Vec<(&str, &str)> = all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to))).collect();
    let root = Node::root(FAMILIES[0]);
    let mut path = vec![root.authority("CA 0", |draft| draft.policies(&all).mappings(&pairs))];
    for depth in 1..10 {
        let next = path[depth - 1].authority(&format!("CA {depth}"), |draft| draft.policies(&all).mappings(&pairs));
        path.push(next);
    }
    let leaf = path[9].issue("EE", |draft| draft.policies(&all));
    let bag: Vec<_> = path.iter().map(|node| node.certificate.clone()).collect();
    let mut inputs = Inputs::new(NOW, Purpose::Any);
    inputs.policies = of(&[all[0]]);
    let begun = std::time::Instant::now();
    let found = validate(&leaf.certificate, &bag, &TrustStore::of_roots(std::slice::from_ref(&root.certificate)), &inputs).unwrap();
    assert_eq!(found.policies(), &Policies::These(policies(&all[..1])));
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

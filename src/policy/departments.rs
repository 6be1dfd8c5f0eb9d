//! The tree of departments: where each lies, what it may certify, and what makes, changes and merges them.
//!
//! A change is what departments become, each from what it is. Whoever decides on it is shown all of that, the ledger binds it, and
//! the audit plays it again: there is one way to change the tree, `Tree::apply`, and one list of what always holds, `Tree::check`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{identity::DepartmentId, prepared::prepared, subject::lies_in};

/// How many departments may lie one in another: a state, a ministry, its offices in province, city, county and township, and two
/// more. Each level is looked at whenever one of the lowest decides something or issues.
pub const MOST_LEVELS: usize = 8;

/// A department as people define it. Text and names are in the form in which they are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Department {
    pub name: String,
    /// The department above it; none at the top.
    pub parent: Option<DepartmentId>,
    pub organizations: BTreeSet<String>,
    pub dns: BTreeSet<String>,
    pub mail: BTreeSet<String>,
    /// The department that it was merged into. It lies in that one from then on, and certifies nothing any more.
    pub successor: Option<DepartmentId>,
}

impl Department {
    pub fn stands(&self) -> bool {
        self.successor.is_none()
    }

    /// What it is called, as names are compared, if that is an O value that it may certify.
    fn own_name(&self) -> Option<String> {
        let name = prepared(&self.name);
        self.organizations.iter().any(|value| prepared(value) == name).then_some(name)
    }

    fn names(&self) -> impl Iterator<Item = (Namespace, &str)> {
        Namespace::ALL.into_iter().flat_map(|kind| kind.of(self).iter().map(move |value| (kind, value.as_str())))
    }

    /// Whether a department below may certify this name: an O value that is one of its own, a domain that is one of its own or
    /// lies in one.
    fn covers(&self, kind: Namespace, name: &str) -> bool {
        match kind {
            Namespace::Organization => self.organizations.contains(name),
            Namespace::Dns | Namespace::Mail => kind.of(self).iter().any(|own| lies_in(name, own)),
        }
    }
}

/// The kinds of names that a department may certify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Namespace {
    Organization,
    Dns,
    Mail,
}

impl Namespace {
    pub const ALL: [Self; 3] = [Self::Organization, Self::Dns, Self::Mail];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Dns => "dns",
            Self::Mail => "mail",
        }
    }

    pub fn of(self, department: &Department) -> &BTreeSet<String> {
        match self {
            Self::Organization => &department.organizations,
            Self::Dns => &department.dns,
            Self::Mail => &department.mail,
        }
    }

    pub fn of_mut(self, department: &mut Department) -> &mut BTreeSet<String> {
        match self {
            Self::Organization => &mut department.organizations,
            Self::Dns => &mut department.dns,
            Self::Mail => &mut department.mail,
        }
    }
}

impl std::fmt::Display for Namespace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What one department becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub department: DepartmentId,
    /// None where it is made.
    pub before: Option<Department>,
    pub after: Department,
}

/// Why departments cannot be so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    #[error("there is no department {0}")]
    Unknown(DepartmentId),
    #[error("department {department} was merged into {successor}")]
    Merged { department: DepartmentId, successor: DepartmentId },
    #[error("department {0} is not what it was when the change was proposed")]
    Stale(DepartmentId),
    #[error("department {0} would lie in itself")]
    Circle(DepartmentId),
    #[error("department {0} would lie deeper than {MOST_LEVELS} levels")]
    TooDeep(DepartmentId),
    #[error("a department is merged into another that does not lie in it")]
    MergedIntoItself,
    #[error("department {0} would certify no O value")]
    NoOrganization(DepartmentId),
    #[error(
        "department {department} would certify a name ({kind} {name}) that the department above it may not: \
         give it to that one first (hufu department names {above} --{kind} {name}), or this one does without"
    )]
    Outside { department: DepartmentId, above: DepartmentId, kind: Namespace, name: String },
    #[error(
        "the name ({kind} {name}) is department {holder}'s: take it from that one first \
         (hufu department names {holder} --without-{kind} {name}), or the other does without"
    )]
    NameTaken { holder: DepartmentId, kind: Namespace, name: String },
    #[error(
        "departments {department} and {other} would both be called {name} in the same place: call one of them otherwise first \
         (hufu department rename ID NAME)"
    )]
    SameName { department: DepartmentId, other: DepartmentId, name: String },
    #[error(
        "the O value {name} is what department {holder} is called, so only that one, those above it and those in it may certify it: \
         department {department} does without (hufu department names {department} --without-organization {name}), \
         or {holder} is called otherwise (hufu department rename {holder} NAME)"
    )]
    OwnName { department: DepartmentId, holder: DepartmentId, name: String },
    #[error(
        "department {successor} may not take over the name ({kind} {name}), which is not {department}'s alone or lies outside of what \
         the department above the successor may certify: move {department} there first, with O values of the successor and without that \
         name (hufu department move {department} --under {successor} --organization VALUE --without-{kind} {name}), then merge it"
    )]
    NotPassed { department: DepartmentId, successor: DepartmentId, kind: Namespace, name: String },
    #[error("the change changes nothing")]
    Nothing,
}

/// All departments there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<DepartmentId, Department>);

impl FromIterator<(DepartmentId, Department)> for Tree {
    fn from_iter<T: IntoIterator<Item = (DepartmentId, Department)>>(departments: T) -> Self {
        Self(departments.into_iter().collect())
    }
}

impl Tree {
    pub fn get(&self, id: DepartmentId) -> Option<&Department> {
        self.0.get(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (DepartmentId, &Department)> {
        self.0.iter().map(|(id, department)| (*id, department))
    }

    fn all_standing(&self) -> impl Iterator<Item = (DepartmentId, &Department)> {
        self.iter().filter(|(_, department)| department.stands())
    }

    /// One that is there and was not merged.
    pub fn standing(&self, id: DepartmentId) -> Result<&Department, TreeError> {
        let found = self.get(id).ok_or(TreeError::Unknown(id))?;
        match found.successor {
            None => Ok(found),
            Some(successor) => Err(TreeError::Merged { department: id, successor }),
        }
    }

    /// Makes a department.
    pub fn make(&self, id: DepartmentId, after: Department) -> Vec<Step> {
        vec![Step { department: id, before: self.get(id).cloned(), after }]
    }

    /// Changes name, names or place of a department. One that moves takes what it is called along: those above that it leaves
    /// certify that no more.
    pub fn change(&self, id: DepartmentId, after: Department) -> Result<Vec<Step>, TreeError> {
        let before = self.standing(id)?;
        if *before == after {
            return Err(TreeError::Nothing);
        }
        let (own, moves) = (after.own_name(), before.parent != after.parent);
        let stay = after.parent.map(|parent| self.path(parent)).unwrap_or_default();
        let mut steps = vec![Step { department: id, before: Some(before.clone()), after }];
        let Some(own) = own.filter(|_| moves) else { return Ok(steps) };
        for above in self.path(id).into_iter().skip(1).filter(|above| !stay.contains(above)) {
            let before = self.standing(above)?;
            let mut after = before.clone();
            after.organizations.retain(|name| prepared(name) != own);
            if after != *before && before.own_name().as_ref() != Some(&own) {
                steps.push(Step { department: above, before: Some(before.clone()), after });
            }
        }
        Ok(steps)
    }

    /// Merges a department into another, which takes over its names and the departments right below it.
    pub fn merge(&self, id: DepartmentId, into: DepartmentId) -> Result<Vec<Step>, TreeError> {
        let (merged, successor) = (self.standing(id)?, self.standing(into)?);
        if self.path(into).contains(&id) {
            return Err(TreeError::MergedIntoItself);
        }
        let mut without = Department { successor: Some(into), ..merged.clone() };
        let mut with = successor.clone();
        for kind in Namespace::ALL {
            kind.of_mut(&mut with).append(kind.of_mut(&mut without));
        }
        let step = |department, before: &Department, after| Step { department, before: Some(before.clone()), after };
        let mut steps = vec![step(id, merged, without)];
        if with != *successor {
            steps.push(step(into, successor, with));
        }
        for (child, before) in self.all_standing().filter(|(_, child)| child.parent == Some(id)) {
            steps.push(step(child, before, Department { parent: Some(into), ..before.clone() }));
        }
        self.check_passed(id, into, &steps)?;
        Ok(steps)
    }

    /// Whether the successor may have the names of what is merged into it.
    fn check_passed(&self, id: DepartmentId, into: DepartmentId, steps: &[Step]) -> Result<(), TreeError> {
        let mut after = self.clone();
        after.apply(steps)?;
        let (kind, name) = match after.check() {
            Err(TreeError::Outside { department, kind, name, .. }) if department == into => (kind, name),
            Err(TreeError::NameTaken { kind, name, .. }) => (kind, name),
            Err(TreeError::OwnName { name, .. }) => (Namespace::Organization, name),
            other => return other,
        };
        Err(TreeError::NotPassed { department: id, successor: into, kind, name })
    }

    /// Each of the departments becomes what the change says, if all of them are what it says they are.
    pub fn apply(&mut self, steps: &[Step]) -> Result<(), TreeError> {
        if let Some(step) = steps.iter().find(|step| self.get(step.department) != step.before.as_ref()) {
            return Err(TreeError::Stale(step.department));
        }
        self.0.extend(steps.iter().map(|step| (step.department, step.after.clone())));
        Ok(())
    }

    /// A department and those above it, itself first. One that was merged lies in its successor.
    fn path(&self, id: DepartmentId) -> Vec<DepartmentId> {
        let mut path = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next.filter(|id| !path.contains(id)) {
            path.push(id);
            next = self.get(id).and_then(|department| department.successor.or(department.parent));
        }
        path
    }

    /// What holds of all departments at any time.
    pub fn check(&self) -> Result<(), TreeError> {
        let mut holders: BTreeMap<(Namespace, String), DepartmentId> = BTreeMap::new();
        for (id, department) in self.all_standing() {
            let above = department.parent.map(|parent| Ok((parent, self.standing(parent)?))).transpose()?;
            self.check_depth(id)?;
            if department.organizations.is_empty() {
                return Err(TreeError::NoOrganization(id));
            }
            for (kind, name) in department.names() {
                if let Some((parent, _)) = above.filter(|(_, above)| !above.covers(kind, name)) {
                    return Err(TreeError::Outside { department: id, above: parent, kind, name: name.to_owned() });
                }
                // A name belongs to one department, and to whichever below it were given it.
                if above.is_some_and(|(_, above)| kind.of(above).contains(name)) {
                    continue;
                }
                if let Some(holder) = holders.insert((kind, prepared(name)), id).filter(|holder| *holder != id) {
                    return Err(TreeError::NameTaken { holder, kind, name: name.to_owned() });
                }
            }
        }
        self.check_called()
    }

    /// No two beside each other are called the same, and what one is called is certified only by it, by those above it and by
    /// those in it, if by itself: whoever reads an O value takes it for what is called so.
    fn check_called(&self) -> Result<(), TreeError> {
        let mut called: BTreeMap<(Option<DepartmentId>, String), DepartmentId> = BTreeMap::new();
        let mut own: BTreeMap<String, Vec<DepartmentId>> = BTreeMap::new();
        for (id, department) in self.all_standing() {
            if let Some(other) = called.insert((department.parent, prepared(&department.name)), id) {
                return Err(TreeError::SameName { department: id, other, name: department.name.clone() });
            }
            if let Some(name) = department.own_name() {
                own.entry(name).or_default().push(id);
            }
        }
        for (id, department) in self.all_standing() {
            for name in &department.organizations {
                let beside = |holder: &&DepartmentId| !self.path(id).contains(holder) && !self.path(**holder).contains(&id);
                if let Some(holder) = own.get(&prepared(name)).into_iter().flatten().find(beside) {
                    return Err(TreeError::OwnName { department: id, holder: *holder, name: name.clone() });
                }
            }
        }
        Ok(())
    }

    fn check_depth(&self, id: DepartmentId) -> Result<(), TreeError> {
        let mut seen = BTreeSet::new();
        let mut next = Some(id);
        while let Some(id) = next {
            if !seen.insert(id) {
                return Err(TreeError::Circle(id));
            }
            next = self.get(id).and_then(|department| department.parent);
        }
        if seen.len() > MOST_LEVELS { Err(TreeError::TooDeep(id)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: DepartmentId = DepartmentId::from_bytes([1; 16]);
    const BUREAU: DepartmentId = DepartmentId::from_bytes([2; 16]);
    const OFFICE: DepartmentId = DepartmentId::from_bytes([3; 16]);
    const BESIDE: DepartmentId = DepartmentId::from_bytes([4; 16]);
    const NEW: DepartmentId = DepartmentId::from_bytes([9; 16]);

    fn department(parent: Option<DepartmentId>, organizations: &[&str], domains: &[&str]) -> Department {
        let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        Department {
            name: organizations.first().copied().unwrap_or_default().to_owned(),
            parent,
            organizations: set(organizations),
            dns: set(domains),
            mail: set(domains),
            successor: None,
        }
    }

    /// A province with a bureau, an office in it, and a bureau beside it.
    fn tree() -> Tree {
        let tree: Tree = [
            (STATE, department(None, &["省政府", "市监局", "市监所", "水务局"], &["gov.cn"])),
            (BUREAU, department(Some(STATE), &["市监局", "市监所"], &["scjg.gov.cn"])),
            (OFFICE, department(Some(BUREAU), &["市监所"], &["one.scjg.gov.cn"])),
            (BESIDE, department(Some(STATE), &["水务局"], &["swj.gov.cn"])),
        ]
        .into_iter()
        .collect();
        tree.check().unwrap();
        tree
    }

    /// What becomes of the tree.
    fn after(tree: &Tree, steps: &[Step]) -> Result<Tree, TreeError> {
        let mut changed = tree.clone();
        changed.apply(steps)?;
        changed.check().map(|()| changed)
    }

    #[test]
    fn a_department_certifies_only_what_the_one_above_it_may() {
        use Namespace::{Dns, Mail, Organization};
        let tree = tree();
        for (organizations, domain, outside) in [
            (&["市监局"][..], "new.scjg.gov.cn", None),
            (&["市监局"], "scjg.gov.cn", None),
            (&["省政府"], "new.scjg.gov.cn", Some((Organization, "省政府"))),
            (&["市监局", "公安局"], "new.scjg.gov.cn", Some((Organization, "公安局"))),
            (&["市监局"], "gov.cn", Some((Dns, "gov.cn"))),
            (&["市监局"], "swj.gov.cn", Some((Dns, "swj.gov.cn"))),
            (&["市监局"], "evilscjg.gov.cn", Some((Dns, "evilscjg.gov.cn"))),
        ] {
            let made = after(&tree, &tree.make(NEW, department(Some(BUREAU), organizations, &[domain])));
            let expected = outside.map(|(kind, name)| TreeError::Outside { department: NEW, above: BUREAU, kind, name: name.to_owned() });
            assert_eq!(made.err(), expected, "{organizations:?} {domain}");
        }
        let mail = Department { dns: BTreeSet::new(), ..department(Some(BUREAU), &["市监局"], &["gov.cn"]) };
        let outside = TreeError::Outside { department: NEW, above: BUREAU, kind: Mail, name: "gov.cn".to_owned() };
        assert_eq!(after(&tree, &tree.make(NEW, mail)), Err(outside));
    }

    #[test]
    fn a_name_belongs_to_one_department_and_to_those_below_it_that_were_given_it() {
        let tree = tree();
        let taken = |steps: Vec<Step>| matches!(after(&tree, &steps), Err(TreeError::NameTaken { .. }));
        assert!(taken(tree.make(NEW, department(None, &["水务局"], &["other.cn"]))));
        assert!(taken(tree.make(NEW, department(None, &["新局"], &["gov.cn"]))));
        // Two beside each other may both have what the one above has itself, and not what one of them has alone.
        let beside = |domain: &str| Department { name: "新局".to_owned(), ..department(Some(STATE), &["省政府"], &[domain]) };
        after(&tree, &tree.make(NEW, beside("gov.cn"))).unwrap();
        assert!(taken(tree.make(NEW, beside("swj.gov.cn"))));
        // O values are compared as those who read them do.
        let latin = |id: u8, name: &str| (DepartmentId::from_bytes([id; 16]), department(None, &[name], &[]));
        let both: Tree = [latin(1, "Water Bureau"), latin(2, "other")].into_iter().collect();
        let more = Department { organizations: ["other", "WATER  bureau"].map(str::to_owned).into(), ..both.get(BUREAU).unwrap().clone() };
        assert!(matches!(after(&both, &both.change(BUREAU, more).unwrap()), Err(TreeError::NameTaken { holder: STATE, .. })));
    }

    #[test]
    fn no_two_beside_each_other_are_called_the_same() {
        let tree = tree();
        let called = |name: &str, parent| Department { name: name.to_owned(), ..department(parent, &["省政府"], &[]) };
        for name in ["水务局", " 水务局", "水\u{200b}务局"] {
            let same = TreeError::SameName { department: NEW, other: BESIDE, name: name.to_owned() };
            assert_eq!(after(&tree, &tree.make(NEW, called(name, Some(STATE)))), Err(same), "{name}");
        }
        let renamed = Department { name: "水务局".to_owned(), ..tree.get(BUREAU).unwrap().clone() };
        let same = TreeError::SameName { department: BESIDE, other: BUREAU, name: "水务局".to_owned() };
        assert_eq!(after(&tree, &tree.change(BUREAU, renamed).unwrap()), Err(same));
        // Elsewhere another may be called so, and the name of one that was merged is free.
        let elsewhere =
            after(&tree, &tree.make(NEW, Department { organizations: ["市监局".to_owned()].into(), ..called("水务局", Some(BUREAU)) }));
        let merger = elsewhere.unwrap().merge(BUREAU, STATE);
        let same = TreeError::SameName { department: NEW, other: BESIDE, name: "水务局".to_owned() };
        assert_eq!(merger, Err(same), "it would come to lie beside");
        let merged = after(&tree, &tree.merge(BESIDE, STATE).unwrap()).unwrap();
        after(&merged, &merged.make(NEW, called("水务局", Some(STATE)))).unwrap();
    }

    #[test]
    fn what_a_department_is_called_is_certified_by_none_beside_it() {
        let tree = tree();
        let own = |department, holder, name: &str| TreeError::OwnName { department, holder, name: name.to_owned() };
        let made = |organizations: &[&str]| Department { name: "新局".to_owned(), ..department(Some(STATE), organizations, &[]) };
        assert_eq!(after(&tree, &tree.make(NEW, made(&["水务局"]))), Err(own(NEW, BESIDE, "水务局")));
        assert_eq!(after(&tree, &tree.make(NEW, made(&["市监所"]))), Err(own(NEW, OFFICE, "市监所")));
        let more = Department {
            organizations: ["市监局", "市监所", "水务局"].map(str::to_owned).into(),
            ..tree.get(BUREAU).unwrap().clone()
        };
        assert_eq!(after(&tree, &tree.change(BUREAU, more).unwrap()), Err(own(BUREAU, BESIDE, "水务局")));
        // Whoever is not called so has no more of it than others.
        let called = |name: &str| Department { name: name.to_owned(), ..tree.get(BESIDE).unwrap().clone() };
        let renamed = after(&tree, &tree.change(BESIDE, called("水利局")).unwrap()).unwrap();
        let shared = after(&renamed, &renamed.make(NEW, made(&["水务局"]))).unwrap();
        assert_eq!(after(&shared, &shared.change(BESIDE, called("水务局")).unwrap()), Err(own(NEW, BESIDE, "水务局")));
    }

    #[test]
    fn a_department_that_moves_takes_what_it_is_called_along() {
        let tree = tree();
        let moved = Department { parent: Some(STATE), ..tree.get(OFFICE).unwrap().clone() };
        let moved = after(&tree, &tree.change(OFFICE, moved).unwrap()).unwrap();
        assert_eq!(moved.get(BUREAU).unwrap().organizations.iter().collect::<Vec<_>>(), ["市监局"]);
        assert!(moved.get(STATE).unwrap().organizations.contains("市监所"), "it still lies in that one");
        // What the one above is called itself stays there.
        let below = after(&tree, &tree.make(NEW, department(Some(BUREAU), &["市监局"], &[]))).unwrap();
        let out = Department { parent: Some(STATE), ..below.get(NEW).unwrap().clone() };
        assert_eq!(below.change(NEW, out.clone()).unwrap().len(), 1);
        assert!(after(&below, &below.change(NEW, out).unwrap()).is_err());
    }

    #[test]
    fn a_merger_that_would_pass_on_what_is_not_the_departments_alone_says_what_to_do() {
        let mut tree = tree();
        let other = Department { name: "外局".to_owned(), ..department(None, &["外局"], &["other.cn"]) };
        tree = after(&tree, &tree.make(NEW, other)).unwrap();
        let Err(error) = tree.merge(OFFICE, NEW) else { panic!("it was merged") };
        let not_passed = |kind, name: &str| TreeError::NotPassed { department: OFFICE, successor: NEW, kind, name: name.to_owned() };
        assert_eq!(error, not_passed(Namespace::Organization, "市监所"));
        // It is moved as the refusal says, and merged.
        let moved = Department { parent: Some(NEW), name: "市监所".to_owned(), ..department(Some(NEW), &["外局"], &[]) };
        let moved = after(&tree, &tree.change(OFFICE, moved).unwrap()).unwrap();
        after(&moved, &moved.merge(OFFICE, NEW).unwrap()).unwrap();
    }

    #[test]
    fn a_name_is_not_taken_from_a_department_while_one_below_has_it() {
        let tree = tree();
        let bureau = tree.get(BUREAU).unwrap();
        let outside = |after: Result<Tree, TreeError>| matches!(after, Err(TreeError::Outside { department: OFFICE, .. }));
        for kind in [Namespace::Organization, Namespace::Dns] {
            let mut less = bureau.clone();
            match kind {
                Namespace::Organization => less.organizations.retain(|name| name != "市监所"),
                _ => less.dns.clear(),
            }
            assert!(outside(after(&tree, &tree.change(BUREAU, less).unwrap())), "{kind}");
        }
        let more = Department { dns: ["scjg.gov.cn", "amr.gov.cn"].map(str::to_owned).into(), ..bureau.clone() };
        after(&tree, &tree.change(BUREAU, more).unwrap()).unwrap();
        assert_eq!(tree.change(BUREAU, bureau.clone()), Err(TreeError::Nothing));
    }

    #[test]
    fn a_department_never_lies_in_itself_nor_too_deep() {
        let tree = tree();
        let moved = |id, parent| after(&tree, &tree.change(id, Department { parent, ..tree.get(id).unwrap().clone() }).unwrap());
        assert!(matches!(moved(STATE, Some(OFFICE)), Err(TreeError::Circle(_))));
        assert!(matches!(moved(BUREAU, Some(BUREAU)), Err(TreeError::Circle(_))));
        assert_eq!(moved(BUREAU, Some(NEW)), Err(TreeError::Unknown(NEW)));
        assert!(matches!(moved(OFFICE, Some(BESIDE)), Err(TreeError::Outside { department: OFFICE, .. })));
        moved(OFFICE, Some(STATE)).unwrap();

        let mut deep: Tree = [(STATE, department(None, &["省政府"], &["gov.cn"]))].into_iter().collect();
        let mut above = STATE;
        for level in 2..=MOST_LEVELS + 1 {
            let id = DepartmentId::from_bytes([level as u8 + 100; 16]);
            let steps = deep.make(id, department(Some(above), &["省政府"], &[]));
            let made = after(&deep, &steps);
            if level > MOST_LEVELS {
                assert_eq!(made, Err(TreeError::TooDeep(id)));
            } else {
                (deep, above) = (made.unwrap(), id);
            }
        }
    }

    #[test]
    fn a_merger_passes_names_and_departments_below_to_the_successor() {
        let tree = tree();
        let merged = after(&tree, &tree.merge(BUREAU, BESIDE).unwrap()).unwrap();
        let (empty, successor) = (merged.get(BUREAU).unwrap(), merged.get(BESIDE).unwrap());
        assert_eq!((empty.successor, empty.names().count()), (Some(BESIDE), 0));
        assert_eq!(successor.organizations.iter().collect::<Vec<_>>(), ["市监局", "市监所", "水务局"]);
        assert_eq!(successor.dns.iter().collect::<Vec<_>>(), ["scjg.gov.cn", "swj.gov.cn"]);
        assert_eq!(merged.path(OFFICE), [OFFICE, BESIDE, STATE]);
        assert_eq!(merged.path(BUREAU), [BUREAU, BESIDE, STATE]);
        let gone = TreeError::Merged { department: BUREAU, successor: BESIDE };
        assert_eq!(merged.merge(BUREAU, STATE), Err(gone.clone()));
        assert_eq!(merged.merge(OFFICE, BUREAU), Err(gone.clone()));
        let below = merged.make(NEW, department(Some(BUREAU), &["市监局"], &[]));
        assert_eq!(after(&merged, &below), Err(gone));
        // Into the one above is a merger like any other.
        let up = after(&tree, &tree.merge(BUREAU, STATE).unwrap()).unwrap();
        assert_eq!(up.path(OFFICE), [OFFICE, STATE]);
        assert_eq!(up.get(STATE).unwrap().dns.len(), 2);
    }

    #[test]
    fn a_department_is_not_merged_into_itself_nor_into_one_that_lies_in_it() {
        let tree = tree();
        for into in [BUREAU, OFFICE] {
            assert_eq!(tree.merge(BUREAU, into), Err(TreeError::MergedIntoItself));
        }
        assert_eq!(tree.merge(BUREAU, NEW), Err(TreeError::Unknown(NEW)));
    }

    #[test]
    fn a_change_counts_only_while_everything_is_as_it_was_shown() {
        let tree = tree();
        let first = tree.change(BESIDE, Department { name: "水利局".to_owned(), ..tree.get(BESIDE).unwrap().clone() }).unwrap();
        let second = tree.merge(BUREAU, BESIDE).unwrap();
        let changed = after(&tree, &first).unwrap();
        assert_eq!(after(&changed, &second), Err(TreeError::Stale(BESIDE)));
        assert_eq!(after(&changed, &first), Err(TreeError::Stale(BESIDE)));
    }
}

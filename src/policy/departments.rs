//! The tree of departments: where each lies, what it may certify, and what makes, changes and merges them.
//!
//! A change is what departments become, each from what it is. Whoever decides on it is shown all of that, the ledger binds it, and
//! the audit plays it again: there is one way to change the tree, `Tree::apply`, and one list of what always holds, `Tree::check`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{identity::DepartmentId, subject::lies_in};

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
    #[error("the name ({kind} {name}) is department {holder}'s")]
    NameTaken { holder: DepartmentId, kind: Namespace, name: String },
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

    /// Changes name, names or place of a department.
    pub fn change(&self, id: DepartmentId, after: Department) -> Result<Vec<Step>, TreeError> {
        let before = self.standing(id)?;
        if *before == after { Err(TreeError::Nothing) } else { Ok(vec![Step { department: id, before: Some(before.clone()), after }]) }
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
        for (child, before) in self.iter().filter(|(_, child)| child.stands() && child.parent == Some(id)) {
            steps.push(step(child, before, Department { parent: Some(into), ..before.clone() }));
        }
        Ok(steps)
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
        let mut holders: BTreeMap<(Namespace, &str), DepartmentId> = BTreeMap::new();
        for (id, department) in self.iter().filter(|(_, department)| department.stands()) {
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
                if let Some(holder) = holders.insert((kind, name), id) {
                    return Err(TreeError::NameTaken { holder, kind, name: name.to_owned() });
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
        after(&tree, &tree.make(NEW, department(Some(STATE), &["水务局"], &["gov.cn"]))).unwrap();
        assert!(taken(tree.make(NEW, department(Some(STATE), &["水务局"], &["swj.gov.cn"]))));
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

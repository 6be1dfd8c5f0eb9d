//! Whether the departments could become what was decided, and whether roles were granted where there are none.

use std::collections::BTreeMap;

use super::{Case, Judge, violation};
use crate::{
    policy::{Act, Decision, Department, DepartmentId, Tree},
    services::{
        departments::Shown,
        logs::OPERATIONS,
        replay::{
            Code,
            things::roles_of,
            timeline::{Leaf, Position},
        },
    },
};

impl<'a> Judge<'a> {
    /// Each change could be done where its leaf stands, on what the changes before it left.
    pub(super) fn reorganizations(&mut self) {
        let done = |leaf: &Leaf<'a>| match leaf.at.leaf {
            Some((OPERATIONS, index)) => Some((leaf.at, self.timeline.changes.get(&index)?.change()?)),
            _ => None,
        };
        let done: Vec<(Position<'a>, Shown)> = self.timeline.leaves.iter().filter_map(done).collect();
        let now = self.export.departments.iter();
        let mut before: BTreeMap<DepartmentId, Department> =
            now.filter_map(|record| Some((record.id.parse().ok()?, record.department.clone()))).collect();
        for step in done.iter().rev().flat_map(|(_, change)| &change.departments) {
            match &step.before {
                Some(department) => before.insert(step.department, department.clone()),
                None => before.remove(&step.department),
            };
        }
        let mut tree: Tree = before.into_iter().collect();
        for (at, change) in done {
            if let Err(error) = tree.apply(&change.departments).and_then(|()| tree.check()) {
                self.violations.push(violation(&at, None, None, (Code::ChangeImpossible, error.to_string())));
            }
        }
    }

    /// A merged department has no officers.
    pub(super) fn granted_where_nobody_works(&mut self, case: &Case<'a>, decision: &Decision) {
        let (Act::Grant, Some((OPERATIONS, index))) = (decision.act, case.at.leaf) else { return };
        let Some(record) = self.timeline.grants.get(&index) else { return };
        let earlier = self.timeline.changes.iter().filter(|(place, _)| **place < index);
        let merged: Vec<DepartmentId> = earlier
            .filter_map(|(_, record)| record.change())
            .filter(|change| change.act == Act::MergeDepartment)
            .map(|change| change.department)
            .collect();
        if roles_of(record).iter().filter_map(|role| role.department).any(|department| merged.contains(&department)) {
            self.add(case, None, (Code::DepartmentMerged, "its department had been merged".to_owned()));
        }
    }
}

//! Whether the departments could become what was decided, and whether roles were granted where there are none.

use std::collections::BTreeMap;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::{Case, Moment, Replay, roles, text, texts};

/// How many departments may stand above each other, the lowest counted.
const LEVELS: usize = 8;
/// Each kind of name, and whether a name may lie in one of the department above.
const KINDS: [(&str, bool); 3] = [("organizations", false), ("dns", true), ("mail", true)];

/// Every department as it is, by its identifier.
type All = BTreeMap<String, Value>;

impl Replay<'_> {
    /// Plays every change on what those before it left.
    pub(super) fn reorganized(&mut self) {
        let mut all: All = self.departments.iter().map(|(id, record)| (id.clone(), record["department"].clone())).collect();
        for step in self.so_far.changed.values().rev().flat_map(|id| self.changes[id].steps()) {
            match &step["before"] {
                Value::Null => drop(all.remove(&text(step, "department"))),
                before => drop(all.insert(text(step, "department"), before.clone())),
            }
        }
        let done = |(at, _): &(Moment, _)| match &at.leaf {
            Some((log, index)) if log == "operations" => Some((at.clone(), self.so_far.changed.get(index)?.clone())),
            _ => None,
        };
        let done: Vec<(Moment, String)> = self.logs.leaves.iter().filter_map(done).collect();
        for (at, id) in done {
            let steps: Vec<&Value> = self.changes[&id].steps().collect();
            let known = |step: &&Value| all.get(&text(step, "department")).unwrap_or(&Value::Null) == &step["before"];
            let outcome = if steps.iter().all(known) {
                all.extend(steps.iter().map(|step| (text(step, "department"), step["after"].clone())));
                possible(&all)
            } else {
                Err("a department was not what the change says".to_owned())
            };
            if let Err(what) = outcome {
                self.add(&at, None, None, ("change-impossible", what));
            }
        }
    }

    pub(super) fn granted_where_nobody_works(&mut self, case: &Case, act: &str) {
        let Some((log, index)) = case.at.leaf.clone() else { return };
        let Some(place) = self.so_far.granted.get(&index).filter(|_| act == "grant" && log == "operations") else { return };
        let earlier = self.so_far.changed.range(..index).map(|(_, id)| &self.changes[id].shown);
        let merged: Vec<String> =
            earlier.filter(|shown| shown["act"] == "merge-department").map(|shown| text(shown, "department")).collect();
        if roles(&self.grants[*place]).iter().any(|(_, of)| of.as_ref().is_some_and(|of| merged.contains(of))) {
            self.add(&case.at, Some(&case.hash), None, ("department-merged", "nobody has a role there any more".to_owned()));
        }
    }
}

/// Whether departments may be so.
fn possible(all: &All) -> Result<(), String> {
    let standing: Vec<(&String, &Value)> = all.iter().filter(|(_, one)| one["successor"].is_null()).collect();
    for (id, one) in &standing {
        let above = match one["parent"].as_str() {
            None => None,
            Some(parent) => {
                Some(all.get(parent).filter(|above| above["successor"].is_null()).ok_or_else(|| format!("{id} lies in none that stands"))?)
            }
        };
        if path(all, id).len() > LEVELS {
            return Err(format!("{id} lies too deep, or in itself"));
        }
        if texts(one, "organizations").is_empty() {
            return Err(format!("{id} has no O value"));
        }
        for (kind, lies_in) in KINDS {
            for name in texts(one, kind) {
                let covers = |own: &String| *own == name || (lies_in && name.ends_with(&format!(".{own}")));
                if above.is_some_and(|above| !texts(above, kind).iter().any(covers)) {
                    return Err(format!("{name} of {id} is not of the department above"));
                }
            }
        }
    }
    let (mut called, mut holders) = (BTreeMap::new(), BTreeMap::new());
    let mut own: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for (id, one) in &standing {
        let name = reads(&text(one, "name"));
        if let Some(other) = called.insert((text(one, "parent"), name.clone()), *id) {
            return Err(format!("{id} and {other} are called the same beside each other"));
        }
        if texts(one, "organizations").iter().any(|value| reads(value) == name) {
            own.entry(name).or_default().push(id);
        }
        for (kind, _) in KINDS {
            let given = one["parent"].as_str().and_then(|parent| all.get(parent)).map(|above| texts(above, kind)).unwrap_or_default();
            for name in texts(one, kind).iter().filter(|name| !given.contains(name)) {
                if let Some(other) = holders.insert((kind, reads(name)), *id).filter(|other| other != id) {
                    return Err(format!("{name} is of {id} and of {other}"));
                }
            }
        }
    }
    for (id, one) in &standing {
        for name in texts(one, "organizations") {
            let related = |holder: &&&String| path(all, id).contains(*holder) || path(all, holder).contains(id);
            if let Some(holder) = own.get(&reads(&name)).into_iter().flatten().find(|holder| !related(holder)) {
                return Err(format!("{name} of {id} is what {holder} is called"));
            }
        }
    }
    Ok(())
}

/// A department and those above it, itself first; one more than there may be at most.
fn path<'a>(all: &'a All, id: &'a String) -> Vec<&'a String> {
    let above = |id: &&'a String| all.get_key_value(all.get(*id)?["parent"].as_str()?).map(|(id, _)| id);
    std::iter::successors(Some(id), above).take(LEVELS + 1).collect()
}

/// What a name is to whoever reads it: RFC 4518 maps and folds it so.
fn reads(name: &str) -> String {
    let nothing = |character: char| {
        let code = u32::from(character);
        let ranges = [
            (0x180b, 0x180e),
            (0x200b, 0x200f),
            (0x202a, 0x202e),
            (0x2060, 0x2063),
            (0x206a, 0x206f),
            (0xfe00, 0xfe0f),
            (0xfff9, 0xfffc),
            (0x1_d173, 0x1_d17a),
            (0xe_0020, 0xe_007f),
        ];
        [0xad, 0x34f, 0x6dd, 0x70f, 0x1806, 0xfeff, 0xe_0001].contains(&code)
            || ranges.iter().any(|(first, last)| (*first..=*last).contains(&code))
            || (character.is_control() && !character.is_whitespace())
    };
    let visible: String = name.chars().filter(|character| !nothing(*character)).nfkc().collect();
    let folded: String = visible.to_uppercase().to_lowercase().nfkc().collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

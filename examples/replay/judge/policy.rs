//! One version of the policy: its rules as Cedar evaluates them, what it is told, and how many people an act takes.

use std::{collections::BTreeMap, str::FromStr};

use anyhow::{Context as _, anyhow};
use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicyId, PolicySet, Request, Schema};
use serde::Deserialize;
use serde_json::{Value, json};

/// A role with the department where it is held; none is the installation.
pub type Held = (String, Option<String>);

/// Somebody who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub person: String,
    pub roles: Vec<Held>,
}

pub struct Version {
    schema: Schema,
    rules: PolicySet,
    profiles: BTreeMap<String, Profile>,
    quorums: BTreeMap<String, Quorum>,
    caps: BTreeMap<String, Cap>,
}

/// The most that one person signs of an act within a day.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Cap {
    pub statements: u64,
    pub items: Option<u64>,
}

/// What a profile says about decisions; the rest of it is about what a certificate holds.
#[derive(Debug, Clone, Deserialize)]
pub struct Profile {
    name: String,
    pub requested_by: Vec<String>,
    approvals: Approvals,
    assurance: Option<String>,
    proofing: Option<Proofing>,
    validity: Option<Validity>,
}

#[derive(Debug, Clone, Deserialize)]
struct Approvals {
    count: usize,
    roles: Vec<String>,
    #[serde(default)]
    departments: usize,
    #[serde(default)]
    administrators: usize,
}

#[derive(Debug, Clone, Deserialize)]
struct Validity {
    renewal_window: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Proofing {
    decides_from: Option<String>,
}

static LEVELS: [&str; 3] = ["low", "substantial", "high"];

impl Profile {
    /// Whether a proof of this level takes the place of approvals.
    pub fn is_decided_by(&self, level: &str) -> bool {
        let rank = |level: &str| LEVELS.iter().position(|name| *name == level);
        let from = self.proofing.as_ref().and_then(|proofing| proofing.decides_from.as_deref());
        from.and_then(rank).zip(rank(level)).is_some_and(|(from, level)| level >= from)
    }

    /// How long before its end a certificate can be renewed (seconds).
    pub fn renewal_window(&self) -> Option<u64> {
        let (number, unit) = self.validity.as_ref()?.renewal_window.split_once(' ')?;
        let unit = match unit.trim_end_matches('s') {
            "day" => 86_400,
            "hour" => 3_600,
            "minute" => 60,
            "second" => 1,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(unit)
    }

    pub fn quorum(&self) -> Quorum {
        let Approvals { count, departments, administrators, .. } = self.approvals;
        Quorum { people: count, departments, administrators, ..Quorum::default() }
    }
}

/// Who must have signed.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Quorum {
    pub people: usize,
    pub departments: usize,
    pub outside: usize,
    pub administrators: usize,
    pub audit: usize,
}

impl Quorum {
    pub fn of(people: usize) -> Self {
        Self { people, ..Self::default() }
    }

    /// Whether these people are enough, for something of that department.
    pub fn is_met(&self, signers: &[Actor], department: Option<&str>) -> bool {
        // The last word of somebody who signed twice stands for both.
        let people: BTreeMap<&str, &Actor> = signers.iter().map(|actor| (actor.person.as_str(), actor)).collect();
        let people: Vec<&Actor> = people.into_values().collect();
        let holding = |role: &str| people.iter().filter(|actor| actor.roles.iter().any(|(held, _)| held == role)).count();
        let from_outside = |actor: &&&Actor| actor.roles.iter().all(|(_, of)| of.as_deref() != department);
        people.len() >= self.people
            && departments(&people, &mut Vec::new()) >= self.departments
            && (department.is_none() || people.iter().filter(from_outside).count() >= self.outside)
            && holding("administrator") >= self.administrators
            && holding("auditor") >= self.audit
    }
}

/// For how many departments these people can stand, each for one of their own: every way is tried.
fn departments(people: &[&Actor], taken: &mut Vec<Option<String>>) -> usize {
    let Some((first, rest)) = people.split_first() else { return 0 };
    let mut most = departments(rest, taken);
    for (_, department) in &first.roles {
        if !taken.contains(department) {
            taken.push(department.clone());
            most = most.max(1 + departments(rest, taken));
            taken.pop();
        }
    }
    most
}

impl Version {
    /// From the canonical text: a JSON object of paths and texts.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let files: BTreeMap<String, String> = serde_json::from_str(text)?;
        let schema = files.get("rules/schema.cedarschema").context("there is no schema of the rules")?;
        let (schema, _) = Schema::from_cedarschema_str(schema)?;
        let (mut rules, mut profiles) = (PolicySet::new(), BTreeMap::new());
        for (path, text) in &files {
            if path.starts_with("profiles/") {
                let profile: Profile = toml::from_str(text).with_context(|| path.clone())?;
                profiles.insert(profile.name.clone(), profile);
            } else if path.ends_with(".cedar") {
                for rule in PolicySet::from_str(text).map_err(|error| anyhow!("{path}: {error}"))?.policies() {
                    let id = rule.annotation("id").context("a rule without a name")?;
                    rules.add(rule.new_id(PolicyId::new(id)))?;
                }
            }
        }
        let quorums = files.get("quorums.toml").map_or(Ok(BTreeMap::new()), |text| toml::from_str(text))?;
        let caps = files.get("caps.toml").map_or(Ok(BTreeMap::new()), |text| toml::from_str(text))?;
        Ok(Self { schema, rules, profiles, quorums, caps })
    }

    pub fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    pub fn cap(&self, act: &str) -> Option<Cap> {
        self.caps.get(act).copied()
    }

    pub fn quorum(&self, act: &str) -> Quorum {
        self.quorums.get(act).copied().unwrap_or(Quorum::of(1))
    }

    /// Whether the rules let this person do that. The answer to any doubt is no; the error says which rules forbid it.
    pub fn permits(&self, actor: &Actor, act: &str, facts: &Facts) -> Result<(), String> {
        let own = person(actor);
        let others = facts.entities.iter().filter(|entity| entity["uid"] != own["uid"]).cloned();
        let entities: Vec<Value> = others.chain([own.clone()]).collect();
        let uid = |uid: Value| EntityUid::from_json(uid).map_err(|error| error.to_string());
        let principal = uid(reference("Person", &actor.person))?;
        let request =
            Request::new(principal, uid(reference("Action", act))?, uid(facts.resource.clone())?, Context::empty(), Some(&self.schema));
        let request = request.map_err(|_| "nobody does this to that".to_owned())?;
        let entities = Entities::from_json_value(Value::Array(entities), Some(&self.schema)).map_err(|error| error.to_string())?;
        let answer = Authorizer::new().is_authorized(&request, &self.rules, &entities);
        if answer.diagnostics().errors().next().is_some() {
            return Err("a rule could not be evaluated".to_owned());
        }
        match answer.decision() {
            Decision::Allow => Ok(()),
            Decision::Deny => {
                let rules: Vec<String> = answer.diagnostics().reason().map(ToString::to_string).collect();
                Err(if rules.is_empty() { "no rule permits it".to_owned() } else { format!("forbidden by {}", rules.join(", ")) })
            }
        }
    }

    /// What the rules are told of a profile.
    pub fn profile_entity(&self, name: &str) -> Option<Value> {
        let profile = self.profile(name)?;
        let roles = |names: &[String]| {
            let known = names.iter().filter(|name| !["subject", "claim", "system"].contains(&name.as_str()));
            known.map(|name| link("Role", name)).collect::<Vec<_>>()
        };
        Some(json!({
            "uid": reference("Profile", name),
            "attrs": {
                "assurance": link("Assurance", profile.assurance.as_deref().unwrap_or("low")),
                "requesters": roles(&profile.requested_by),
                "requested_by_subject": profile.requested_by.iter().any(|name| name == "subject"),
                "approvers": roles(&profile.approvals.roles),
                "approvals": profile.approvals.count,
                "departments": profile.approvals.departments,
            },
            "parents": [],
        }))
    }
}

/// What is acted upon, with everything that a rule can reach from it but the actor.
pub struct Facts {
    pub resource: Value,
    pub entities: Vec<Value>,
}

impl Facts {
    /// Something of a kind, with its attributes.
    pub fn of(kind: &str, attributes: Value, mut entities: Vec<Value>) -> Self {
        // Two paths may meet.
        let mut seen = Vec::new();
        entities.retain(|entity| {
            !seen.contains(entity) && {
                seen.push(entity.clone());
                true
            }
        });
        let resource = reference(kind, "this");
        entities.push(json!({"uid": resource, "attrs": attributes, "parents": []}));
        Self { resource, entities }
    }

    pub fn installation() -> Self {
        Self { resource: reference("Department", "installation"), entities: vec![top()] }
    }
}

pub fn reference(kind: &str, id: &str) -> Value {
    json!({"type": kind, "id": id})
}

pub fn link(kind: &str, id: &str) -> Value {
    json!({"__entity": reference(kind, id)})
}

pub fn department_link(department: Option<&str>) -> Value {
    link("Department", department.unwrap_or("installation"))
}

fn top() -> Value {
    json!({"uid": reference("Department", "installation"), "attrs": {}, "parents": []})
}

/// A department and those above it, each in the next, the last in the installation.
pub fn path(departments: &[String]) -> Vec<Value> {
    let above = |place: usize| departments.get(place + 1).map_or("installation", String::as_str);
    let one = |(place, id): (usize, &String)| json!({"uid": reference("Department", id), "attrs": {}, "parents": [reference("Department", above(place))]});
    departments.iter().enumerate().map(one).chain([top()]).collect()
}

pub fn person(actor: &Actor) -> Value {
    let held_where = |role: &str| {
        let own = actor.roles.iter().filter(|(held, _)| held == role);
        own.map(|(_, department)| department_link(department.as_deref())).collect::<Vec<_>>()
    };
    json!({
        "uid": reference("Person", &actor.person),
        "attrs": {
            "roles": actor.roles.iter().map(|(role, _)| link("Role", role)).collect::<Vec<_>>(),
            "administrator_of": held_where("administrator"),
            "registration_officer_of": held_where("registration-officer"),
            "approver_of": held_where("approver"),
            "auditor_of": held_where("auditor"),
            "key_recovery_officer_of": held_where("key-recovery-officer"),
        },
        "parents": [],
    })
}

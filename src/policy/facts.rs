//! What the rules are told about a decision: the actor, the object and whatever it names, as entities of
//! `policies/rules/schema.cedarschema`.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};

use super::{
    identity::{DepartmentId, PersonId},
    profile::{Profile, Requester},
    rules::{Actor, DepartmentPath, Object, Role},
};

/// The department at the top of the tree.
pub(super) const INSTALLATION: &str = "installation";

/// The types of the schema, by the names that the rules use.
#[derive(Debug, Clone)]
pub(super) struct Vocabulary {
    person: EntityTypeName,
    department: EntityTypeName,
    role: EntityTypeName,
    assurance: EntityTypeName,
    profile: EntityTypeName,
    enrolment: EntityTypeName,
    certificate: EntityTypeName,
    appointment: EntityTypeName,
    department_change: EntityTypeName,
    record: EntityTypeName,
    identity_check: EntityTypeName,
    citizen_case: EntityTypeName,
}

type Attributes = HashMap<String, RestrictedExpression>;

impl Vocabulary {
    pub fn new() -> Self {
        // Each is an identifier of the language.
        let name = |name: &str| name.parse().expect("the name of a type");
        Self {
            person: name("Person"),
            department: name("Department"),
            role: name("Role"),
            assurance: name("Assurance"),
            profile: name("Profile"),
            enrolment: name("Enrolment"),
            certificate: name("Certificate"),
            appointment: name("Appointment"),
            department_change: name("DepartmentChange"),
            record: name("Record"),
            identity_check: name("IdentityCheck"),
            citizen_case: name("CitizenCase"),
        }
    }

    pub fn principal(&self, actor: &Actor) -> EntityUid {
        uid(&self.person, &actor.person.to_string())
    }

    pub fn resource_type(&self, object: &Object<'_>) -> &EntityTypeName {
        match object {
            Object::Enrolment(_) => &self.enrolment,
            Object::Certificate(_) => &self.certificate,
            Object::Role { .. } => &self.appointment,
            Object::DepartmentChange { .. } => &self.department_change,
            Object::Record { .. } => &self.record,
            Object::IdentityCheck(_) => &self.identity_check,
            Object::Citizen(_) => &self.citizen_case,
            Object::Installation => &self.department,
        }
    }

    /// Objects have no names that a rule could tell apart: there is one in each decision.
    pub fn resource(&self, object: &Object<'_>) -> EntityUid {
        uid(self.resource_type(object), if matches!(object, Object::Installation) { INSTALLATION } else { "this" })
    }

    /// Everything that a rule can reach from the actor or the object. Other people are in it by identifier alone, except one
    /// who receives a role. Fails for departments that are no tree.
    pub fn entities(&self, actor: &Actor, object: &Object<'_>) -> Result<Entities, Box<dyn std::error::Error>> {
        let mut entities = vec![self.person(actor)?];
        match object {
            Object::Enrolment(enrolment) => {
                entities.push(self.profile(enrolment.profile)?);
                self.push_paths(&mut entities, &[&enrolment.department]);
            }
            Object::Certificate(certificate) => self.push_paths(&mut entities, &[&certificate.department]),
            Object::Role { of, department, .. } => {
                if of.person != actor.person {
                    entities.push(self.person(of)?);
                }
                self.push_paths(&mut entities, &[department]);
            }
            Object::DepartmentChange { from, to } => self.push_paths(&mut entities, &[from, to]),
            Object::Record { department, .. } => self.push_paths(&mut entities, &[department]),
            Object::IdentityCheck(check) => self.push_paths(&mut entities, &[&check.department]),
            Object::Citizen(case) => self.push_paths(&mut entities, &[&case.department]),
            Object::Installation => self.push_paths(&mut entities, &[]),
        }
        if let Some(attributes) = self.attributes(object) {
            entities.push(Entity::new(self.resource(object), attributes, HashSet::new())?);
        }
        Ok(Entities::from_entities(entities, None)?)
    }

    fn attributes(&self, object: &Object<'_>) -> Option<Attributes> {
        let person = |id: &PersonId| RestrictedExpression::new_entity_uid(uid(&self.person, &id.to_string()));
        let people = |ids: &[PersonId]| RestrictedExpression::new_set(ids.iter().map(person));
        let department = |path: &DepartmentPath| RestrictedExpression::new_entity_uid(self.department(path.department()));
        Some(match object {
            Object::Enrolment(enrolment) => attributes([
                ("profile", RestrictedExpression::new_entity_uid(uid(&self.profile, enrolment.profile.name().as_str()))),
                ("department", department(&enrolment.department)),
                ("submitted_by", person(&enrolment.submitted_by)),
                ("subject", person(&enrolment.subject)),
                ("approved_by", people(&enrolment.approved_by)),
            ]),
            Object::Certificate(certificate) => {
                attributes([("department", department(&certificate.department)), ("holder", person(&certificate.holder))])
            }
            Object::Role { of, role, department: path } => {
                attributes([("of", person(&of.person)), ("role", self.role(*role)), ("department", department(path))])
            }
            Object::DepartmentChange { from, to } => attributes([("from", department(from)), ("to", department(to))]),
            Object::Record { department: path, subject } => {
                let mut found = attributes([("department", department(path))]);
                found.extend(subject.as_ref().map(|subject| ("subject".to_owned(), person(subject))));
                found
            }
            Object::IdentityCheck(check) => {
                attributes([("department", department(&check.department)), ("recorded_by", person(&check.recorded_by))])
            }
            Object::Citizen(case) => attributes([
                ("department", department(&case.department)),
                ("concerns", people(&case.concerns)),
                ("decided_by", people(&case.decided_by)),
            ]),
            Object::Installation => return None,
        })
    }

    fn person(&self, actor: &Actor) -> Result<Entity, Box<cedar_policy::EntityAttrEvaluationError>> {
        let departments_of = |role: Role| {
            let grants = actor.roles.iter().filter(|grant| grant.role == role);
            RestrictedExpression::new_set(grants.map(|grant| RestrictedExpression::new_entity_uid(self.department(grant.department))))
        };
        let mut found: Attributes = Role::ALL.iter().map(|role| (place(*role).to_owned(), departments_of(*role))).collect();
        let roles = actor.roles.iter().map(|grant| self.role(grant.role));
        found.insert("roles".to_owned(), RestrictedExpression::new_set(roles));
        Ok(Entity::new(self.principal(actor), found, HashSet::new())?)
    }

    fn profile(&self, profile: &Profile) -> Result<Entity, Box<cedar_policy::EntityAttrEvaluationError>> {
        let approvals = profile.approvals();
        let number = |number: usize| RestrictedExpression::new_long(i64::try_from(number).unwrap_or(i64::MAX));
        let roles = |roles: &mut dyn Iterator<Item = Role>| RestrictedExpression::new_set(roles.map(|role| self.role(role)));
        let found = attributes([
            ("assurance", RestrictedExpression::new_entity_uid(uid(&self.assurance, profile.assurance().as_str()))),
            ("requesters", roles(&mut profile.requesters().iter().filter_map(|requester| requester.role()))),
            ("requested_by_subject", RestrictedExpression::new_bool(profile.requesters().contains(&Requester::Subject))),
            ("approvers", roles(&mut approvals.roles.iter().copied())),
            ("approvals", number(approvals.count)),
            ("departments", number(approvals.departments)),
        ]);
        Ok(Entity::new(uid(&self.profile, profile.name().as_str()), found, HashSet::new())?)
    }

    /// The departments of each path, each in the next one, the last in the installation. Paths may meet.
    fn push_paths(&self, entities: &mut Vec<Entity>, paths: &[&DepartmentPath]) {
        entities.push(Entity::with_uid(uid(&self.department, INSTALLATION)));
        let mut steps = BTreeSet::new();
        for path in paths {
            let mut above = None;
            for department in path.top_down() {
                steps.insert((department, above));
                above = Some(department);
            }
        }
        for (department, above) in steps {
            entities.push(Entity::new_no_attrs(self.department(Some(department)), HashSet::from([self.department(above)])));
        }
    }

    fn department(&self, department: Option<DepartmentId>) -> EntityUid {
        match department {
            Some(department) => uid(&self.department, &department.to_string()),
            None => uid(&self.department, INSTALLATION),
        }
    }

    fn role(&self, role: Role) -> RestrictedExpression {
        RestrictedExpression::new_entity_uid(uid(&self.role, role.as_str()))
    }
}

/// The attribute that says where a role is held.
const fn place(role: Role) -> &'static str {
    match role {
        Role::Administrator => "administrator_of",
        Role::RegistrationOfficer => "registration_officer_of",
        Role::Approver => "approver_of",
        Role::Auditor => "auditor_of",
        Role::KeyRecoveryOfficer => "key_recovery_officer_of",
    }
}

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

fn attributes<const N: usize>(named: [(&str, RestrictedExpression); N]) -> Attributes {
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

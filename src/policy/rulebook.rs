//! The rules of one version: read from `policies/rules`, checked against their schema, and evaluated.
//!
//! A rule is text in the Cedar language. What it may look at is in the schema, what the service tells it is in `facts.rs`, and
//! what it may never allow is tried in `separation.rs`. Evaluation denies whenever in doubt: when nothing permits, and also
//! when a rule could not be evaluated, for Cedar itself would pass over a `forbid` that errs.

use std::{
    collections::{BTreeMap, HashSet},
    str::FromStr,
};

use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Context, Decision, Entities, EntityId, EntityTypeName, EntityUid, Policy, PolicyId,
    PolicySet as Rules, Request, Schema, ValidationMode, Validator,
};
use miette::Diagnostic;

use super::{
    assurance::Assurance,
    facts::{INSTALLATION, Vocabulary},
    identity::DepartmentId,
    profile::{Profile, ProfileName},
    rules::{Actor, Object, Role},
    set::{PolicyError, line},
    statement::Act,
};

/// The one file that says what the rules speak of.
pub(super) const SCHEMA: &str = "rules/schema.cedarschema";

/// What is asked for when nothing is done: the one action that is no act.
pub(super) const READ: &str = "read";

/// All rules of one version, compiled.
#[derive(Debug, Clone)]
pub(super) struct Rulebook {
    vocabulary: Vocabulary,
    schema: Schema,
    /// By the word of the action. An act that the schema does not know is no act of people.
    chapters: BTreeMap<String, Chapter>,
    origins: BTreeMap<String, Origin>,
}

/// What is done to what, and the rules that have a say in it: evaluation costs by the rule.
#[derive(Debug, Clone)]
struct Chapter {
    action: EntityUid,
    resources: HashSet<EntityTypeName>,
    rules: Rules,
}

/// Where a rule stands, and the departments that it names.
#[derive(Debug, Clone)]
struct Origin {
    file: String,
    line: usize,
    departments: Vec<DepartmentId>,
}

/// What the rules say. Rules are named by their `@id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Permitted(Vec<String>),
    Forbidden(Vec<String>),
    /// No rule permits it, none forbids it.
    NotPermitted,
    /// Whatever else holds, this could not be evaluated: the rule, if it is one's fault, and why.
    Failed(Option<String>, String),
    /// The act is not done to such an object.
    NotApplicable,
    /// The schema does not know the act.
    Unknown,
}

impl Rulebook {
    /// From the files below `rules/`, each with its path and text. Every fault in them is answered.
    pub fn parse(files: &[(&str, &str)], profiles: &BTreeMap<ProfileName, Profile>) -> Result<Self, Vec<PolicyError>> {
        let (schemas, texts): (Vec<_>, Vec<_>) = files.iter().copied().partition(|(path, _)| *path == SCHEMA);
        let Some((_, schema_text)) = schemas.first() else {
            return Err(vec![PolicyError::new(SCHEMA, "there is no schema of the rules")]);
        };
        let schema = match Schema::from_cedarschema_str(schema_text) {
            Ok((schema, _)) => schema,
            Err(error) => return Err(vec![located(SCHEMA, schema_text, 0, &error)]),
        };
        let mut reader = Reader { profiles, files: texts, rules: Rules::new(), origins: BTreeMap::new(), faults: Vec::new() };
        reader.check_actions(schema_text, &schema);
        reader.read();
        reader.validate(&schema);
        let Reader { rules, origins, faults, .. } = reader;
        if !faults.is_empty() {
            return Err(faults);
        }
        let chapters = schema.actions().map(|action| (word(action), chapter(action, &schema, &rules))).collect();
        Ok(Self { vocabulary: Vocabulary::new(), schema, chapters, origins })
    }

    /// Whether this person may do this to that, and by which rules.
    pub fn evaluate(&self, action: &str, actor: &Actor, object: &Object<'_>) -> Verdict {
        let Some(chapter) = self.chapters.get(action) else { return Verdict::Unknown };
        if !chapter.resources.contains(self.vocabulary.resource_type(object)) {
            return Verdict::NotApplicable;
        }
        let principal = self.vocabulary.principal(actor);
        let resource = self.vocabulary.resource(object);
        // Without the schema: that the types fit was seen above, and that the facts do when the rules were read.
        let request = Request::new(principal, chapter.action.clone(), resource, Context::empty(), None);
        match (request, self.vocabulary.entities(actor, object)) {
            (Ok(request), Ok(entities)) => chapter.evaluate(&request, &entities),
            (Err(error), _) => Verdict::Failed(None, error.to_string()),
            (_, Err(error)) => Verdict::Failed(None, error.to_string()),
        }
    }

    /// Whether the schema is the one for what the service tells: same attributes, same types.
    pub fn check_facts(&self, actor: &Actor, object: &Object<'_>) -> Result<(), String> {
        let facts = self.vocabulary.entities(actor, object).map_err(|error| error.to_string())?;
        Entities::from_entities(facts, Some(&self.schema)).map(drop).map_err(|error| chain(&error))
    }

    /// The file and line of a rule.
    pub fn fault(&self, rule: &str, message: String) -> PolicyError {
        match self.origins.get(rule) {
            Some(origin) => PolicyError { file: origin.file.clone(), line: origin.line, message },
            None => PolicyError::new(SCHEMA, message),
        }
    }

    /// The departments that any rule names.
    pub fn departments(&self) -> impl Iterator<Item = DepartmentId> {
        self.origins.values().flat_map(|origin| origin.departments.iter().copied())
    }

    /// The words of the actions that can be done to such an object.
    pub fn actions_on(&self, object: &Object<'_>) -> impl Iterator<Item = &str> {
        let kind = self.vocabulary.resource_type(object).clone();
        self.chapters.iter().filter(move |(_, chapter)| chapter.resources.contains(&kind)).map(|(word, _)| word.as_str())
    }
}

impl Chapter {
    fn evaluate(&self, request: &Request, entities: &Entities) -> Verdict {
        let response = Authorizer::new().is_authorized(request, &self.rules, entities);
        if let Some(AuthorizationError::PolicyEvaluationError(error)) = response.diagnostics().errors().next() {
            return Verdict::Failed(Some(error.policy_id().to_string()), error.to_string());
        }
        let mut rules: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        rules.sort_unstable();
        match response.decision() {
            Decision::Allow => Verdict::Permitted(rules),
            Decision::Deny if rules.is_empty() => Verdict::NotPermitted,
            Decision::Deny => Verdict::Forbidden(rules),
        }
    }
}

fn chapter(action: &EntityUid, schema: &Schema, rules: &Rules) -> Chapter {
    let mut own = Rules::new();
    for rule in rules.policies().filter(|rule| speaks_of(rule, action)) {
        // The identifiers were found to be different when all of them were put into one set.
        own.add(rule.clone()).expect("no two rules of one identifier");
    }
    let resources = schema.resources_for_action(action).into_iter().flatten().cloned().collect();
    Chapter { action: action.clone(), resources, rules: own }
}

fn speaks_of(rule: &Policy, action: &EntityUid) -> bool {
    match rule.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(only) => only == *action,
        ActionConstraint::In(list) => list.contains(action),
    }
}

fn word(action: &EntityUid) -> String {
    let id: &EntityId = action.id();
    id.unescaped().to_owned()
}

/// Reads the files and gathers what is wrong with them.
struct Reader<'a> {
    profiles: &'a BTreeMap<ProfileName, Profile>,
    files: Vec<(&'a str, &'a str)>,
    rules: Rules,
    origins: BTreeMap<String, Origin>,
    faults: Vec<PolicyError>,
}

impl<'a> Reader<'a> {
    /// Every action is an act that a statement can have, or reading, and stands for itself.
    fn check_actions(&mut self, text: &str, schema: &Schema) {
        for action in schema.actions() {
            let word = word(action);
            let known = word == READ || Act::from_str(&word).is_ok();
            if !known || schema.action_groups().any(|group| group == action) {
                let message = if known { format!("\"{word}\" is an act, not a group of them") } else { format!("\"{word}\" is no act") };
                self.faults.push(PolicyError {
                    file: SCHEMA.to_owned(),
                    line: line(text, text.find(&format!("\"{word}\"")).unwrap_or(0)),
                    message,
                });
            }
        }
    }

    fn read(&mut self) {
        for (path, text) in self.files.clone() {
            match Rules::from_str(text) {
                Ok(rules) => self.read_file(path, text, &rules),
                Err(errors) => self.faults.extend(errors.iter().map(|error| located(path, text, 0, error))),
            }
        }
        if self.files.is_empty() {
            self.faults.push(PolicyError::new("rules", "there is no rule, so nobody may do anything"));
        }
    }

    fn read_file(&mut self, path: &str, text: &str, rules: &Rules) {
        if let Some(template) = rules.templates().next() {
            let start = template.as_ref().loc().map_or(0, |loc| loc.start());
            self.fault(path, text, start, "a rule has no slots: it says itself who may do what");
        }
        for rule in rules.policies() {
            let start = rule.as_ref().loc().map_or(0, |loc| loc.start());
            let Some(id) = rule.annotation("id").filter(|id| is_identifier(id)) else {
                self.fault(path, text, start, "a rule has a name, as in @id(\"own-request\"): refusals say which rule refused");
                continue;
            };
            let departments = self.check_literals(path, text, start, rule);
            let origin = Origin { file: path.to_owned(), line: line(text, start), departments };
            if self.rules.add(rule.new_id(PolicyId::new(id))).is_err() {
                self.fault(path, text, start, &format!("another rule has the name \"{id}\" too"));
            } else {
                self.origins.insert(id.to_owned(), origin);
            }
        }
    }

    /// A rule may name what is known: roles, profiles, departments. It names no person and no object, for then it would be
    /// about somebody. Answers the departments.
    fn check_literals(&mut self, path: &str, text: &str, start: usize, rule: &Policy) -> Vec<DepartmentId> {
        let mut departments = Vec::new();
        for literal in rule.entity_literals() {
            let (kind, id) = (literal.type_name().to_string(), word(&literal));
            let known = match kind.as_str() {
                // The schema knows them all.
                "Action" => true,
                "Role" => id.parse::<Role>().is_ok(),
                "Assurance" => id.parse::<Assurance>().is_ok(),
                "Profile" => id.parse().is_ok_and(|name: ProfileName| self.profiles.contains_key(&name)),
                "Department" => id == INSTALLATION || id.parse().map(|department| departments.push(department)).is_ok(),
                _ => false,
            };
            if !known {
                let at = text[start..].find(&literal.to_string()).map_or(start, |offset| start + offset);
                self.fault(
                    path,
                    text,
                    at,
                    &format!("a rule names no {literal}: only roles, levels of assurance, profiles and departments that there are"),
                );
            }
        }
        departments
    }

    /// Strict: every attribute is there and of the right type wherever a rule looks at it. What can never apply is a mistake.
    fn validate(&mut self, schema: &Schema) {
        let result = Validator::new(schema.clone()).validate(&self.rules, ValidationMode::Strict);
        let mut found: Vec<PolicyError> = result.validation_errors().map(|error| self.finding(error.policy_id(), error)).collect();
        if found.is_empty() {
            found.extend(result.validation_warnings().map(|warning| self.finding(warning.policy_id(), warning)));
        }
        self.faults.extend(found);
    }

    fn finding(&self, rule: &PolicyId, error: &impl Diagnostic) -> PolicyError {
        let origin = self.origins.get(&rule.to_string());
        let (path, start) = origin.map_or((SCHEMA, 1), |origin| (origin.file.as_str(), origin.line));
        let text = self.files.iter().find(|(file, _)| *file == path).map_or("", |(_, text)| *text);
        match offset(error) {
            Some(at) => PolicyError { file: path.to_owned(), line: line(text, at), message: chain(error) },
            None => PolicyError { file: path.to_owned(), line: start, message: chain(error) },
        }
    }

    fn fault(&mut self, path: &str, text: &str, at: usize, message: &str) {
        self.faults.push(PolicyError { file: path.to_owned(), line: line(text, at), message: message.to_owned() });
    }
}

fn is_identifier(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-')
}

fn located(path: &str, text: &str, otherwise: usize, error: &impl Diagnostic) -> PolicyError {
    PolicyError { file: path.to_owned(), line: line(text, offset(error).unwrap_or(otherwise)), message: chain(error) }
}

/// Where in its text an error is.
fn offset(error: &dyn Diagnostic) -> Option<usize> {
    error.labels().and_then(|mut labels| labels.next()).map(|label| label.offset())
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::set::{
        PolicySet,
        tests::{files, shipped, shipped_with},
    };

    const LOCAL: &str = "rules/local.cedar";

    #[test]
    fn every_act_is_one_of_peoples_or_the_systems_alone() {
        let set = shipped();
        let book = set.rulebook();
        let unknown: Vec<Act> = Act::ALL.iter().copied().filter(|act| !book.chapters.contains_key(act.as_str())).collect();
        assert_eq!(unknown, [Act::Claim, Act::Issue, Act::Complete, Act::PublishCrl, Act::Expire, Act::Prove]);
        assert!(book.chapters.values().all(|chapter| chapter.rules.num_of_policies() < book.origins.len()));
    }

    #[test]
    fn a_rule_that_is_wrong_is_refused_with_its_file_and_line() {
        let permit = |scope: &str, rest: &str| format!("// one\n@id(\"local\")\npermit ({scope})\n{rest};\n");
        let approve = "principal, action == Action::\"approve\", resource";
        let when = |what: &str| permit(approve, &format!("when {{ {what} }}"));
        for (text, line, said) in [
            ("permit (principal, action, resource)\nwhen { }\nunles", 3, "unexpected"),
            (&permit("principal", ""), 3, ""),
            ("// one\npermit (principal, action == Action::\"read\", resource);", 2, "has a name"),
            ("@id(\"Own Request\") permit (principal, action == Action::\"read\", resource);", 1, "has a name"),
            ("@id(\"own-request\")\nforbid (principal, action == Action::\"reject\", resource);", 1, "another rule"),
            (&permit("principal, action == Action::\"crown\", resource", ""), 3, "crown"),
            (&permit("principal == ?principal, action == Action::\"approve\", resource", ""), 2, "no slots"),
            (&when("principal.roles.contains(Role::\"king\")"), 4, "king"),
            (&when("resource.profile == Profile::\"crown\""), 4, "crown"),
            (&when("resource.profile.assurance == Assurance::\"hgih\""), 4, "hgih"),
            (&when("principal == Person::\"01010101010101010101010101010101\""), 4, "names no Person"),
            (&permit("principal == Person::\"1\", action == Action::\"approve\", resource", ""), 3, "names no Person"),
            (&when("resource.department == Department::\"here\""), 4, "names no Department"),
            (&when("resource.holder == principal"), 4, "holder"),
            (&when("resource.profile.approvals > \"two\""), 4, ""),
            (&when("principal.age > 60"), 4, "age"),
            (&when("context.hour > 6"), 4, "hour"),
            (&permit("principal, action == Action::\"approve\", resource is Certificate", ""), 2, ""),
        ] {
            let errors = shipped_with(LOCAL, text).map(drop).expect_err(text);
            let told = errors.0.iter().any(|error| error.file == LOCAL && error.line == line && error.message.contains(said));
            assert!(told, "{line}: {said}\n{text}\n{errors}");
        }
    }

    #[test]
    fn every_fault_is_told_by_file_and_line() {
        let two = "@id(\"one\")\npermit (principal, action == Action::\"approve\", resource) when { principal.age > 1 };\n\
            @id(\"two\")\npermit (principal, action == Action::\"reject\", resource) when { principal.age > 1 };\n";
        let mut files = files();
        files.extend([("profiles/a.toml".to_owned(), "name = 1".to_owned()), (LOCAL.to_owned(), two.to_owned())]);
        let errors = PolicySet::parse(&files).unwrap_err();
        let found: Vec<(&str, usize)> = errors.0.iter().map(|error| (error.file.as_str(), error.line)).collect();
        assert_eq!(found, [("profiles/a.toml", 1), (LOCAL, 2), (LOCAL, 4)], "{errors}");
    }

    #[test]
    fn a_schema_that_is_wrong_is_refused_with_its_line() {
        let schema = std::fs::read_to_string("policies/rules/schema.cedarschema").unwrap();
        let line_of = |what: &str| line(&schema, schema.find(what).unwrap());
        for (from, to, line, said) in [
            ("entity Certificate = {", "entity Certificate = [", line_of("entity Certificate"), ""),
            ("\"renew\", ", "\"renew\", \"crown\", ", line_of("\"renew\""), "\"crown\" is no act"),
            ("    holder: Person,", "    holder: Person,\n    colour: String,", 1, "not what the service tells"),
            ("\"key-recovery-officer\"", "\"king\"", 1, ""),
        ] {
            let text = schema.replacen(from, to, 1);
            assert_ne!(text, schema, "{from}");
            let errors = shipped_with(SCHEMA, &text).map(drop).expect_err(to);
            let error = errors.0.iter().find(|error| error.file == SCHEMA).or(errors.0.first()).unwrap();
            if error.file == SCHEMA {
                assert_eq!(error.line, line, "{to}: {errors}");
            }
            assert!(error.message.contains(said), "{to}: {errors}");
        }
        let mut files = files();
        files.retain(|(path, _)| path != SCHEMA);
        assert!(PolicySet::parse(&files).unwrap_err().to_string().contains("no schema"));
        files.retain(|(path, _)| path.starts_with("profiles/"));
        assert!(PolicySet::parse(&files).unwrap_err().to_string().contains("no rules"));
    }
}

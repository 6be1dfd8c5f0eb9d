//! A list of people becomes enrolments without a key: all of its lines are right, or nothing is recorded.
//!
//! A line is known by its employee number, so the same list handed in again, whole or after it was cut off half-way, records
//! what is missing and changes nothing else. Commits are of some hundred people each: a crash leaves whole ones.

use std::collections::HashMap;

use serde::Serialize;

use super::{
    super::{
        Services,
        contents::Sources,
        enrol::SubjectRecord,
        error::Error,
        journal::{Commit, Kind},
        rows::Row,
        statements::Caller,
    },
    lines::{self, Findings, Line},
    sealed_in,
};
use crate::{
    policy::{
        Act, DepartmentId, Object, PersonId, Profile,
        jws::canonical,
        national::NationalSource,
        profile::{Evidence, NameSource, Source, SubjectKind},
        rules,
    },
    store,
    world::millis,
};

/// How many people are committed together.
const BATCH: usize = 500;
/// How often a list is looked at anew because others recorded one of its numbers in the same moment.
const ATTEMPTS: usize = 3;

/// A list as it was handed in.
pub struct Roster<'a> {
    pub profile: &'a str,
    pub department: &'a str,
    pub csv: &'a [u8],
    pub ended: Ended,
}

/// What becomes of a line whose enrolment has ended: rejected, withdrawn, expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It stays so: a list that comes again brings nobody back.
    Stay,
    /// The person is enrolled anew.
    EnrolAgain,
}

/// What a list holds, and what became or would become of it.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
#[schema(as = ImportReport)]
pub struct Report {
    /// People in it.
    pub lines: usize,
    pub enrolled: usize,
    /// Enrolled before, with the same data.
    pub unchanged: usize,
    /// Enrolled before, with other data, which stay.
    pub different: usize,
    /// Enrolled before, and ended.
    pub ended: usize,
    pub findings: Vec<lines::Finding>,
    /// How many there are; `findings` may be the first of them only.
    pub findings_total: usize,
}

/// What there is to do with a line.
enum Known {
    New,
    /// The person is there, and has no such enrolment that stands.
    Person(PersonId),
    Unchanged,
    Different,
    Ended,
}

/// Whom the people of a list are enrolled by, where, and for what.
struct Context {
    profile: Profile,
    department: DepartmentId,
    submitted_by: PersonId,
}

impl Services {
    /// Says what is wrong with a list and what recording it would do, and does nothing.
    pub async fn check_roster(&self, caller: &Caller, roster: &Roster<'_>) -> Result<Report, Error> {
        let (context, lines, findings) = self.read_roster(caller, roster).await?;
        let known = self.known(&context, &lines, roster.ended).await?;
        Ok(report(&known, findings))
    }

    /// Records whoever is not recorded yet. A list with a wrong line is refused whole.
    pub async fn record_roster(&self, caller: &Caller, roster: &Roster<'_>) -> Result<Report, Error> {
        let (context, lines, findings) = self.read_roster(caller, roster).await?;
        if findings.total > 0 {
            return Err(Error::LinesRefused { total: findings.total, first: findings.told.into_iter().next() });
        }
        let mut total = Report { lines: lines.len(), ..Report::default() };
        for batch in lines.chunks(BATCH) {
            total.add(&self.record_batch(&context, batch, roster.ended).await?);
        }
        Ok(total)
    }

    async fn record_batch(&self, context: &Context, lines: &[Line], ended: Ended) -> Result<Report, Error> {
        for _ in 0..ATTEMPTS {
            let known = self.known(context, lines, ended).await?;
            let mut rows = Vec::new();
            for (line, known) in lines.iter().zip(&known) {
                rows.extend(self.line_rows(context, line, known));
            }
            if rows.is_empty() {
                return Ok(report(&known, Findings::default()));
            }
            match self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await {
                // The same list came twice at one moment, and the other was first with one of its numbers.
                Err(Error::Store(store::Error::Taken { constraint })) if constraint.contains("staff.") => {}
                other => return other.map(|_| report(&known, Findings::default())),
            }
        }
        Err(Error::Busy)
    }

    /// Who asks may ask, and every line says what profile and department allow.
    async fn read_roster(&self, caller: &Caller, roster: &Roster<'_>) -> Result<(Context, Vec<Line>, Findings), Error> {
        let profile = self.profile(roster.profile)?;
        must_do_without_request(&profile)?;
        let department = self.department_id(Some(roster.department)).await?;
        let person = PersonId::generate(&*self.entropy);
        let about = rules::Enrolment {
            profile: &profile,
            department: self.path(department).await?,
            submitted_by: caller.person(),
            subject: person,
            approved_by: Vec::new(),
        };
        self.policy().decide(&caller.actor, Act::Submit, &Object::Enrolment(about))?;
        let facts = self.place(department).await?.facts;
        let (mut lines, mut findings) = lines::read(roster.csv, &|column| takes(&profile, column));
        lines.retain(|line| {
            let (fields, alternative_names) = (&line.fields, &line.names);
            let sources = Sources { profile: &profile, fields, alternative_names, department: &facts, person, csr: None };
            match sources.contents() {
                Ok(_) => return true,
                Err(Error::FieldRefused { field, .. }) => findings.add(line.line, field.field, field.rule.code()),
                Err(_) => findings.add(line.line, "", "not-encodable"),
            }
            false
        });
        findings.told.sort_by_key(|finding| finding.line);
        // `department_id` answers with the one it was asked for.
        let department = department.ok_or_else(|| Error::unknown("department", roster.department))?;
        Ok((Context { profile, department, submitted_by: caller.person() }, lines, findings))
    }

    /// What is known of each line, by its number.
    async fn known(&self, context: &Context, lines: &[Line], ended: Ended) -> Result<Vec<Known>, Error> {
        let department = context.department;
        let indexes: Vec<[u8; 32]> = lines.iter().map(|line| self.vault.index_of_employee(department, &line.number)).collect();
        let (staff, enrolments) = {
            let mut connection = self.db.read().await?;
            let indexes: Vec<Vec<u8>> = indexes.iter().map(|index| index.to_vec()).collect();
            let staff = store::staff::by_numbers(&mut connection, &department.to_string(), &indexes).await?;
            let persons: Vec<String> = staff.iter().map(|row| row.person.clone()).collect();
            let profile = context.profile.name().as_str();
            (staff, store::enrolments::newest_of_persons(&mut connection, profile, &persons).await?)
        };
        let mut persons: HashMap<Vec<u8>, String> = HashMap::new();
        for row in staff {
            persons.extend(row.blind_index.map(|index| (index, row.person)));
        }
        let newest: HashMap<&str, &store::EnrolmentRow> = enrolments.iter().map(|row| (row.person.as_str(), row)).collect();
        lines
            .iter()
            .zip(&indexes)
            .map(|(line, index)| {
                let Some(person) = persons.get(&index[..]) else { return Ok(Known::New) };
                let id = person.parse().map_err(|_| Error::Corrupt(format!("person {person}")))?;
                Ok(match newest.get(person.as_str()) {
                    None => Known::Person(id),
                    Some(row) if matches!(row.state.as_str(), "rejected" | "withdrawn" | "expired") => match ended {
                        Ended::Stay => Known::Ended,
                        Ended::EnrolAgain => Known::Person(id),
                    },
                    Some(row) if row.request_digest == self.line_digest(context, line) => Known::Unchanged,
                    Some(_) => Known::Different,
                })
            })
            .collect()
    }

    fn line_rows(&self, context: &Context, line: &Line, known: &Known) -> Vec<Row> {
        let (person, is_new) = match known {
            Known::New => (PersonId::generate(&*self.entropy), true),
            Known::Person(person) => (*person, false),
            Known::Unchanged | Known::Different | Known::Ended => return Vec::new(),
        };
        let record = SubjectRecord { subject: line.fields.clone(), alternative_names: line.names.clone() };
        let Context { profile, department, submitted_by } = context;
        let row = store::EnrolmentRow {
            request_digest: self.line_digest(context, line).to_vec(),
            ..self.enrolment_row(profile, Some(*department), person, *submitted_by, &record)
        };
        let mut rows = Vec::new();
        if is_new {
            rows.push(Row::Person(store::PersonRow {
                id: person.to_string(),
                kind: "person".to_owned(),
                department: Some(department.to_string()),
                created_at: row.submitted_at,
                sealed_profile: None,
            }));
            rows.push(Row::StaffMember(store::StaffRow {
                person: person.to_string(),
                department: department.to_string(),
                sealed_number: Some(self.vault.seal_employee(&sealed_in(&person.to_string()), &line.number, &*self.entropy)),
                blind_index: Some(self.vault.index_of_employee(*department, &line.number).to_vec()),
                added_at: millis(self.clock.now()),
            }));
        }
        rows.push(Row::Enrolment(row, Vec::new()));
        rows
    }

    /// Recognises a line that comes again. It is about a person, so it is no digest that anybody can try names against.
    fn line_digest(&self, context: &Context, line: &Line) -> [u8; 32] {
        let text = canonical(&serde_json::json!([context.profile.name().as_str(), line.number.expose(), line.fields, line.names]));
        self.vault.digest_of_line(context.department, &zeroize::Zeroizing::new(text))
    }
}

/// Only a certificate of a person whose department knows them, with nothing in it from a certification request.
fn must_do_without_request(profile: &Profile) -> Result<(), Error> {
    let from_request = profile.subject_fields().iter().any(|field| field.source == Source::Csr)
        || profile.name_fields().iter().any(|field| field.source == NameSource::Csr);
    if profile.subject_kind() != SubjectKind::Person || profile.evidence() == Evidence::Required || from_request {
        return Err(Error::malformed("profile", "not one of people whom their department knows, or one that takes fields from a request"));
    }
    Ok(())
}

/// Whether the profile takes that from a request.
fn takes(profile: &Profile, column: &str) -> bool {
    let asked = |source: &Source| matches!(source, Source::Request | Source::Department);
    profile.subject_fields().iter().any(|field| field.attribute.name == column && asked(&field.source))
        || profile.national_fields().iter().any(|field| field.extension.name == column && field.source == NationalSource::Request)
        || profile.name_fields().iter().any(|field| field.kind.as_str() == column && field.source == NameSource::Request)
}

fn report(known: &[Known], findings: Findings) -> Report {
    let count = |counts: fn(&Known) -> bool| known.iter().filter(|known| counts(known)).count();
    Report {
        lines: known.len(),
        enrolled: count(|known| matches!(known, Known::New | Known::Person(_))),
        unchanged: count(|known| matches!(known, Known::Unchanged)),
        different: count(|known| matches!(known, Known::Different)),
        ended: count(|known| matches!(known, Known::Ended)),
        findings: findings.told,
        findings_total: findings.total,
    }
}

impl Report {
    fn add(&mut self, batch: &Self) {
        self.enrolled += batch.enrolled;
        self.unchanged += batch.unchanged;
        self.different += batch.different;
        self.ended += batch.ended;
    }
}

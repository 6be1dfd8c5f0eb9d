//! A list of people becomes enrolments without a key: all of its lines are right, or nothing is recorded.
//!
//! A line is known by its employee number, so the same list handed in again, whole or after it was cut off half-way, records
//! what is missing and changes nothing else. Commits are of some hundred people each: a crash leaves whole ones.

use std::collections::{BTreeSet, HashMap, HashSet};

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
    lines::{self, Findings, Line, NUMBER},
    numbers::{Holder, NAME},
    sealed_in,
};
use crate::{
    policy::{
        Act, DepartmentId, Object, PersonId, Profile,
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

/// What to do about a number that people of several merged departments have, and about one whose holder has another name.
const SEVERAL: &str = "people of several merged departments have this number: give whoever is meant another one, \
    or take the line out and enrol them by their person id (hufu enrol --person)";
const OTHER_NAME: &str = "somebody of a merged department has this number under another name: give a newcomer another number; \
    if it is that person, enrol them by their person id first (hufu enrol --person)";
const OWN_OR_MERGED: &str = "the department's own person with this number is called otherwise, and somebody of a merged department has \
    this number and this name. If the department's own is meant, correct the name, or enrol them under the new one by their person id \
    (hufu enrol --person); if the other is meant, take the line out and enrol them by their person id, or give them another number";

/// A list as it was handed in.
pub struct Roster<'a> {
    pub profile: &'a str,
    pub department: &'a str,
    pub csv: &'a [u8],
    pub ended: Ended,
}

/// What becomes of a line whose enrolment has ended: rejected, withdrawn, expired, or issued and no certificate of it is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It stays so: a list that comes again brings nobody back.
    Stay,
    /// The person is enrolled anew, with the data of the line.
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
    /// Enrolled before, and ended: nothing waits, and no certificate is good.
    pub ended: usize,
    /// Where the data are others: line and column.
    pub differences: Vec<lines::Finding>,
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
    /// In these columns.
    Different(BTreeSet<String>),
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
        Ok(report(&lines, &known, findings))
    }

    /// Records whoever is not recorded yet. A list with a wrong line is refused whole.
    pub async fn record_roster(&self, caller: &Caller, roster: &Roster<'_>) -> Result<Report, Error> {
        let (context, lines, findings) = self.read_roster(caller, roster).await?;
        if findings.total > 0 {
            return Err(Error::LinesRefused { total: findings.total, first: findings.told.into_iter().next().map(Box::new) });
        }
        let mut total = Report { lines: lines.len(), ..Report::default() };
        for batch in lines.chunks(BATCH) {
            total.add(self.record_batch(&context, batch, &findings, roster.ended).await?);
        }
        Ok(total)
    }

    async fn record_batch(&self, context: &Context, lines: &[Line], none: &Findings, ended: Ended) -> Result<Report, Error> {
        for _ in 0..ATTEMPTS {
            let known = self.known(context, lines, ended).await?;
            let mut rows = Vec::new();
            for (line, known) in lines.iter().zip(&known) {
                rows.extend(self.line_rows(context, line, known));
            }
            if rows.is_empty() {
                return Ok(report(lines, &known, none.of_same_list()));
            }
            match self.journal.commit(Commit { kind: Kind::Other, rows, entries: Vec::new() }).await {
                // The same list came twice at one moment, and the other was first with one of its numbers.
                Err(Error::Store(store::Error::Taken { constraint })) if constraint.contains("staff.") => {}
                other => return other.map(|_| report(lines, &known, none.of_same_list())),
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
        let (mut lines, mut findings) = lines::read(roster.csv, &columns(&profile));
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
        // `department_id` answers with the one it was asked for.
        let department = department.ok_or_else(|| Error::unknown("department", roster.department))?;
        let lines = self.told_apart(department, lines, &mut findings).await?;
        findings.told.sort_by_key(|finding| finding.line);
        Ok((Context { profile, department, submitted_by: caller.person() }, lines, findings))
    }

    /// The lines whose numbers say whom they mean. Whoever came with a merged department keeps their number, and is who is meant if
    /// they have that name: departments gave their numbers without asking each other. So a line with the number of one of the
    /// department's own and the name of one who came along may mean either.
    async fn told_apart(&self, department: DepartmentId, lines: Vec<Line>, findings: &mut Findings) -> Result<Vec<Line>, Error> {
        let with_numbers = self.with_numbers(department, &lines).await?;
        let told_by_name = |found: &&Vec<store::StaffRow>| match Holder::of(found, department) {
            Holder::Merged(_) => true,
            Holder::Own(_) => found.len() > 1,
            Holder::Nobody | Holder::Several => false,
        };
        let told_by_name: Vec<store::StaffRow> = with_numbers.iter().filter(told_by_name).flatten().cloned().collect();
        let profiles: Vec<Profile> = self.policy().profiles().filter(|profile| must_do_without_request(profile).is_ok()).cloned().collect();
        let names = self.names_of(&told_by_name, &profiles).await?;
        let is_called = |row: &store::StaffRow, line: &Line| {
            let name = line.fields.get(NAME);
            name.is_none_or(|name| names.get(&row.person).is_some_and(|names| names.contains(name)))
        };
        let mut clear = Vec::new();
        for (line, found) in lines.into_iter().zip(&with_numbers) {
            match Holder::of(found, department) {
                Holder::Several => findings.add_with(line.line, NUMBER, "ambiguous", Some(SEVERAL.to_owned())),
                Holder::Merged(row) if !is_called(row, &line) => {
                    findings.add_with(line.line, NAME, "different", Some(OTHER_NAME.to_owned()))
                }
                Holder::Own(row) if !is_called(row, &line) && found.iter().any(|other| is_called(other, &line)) => {
                    findings.add_with(line.line, NAME, "different", Some(OWN_OR_MERGED.to_owned()))
                }
                Holder::Nobody | Holder::Own(_) | Holder::Merged(_) => clear.push(line),
            }
        }
        Ok(clear)
    }

    /// What is known of each line, by its number.
    async fn known(&self, context: &Context, lines: &[Line], ended: Ended) -> Result<Vec<Known>, Error> {
        let department = context.department;
        let with_numbers = self.with_numbers(department, lines).await?;
        let person = |found: &Vec<store::StaffRow>| match Holder::of(found, department) {
            Holder::Nobody => Ok(None),
            Holder::Own(row) | Holder::Merged(row) => Ok(Some(row.person.clone())),
            // The list was clear before: another department was merged in this very moment.
            Holder::Several => Err(Error::LinesRefused { total: 1, first: None }),
        };
        let persons: Vec<Option<String>> = with_numbers.iter().map(person).collect::<Result<_, _>>()?;
        let (enrolments, certificates) = {
            let mut connection = self.db.read().await?;
            let known: Vec<String> = persons.iter().flatten().cloned().collect();
            let enrolments = store::enrolments::newest_of_persons(&mut connection, context.profile.name().as_str(), &known).await?;
            let certificates = store::certificates::running_of(&mut connection, &known, millis(self.clock.now())).await?;
            (enrolments, certificates)
        };
        let mut holders: HashSet<&str> = HashSet::new();
        for row in certificates.iter().filter(|row| row.profile == context.profile.name().as_str()) {
            if self.is_revocable(row)? {
                holders.insert(&row.person);
            }
        }
        let newest: HashMap<&str, &store::EnrolmentRow> = enrolments.iter().map(|row| (row.person.as_str(), row)).collect();
        lines
            .iter()
            .zip(&persons)
            .map(|(line, person)| {
                let Some(person) = person else { return Ok(Known::New) };
                let id = person.parse().map_err(|_| Error::Corrupt(format!("person {person}")))?;
                let Some(row) = newest.get(person.as_str()) else { return Ok(Known::Person(id)) };
                let stands = match row.state.as_str() {
                    "submitted" | "approved" => true,
                    "issued" => holders.contains(person.as_str()),
                    _ => false,
                };
                if !stands {
                    return Ok(if ended == Ended::EnrolAgain { Known::Person(id) } else { Known::Ended });
                }
                // A renewal has the data of what it follows.
                let different = line.differs_from(&self.open_record(row)?);
                Ok(if different.is_empty() { Known::Unchanged } else { Known::Different(different) })
            })
            .collect()
    }

    fn line_rows(&self, context: &Context, line: &Line, known: &Known) -> Vec<Row> {
        let (person, is_new) = match known {
            Known::New => (PersonId::generate(&*self.entropy), true),
            Known::Person(person) => (*person, false),
            Known::Unchanged | Known::Different(_) | Known::Ended => return Vec::new(),
        };
        let record = SubjectRecord { subject: line.fields.clone(), alternative_names: line.names.clone() };
        let Context { profile, department, submitted_by } = context;
        let row = self.enrolment_row(profile, Some(*department), person, *submitted_by, &record);
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
}

/// Only a certificate of a person whose department knows them, with nothing in it from a certification request.
pub(super) fn must_do_without_request(profile: &Profile) -> Result<(), Error> {
    let from_request = profile.subject_fields().iter().any(|field| field.source == Source::Csr)
        || profile.name_fields().iter().any(|field| field.source == NameSource::Csr);
    if profile.subject_kind() != SubjectKind::Person || profile.evidence() == Evidence::Required || from_request {
        return Err(Error::malformed(
            "profile",
            "a list is of people, for a profile as staff that needs no evidence and takes nothing from a certification request; enrol others one by one",
        ));
    }
    Ok(())
}

/// What a list may tell beside the number: what the profile takes from a request.
pub(super) fn columns(profile: &Profile) -> BTreeSet<String> {
    let asked = |source: &Source| matches!(source, Source::Request | Source::Department);
    let fields = profile.subject_fields().iter().filter(|field| asked(&field.source)).map(|field| field.attribute.name);
    let national = profile.national_fields().iter().filter(|field| field.source == NationalSource::Request);
    let names = profile.name_fields().iter().filter(|field| field.source == NameSource::Request);
    let all = fields.chain(national.map(|field| field.extension.name)).chain(names.map(|field| field.kind.as_str()));
    all.map(str::to_owned).collect()
}

impl Line {
    /// The columns in which what was recorded of the person is something else.
    fn differs_from(&self, record: &SubjectRecord) -> BTreeSet<String> {
        let fields = self.fields.keys().chain(record.subject.keys()).filter(|name| self.fields.get(*name) != record.subject.get(*name));
        let names = self.names.keys().chain(record.alternative_names.keys());
        let names = names.filter(|kind| self.names.get(*kind) != record.alternative_names.get(*kind));
        fields.chain(names).cloned().collect()
    }
}

fn report(lines: &[Line], known: &[Known], findings: Findings) -> Report {
    let count = |counts: fn(&Known) -> bool| known.iter().filter(|known| counts(known)).count();
    let mut differences = findings.of_same_list();
    for (line, known) in lines.iter().zip(known) {
        let Known::Different(columns) = known else { continue };
        for column in columns {
            differences.add(line.line, column, "different");
        }
    }
    Report {
        lines: known.len(),
        enrolled: count(|known| matches!(known, Known::New | Known::Person(_))),
        unchanged: count(|known| matches!(known, Known::Unchanged)),
        different: count(|known| matches!(known, Known::Different(_))),
        ended: count(|known| matches!(known, Known::Ended)),
        differences: differences.told,
        findings: findings.told,
        findings_total: findings.total,
    }
}

impl Report {
    fn add(&mut self, batch: Self) {
        self.enrolled += batch.enrolled;
        self.unchanged += batch.unchanged;
        self.different += batch.different;
        self.ended += batch.ended;
        self.differences.extend(batch.differences);
    }
}

//! `hufu enrol --csv`, `hufu codes`: a department's people as a list, and the codes that they come to their certificates with.
//!
//! Both can be stopped at any moment and run again: what is done stays done, and is not done twice.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{Connection, client::Client, show};
use crate::{files, services::register::ClaimCode};

/// How many people are sent at once: few enough that progress is seen, and that little is sent again.
const AT_ONCE: usize = 500;

/// A list of people and what they are enrolled for.
pub struct Roster<'a> {
    pub csv: &'a Path,
    pub profile: &'a str,
    pub department: &'a str,
    pub again: bool,
}

impl Roster<'_> {
    /// Says what is wrong and what would be done. With a wrong line it is an error.
    pub async fn check(&self, connection: &Connection) -> anyhow::Result<()> {
        let report = self.dry_run(&connection.client()?, &self.read()?).await?;
        connection.print(&report, |report| format!("{}; nothing was recorded", summary(report)));
        tell(&report["differences"]);
        refuse_findings(&report)
    }

    /// Enrols whoever is not enrolled yet, after a look at the whole list.
    pub async fn enrol(&self, connection: &Connection) -> anyhow::Result<()> {
        let client = connection.client()?;
        let file = self.read()?;
        let report = self.dry_run(&client, &file).await?;
        tell(&report["differences"]);
        refuse_findings(&report)?;
        let parts = split(&file)?;
        let progress = progress(parts.iter().map(|part| part.people as u64).sum());
        let mut total = json!({"lines": 0, "enrolled": 0, "unchanged": 0, "different": 0, "ended": 0});
        for part in parts {
            let report = self.send(&client, &self.path(false), part.csv).await?;
            add(&mut total, &report);
            progress.inc(part.people as u64);
        }
        progress.finish_and_clear();
        connection.print(&total, |total| {
            let next = "\nnext: another officer runs  hufu list enrolments --where state=submitted | hufu approve --from - --yes";
            format!("{}{}", summary(total), if number(total, "enrolled") > 0 { next } else { "" })
        });
        Ok(())
    }

    fn read(&self) -> anyhow::Result<Vec<u8>> {
        std::fs::read(self.csv).with_context(|| format!("reading {}", self.csv.display()))
    }

    async fn dry_run(&self, client: &Client, file: &[u8]) -> anyhow::Result<Value> {
        self.send(client, &self.path(true), file.to_vec()).await
    }

    async fn send(&self, client: &Client, path: &str, csv: Vec<u8>) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&client.post_bytes(path, "text/csv", csv).await?)?)
    }

    fn path(&self, dry_run: bool) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("profile", self.profile).append_pair("department", self.department);
        query.append_pair("dry_run", &dry_run.to_string()).append_pair("again", &self.again.to_string());
        format!("/api/v1/enrolments/import?{}", query.finish())
    }
}

/// A part of a list with the first line of the whole.
struct Part {
    csv: Vec<u8>,
    people: usize,
}

/// Cuts a list between people, wherever their lines end.
fn split(file: &[u8]) -> anyhow::Result<Vec<Part>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let mut starts = Vec::new();
    for record in reader.byte_records() {
        let looked = record?.position().map_or(0, csv::Position::byte) as usize;
        // The reader says where it began to look, which may be before the end of the line above.
        starts.push(looked + file.iter().skip(looked).take_while(|octet| matches!(octet, b'\r' | b'\n')).count());
    }
    let Some((_, people)) = starts.split_first() else { return Ok(Vec::new()) };
    let heading = &file[..people.first().copied().unwrap_or(file.len())];
    let parts = people.chunks(AT_ONCE).enumerate().map(|(index, chunk)| {
        let end = people.get((index + 1) * AT_ONCE).copied().unwrap_or(file.len());
        Part { csv: [heading, &file[chunk[0]..end]].concat(), people: chunk.len() }
    });
    Ok(parts.collect())
}

fn add(total: &mut Value, report: &Value) {
    for name in ["lines", "enrolled", "unchanged", "different", "ended"] {
        total[name] = Value::from(number(total, name) + number(report, name));
    }
}

/// So many of something, in words.
pub(super) fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn number(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_default()
}

fn summary(report: &Value) -> String {
    let told = |name: &str, words: &str| match number(report, name) {
        0 => String::new(),
        count => format!(", {count} {words}"),
    };
    let people = counted(number(report, "lines"), "person", "people");
    if number(report, "lines") > 0 && number(report, "unchanged") == number(report, "lines") {
        return format!("{people}: all of them are enrolled already, with the same data; there is nothing to approve");
    }
    format!(
        "{people}: {} to be approved, {} unchanged{}{}",
        number(report, "enrolled"),
        number(report, "unchanged"),
        told("different", "enrolled before with other data, which stay (revoke, then --again)"),
        told("ended", "whose enrolment has ended or who hold nothing that is good (--again enrols them anew)"),
    )
}

/// Every wrong line goes to standard error.
pub(super) fn refuse_findings(report: &Value) -> anyhow::Result<()> {
    let (told, total) = (tell(&report["findings"]), number(report, "findings_total"));
    if told < total {
        eprintln!("and {} more", total - told);
    }
    match total {
        0 => Ok(()),
        1 => bail!("one line is wrong; nothing was recorded"),
        _ => bail!("{total} lines are wrong; nothing was recorded"),
    }
}

/// Findings go to standard error. Answers how many there are.
fn tell(findings: &Value) -> u64 {
    let findings = findings.as_array().map(Vec::as_slice).unwrap_or_default();
    for finding in findings {
        let text = |name: &str| finding[name].as_str();
        let in_brackets = |text: Option<&str>| text.map(|text| format!(" ({text})")).unwrap_or_default();
        let (column, code) = (text("column").unwrap_or_default(), text("code").unwrap_or_default());
        let (heading, hint) = (in_brackets(text("heading")), in_brackets(text("hint")));
        eprintln!("line {}  {column}{heading}  {code}{hint}", number(finding, "line"));
    }
    findings.len() as u64
}

fn progress(people: u64) -> ProgressBar {
    // The template has no placeholder that could be unknown.
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} people, {eta} left").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(people).with_style(style)
}

#[derive(Debug, Args)]
pub struct Codes {
    /// The department's id
    #[arg(long)]
    pub department: String,
    /// Only for this profile
    #[arg(long)]
    pub profile: Option<String>,
    /// The file that the codes are kept in (CSV, readable by its owner alone): employee number, name, enrolment, code, end
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Make new codes also for those who have one that works and is not in the file; theirs then ends
    #[arg(long)]
    pub replace: bool,
    #[command(flatten)]
    pub connection: Connection,
}

impl Codes {
    pub async fn run(self) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        // It can be written before anything is asked for: a code that cannot be kept has ended the one that its person had.
        let mut file = CodesFile::open(&self.out)?;
        let waiting = self.in_state(&client, Some("approved")).await?;
        let progress = progress(waiting.len() as u64);
        let (mut made, mut working, mut elsewhere) = (0, 0, Vec::new());
        for ids in waiting.chunks(AT_ONCE) {
            let answer = ask(&client, ids, false).await?;
            made += file.add(&answer)?;
            for (enrolment, digest) in answer["working"].as_object().into_iter().flatten() {
                if file.holds(enrolment, digest) { working += 1 } else { elsewhere.push(enrolment.clone()) }
            }
            progress.inc(ids.len() as u64);
        }
        if self.replace {
            for ids in elsewhere.chunks(AT_ONCE) {
                made += file.add(&ask(&client, ids, true).await?)?;
            }
            elsewhere.clear();
        }
        progress.finish_and_clear();
        let removed = self.remove_dead(&client, &mut file, &waiting, &elsewhere).await?;
        let result = json!({
            "made": made, "skipped": working + elsewhere.len(), "elsewhere": elsewhere.len(), "removed": removed,
            "file": self.out.display().to_string(),
        });
        self.connection.print(&result, |_| told(&self.out, made, working, elsewhere.len(), removed));
        Ok(())
    }

    /// Takes out of the file the codes that no longer work: those that were used, taken back, or replaced elsewhere.
    async fn remove_dead(&self, client: &Client, file: &mut CodesFile, waiting: &[String], elsewhere: &[String]) -> anyhow::Result<usize> {
        let waiting: BTreeSet<&String> = waiting.iter().collect();
        let mut dead: BTreeSet<String> = elsewhere.iter().cloned().collect();
        // What is not of this department is left alone.
        if file.enrolments().any(|enrolment| !waiting.contains(enrolment)) {
            let closed = self.in_state(client, None).await?;
            dead.extend(closed.into_iter().filter(|enrolment| !waiting.contains(enrolment)));
        }
        file.remove(&dead)
    }

    /// The department's enrolments in a state, or in any.
    async fn in_state(&self, client: &Client, state: Option<&str>) -> anyhow::Result<Vec<String>> {
        let mut filters = vec![format!("department={}", self.department), "limit=1000".to_owned()];
        filters.extend(state.map(|state| format!("state={state}")));
        let mut items = show::all(client, show::Kind::Enrolments, &filters).await?;
        items.retain(|item| self.profile.as_deref().is_none_or(|profile| item["profile"] == profile));
        Ok(items.iter().filter_map(|item| item["id"].as_str()).map(str::to_owned).collect())
    }
}

async fn ask(client: &Client, enrolments: &[String], replace: bool) -> anyhow::Result<Value> {
    client.post("/api/v1/enrolments/codes", &json!({"enrolments": enrolments, "replace": replace})).await
}

fn told(file: &Path, made: usize, working: usize, elsewhere: usize, removed: usize) -> String {
    let codes = counted(made as u64, "code", "codes");
    let mut told = format!("{codes} made, {working} of before work still, in {}", file.display());
    if removed > 0 {
        told.push_str(&format!("\n{removed} that no longer work were taken out of it"));
    }
    if elsewhere > 0 {
        let people = counted(elsewhere as u64, "person has", "people have");
        told.push_str(&format!("\n{people} a code that works and is not in it; with --replace there are new ones, and the others end"));
    }
    if made > 0 {
        told.push_str("\nnext: each person, on their own machine, runs  hufu claim CODE --server https://…");
    }
    told
}

/// The file that codes are kept in: they are shown once. It is written whole each time, and on disk when the call returns.
struct CodesFile {
    path: PathBuf,
    rows: Vec<[String; COLUMNS.len()]>,
}

const COLUMNS: [&str; 5] = ["number", "name", "enrolment", "code", "expires_at"];
const ENROLMENT: usize = 2;
const CODE: usize = 3;
/// Spreadsheets take a file for UTF-8 by the mark before it.
const BYTE_ORDER_MARK: &str = "\u{feff}";

impl CodesFile {
    /// What is there, or an empty one; it can be written.
    fn open(path: &Path) -> anyhow::Result<Self> {
        let mut file = Self { path: path.to_owned(), rows: Vec::new() };
        if path.exists() {
            let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            let mut reader = csv::Reader::from_reader(text.trim_start_matches(BYTE_ORDER_MARK).as_bytes());
            if reader.headers()?.iter().ne(COLUMNS) {
                bail!("{} is no file of codes; choose another with --out", path.display());
            }
            for record in reader.records() {
                let record = record.with_context(|| format!("reading {}", path.display()))?;
                file.rows.push(std::array::from_fn(|column| record[column].to_owned()));
            }
        }
        file.save()?;
        Ok(file)
    }

    /// Adds the codes of an answer, in the place of those that their enrolments had. Answers how many.
    fn add(&mut self, answer: &Value) -> anyhow::Result<usize> {
        let end = answer["expires_at"].as_str().unwrap_or_default();
        let field = |code: &Value, name: &str| code[name].as_str().unwrap_or_default().to_owned();
        let new: Vec<[String; COLUMNS.len()]> = (answer["codes"].as_array().into_iter().flatten())
            .map(|code| COLUMNS.map(|name| if name == "expires_at" { end.to_owned() } else { field(code, name) }))
            .collect();
        let replaced: BTreeSet<&String> = new.iter().map(|row| &row[ENROLMENT]).collect();
        self.rows.retain(|row| !replaced.contains(&row[ENROLMENT]));
        let count = new.len();
        self.rows.extend(new);
        self.save()?;
        Ok(count)
    }

    fn remove(&mut self, enrolments: &BTreeSet<String>) -> anyhow::Result<usize> {
        let before = self.rows.len();
        self.rows.retain(|row| !enrolments.contains(&row[ENROLMENT]));
        self.save()?;
        Ok(before - self.rows.len())
    }

    fn enrolments(&self) -> impl Iterator<Item = &String> {
        self.rows.iter().map(|row| &row[ENROLMENT])
    }

    /// Whether the code that works for an enrolment, of which the service tells the digest, is the one in the file.
    fn holds(&self, enrolment: &str, digest: &Value) -> bool {
        let same = |code: &str| ClaimCode::from_text(code).is_some_and(|code| *digest == hex::encode(code.hash()));
        self.rows.iter().any(|row| row[ENROLMENT] == enrolment && same(&row[CODE]))
    }

    fn save(&self) -> anyhow::Result<()> {
        let mut text = csv::Writer::from_writer(BYTE_ORDER_MARK.as_bytes().to_vec());
        text.write_record(COLUMNS)?;
        for row in &self.rows {
            text.write_record(row)?;
        }
        files::write_private(&self.path, &text.into_inner().map_err(|error| error.into_error())?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_list_is_cut_between_people_and_each_part_has_the_first_line() {
        let line = |number: usize| format!("{number},\"two\nlines\"\r\n");
        let file: String = std::iter::once("number,CN\r\n".to_owned()).chain((0..AT_ONCE + 1).map(line)).collect();
        let parts = split(file.as_bytes()).unwrap();
        assert_eq!(parts.iter().map(|part| part.people).collect::<Vec<_>>(), [AT_ONCE, 1]);
        assert_eq!(parts[1].csv, format!("number,CN\r\n{}", line(AT_ONCE)).as_bytes());
        assert!(parts[0].csv.ends_with(line(AT_ONCE - 1).as_bytes()));
        assert!(split(b"").unwrap().is_empty() && split(b"number\n").unwrap().is_empty());
    }

    #[test]
    fn a_list_that_is_known_whole_says_so() {
        let report = |lines: u64, enrolled: u64, unchanged: u64| json!({"lines": lines, "enrolled": enrolled, "unchanged": unchanged});
        let known = "enrolled already, with the same data; there is nothing to approve";
        assert_eq!(summary(&report(1, 0, 1)), format!("1 person: all of them are {known}"));
        assert_eq!(summary(&report(3, 0, 3)), format!("3 people: all of them are {known}"));
        assert_eq!(summary(&report(3, 1, 2)), "3 people: 1 to be approved, 2 unchanged");
        assert_eq!(summary(&report(0, 0, 0)), "0 people: 0 to be approved, 0 unchanged");
    }

    #[test]
    fn codes_are_kept_in_a_file_of_ones_own_and_found_in_it_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("codes.csv");
        let code = |digit: char| format!("{}-{}", digit.to_string().repeat(32), "0".repeat(32));
        let digest = |digit: char| Value::from(hex::encode(ClaimCode::from_text(&code(digit)).unwrap().hash()));
        let answer = |enrolment: &str, digit: char| {
            let code = json!({"number": "1", "name": "王, 芳", "enrolment": enrolment, "code": code(digit)});
            json!({"expires_at": "2030-01-01T00:00:00Z", "codes": [code]})
        };
        for (enrolment, digit) in [("e1", '1'), ("e2", '2'), ("e1", '3')] {
            assert_eq!(CodesFile::open(&path).unwrap().add(&answer(enrolment, digit)).unwrap(), 1);
        }
        let mut file = CodesFile::open(&path).unwrap();
        assert_eq!(file.enrolments().collect::<Vec<_>>(), ["e2", "e1"], "a newer code takes the place of the older");
        assert!(file.holds("e1", &digest('3')) && !file.holds("e1", &digest('1')) && !file.holds("e2", &digest('3')));
        assert_eq!(file.remove(&BTreeSet::from(["e2".to_owned(), "e9".to_owned()])).unwrap(), 1);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("\u{feff}number,name,enrolment,code,expires_at\n1,\"王, 芳\",e1,"), "{text}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_cannot_hold_codes_is_refused_before_any_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("codes.csv");
        std::fs::write(&path, "another,file\n1,2\n").unwrap();
        assert!(CodesFile::open(&path).is_err());
        assert!(CodesFile::open(&path.join("below a file")).is_err());
        CodesFile::open(&directory.path().join("new.csv")).unwrap();
        assert!(directory.path().join("new.csv").exists());
    }
}

//! `hufu enrol --csv`, `hufu codes`: a department's people as a list, and the codes that they come to their certificates with.
//!
//! Both can be stopped at any moment and run again: what is done stays done, and is not done twice.

use std::{
    collections::BTreeSet,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{Connection, client::Client, show};

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
        refuse_findings(&report)
    }

    /// Enrols whoever is not enrolled yet, after a look at the whole list.
    pub async fn enrol(&self, connection: &Connection) -> anyhow::Result<()> {
        let client = connection.client()?;
        let file = self.read()?;
        refuse_findings(&self.dry_run(&client, &file).await?)?;
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
            format!(
                "{}\nnext: another officer runs  hufu list enrolments --where state=submitted | hufu approve --from - --yes",
                summary(total)
            )
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

fn number(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_default()
}

fn summary(report: &Value) -> String {
    let told = |name: &str, words: &str| match number(report, name) {
        0 => String::new(),
        count => format!(", {count} {words}"),
    };
    format!(
        "{} people: {} to be approved, {} unchanged{}{}",
        number(report, "lines"),
        number(report, "enrolled"),
        number(report, "unchanged"),
        told("different", "enrolled before with other data, which stay"),
        told("ended", "whose enrolment has ended (--again enrols them anew)"),
    )
}

/// Every wrong line goes to standard error.
pub(super) fn refuse_findings(report: &Value) -> anyhow::Result<()> {
    let (findings, total) = (report["findings"].as_array().map(Vec::as_slice).unwrap_or_default(), number(report, "findings_total"));
    for finding in findings {
        let text = |name: &str| finding[name].as_str().unwrap_or_default();
        eprintln!("line {}  {}  {}", number(finding, "line"), text("column"), text("code"));
    }
    if (findings.len() as u64) < total {
        eprintln!("and {} more", total - findings.len() as u64);
    }
    if total > 0 { bail!("{total} lines are wrong; nothing was recorded") } else { Ok(()) }
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
    /// The file that the codes are added to (CSV, readable by its owner alone): employee number, name, enrolment, code, end
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
        let there = enrolments_in(&self.out)?;
        let mut waiting = self.approved(&client).await?;
        waiting.retain(|id| !there.contains(id));
        let progress = progress(waiting.len() as u64);
        let (mut made, mut skipped) = (0, 0);
        for ids in waiting.chunks(AT_ONCE) {
            let answer = client.post("/api/v1/enrolments/codes", &json!({"enrolments": ids, "replace": self.replace})).await?;
            append(&self.out, &answer)?;
            made += answer["codes"].as_array().map_or(0, Vec::len);
            skipped += answer["skipped"].as_array().map_or(0, Vec::len);
            progress.inc(ids.len() as u64);
        }
        progress.finish_and_clear();
        let result = json!({"made": made, "skipped": skipped, "file": self.out.display().to_string()});
        self.connection.print(&result, |_| {
            let kept = if skipped > 0 { format!("; {skipped} have one that works (--replace makes new ones)") } else { String::new() };
            format!("{made} codes in {}{kept}\nnext: each person, on their own machine, runs  hufu claim CODE", self.out.display())
        });
        Ok(())
    }

    /// The approved enrolments that wait for their code.
    async fn approved(&self, client: &Client) -> anyhow::Result<Vec<String>> {
        let filters = ["state=approved".to_owned(), format!("department={}", self.department), "limit=1000".to_owned()];
        let mut items = show::all(client, show::Kind::Enrolments, &filters).await?;
        items.retain(|item| self.profile.as_deref().is_none_or(|profile| item["profile"] == profile));
        Ok(items.iter().filter_map(|item| item["id"].as_str()).map(str::to_owned).collect())
    }
}

/// The enrolments whose codes are in a file already.
fn enrolments_in(path: &Path) -> anyhow::Result<BTreeSet<String>> {
    if !path.exists() {
        return Ok(BTreeSet::new());
    }
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("reading {}", path.display()))?;
    let column = reader.headers()?.iter().position(|name| name == "enrolment");
    let column = column.with_context(|| format!("{} is no file of codes; choose another with --out", path.display()))?;
    let mut there = BTreeSet::new();
    for record in reader.records() {
        there.extend(record.with_context(|| format!("reading {}", path.display()))?.get(column).map(str::to_owned));
    }
    Ok(there)
}

/// Adds codes to the file and sees them on disk: they are shown once.
fn append(path: &Path, answer: &Value) -> anyhow::Result<()> {
    let mut text = csv::Writer::from_writer(Vec::new());
    if !path.exists() {
        text.write_record(["number", "name", "enrolment", "code", "expires_at"])?;
    }
    let expires_at = answer["expires_at"].as_str().unwrap_or_default();
    for one in answer["codes"].as_array().into_iter().flatten() {
        let field = |name: &str| one[name].as_str().unwrap_or_default();
        text.write_record([field("number"), field("name"), field("enrolment"), field("code"), expires_at])?;
    }
    let add = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        file.write_all(text.into_inner().map_err(|error| error.into_error())?.as_slice())?;
        file.sync_all()
    };
    add().with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
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
    fn codes_are_added_to_a_file_of_ones_own_and_found_in_it_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("codes.csv");
        for enrolment in ["e1", "e2"] {
            let code = json!({"number": "1", "name": "王, 芳", "enrolment": enrolment, "code": "c"});
            append(&path, &json!({"expires_at": "2030-01-01T00:00:00Z", "codes": [code]})).unwrap();
        }
        assert_eq!(enrolments_in(&path).unwrap(), BTreeSet::from(["e1".to_owned(), "e2".to_owned()]));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "another,file\n1,2\n").unwrap();
        assert!(enrolments_in(&path).is_err());
    }
}

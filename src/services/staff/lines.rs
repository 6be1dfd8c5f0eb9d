//! A department's list as CSV (RFC 4180): read line by line, every mistake named with its line, its column and a stable word.
//!
//! The first line names the columns: the employee number, and whatever the profile takes from a request. A mistake is never
//! repeated in what is said about it, for it may be about a person.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::policy::{EmployeeNumber, EmployeeNumberError, NameKind};

/// The largest file that is read.
pub const LARGEST_FILE: usize = 8 * 1024 * 1024;
/// The most people of one list: as many as one statement approves.
pub const MOST_LINES: usize = super::super::approve::MOST_LISTED;
/// The most mistakes that are told; of the rest only how many there are.
pub const MOST_FINDINGS: usize = 10_000;
const MOST_COLUMNS: usize = 32;
/// What some spreadsheets put between columns.
const OTHER_SEPARATORS: &[u8] = b";\t";
/// Several values in one field.
const SEPARATOR: char = ';';

/// What the columns are called in personnel departments.
static HEADINGS: &[(&str, &str)] = &[
    ("工号", NUMBER),
    ("员工编号", NUMBER),
    ("职工编号", NUMBER),
    ("employee_number", NUMBER),
    ("姓名", "CN"),
    ("name", "CN"),
    ("处室", "OU"),
    ("unit", "OU"),
    ("邮箱", "mail"),
];
pub const NUMBER: &str = "number";

/// One person of a list.
pub struct Line {
    /// Where it begins in the file, counted from 1.
    pub line: u64,
    pub number: EmployeeNumber,
    pub fields: BTreeMap<String, String>,
    /// By their kind.
    pub names: BTreeMap<String, Vec<String>>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = LineFinding)]
pub struct Finding {
    pub line: u64,
    pub column: String,
    pub code: &'static str,
    /// What the list itself calls the column, where that is another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading: Option<String>,
    /// What to do about it, where the code does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "line {}", self.line)?;
        if !self.column.is_empty() {
            write!(formatter, ", column {}", self.column)?;
        }
        if let Some(heading) = &self.heading {
            write!(formatter, " ({heading})")?;
        }
        write!(formatter, ": {}", self.code)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(formatter, " ({hint})"))
    }
}

/// What is wrong, as much of it as is told.
#[derive(Debug, Default)]
pub struct Findings {
    pub told: Vec<Finding>,
    pub total: usize,
    /// What the list calls a column, where it has another name for it.
    headings: HashMap<String, String>,
}

impl Findings {
    pub fn add(&mut self, line: u64, column: &str, code: &'static str) {
        self.add_with(line, column, code, None);
    }

    pub fn add_with(&mut self, line: u64, column: &str, code: &'static str, hint: Option<String>) {
        self.total += 1;
        if self.told.len() < MOST_FINDINGS {
            let heading = self.headings.get(column).cloned();
            // A heading may be anything; no more of it is repeated than tells it from others.
            self.told.push(Finding { line, column: column.chars().take(40).collect(), code, heading, hint });
        }
    }

    fn not_utf8(&mut self, line: u64, column: &str) {
        self.add_with(line, column, "not-utf-8", Some("save the file as \"CSV UTF-8\"".to_owned()));
    }

    /// None yet, about a list whose columns have the same names.
    pub fn of_same_list(&self) -> Self {
        Self { headings: self.headings.clone(), ..Self::default() }
    }
}

/// Where the values of a column go.
enum Column {
    Number,
    Name(NameKind),
    Field(String),
}

/// The people of a list, and what is wrong with the other lines. A file whose first line is wrong has no lines. `takes` are
/// the columns that there may be beside the number.
pub fn read(file: &[u8], takes: &BTreeSet<String>) -> (Vec<Line>, Findings) {
    // Spreadsheets put a byte order mark before UTF-8.
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let mut findings = Findings::default();
    let mut records = reader.byte_records();
    let columns = match records.next() {
        Some(Ok(first)) => headings(&first, takes, &mut findings),
        _ => {
            findings.add(1, "", "no-columns");
            Vec::new()
        }
    };
    let mut places = Places { file, seen: 0, line: 1 };
    let mut lines = Vec::new();
    let mut first_with: HashMap<String, u64> = HashMap::new();
    for record in records {
        if findings.total > 0 && columns.is_empty() {
            break;
        }
        let Ok(record) = record else {
            // Only reading can fail where lines may have any length, and this file is in memory.
            findings.add(1, "", "not-csv");
            break;
        };
        let place = places.of(&record);
        if lines.len() == MOST_LINES {
            findings.add(place, "", "too-many-lines");
            break;
        }
        let Some(line) = read_line(place, &record, &columns, &mut findings) else { continue };
        match first_with.insert(line.number.expose().to_owned(), line.line) {
            Some(_) => findings.add(line.line, NUMBER, "repeated"),
            None => lines.push(line),
        }
    }
    (lines, findings)
}

/// Where records begin. The reader says where it began to look for one, which may be before the end of the line above.
struct Places<'a> {
    file: &'a [u8],
    seen: usize,
    line: u64,
}

impl Places<'_> {
    /// The line, counted from 1, of a record that comes after those before.
    fn of(&mut self, record: &csv::ByteRecord) -> u64 {
        let looked = record.position().map_or(0, |position| position.byte() as usize);
        let ends = self.file.iter().skip(looked).take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
        let begins = (looked + ends).clamp(self.seen, self.file.len());
        self.line += self.file[self.seen..begins].iter().filter(|octet| **octet == b'\n').count() as u64;
        self.seen = begins;
        self.line
    }
}

/// Empty when one of them is wrong.
fn headings(first: &csv::ByteRecord, takes: &BTreeSet<String>, findings: &mut Findings) -> Vec<Column> {
    if let [only] = first.iter().collect::<Vec<_>>()[..]
        && let Some(separator) = OTHER_SEPARATORS.iter().find(|other| only.contains(*other))
    {
        let separator = if *separator == b'\t' { "tabulators" } else { "semicolons" };
        let hint = format!("its columns are separated by {separator}; save the file with commas between them");
        findings.add_with(1, "", "not-csv", Some(hint));
        return Vec::new();
    }
    let mut columns = Vec::new();
    let mut seen = Vec::new();
    for heading in first.iter().take(MOST_COLUMNS + 1) {
        let Ok(heading) = std::str::from_utf8(heading) else {
            findings.not_utf8(1, "");
            return Vec::new();
        };
        let heading = heading.trim();
        let name = HEADINGS.iter().find(|(alias, _)| *alias == heading).map_or(heading, |(_, name)| *name);
        if seen.contains(&name) {
            findings.add(1, heading, "repeated");
        }
        if name != NUMBER && !takes.contains(name) {
            findings.add_with(1, heading, "not-asked-for", Some(taken(takes)));
        }
        if name != heading {
            findings.headings.insert(name.to_owned(), heading.chars().take(40).collect());
        }
        seen.push(name);
        columns.push(match name {
            NUMBER => Column::Number,
            name => match serde_json::from_value(serde_json::Value::from(name)) {
                Ok(kind) => Column::Name(kind),
                Err(_) => Column::Field(name.to_owned()),
            },
        });
    }
    if !seen.contains(&NUMBER) {
        findings.add_with(1, NUMBER, "missing", Some(taken(takes)));
    }
    if columns.len() > MOST_COLUMNS {
        findings.add(1, "", "too-many-columns");
    }
    if findings.total == 0 { columns } else { Vec::new() }
}

/// The columns that there may be, with their other names.
fn taken(takes: &BTreeSet<String>) -> String {
    let with_aliases = |name: &str| {
        let aliases: Vec<&str> = HEADINGS.iter().filter(|(_, known)| *known == name).map(|(alias, _)| *alias).collect();
        if aliases.is_empty() { name.to_owned() } else { format!("{name} ({})", aliases.join(", ")) }
    };
    let names: Vec<String> = std::iter::once(NUMBER).chain(takes.iter().map(String::as_str)).map(with_aliases).collect();
    format!("the columns are {}", names.join("; "))
}

fn read_line(line: u64, record: &csv::ByteRecord, columns: &[Column], findings: &mut Findings) -> Option<Line> {
    if record.len() != columns.len() {
        findings.add(line, "", "wrong-number-of-columns");
        return None;
    }
    let (mut number, mut fields, mut names) = (None, BTreeMap::new(), BTreeMap::new());
    for (column, value) in columns.iter().zip(record) {
        let Ok(value) = std::str::from_utf8(value) else {
            findings.not_utf8(line, column.name());
            return None;
        };
        let value = value.trim();
        match column {
            Column::Number => number = Some(EmployeeNumber::parse(value).map_err(|error| findings.add(line, NUMBER, code(error))).ok()?),
            _ if value.is_empty() => {}
            Column::Name(kind) => {
                names.insert(kind.to_string(), value.split(SEPARATOR).map(|name| name.trim().to_owned()).collect());
            }
            Column::Field(name) => drop(fields.insert(name.clone(), value.to_owned())),
        }
    }
    Some(Line { line, number: number?, fields, names })
}

impl Column {
    fn name(&self) -> &str {
        match self {
            Self::Number => NUMBER,
            Self::Name(kind) => kind.as_str(),
            Self::Field(name) => name,
        }
    }
}

fn code(error: EmployeeNumberError) -> &'static str {
    match error {
        EmployeeNumberError::Missing => "missing",
        EmployeeNumberError::Syntax => "syntax",
        EmployeeNumberError::IdentityNumber => "identity-number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes() -> BTreeSet<String> {
        ["CN", "OU", "mail"].map(str::to_owned).into()
    }

    fn found(file: &[u8]) -> (usize, Vec<(u64, String, &'static str)>) {
        let (lines, findings) = read(file, &takes());
        (lines.len(), findings.told.into_iter().map(|finding| (finding.line, finding.column, finding.code)).collect())
    }

    #[test]
    fn people_are_read_with_their_fields_and_names() {
        let file = "\u{feff}工号,姓名,OU,mail\r\n\r\n E-1 ,王芳,\"一科, 北\",a@x.cn; b@x.cn\r\nE-2,李雷,,\r\n";
        let (lines, findings) = read(file.as_bytes(), &takes());
        assert_eq!((lines.len(), findings.total), (2, 0));
        assert_eq!((lines[0].line, lines[0].number.expose()), (3, "E-1"));
        assert_eq!(lines[0].fields, BTreeMap::from([("CN".into(), "王芳".into()), ("OU".into(), "一科, 北".into())]));
        assert_eq!(lines[0].names["mail"], ["a@x.cn", "b@x.cn"]);
        assert_eq!((lines[1].line, lines[1].fields.len(), lines[1].names.len()), (4, 1, 0));
    }

    #[test]
    fn every_mistake_has_its_line_its_column_and_a_word() {
        let told = |line, column: &str, code| vec![(line, column.to_owned(), code)];
        assert_eq!(found(b""), (0, told(1, "", "no-columns")));
        assert_eq!(found(b"CN\nx\n"), (0, told(1, NUMBER, "missing")));
        assert_eq!(found(b"number,CN,CN\n1,a,b\n"), (0, told(1, "CN", "repeated")));
        assert_eq!(found("number,CN,姓名\n1,a,b\n".as_bytes()), (0, told(1, "姓名", "repeated")));
        assert_eq!(found(b"number,\n1,a\n"), (0, told(1, "", "not-asked-for")));
        assert_eq!(found(b"number,\xff\n1,a\n"), (0, told(1, "", "not-utf-8")));
        assert_eq!(found(b"number,O\n1,a\n"), (0, told(1, "O", "not-asked-for")));
        assert_eq!(found(format!("number{}\n", ",a".repeat(MOST_COLUMNS)).as_bytes()).1.last().unwrap().2, "too-many-columns");

        let file = b"number,CN\n1,a\n2\n,b\n\"3\n\",c\n4,\xff\n1,d\n11010519491231002X,e\n5,f,g\n6,h\n";
        let expected = [
            (3, "", "wrong-number-of-columns"),
            (4, NUMBER, "missing"),
            (7, "CN", "not-utf-8"),
            (8, NUMBER, "repeated"),
            (9, NUMBER, "identity-number"),
            (10, "", "wrong-number-of-columns"),
        ];
        assert_eq!(found(file), (3, expected.map(|(line, column, code)| (line, column.to_owned(), code)).into()));
    }

    #[test]
    fn whoever_wrote_the_list_is_told_in_its_own_words_and_what_to_do() {
        let told = |file: &[u8]| read(file, &takes()).1.told.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        assert_eq!(told("员工编号,姓名\n,a\n".as_bytes()), "line 2, column number (员工编号): missing");
        let unknown = told("工号,名字\n1,a\n".as_bytes());
        assert!(
            unknown.contains("column 名字: not-asked-for (the columns are number (工号, ") && unknown.contains("CN (姓名, name)"),
            "{unknown}"
        );
        assert!(told(b"CN\nx\n").contains("column number: missing (the columns are number"));
        assert!(told(b"number,CN\n1,\xff\n").contains("CSV UTF-8"));
        let semicolons = "line 1: not-csv (its columns are separated by semicolons; save the file with commas between them)";
        assert_eq!(told("工号;姓名\n1;a\n".as_bytes()), semicolons);
        assert!(told(b"number\tCN\n1\ta\n").contains("separated by tabulators"));
    }

    #[test]
    fn a_long_list_and_many_mistakes_are_cut_and_counted() {
        let file: String = (0..MOST_LINES + 2).map(|number| format!("{number}\n")).collect();
        let (lines, findings) = read(format!("number\n{file}").as_bytes(), &takes());
        assert_eq!((lines.len(), findings.told[0].code, findings.told[0].line), (MOST_LINES, "too-many-lines", MOST_LINES as u64 + 2));
        let (lines, findings) = read(format!("number\n{}", "x y\n".repeat(MOST_FINDINGS + 5)).as_bytes(), &takes());
        assert_eq!((lines.len(), findings.told.len(), findings.total), (0, MOST_FINDINGS, MOST_FINDINGS + 5));
    }
}

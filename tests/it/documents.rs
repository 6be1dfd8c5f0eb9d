//! Documents fail loudly: the sample configuration parses, links lead somewhere, commands and settings are those of the program.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use hufu::{config::Config, x509::Certificate};
use serde_json::{Value, json};

use crate::world::TestCa;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names and addresses stand in certificates for decades: what they are changes only on purpose.
#[tokio::test(flavor = "multi_thread")]
async fn names_and_addresses_are_those_of_their_golden_file() {
    let ca = TestCa::new().with(|config| config.base_url = Some("http://ca.example:8080".parse().unwrap())).start().await;
    let services = ca.services();
    let mut found = String::new();
    let mut add = |what: String, certificate: &Certificate| {
        found.push_str(&format!("{what}\n  {}\n", certificate.subject_text()));
        for address in addresses(certificate.der()) {
            found.push_str(&format!("  {address}\n"));
        }
    };
    let mut authorities = services.authorities().all();
    authorities.sort_by_key(|authority| authority.name);
    for authority in authorities {
        add(format!("authority {}", authority.name), &authority.certificate().unwrap());
        add(format!("responder of {}", authority.name), &services.responder(&authority).unwrap().certificate);
    }
    let listener = services.listener_identity().await.unwrap();
    add("listener".to_owned(), &Certificate::parse(&listener.chain[0]).unwrap());
    for log in services.trust_bundle().unwrap().logs {
        let (origin, incarnation) = log.origin.rsplit_once('/').unwrap();
        assert!(incarnation.len() == 8 && incarnation.bytes().all(|digit| digit.is_ascii_hexdigit()), "{}", log.origin);
        found.push_str(&format!("log {}\n  {origin}/{{incarnation}}\n", log.name));
    }
    assert_eq!(found, read("tests/golden/addresses.txt"));
}

/// Every URI in a certificate, in its order; a shard depends on the serial number and is written `{shard}`.
fn addresses(der: &[u8]) -> Vec<String> {
    let starts = (1..der.len()).filter(|&at| der[at..].starts_with(b"http://"));
    starts
        .map(|at| {
            let uri = std::str::from_utf8(&der[at..at + usize::from(der[at - 1])]).unwrap();
            match uri.strip_suffix(".crl").and_then(|list| list.rsplit_once('/')) {
                Some((authority, _)) => format!("{authority}/{{shard}}.crl"),
                None => uri.to_owned(),
            }
        })
        .collect()
}

/// Every document of the project, by its path from the root.
fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "tests/peers/README.md"].map(PathBuf::from).to_vec();
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let path = Path::new("docs").join(entry.unwrap().file_name());
        if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(path);
        }
    }
    documents
}

/// The lines outside code blocks.
fn prose(document: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    document.lines().filter(move |line| {
        let fence = line.starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// The lines of the code blocks of a language, lines that end in a backslash joined to the next.
fn code(document: &str, language: &str) -> Vec<String> {
    let mut block: Option<bool> = None;
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in document.lines() {
        if let Some(found) = line.strip_prefix("```") {
            block = if block.is_some() { None } else { Some(found == language) };
            goes_on = false;
            continue;
        }
        if block != Some(true) {
            continue;
        }
        let part = line.trim_end_matches('\\').trim_end();
        match lines.last_mut().filter(|_| goes_on) {
            Some(last) => {
                last.push(' ');
                last.push_str(part.trim_start());
            }
            None => lines.push(part.to_owned()),
        }
        goes_on = line.ends_with('\\');
    }
    lines
}

/// What an editor of Markdown makes of a heading: lower case, words joined by hyphens, nothing else.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
        .map(|l| if l == ' ' { '-' } else { l })
        .collect()
}

fn anchors(document: &str) -> BTreeSet<String> {
    prose(document).filter_map(|line| line.strip_prefix('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// The targets of `[text](target)`.
fn links(document: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(document) {
        for part in line.split("](").skip(1) {
            found.extend(part.split_once(')').map(|(target, _)| target.to_owned()));
        }
    }
    found
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut checked = 0;
    let mut broken = Vec::new();
    for path in documents() {
        let document = read(&path);
        for link in links(&document).into_iter().filter(|link| !link.contains("://")) {
            checked += 1;
            let (file, fragment) = link.split_once('#').map_or((link.as_str(), None), |(file, fragment)| (file, Some(fragment)));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let is_there = root().join(&target).exists();
            let has_anchor = fragment.is_none_or(|fragment| is_there && anchors(&read(&target)).contains(fragment));
            if !is_there || !has_anchor {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(checked > 20, "only {checked} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_source_file_that_a_document_names_is_there() {
    let mut checked = 0;
    let mut missing = Vec::new();
    for path in documents() {
        let document = read(&path);
        let quoted = prose(&document).flat_map(|line| line.split('`').skip(1).step_by(2));
        for name in quoted.filter(|name| ["src/", "tests/", "policies/", "docs/"].iter().any(|folder| name.starts_with(folder))) {
            if name.contains(['<', '{', '*', '…']) {
                continue;
            }
            checked += 1;
            // A command's arguments follow its name.
            let file = name.split(' ').next().unwrap_or(name);
            if !root().join(file).exists() {
                missing.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(checked > 20, "only {checked} files were named");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The names in a list of commands as `--help` prints it.
fn subcommands(arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_hufu")).args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "hufu {} --help", arguments.join(" "));
    let help = String::from_utf8(output.stdout).unwrap();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    commands.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// What `hufu COMMAND … --help` says of a command, which must be one.
fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_hufu")).args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "hufu {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The calls of `hufu` in a line of shell, each with its words.
fn calls(line: &str) -> Vec<Vec<&str>> {
    let line = line.split(" # ").next().unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    let begins = |word: &str| word == "hufu" || word.ends_with("=$(hufu") || word == "$(hufu";
    let starts = words.iter().enumerate().filter(|(_, word)| begins(word)).map(|(index, _)| index + 1);
    let call =
        |start: usize| -> Vec<&str> { words[start..].iter().take_while(|word| !matches!(**word, "|" | "&&" | ";")).copied().collect() };
    // At the end of a line the word is a name, of a database for one.
    starts.map(call).filter(|call| !call.is_empty()).collect()
}

#[test]
fn every_command_and_option_in_the_documents_exists() {
    let commands = subcommands(&[]);
    let mut checked = 0;
    for path in documents() {
        for line in code(&read(&path), "sh") {
            for call in calls(&line) {
                let command = call[0];
                assert!(commands.contains(command), "{}: there is no command {command}: {line}", path.display());
                let nested = subcommands(&[command]);
                let arguments: Vec<&str> = if nested.is_empty() { vec![command] } else { vec![command, call[1]] };
                let help = help(&arguments);
                for option in call.iter().map(|word| word.trim_end_matches(')')).filter(|word| word.starts_with("--")) {
                    let known = help.split_whitespace().any(|word| word.trim_end_matches(',') == option);
                    assert!(known, "{}: hufu {} has no {option}: {line}", path.display(), arguments.join(" "));
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 10, "only {checked} calls were found");
}

#[test]
fn the_sample_configuration_parses_and_names_every_setting() {
    let file = root().join("docs/hufu.toml");
    let config = Config::load(Some(&file), json!({})).unwrap();
    assert_eq!(config.base_url(), "http://pki.example.gov.cn");
    assert_eq!(config.database_url(), "postgres://hufu@localhost/hufu");

    // What the sample does not set must be unset in it on purpose; there is nothing of the kind.
    let sample: toml::Table = read("docs/hufu.toml").parse().unwrap();
    let sample = keys(&serde_json::to_value(sample).unwrap());
    assert_eq!(sample, keys(&serde_json::to_value(Config::default()).unwrap()));
}

#[test]
fn every_setting_is_documented_with_its_variable_and_its_default() {
    let page = read("docs/configuration.md");
    let defaults = serde_json::to_value(Config::default()).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.contains("` | `HUFU_") || line.contains("none | `HUFU_")).collect();
    for key in keys(&defaults) {
        let variable = format!("`HUFU_{}`", key.replace('.', "__").to_uppercase());
        let start = format!("| `{key}` |");
        let row = rows.iter().find(|row| row.starts_with(&start)).unwrap_or_else(|| panic!("{key} has no row"));
        assert!(row.contains(&variable), "{key}: no {variable}");
        let default = key.split('.').fold(&defaults, |value, part| &value[part]);
        match default {
            Value::Null => {}
            Value::String(text) => assert!(row.contains(&format!("`{text}`")), "{key}: its default is {text}"),
            other => assert!(row.contains(&format!("`{other}`")), "{key}: its default is {other}"),
        }
    }
    assert_eq!(rows.len(), keys(&defaults).len(), "a row of a setting that is not there");
}

/// The settings of a tree, as `limits.body`.
fn keys(tree: &Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (key, value) in tree.as_object().unwrap() {
        match value {
            Value::Object(_) => keys.extend(self::keys(value).into_iter().map(|inner| format!("{key}.{inner}"))),
            _ => _ = keys.insert(key.clone()),
        }
    }
    keys
}

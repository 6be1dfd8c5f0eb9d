//! The arrows of ARCHITECTURE.md, held against the source: which folder may name which, and what the pure ones may not name
//! at all. Tests inside `src/` are free, for nothing leans on them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// What each folder or file of `src/` may name besides itself. An arrow reads "may name".
static ARROWS: &[(&str, &[&str])] = &[
    ("world", &[]),
    ("files", &[]),
    ("crypto", &["world"]),
    ("config", &["crypto", "world"]),
    ("x509", &["crypto", "world"]),
    ("ledger", &["x509", "crypto", "world"]),
    ("policy", &["x509", "crypto", "world"]),
    ("validation", &["x509", "crypto", "world"]),
    ("store", &["x509", "crypto", "world"]),
    ("services", &["store", "policy", "validation", "ledger", "x509", "crypto", "world", "config", "files"]),
    ("http", &["services", "store", "policy", "validation", "ledger", "x509", "crypto", "world", "config"]),
    ("cli", &["http", "services", "store", "policy", "validation", "ledger", "x509", "crypto", "world", "config", "files"]),
];

/// Folders of values and decisions: no input or output, no waiting, no clock of their own.
static PURE: &[&str] = &["policy", "validation", "ledger", "x509", "crypto"];

/// The one pure folder's part that does input and output.
const KEYS: &str = "crypto/keys";

static IMPURE: &[&str] = &[
    "tokio",
    "sqlx",
    "axum",
    "hyper",
    "reqwest",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
    "SystemTime",
    "Instant",
    "OffsetDateTime::now_utc",
    "time::OffsetDateTime::now_utc",
    "async",
];

/// Addresses are values.
static PURE_AFTER_ALL: &[&str] = &["std::net::IpAddr", "std::net::Ipv4Addr", "std::net::Ipv6Addr"];

/// Words of other people's that stay in the folder they belong to: (folder, what it may not name).
static FOREIGN: &[(&str, &[&str])] =
    &[("services", &["axum", "hyper", "tower_http", "sqlx"]), ("http", &["sqlx"]), ("store", &["axum", "hyper", "tower_http"])];

#[test]
fn every_folder_has_its_arrows() {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(source()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        // `main` and `lib` are where everything meets; `vectors` is there for tests only.
        if !["main", "lib", "vectors"].contains(&name.as_str()) {
            found.insert(name);
        }
    }
    assert_eq!(found, ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn no_folder_names_one_above_or_beside_it() {
    let mut broken = Vec::new();
    for file in files() {
        for path in file.paths() {
            if let Some(reason) = file.forbidden_arrow(&path) {
                broken.push(format!("{}: {path}: {reason}", file.name));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_pure_folders_do_nothing_but_think() {
    let mut broken = Vec::new();
    for file in files().iter().filter(|file| PURE.contains(&file.layer.as_str()) && !file.name.starts_with(KEYS)) {
        broken.extend(file.paths().iter().filter(|path| is_impure(path)).map(|path| format!("{}: {path}", file.name)));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn http_words_stay_in_http_and_sql_words_in_the_store() {
    let mut broken = Vec::new();
    for file in files() {
        let words = FOREIGN.iter().find(|(layer, _)| *layer == file.layer).map_or(&[][..], |(_, words)| words);
        broken.extend(file.paths().iter().filter(|path| starts_with_any(path, words)).map(|path| format!("{}: {path}", file.name)));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_reader_sees_every_way_to_name_a_thing_and_no_comment() {
    let source = r##"
        //! crate::comment
        use crate::{a::{B, c}, d, /* crate::inner */ e::*};
        use std::{fs, net::{IpAddr, TcpStream}};
        #[cfg(test)] mod tests { fn f() { crate::test::x("}") } }
        #[cfg(test)]
        use crate::testing;
        fn g<'a>(x: &'a str) -> crate::f::T { let y = '"'; y.crate_(); super::super::h("crate::text", r#"crate::"raw"#); ::k::l() }
        pub(crate) async fn m() {}
    "##;
    let mut paths = read(source);
    paths.retain(|path| ["crate", "std", "super", "async", "k"].contains(&path.split("::").next().unwrap()));
    assert_eq!(
        paths,
        [
            "crate::a::B",
            "crate::a::c",
            "crate::d",
            "crate::e",
            "std::fs",
            "std::net::IpAddr",
            "std::net::TcpStream",
            "crate::f::T",
            "super::super::h",
            "k::l",
            "crate",
            "async"
        ]
    );
    for (path, impure) in [
        ("std::fs", true),
        ("std::fs::read", true),
        ("std::net::TcpStream", true),
        ("std::net::IpAddr::V4", false),
        ("std::fsync", false),
        ("tokio::spawn", true),
        ("async", true),
    ] {
        assert_eq!(is_impure(path), impure, "{path}");
    }
}

fn is_impure(path: &str) -> bool {
    starts_with_any(path, IMPURE) && !starts_with_any(path, PURE_AFTER_ALL)
}

fn starts_with_any(path: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
}

/// One file of `src/` that is not a test's alone.
struct File {
    /// Its path below `src/`.
    name: String,
    /// The folder, or the file at the root.
    layer: String,
    /// How many modules deep it is below the crate.
    depth: usize,
    text: String,
}

impl File {
    fn paths(&self) -> Vec<String> {
        read(&self.text)
    }

    fn forbidden_arrow(&self, path: &str) -> Option<&'static str> {
        let supers = path.split("::").take_while(|segment| *segment == "super").count();
        if supers >= self.depth {
            return Some("climbs out of its folder; write it from `crate::` on");
        }
        let named = path.strip_prefix("crate::")?.split("::").next()?;
        let (_, allowed) = ARROWS.iter().find(|(layer, _)| *layer == self.layer)?;
        let is_layer = ARROWS.iter().any(|(layer, _)| *layer == named);
        (is_layer && named != self.layer && !allowed.contains(&named)).then_some("points upward or sideways")
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file but `lib.rs`, `main.rs` and those that `#[cfg(test)] mod …;` declares.
fn files() -> Vec<File> {
    let mut files = Vec::new();
    let mut folders = vec![source()];
    let mut tests: BTreeSet<PathBuf> = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                tests.extend(test_modules(&text).iter().map(|module| children(&path).join(module)));
                files.push((path, text));
            }
        }
    }
    files.retain(|(path, _)| !tests.iter().any(|test| path.with_extension("").starts_with(test)));
    let files: Vec<File> = files.into_iter().filter_map(|(path, text)| file(&path, text)).collect();
    assert!(files.len() > 100, "only {} files under src/", files.len());
    files
}

/// Where the modules that a file declares are found.
fn children(path: &Path) -> PathBuf {
    match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") => path.parent().unwrap().to_owned(),
        _ => path.with_extension(""),
    }
}

fn file(path: &Path, text: String) -> Option<File> {
    let name = path.strip_prefix(source()).unwrap();
    let module: Vec<String> = name.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.len() == 1 && ["lib", "main"].contains(&module[0].as_str()) {
        return None;
    }
    let depth = module.len() - usize::from(module.last().is_some_and(|last| last == "mod"));
    Some(File { name: name.display().to_string(), layer: module[0].clone(), depth, text })
}

/// Every path that a source names outside its tests, `use` trees spread out.
fn read(source: &str) -> Vec<String> {
    let tokens = without_tests(&tokens(source)).0;
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_word(&tokens[at]) && (at == 0 || tokens[at - 1] != ".") {
            at = path(&tokens, at, "", &mut paths);
        } else {
            at += 1;
        }
    }
    paths
}

fn test_modules(source: &str) -> Vec<String> {
    without_tests(&tokens(source)).1
}

/// Reads one path, or one tree of a `use`, that starts at `at`; answers where it ends.
fn path(tokens: &[String], mut at: usize, before: &str, paths: &mut Vec<String>) -> usize {
    let mut path = before.to_owned();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while at < tokens.len() && tokens[at] != "}" {
                    at = if is_word(&tokens[at]) { self::path(tokens, at, &path, paths) } else { at + 1 };
                }
                return at + 1;
            }
            Some(word) if is_word(word) => {
                path = if path.is_empty() { word.to_owned() } else { format!("{path}::{word}") };
                at += 1;
            }
            // A glob, or the generic arguments of a call.
            _ => {
                paths.push(path);
                return at;
            }
        }
        if tokens.get(at).is_none_or(|token| token != "::") {
            paths.push(path);
            return at;
        }
        at += 1;
    }
}

/// The tokens without the items under `#[cfg(test)]`, and the names of modules among those that have files of their own.
fn without_tests(tokens: &[String]) -> (Vec<String>, Vec<String>) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].iter().map(String::as_str).take(MARK.len()).eq(MARK) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += MARK.len();
        let item = at;
        let (mut depth, mut in_use) = (0_usize, false);
        while at < tokens.len() {
            match tokens[at].as_str() {
                "use" => in_use = true,
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            at += 1;
            // A `use` tree ends with its semicolon, everything else with that or with its block.
            if depth == 0 && (tokens[at - 1] == ";" || tokens[at - 1] == "}" && !in_use) {
                break;
            }
        }
        if let Some(position) = tokens[item..at].iter().position(|token| token == "mod")
            && tokens[item..at].last().is_some_and(|last| last == ";")
        {
            modules.push(tokens[item + position + 1].clone());
        }
    }
    (kept, modules)
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Words, `::` and single signs. Comments, strings, characters and lifetimes are left out.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' {
            character(rest)
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|sign: char| !sign.is_alphanumeric() && sign != '_').unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of `r"…"`, `r#"…"#` and the like; `None` for anything else.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(rest.len() - body.len() + body.find(&end)? + end.len())
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, sign) in rest.char_indices().skip(1) {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if sign == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `'x'` and `'\n'` are characters; `'a` before anything else is a lifetime, whose name is left out too.
fn character(rest: &str) -> usize {
    let mut signs = rest.char_indices().skip(1);
    match (signs.next(), signs.next()) {
        (Some((_, '\\')), _) => quoted(rest, '\''),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => rest[1..].find(|sign: char| !sign.is_alphanumeric() && sign != '_').map_or(rest.len(), |end| end + 1),
    }
}

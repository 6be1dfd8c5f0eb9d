//! What this program ships: the files that a new installation starts with.

use include_dir::{Dir, DirEntry, include_dir};

static FOLDER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies");

/// All files, each with its path below `policies/` and its text.
pub fn files() -> Vec<(&'static str, &'static str)> {
    files_of(&FOLDER)
}

/// The files below `rules/`.
pub fn rules() -> Vec<(&'static str, &'static str)> {
    files().into_iter().filter(|(path, _)| path.starts_with("rules/")).collect()
}

fn files_of(folder: &'static Dir<'static>) -> Vec<(&'static str, &'static str)> {
    let file = |file: &'static include_dir::File<'static>| Some((file.path().to_str()?, file.contents_utf8()?));
    let below = |entry: &'static DirEntry<'static>| match entry {
        DirEntry::Dir(folder) => files_of(folder),
        DirEntry::File(found) => file(found).into_iter().collect(),
    };
    folder.entries().iter().flat_map(below).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_shipped_file_is_there_with_its_text() {
        for path in ["quorums.toml", "caps.toml", "profiles/staff.toml", "rules/schema.cedarschema", "rules/separation.cedar"] {
            let text = std::fs::read_to_string(format!("policies/{path}")).unwrap();
            assert!(super::files().contains(&(path, text.as_str())), "{path}");
        }
        assert!(super::rules().iter().all(|(path, _)| path.starts_with("rules/")) && super::rules().len() >= 2);
    }
}

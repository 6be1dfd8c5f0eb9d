//! Files that are kept: written whole or not at all, on disk when the call returns, secrets readable by their owner only.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use anyhow::Context;

/// Writes a file that everyone may read.
pub fn write(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    write_with_mode(path, contents, 0o644)
}

/// Writes a file that its owner alone may read.
pub fn write_private(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    write_with_mode(path, contents, 0o600)
}

/// Writes a file that everyone may read, part by part, for contents that are larger than memory.
pub fn write_with(path: &Path, contents: impl FnOnce(&mut std::fs::File) -> std::io::Result<()>) -> anyhow::Result<()> {
    replace(path, 0o644, contents)
}

fn write_with_mode(path: &Path, contents: &[u8], mode: u32) -> anyhow::Result<()> {
    replace(path, mode, |file| file.write_all(contents))
}

fn replace(path: &Path, mode: u32, contents: impl FnOnce(&mut std::fs::File) -> std::io::Result<()>) -> anyhow::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let write = || -> std::io::Result<()> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let _ = std::fs::remove_file(&temporary);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        contents(&mut file)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        // The new name is on disk only when its directory is.
        match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => std::fs::File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    write().with_context(|| format!("writing {}", path.display())).inspect_err(|_| drop(std::fs::remove_file(&temporary)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_private_file_is_its_owners_alone_even_where_another_lay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b.key");
        write(&path, b"for all").unwrap();
        write_private(&path, b"for one").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"for one");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_could_not_be_written_whole_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signature");
        write_with(&path, |file| file.write_all(b"whole")).unwrap();
        write_with(&path, |file| file.write_all(b"half").and(Err(std::io::Error::other("the rest is missing")))).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

//! Conformance data of others, for tests. `HUFU_VECTORS` names its folder.

use std::path::PathBuf;

/// One file of the vectors; `None`, with a word about it, where they are not installed.
///
/// In CI their absence is a failure, so that a green run means that they were read.
pub fn read(file: &str) -> Option<Vec<u8>> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors");
    let folder = std::env::var_os("HUFU_VECTORS").map_or_else(beside, PathBuf::from);
    if !folder.is_dir() && std::env::var_os("CI").is_none() {
        eprintln!("skipped: no vectors in {} (set HUFU_VECTORS)", folder.display());
        return None;
    }
    Some(std::fs::read(folder.join(file)).unwrap_or_else(|error| panic!("vector {file} in {}: {error}", folder.display())))
}

//! Bytes that nobody means well with: every parser has a fuzz target, and all of them keep their bounds of time and memory.

use std::{collections::BTreeSet, process::Command};

use crate::conformance::{example, vectors};

#[path = "../../fuzz/parsers.rs"]
mod parsers;

#[test]
fn every_parser_has_its_fuzz_target() {
    let manifest: toml::Table = include_str!("../../fuzz/Cargo.toml").parse().unwrap();
    let targets = manifest["bin"].as_array().unwrap().iter();
    let targets: BTreeSet<&str> = targets.map(|target| target["name"].as_str().unwrap()).collect();
    let parsers: BTreeSet<&str> = parsers::PARSERS.iter().map(|parser| parser.name).collect();
    assert_eq!(targets, parsers);
    assert_eq!(parsers.len(), parsers::PARSERS.len());
    // The least there is.
    parsers::PARSERS.iter().for_each(|parser| (parser.run)(b""));
}

/// Thousands of objects, bent ones of ours and, where they are at hand, those of others. docs/robustness.md has the numbers.
#[test]
fn no_object_panics_a_parser_or_takes_it_long_or_much_memory() {
    let mut command = Command::new(example("conformance"));
    command.arg("limits");
    if let Some(vectors) = vectors() {
        for kind in ["cert", "cmp", "cms", "crl", "csr", "ocsp-req", "ocsp-resp"] {
            command.arg(vectors.join(format!("malformed/{kind}.jsonl")));
        }
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

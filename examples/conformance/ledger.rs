//! RFC 6962 proofs, and C2SP notes and checkpoints.

use anyhow::{Context, ensure};
use base64::prelude::*;
use hufu::ledger::{Note, NoteKey, checkpoint::Checkpoint, merkle};
use serde_json::Value;

use crate::{Answer, octets, text};

pub fn inclusion(case: &Value) -> Answer {
    Answer::valid((|| -> anyhow::Result<()> {
        let (index, size) = (number(case, "leafIdx")?, number(case, "treeSize")?);
        Ok(merkle::verify_inclusion(&hash(&case["leafHash"])?, index, size, &path(case)?, &hash(&case["root"])?)?)
    })())
}

pub fn consistency(case: &Value) -> Answer {
    Answer::valid((|| -> anyhow::Result<()> {
        let (old, new) = (number(case, "size1")?, number(case, "size2")?);
        Ok(merkle::verify_consistency(old, new, &hash(&case["root1"])?, &hash(&case["root2"])?, &path(case)?)?)
    })())
}

/// The key must have signed; the origin of a checkpoint must be the key's name.
pub fn note(case: &Value) -> Answer {
    Answer::valid((|| -> anyhow::Result<()> {
        let key = NoteKey::parse_vkey(text(case, "vkey")?)?;
        let note = Note::parse(std::str::from_utf8(&octets(case, "note")?)?)?;
        note.verify(std::slice::from_ref(&key))?;
        if case["kind"] == "checkpoint" {
            ensure!(Checkpoint::parse(note.text())?.origin == key.name(), "of another log");
        }
        Ok(())
    })())
}

fn number(case: &Value, member: &str) -> anyhow::Result<u64> {
    case[member].as_u64().with_context(|| format!("no {member}"))
}

fn hash(value: &Value) -> anyhow::Result<[u8; 32]> {
    let octets = BASE64_STANDARD.decode(value.as_str().context("no hash")?)?;
    <[u8; 32]>::try_from(octets).ok().context("a hash of another length")
}

fn path(case: &Value) -> anyhow::Result<Vec<[u8; 32]>> {
    case["proof"].as_array().into_iter().flatten().map(hash).collect()
}

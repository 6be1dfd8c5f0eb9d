//! The ledger as values: an append-only Merkle log of certificate events, and a status map whose root is the last leaf of every checkpoint.
//!
//! Read `merkle.rs` and `entry.rs` first, then `status_map.rs`, then `proof.rs`, which is all that an offline verifier needs.
//! Byte formats are those of C2SP (tlog-tiles, signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof); leaves and the map are ours.
//! Kept out on purpose: the database, private keys, the clock, HTTP, and who may decide what. Proofs are made in two steps, so that
//! whoever holds the tiles may fetch them as it likes: which tiles are needed, then the proof from those tiles.

mod bucket_tree;
pub mod checkpoint;
pub mod entry;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod record;
pub mod staged;
pub mod status_map;
mod text;
pub mod tiles;
pub mod transition;
pub mod tree;
mod wire;

#[cfg(test)]
mod testing;

pub use checkpoint::Checkpoint;
pub use entry::{Digests, Endorsement, Entry, EntryError, Event, EventType, MapHead, State, StatusKey};
pub use merkle::{Hash, ProofError};
pub use note::{Note, NoteError, NoteKey, Vouched};
pub use proof::{ProvenStatus, Receipt, StatusProof, TrustedLog, VerifyError};
pub use record::{Counts, Depth, Record};
pub use staged::Staged;
pub use status_map::{Change, StatusMap};
pub use tiles::{TileError, TileId, TileRequest};
pub use transition::TransitionError;
pub use tree::Tree;

//! The ledger for others: checkpoints, tiles, entry bundles, receipts and status proofs.

use std::collections::HashMap;

use super::{Services, error::Error, logs::SignedCheckpoint, revoke::digest};
use crate::{
    ledger::{
        Note, Receipt, StatusKey, StatusProof, TileId, TileRequest,
        tiles::{TileTarget, encode_bundle, inclusion_proof, inclusion_tiles},
    },
    store,
    world::seconds,
};

impl Services {
    /// The newest checkpoint of a log, a signed note.
    pub fn checkpoint(&self, log: &str) -> Result<SignedCheckpoint, Error> {
        self.logs.checkpoint(log).ok_or_else(|| Error::unknown("log", log))
    }

    /// A tile or an entry bundle at exactly the width asked for; `Unknown` for one that the newest checkpoint does not have.
    pub async fn tile(&self, log: &str, path: &str) -> Result<Vec<u8>, Error> {
        let unknown = || Error::unknown("tile", path);
        let request = TileRequest::parse(path).ok_or_else(unknown)?;
        let size = self.checkpoint(log)?.checkpoint.size;
        if !request.exists_at(size) {
            return Err(unknown());
        }
        let mut connection = self.db.read().await?;
        match request.target {
            TileTarget::Hashes(id) => {
                let tiles = store::ledger::tiles(&mut connection, log, &[(i64::from(id.level), id.n as i64)]).await?;
                // What is stored now starts with what was stored then: a tile only ever grows.
                let tile = tiles.into_iter().next().ok_or_else(unknown)?;
                tile.hashes.get(..request.width * 32).map(<[u8]>::to_vec).ok_or_else(unknown)
            }
            TileTarget::Entries(n) => {
                let first = n as i64 * 256;
                let leaves = store::ledger::leaves(&mut connection, log, first, first + request.width as i64).await?;
                encode_bundle(leaves.iter().map(|leaf| leaf.entry.as_slice())).map_err(|error| Error::Ledger(error.to_string()))
            }
        }
    }

    /// The proof that a leaf is under the newest checkpoint, with the leaf's own bytes in it.
    pub async fn receipt(&self, log: &str, index: u64) -> Result<Receipt, Error> {
        let signed = self.checkpoint(log)?;
        self.receipt_at(log, index, &signed).await
    }

    pub(super) async fn receipt_at(&self, log: &str, index: u64, signed: &SignedCheckpoint) -> Result<Receipt, Error> {
        let wrong = |error: &dyn std::fmt::Display| Error::Ledger(error.to_string());
        let size = signed.checkpoint.size;
        let wanted = inclusion_tiles(index, size).map_err(|error| wrong(&error))?;
        let (tiles, leaf) = {
            let mut connection = self.db.read().await?;
            let ids: Vec<(i64, i64)> = wanted.iter().map(|id| (i64::from(id.level), id.n as i64)).collect();
            let tiles = store::ledger::tiles(&mut connection, log, &ids).await?;
            let leaves = store::ledger::leaves(&mut connection, log, index as i64, index as i64 + 1).await?;
            (tiles, leaves.into_iter().next().ok_or_else(|| Error::unknown("leaf", index))?)
        };
        let by_id: HashMap<TileId, Vec<u8>> =
            tiles.into_iter().map(|tile| (TileId { level: tile.level as u8, n: tile.n as u64 }, tile.hashes)).collect();
        let path = inclusion_proof(index, size, &|id| by_id.get(&id)).map_err(|error| wrong(&error))?;
        let checkpoint = Note::parse(&signed.note).map_err(|error| wrong(&error))?;
        Ok(Receipt { extra: Some(leaf.entry), index, path, checkpoint })
    }

    /// The receipt of a certificate's issue.
    pub async fn certificate_receipt(&self, row: &store::CertificateRow) -> Result<Receipt, Error> {
        let key = StatusKey::from_tbs_digest(&digest(&row.id)?);
        let status = self.logs.status(&row.authority, &key).ok_or_else(|| Error::unknown("receipt", hex::encode(&row.id)))?;
        // A certificate's first change is its issue.
        let issue = status.changes.first().ok_or_else(|| Error::unknown("receipt", hex::encode(&row.id)))?;
        self.receipt(&row.authority, issue.index).await
    }

    /// What a log says of a certificate as of its newest checkpoint, with the proof: good, on hold, revoked or never issued.
    pub async fn status_proof(&self, log: &str, key: &StatusKey) -> Result<StatusProof, Error> {
        self.status_proof_at(log, key, &self.checkpoint(log)?).await
    }

    /// The same as of now, without a new leaf: the log signs its newest head again. Where it cannot just now, the proof is as of the
    /// newest checkpoint, which it says.
    pub async fn status_proof_now(&self, log: &str, key: &StatusKey) -> Result<StatusProof, Error> {
        let is_old = self.checkpoint(log)?.time < seconds(self.clock.now());
        if is_old && let Err(error) = self.journal.vouch(log).await {
            tracing::debug!(%error, log, "a checkpoint was not signed anew");
        }
        self.status_proof(log, key).await
    }

    /// The same as of a certain checkpoint.
    pub(super) async fn status_proof_at(&self, log: &str, key: &StatusKey, signed: &SignedCheckpoint) -> Result<StatusProof, Error> {
        let head = self.receipt_at(log, signed.checkpoint.size - 1, signed).await?;
        let logs = self.logs.read();
        let found = logs.get(log).ok_or_else(|| Error::unknown("log", log))?;
        // The map may have run ahead of the checkpoint while the tiles were read.
        if found.tree.size() == signed.checkpoint.size {
            Ok(StatusProof::new(&found.map, *key, head))
        } else {
            Ok(StatusProof::new(&found.map.at_size(signed.checkpoint.size), *key, head))
        }
    }
}

//! Acknowledgements: the system key signs to whoever asked for a revocation that it was done, and where the ledger says so.

use super::{Services, error::Error, journal::Position};
use crate::policy::{
    self, Act, Header, SignerReference, Statement, Timestamp,
    acknowledgement::{AcknowledgementPayload, Leaves},
    statement::{Digest32, Version},
};

impl Services {
    /// The acknowledgement of a statement whose leaves are committed. What is done is done: should the key not answer, that is
    /// logged, and there is none.
    pub(super) async fn acknowledge(&self, act: Act, statement: &Statement, positions: &[Position]) -> Option<String> {
        let signed = self.sign_acknowledgement(act, statement, positions).await;
        signed.inspect_err(|error| tracing::error!(%error, %act, "what was done could not be acknowledged")).ok()
    }

    async fn sign_acknowledgement(&self, act: Act, statement: &Statement, positions: &[Position]) -> Result<String, Error> {
        let payload = AcknowledgementPayload {
            about: statement.payload().about,
            act,
            at: Timestamp::new(self.clock.now()),
            leaves: self.leaves(positions)?,
            statement: Digest32(statement.digest()),
            v: Version,
        };
        let key = self.system_key.public_key();
        let input = policy::signing_input(&Header { algorithm: key.algorithm(), signer: SignerReference::key(key) }, &payload);
        let signature = self.system_key.sign(input.clone().into_bytes()).await.map_err(Error::Key)?;
        policy::assemble(&input, key.algorithm(), &signature).map_err(Error::Key)
    }

    /// The leaves of one commit stand beside each other in each log.
    fn leaves(&self, positions: &[Position]) -> Result<Vec<Leaves>, Error> {
        let mut leaves: Vec<(&str, Leaves)> = Vec::new();
        for position in positions {
            match leaves.iter_mut().find(|(log, _)| *log == position.log) {
                Some((_, leaves)) => leaves.count += 1,
                None => leaves.push((&position.log, Leaves { count: 1, first: position.index, origin: self.origin(&position.log)? })),
            }
        }
        Ok(leaves.into_iter().map(|(_, leaves)| leaves).collect())
    }
}

//! The verdict on a signature or a time stamp: what was signed is checked here, and each certificate behind it is judged by this
//! installation's roots and ledger at the time of the signature.

use time::OffsetDateTime;

use super::{Services, error::Error, verify::Question};
use crate::{
    crypto::Digest,
    validation::{
        Purpose, Report, SignatureReport, TimeStampReport,
        foreign::Files,
        report::{Hashed, Judged},
        revocation::Evidence,
        signature::{
            Asked,
            cms::Moment,
            document::{self, Given},
            format::unarmoured,
            raw::{Encoding, Signed, Verifier},
            time_stamp::{self, Token},
        },
    },
    x509::{
        Certificate,
        cms::{Dialect, ID_LEDGER_PROOFS, text_attribute},
        tsp::TimeStampResponse,
    },
};

/// What is to be verified.
pub struct SignatureQuestion {
    pub signature: Vec<u8>,
    pub kind: Kind,
    /// Further certificates: signers', or of their paths.
    pub certificates: Vec<Certificate>,
    /// Lists and responses about certificates of other PKIs, beside those that came in the signature.
    pub evidence: Files,
    /// Absent: now. A time stamp on the signature counts instead.
    pub at: Option<OffsetDateTime>,
}

pub enum Kind {
    /// A CMS or JWS, which one is seen from the file. The content, where it is detached.
    Document { content: Option<Content> },
    /// A bare signature value by the first certificate.
    Raw { signed: Content, algorithm: Option<String>, encoding: Encoding },
    /// A time-stamp token, or a response with one, and what it is said to be of.
    TimeStamp { stamped: Option<Content> },
}

pub enum Content {
    Whole(Vec<u8>),
    /// By the hash function that the signature or the token is of; of a document it is said by which.
    Digest(Vec<u8>, Option<Digest>),
}

/// A report of either kind.
pub enum Verified {
    Signature(Box<SignatureReport>),
    TimeStamp(Box<TimeStampReport>),
}

impl Services {
    /// Judges a signature. Blocks: up to thousands of signature checks.
    ///
    /// Errors: `Malformed` when a bare signature comes without a certificate or with an algorithm that is not known.
    pub fn verify_signature(&self, question: SignatureQuestion) -> Result<Verified, Error> {
        let moment = Moment { at: question.at, now: self.clock.now() };
        let evidence = question.evidence.read();
        let judge = |asked: &Asked<'_>| self.judge_asked(asked, &evidence);
        let more = &question.certificates;
        match question.kind {
            Kind::Document { content } => {
                let given = match &content {
                    None => Given::Nothing,
                    Some(Content::Whole(content)) => Given::Content(content),
                    Some(Content::Digest(hash, Some(digest))) => {
                        check_length(hash, digest.length(), digest.name())?;
                        Given::Hash(*digest, hash)
                    }
                    Some(Content::Digest(_, None)) => {
                        return Err(Error::malformed("digest_algorithm", format!("one of {}", Digest::names())));
                    }
                };
                Ok(Verified::Signature(Box::new(document::judge(&question.signature, given, more, moment, &judge))))
            }
            Kind::Raw { signed, algorithm, encoding } => {
                let certificate = more.first().ok_or_else(|| Error::malformed("certificates", "a bare signature needs its signer's"))?;
                let verifier = Verifier::new(certificate, algorithm.as_deref()).map_err(|error| Error::malformed("algorithm", error))?;
                let signed = match &signed {
                    Content::Whole(content) => Signed::Content(content),
                    Content::Digest(digest, _) => {
                        let length = verifier.digest_length();
                        let length = length.ok_or_else(|| Error::malformed("digest", "Ed25519 signs no digest; give the content"))?;
                        check_length(digest, length, "the hash function of the algorithm")?;
                        Signed::Digest(digest)
                    }
                };
                Ok(Verified::Signature(Box::new(verifier.judge(&signed, &question.signature, encoding, more, moment, &judge))))
            }
            Kind::TimeStamp { stamped } => {
                let mut judged = Judged::new(None, moment.now).file(&question.signature);
                let file = token_of(unarmoured(question.signature));
                let report = match Token::parse(&file) {
                    Ok(token) => {
                        let hash = hash_for(&token, stamped)?;
                        judged.content = hash.as_ref().zip(token.digest()).map(|(hash, digest)| Hashed::new(digest, hash));
                        token.judge(hash.as_deref(), more, moment.now, &judge)
                    }
                    Err(error) => time_stamp::not_a_token(&file, &error.to_string()),
                };
                Ok(Verified::TimeStamp(Box::new(TimeStampReport { judged: Some(judged), ..report })))
            }
        }
    }

    fn judge_asked(&self, asked: &Asked<'_>, more: &Evidence<'_>) -> Report {
        let question =
            Question { certificate: asked.certificate.clone(), chain: asked.candidates.to_vec(), at: asked.at, purpose: asked.purpose };
        let now = self.clock.now();
        self.judge_certificate(&question, &asked.evidence.and(more), now).unwrap_or_else(|error| {
            // Only an installation that is being made has an authority without certificate.
            tracing::error!(%error, "a certificate was not judged");
            Report::unknown(asked.at.unwrap_or(now))
        })
    }

    /// A report as a CMS of the service's own over its JSON; `None` for a family without such a key. The proofs of its signer come
    /// with it, so that whoever has the trust bundle needs nothing else.
    pub async fn sign_report(&self, family: &str, json: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some(key) = self.own_key("report", family) else { return Ok(None) };
        let dialect = if family == "sm2" { Dialect::Gm } else { Dialect::Cms };
        let proofs = self.ledger_proofs_of(&key.certificate).await?;
        key.sign_cms(dialect, dialect.data(), json, self.clock.now(), &key.certificates(), &[proofs]).await.map(Some)
    }

    /// The attribute with the receipt of a certificate of ours and the proof of its status as of now.
    async fn ledger_proofs_of(&self, certificate: &Certificate) -> Result<Vec<u8>, Error> {
        let question = Question { certificate: certificate.clone(), chain: Vec::new(), at: None, purpose: Purpose::Any };
        let mut report = self.verify_certificate(&question, &Evidence::default())?;
        self.add_evidence(&certificate.id(), &mut report, None).await?;
        // Strings and numbers only.
        let json = serde_json::to_string(&report.ledger).expect("a place in the ledger is JSON");
        Ok(text_attribute(ID_LEDGER_PROOFS, &json)?)
    }
}

/// The token of a TimeStampResp; what is no response is taken for a token itself.
pub fn token_of(file: Vec<u8>) -> Vec<u8> {
    match TimeStampResponse::parse(&file) {
        Ok(TimeStampResponse::Granted(token)) => token.to_vec(),
        Ok(TimeStampResponse::Rejected(_)) | Err(_) => file,
    }
}

fn hash_for(token: &Token, stamped: Option<Content>) -> Result<Option<Vec<u8>>, Error> {
    match (stamped, token.digest()) {
        (Some(Content::Digest(hash, Some(given))), Some(digest)) if given != digest => {
            let detail = format!("the time stamp is by {}, the digest that was given by {}", digest.name(), given.name());
            check_length(&hash, given.length(), given.name())?;
            Err(Error::malformed("digest_algorithm", detail))
        }
        (Some(Content::Digest(hash, _)), Some(digest)) => {
            check_length(&hash, digest.length(), digest.name())?;
            Ok(Some(hash))
        }
        (Some(Content::Digest(hash, _)), None) => Ok(Some(hash)),
        (Some(Content::Whole(content)), digest) => Ok(digest.map(|digest| digest.hash(&content))),
        (None, _) => Ok(None),
    }
}

/// A digest of another length is no digest by that function, but often its hexadecimal digits taken for base64.
fn check_length(digest: &[u8], length: usize, function: &str) -> Result<(), Error> {
    if digest.len() == length {
        return Ok(());
    }
    let detail =
        format!("a digest by {function} has {length} octets, and here are {}; octets are in base64, not in hexadecimal", digest.len());
    Err(Error::malformed("digest", detail))
}

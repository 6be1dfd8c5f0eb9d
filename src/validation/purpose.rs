//! What a certificate is to be used for (RFC 5280 §4.2.1.12).

use const_oid::db::{rfc5280, rfc5912};
use der::asn1::ObjectIdentifier;

use super::PathError;
use crate::x509::Certificate;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    Any,
    ServerAuth,
    ClientAuth,
    EmailProtection,
    /// Signatures over documents: what is asked of the signer of a CMS, a JWS or a bare signature. No extended key usage is needed.
    DocumentSigning,
    CodeSigning,
    TimeStamping,
    OcspSigning,
}

impl Purpose {
    pub const ALL: [Self; 8] = [
        Self::Any,
        Self::ServerAuth,
        Self::ClientAuth,
        Self::EmailProtection,
        Self::DocumentSigning,
        Self::CodeSigning,
        Self::TimeStamping,
        Self::OcspSigning,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ServerAuth => "server-auth",
            Self::ClientAuth => "client-auth",
            Self::EmailProtection => "email-protection",
            Self::DocumentSigning => "document-signing",
            Self::CodeSigning => "code-signing",
            Self::TimeStamping => "time-stamping",
            Self::OcspSigning => "ocsp-signing",
        }
    }

    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// The end entity may be used for it.
    pub(super) fn check_end_entity(self, certificate: &Certificate) -> Result<(), PathError> {
        if self == Self::DocumentSigning && !may_sign(certificate) {
            return Err(self.refused());
        }
        let Some(wanted) = self.oid() else { return Ok(()) };
        // Those two speak for others, so they must be named: neither silence nor anyExtendedKeyUsage will do (RFC 3161 §2.3, RFC 6960 §4.2.2.2).
        let must_be_named = matches!(self, Self::TimeStamping | Self::OcspSigning);
        let allowed = match certificate.extended_key_usage() {
            Some(purposes) => purposes.contains(&wanted) || (!must_be_named && purposes.contains(&ANY)),
            None => !must_be_named,
        };
        if allowed { Ok(()) } else { Err(self.refused()) }
    }

    /// An authority whose certificate lists purposes certifies for no other (the usual reading, X.509 §9.2.2.4 note).
    /// Responders are outside of it: they answer for the authority itself, whatever it issues.
    pub(super) fn check_authority(self, certificate: &Certificate) -> Result<(), PathError> {
        let Some(wanted) = self.oid().filter(|_| self != Self::OcspSigning) else { return Ok(()) };
        match certificate.extended_key_usage() {
            Some(purposes) if !purposes.contains(&wanted) && !purposes.contains(&ANY) => Err(self.refused()),
            _ => Ok(()),
        }
    }

    fn refused(self) -> PathError {
        PathError::Purpose(self.name())
    }

    fn oid(self) -> Option<ObjectIdentifier> {
        match self {
            Self::Any | Self::DocumentSigning => None,
            Self::ServerAuth => Some(rfc5280::ID_KP_SERVER_AUTH),
            Self::ClientAuth => Some(rfc5280::ID_KP_CLIENT_AUTH),
            Self::EmailProtection => Some(rfc5280::ID_KP_EMAIL_PROTECTION),
            Self::CodeSigning => Some(rfc5280::ID_KP_CODE_SIGNING),
            Self::TimeStamping => Some(rfc5280::ID_KP_TIME_STAMPING),
            Self::OcspSigning => Some(rfc5280::ID_KP_OCSP_SIGNING),
        }
    }
}

/// A key usage that is there must say that the key signs (RFC 5280 §4.2.1.3).
pub(super) fn may_sign(certificate: &Certificate) -> bool {
    certificate.key_usage().is_none_or(|usage| usage.digital_signature() || usage.non_repudiation())
}

const ANY: ObjectIdentifier = rfc5912::ANY_EXTENDED_KEY_USAGE;

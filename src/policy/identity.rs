//! Who and what a decision is about: opaque identifiers, and the names of authorities.

use crate::{
    crypto::algorithms,
    world::{Entropy, random},
};

/// Text that is not the identifier or name it was taken for. Does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct IdentityError(pub &'static str);

/// Sixteen random octets, written as 32 lower-case hexadecimal digits and read in no other form.
/// An identifier says nothing about what it stands for: it may appear in logs and in certificates.
macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident is $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            pub fn generate(entropy: &dyn Entropy) -> Self {
                Self(random(entropy))
            }

            pub const fn from_bytes(octets: [u8; 16]) -> Self {
                Self(octets)
            }

            pub fn from_slice(octets: &[u8]) -> Result<Self, IdentityError> {
                octets.try_into().map(Self).map_err(|_| IdentityError($what))
            }

            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdentityError;

            fn from_str(text: &str) -> Result<Self, IdentityError> {
                parse_hex(text).map(Self).ok_or(IdentityError($what))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&hex::encode(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

identifiers! {
    /// One person or one service, whatever certificates they hold.
    PersonId is "a person's identifier (32 lower-case hexadecimal digits)";
    /// One department, through renaming and until it is merged into another.
    DepartmentId is "a department's identifier (32 lower-case hexadecimal digits)";
    /// One request for one profile for one subject.
    EnrolmentId is "an enrolment's identifier (32 lower-case hexadecimal digits)";
    /// What the server hands out so that a statement can be used once.
    Nonce is "a nonce (32 lower-case hexadecimal digits)";
}

/// Lower-case hexadecimal digits of exactly `N` octets.
pub(super) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if !text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    hex::decode(text).ok()?.try_into().ok()
}

/// What an authority is for: the first word of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Certifies authorities only.
    Root,
    /// Certifies departments' staff, officers and services.
    Department,
    /// Certifies citizens.
    Citizen,
}

impl Purpose {
    pub const ALL: [Self; 3] = [Self::Root, Self::Department, Self::Citizen];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Department => "department",
            Self::Citizen => "citizen",
        }
    }
}

impl std::str::FromStr for Purpose {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text).ok_or(IdentityError("the purpose of an authority"))
    }
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The name of an authority: purpose, family and generation, as in `department-p256-g1` or `root-sm2-g1`.
///
/// The family is the algorithm of the certificates beneath it; a root of the family `p256` may itself hold a longer key.
/// Generations start at 1 and stand side by side while one rolls over into the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorityName {
    purpose: Purpose,
    family: &'static str,
    generation: u32,
}

impl AuthorityName {
    /// Refuses a family that is no algorithm of ours, and generation 0.
    pub fn new(purpose: Purpose, family: &str, generation: u32) -> Result<Self, IdentityError> {
        let family = algorithms::find(family).map_err(|_| NOT_AN_AUTHORITY)?.name();
        if generation == 0 {
            return Err(NOT_AN_AUTHORITY);
        }
        Ok(Self { purpose, family, generation })
    }

    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    pub const fn family(&self) -> &'static str {
        self.family
    }

    pub const fn generation(&self) -> u32 {
        self.generation
    }
}

const NOT_AN_AUTHORITY: IdentityError = IdentityError("the name of an authority (purpose-family-generation, as in department-sm2-g1)");

impl std::str::FromStr for AuthorityName {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let mut parts = text.split('-');
        let (Some(purpose), Some(family), Some(generation), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(NOT_AN_AUTHORITY);
        };
        let generation = generation.strip_prefix('g').and_then(|digits| digits.parse().ok()).ok_or(NOT_AN_AUTHORITY)?;
        let name = Self::new(purpose.parse().map_err(|_| NOT_AN_AUTHORITY)?, family, generation)?;
        // One authority has one name: `g01` and `g+1` are refused.
        if name.to_string() == text { Ok(name) } else { Err(NOT_AN_AUTHORITY) }
    }
}

impl std::fmt::Display for AuthorityName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}-g{}", self.purpose, self.family, self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::SystemEntropy;

    #[test]
    fn an_identifier_is_read_in_the_form_it_is_written_and_in_no_other() {
        let id = PersonId::generate(&SystemEntropy);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(PersonId::from_slice(id.as_bytes()), Ok(id));
        assert_ne!(id, PersonId::generate(&SystemEntropy));
        for wrong in ["", "00", "ABCDEF00000000000000000000000000", "0000000000000000000000000000000g", "000000000000000000000000000000000"]
        {
            assert!(wrong.parse::<PersonId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_name_of_an_authority_has_one_form() {
        for name in ["root-p256-g1", "root-sm2-g1", "department-p256-g1", "citizen-sm2-g12"] {
            assert_eq!(name.parse::<AuthorityName>().unwrap().to_string(), name);
        }
        let name: AuthorityName = "citizen-sm2-g12".parse().unwrap();
        assert_eq!((name.purpose(), name.family(), name.generation()), (Purpose::Citizen, "sm2", 12));
        for wrong in [
            "",
            "root",
            "root-p256",
            "root-p256-1",
            "root-p256-g0",
            "root-p256-g01",
            "root-p256-g+1",
            "root-p256-g1-",
            "root-rot13-g1",
            "Root-p256-g1",
            "town-p256-g1",
            "root-p256-g4294967296",
        ] {
            assert!(wrong.parse::<AuthorityName>().is_err(), "{wrong}");
        }
    }
}

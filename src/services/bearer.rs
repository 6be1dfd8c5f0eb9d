//! What callers show in place of a certificate: `hufu-session-{id}-{secret}` or `hufu-token-{id}-{secret}`, in hexadecimal. The
//! id finds the row, and the secret opens it; the database keeps the SHA-256 of the secret.

use zeroize::Zeroizing;

use crate::{
    crypto::digest::sha256,
    world::{Entropy, random},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of a person, by their login.
    Session,
    /// Of a service that relies on us.
    Token,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Session, Self::Token];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "hufu-session-",
            Self::Token => "hufu-token-",
        }
    }
}

pub struct Bearer {
    kind: Kind,
    id: String,
    secret: Zeroizing<[u8; 32]>,
}

impl Bearer {
    /// Of a new row.
    pub fn generate(kind: Kind, entropy: &dyn Entropy) -> Self {
        Self::of(kind, hex::encode(random::<16>(entropy)), entropy)
    }

    /// Of a row that has its id already.
    pub fn of(kind: Kind, id: String, entropy: &dyn Entropy) -> Self {
        Self { kind, id, secret: Zeroizing::new(random(entropy)) }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = Kind::ALL.into_iter().find_map(|kind| Some((kind, text.strip_prefix(kind.prefix())?)))?;
        let (id, secret) = rest.split_once('-')?;
        let octets: [u8; 16] = hex::decode(id).ok()?.try_into().ok()?;
        let mut bearer = Self { kind, id: hex::encode(octets), secret: Zeroizing::default() };
        hex::decode_to_slice(secret, &mut *bearer.secret).ok()?;
        (*bearer.reveal() == *text).then_some(bearer)
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn hash(&self) -> [u8; 32] {
        sha256(&*self.secret)
    }

    /// As its owner keeps it.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{}-{}", self.kind.prefix(), self.id, hex::encode(*self.secret)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::SystemEntropy;

    #[test]
    fn what_was_revealed_is_read_and_nothing_else() {
        for kind in Kind::ALL {
            let bearer = Bearer::generate(kind, &SystemEntropy);
            let text = bearer.reveal();
            let read = Bearer::parse(&text).unwrap();
            assert_eq!((read.kind(), read.id(), read.hash()), (kind, bearer.id(), bearer.hash()));
            for other in
                [text.to_uppercase(), text[1..].to_owned(), format!("{}0", *text), text.replacen('-', "_", 3), format!(" {}", *text)]
            {
                assert!(Bearer::parse(&other).is_none(), "{other}");
            }
        }
        assert!(Bearer::parse("").is_none() && Bearer::parse("hufu-token-").is_none());
    }
}

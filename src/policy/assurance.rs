//! How sure it is that somebody is who they say: the three levels of ISO/IEC 29115 and eIDAS that citizens' profiles name.

use time::Duration;

/// Ordered: a higher level is good enough wherever a lower one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assurance {
    Low,
    Substantial,
    High,
}

impl Assurance {
    pub const ALL: [Self; 3] = [Self::Low, Self::Substantial, Self::High];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Substantial => "substantial",
            Self::High => "high",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a level of assurance (low, substantial, high)")]
pub struct UnknownAssurance;

impl std::str::FromStr for Assurance {
    type Err = UnknownAssurance;

    fn from_str(text: &str) -> Result<Self, UnknownAssurance> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or(UnknownAssurance)
    }
}

impl std::fmt::Display for Assurance {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a profile says of people who ask for themselves, with a proof of who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofingRules {
    /// A proof below this level is refused.
    pub lowest: Assurance,
    /// From this level on the proof decides, and the system key signs so; `None`: people approve, whatever the level.
    pub decides_from: Option<Assurance>,
    /// How long a code from a counter waits before it works, so that whoever is written to can object.
    pub cooling: Duration,
}

impl ProofingRules {
    /// Whether a proof of this level takes the place of approvals.
    pub fn decides(&self, assurance: Assurance) -> bool {
        self.decides_from.is_some_and(|lowest| assurance >= lowest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_decides_from_the_level_that_the_profile_names() {
        let rules = |decides_from| ProofingRules { lowest: Assurance::Low, decides_from, cooling: Duration::ZERO };
        let decides = |from| Assurance::ALL.map(|level| rules(from).decides(level));
        assert_eq!(decides(None), [false; 3]);
        assert_eq!(decides(Some(Assurance::Substantial)), [false, true, true]);
        assert_eq!(decides(Some(Assurance::High)), [false, false, true]);
        for level in Assurance::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
        }
        assert!("hoch".parse::<Assurance>().is_err());
    }
}

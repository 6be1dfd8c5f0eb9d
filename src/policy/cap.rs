//! How much one person may sign within any 24 hours: `caps.toml`, which says what it is for.
//!
//! People are counted, never certificates. The day slides: at no hour do two days' worth fit into one night.

use std::{collections::BTreeMap, ops::Range};

use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use toml::Spanned;

use super::{profile::Fault, statement::Act};

/// How far back a cap counts.
pub const WINDOW: Duration = Duration::hours(24);

/// The acts that people sign for others.
static CAPPED: &[Act] = &[
    Act::Approve,
    Act::Reject,
    Act::Revoke,
    Act::Suspend,
    Act::Resume,
    Act::Grant,
    Act::Dismiss,
    Act::ActivatePolicy,
    Act::CheckIdentity,
    Act::ConfirmIdentity,
    Act::WithdrawIdentity,
    Act::UpholdContest,
    Act::DismissContest,
    Act::Export,
    Act::Erase,
    Act::GrantToken,
    Act::RevokeToken,
];

/// The acts that are done to lists.
static LISTED: &[Act] = &[Act::Approve, Act::Revoke];

/// The most of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// Statements, each of which may be over a list.
    pub statements: u64,
    /// What they are about, each of a list by itself.
    pub items: Option<u64>,
}

/// A statement of somebody: when it was recorded, and about how many things it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    pub at: OffsetDateTime,
    pub items: u64,
}

/// The cap that a statement is beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    pub most: u64,
    pub of: &'static str,
    /// From when on there is room for it; `None` when it alone is more than the cap.
    pub opens: Option<OffsetDateTime>,
}

impl Cap {
    /// Whether these statements of one person within the window, oldest first and the new one last, are no more than allowed.
    pub fn check(&self, signed: &[Signed]) -> Result<(), Reached> {
        within(self.statements, "statements", signed, |_| 1)?;
        self.items.map_or(Ok(()), |most| within(most, "items", signed, |one| one.items))
    }
}

fn within(most: u64, of: &'static str, signed: &[Signed], count: impl Fn(&Signed) -> u64) -> Result<(), Reached> {
    let all: u64 = signed.iter().map(&count).sum();
    let Some(too_many) = all.checked_sub(most).filter(|too_many| *too_many > 0) else { return Ok(()) };
    // There is room again once as many of the oldest have left the window; the new one itself does not make room for itself.
    let mut gone = 0;
    let earlier = &signed[..signed.len().saturating_sub(1)];
    let last = earlier.iter().find(|one| {
        gone += count(one);
        gone >= too_many
    });
    Err(Reached { most, of, opens: last.map(|one| one.at + WINDOW) })
}

/// `caps.toml`: one table an act.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caps(BTreeMap<&'static str, Cap>);

impl Caps {
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let fault = |at: Range<usize>, message: String| Fault { at, message };
        let raw: BTreeMap<Spanned<String>, Spanned<Cap>> =
            toml::from_str(text).map_err(|error| fault(error.span().unwrap_or_default(), error.message().to_owned()))?;
        let mut caps = BTreeMap::new();
        for (act, cap) in raw {
            let Some(known) = CAPPED.iter().find(|known| known.as_str() == act.get_ref()) else {
                let names: Vec<&str> = CAPPED.iter().map(|act| act.as_str()).collect();
                return Err(fault(act.span(), format!("\"{}\" is no act that has a cap: {}", act.get_ref(), names.join(", "))));
            };
            let Cap { statements, items } = *cap.get_ref();
            if statements == 0 || items == Some(0) {
                return Err(fault(cap.span(), "a cap of nothing forbids the act: that is what rules are for".to_owned()));
            }
            if items.is_some() && !LISTED.contains(known) {
                return Err(fault(cap.span(), format!("{known} is not done to lists: there are no items")));
            }
            caps.insert(known.as_str(), *cap.get_ref());
        }
        Ok(Self(caps))
    }

    /// The cap of an act. One that the file does not name has none.
    pub fn of(&self, act: Act) -> Option<Cap> {
        self.0.get(act.as_str()).copied()
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const BEGIN: OffsetDateTime = datetime!(2030-01-01 00:00 UTC);

    /// Statements at these hours, over so many things each.
    fn signed(of: &[(i64, u64)]) -> Vec<Signed> {
        of.iter().map(|(hour, items)| Signed { at: BEGIN + Duration::hours(*hour), items: *items }).collect()
    }

    #[test]
    fn what_is_beyond_a_cap_is_told_when_there_is_room_again() {
        let cap = Cap { statements: 3, items: Some(10) };
        for (name, of, expected) in [
            ("none before", &[(5, 1)][..], None),
            ("as many as allowed", &[(0, 1), (1, 1), (5, 1)], None),
            ("one too many", &[(0, 1), (1, 1), (2, 1), (5, 1)], Some(("statements", Some(24)))),
            ("two too many, of an earlier and larger cap", &[(0, 1), (1, 1), (2, 1), (3, 1), (5, 1)], Some(("statements", Some(25)))),
            ("items as many as allowed", &[(0, 4), (5, 6)], None),
            ("an item too many", &[(0, 1), (1, 4), (5, 6)], Some(("items", Some(24)))),
            ("room only after the second", &[(0, 1), (1, 4), (5, 8)], Some(("items", Some(25)))),
            ("a list that is too long by itself", &[(0, 1), (5, 11)], Some(("items", None))),
        ] {
            let found = cap.check(&signed(of)).err().map(|reached| (reached.of, reached.opens));
            assert_eq!(found, expected.map(|(of, hour)| (of, hour.map(|hour| BEGIN + Duration::hours(hour)))), "{name}");
        }
        let unlisted = Cap { statements: 1, items: None };
        assert_eq!(unlisted.check(&signed(&[(0, 1_000_000)])), Ok(()));
    }

    #[test]
    fn caps_that_are_wrong_are_refused_where_they_are_wrong() {
        let good = "[approve]\nstatements = 2\nitems = 5\n\n[export]\nstatements = 1\n";
        let caps = Caps::parse(good).unwrap();
        assert_eq!(caps.of(Act::Approve), Some(Cap { statements: 2, items: Some(5) }));
        assert_eq!(caps.of(Act::Export), Some(Cap { statements: 1, items: None }));
        assert_eq!(caps.of(Act::Revoke), None);
        for (from, to, said) in [
            ("[export]", "[bless]", "no act that has a cap"),
            ("[export]", "[issue]", "no act that has a cap"),
            ("statements = 1", "statements = 0", "a cap of nothing"),
            ("items = 5", "items = 0", "a cap of nothing"),
            ("statements = 1", "statements = -1", "invalid value"),
            ("statements = 1", "statements = 1\nitems = 3", "not done to lists"),
            ("statements = 1", "items = 1", "missing field"),
            ("statements = 1", "statments = 1", "unknown field"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let fault = Caps::parse(&text).expect_err(to);
            assert!(fault.message.contains(said), "{to}: {}", fault.message);
        }
    }
}

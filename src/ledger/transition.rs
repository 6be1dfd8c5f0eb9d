//! Which entry may follow which status: the rules that the service, every mirror and the audit hold a log to.

use super::entry::{CERTIFICATE_HOLD, Entry, EntryError, EventType, State};

/// Why an entry must not stand in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    #[error("{event} is not possible for a certificate that is {state:?}")]
    NotPossible { event: EventType, state: State },
    #[error("the certificate was issued before")]
    IssuedBefore,
    #[error("the entry names other states than {from:?} and {to:?}")]
    States { from: State, to: State },
    #[error("the certificate is valid until {not_after} and cannot expire at {time}")]
    NotExpired { not_after: u64, time: u64 },
    #[error("the reason {0} does not fit the event")]
    Reason(u8),
    #[error(transparent)]
    Body(#[from] EntryError),
    #[error("leaf {index} was applied after leaf {next} was expected")]
    OutOfOrder { index: u64, next: u64 },
    #[error("the map head names another map than the leaves before it make")]
    MapHead,
    #[error("the map changed since this was staged")]
    Stale,
}

/// What a map knows about a certificate before an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub state: State,
    /// The rounded end of validity; `None` when it was never issued.
    pub not_after: Option<u64>,
}

/// What an allowed entry does to a certificate's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub state: State,
    pub invalid_since: Option<u64>,
    pub not_after: Option<u64>,
}

/// Judges one entry; `None` when it changes no status.
pub(super) fn judge(standing: Standing, entry: &Entry) -> Result<Option<Step>, TransitionError> {
    let step = match entry.event_type {
        EventType::ISSUE => issue(standing, entry)?,
        EventType::HOLD => plain(standing, entry, &[State::Good], State::Hold)?,
        EventType::RESUME => plain(standing, entry, &[State::Hold], State::Good)?,
        EventType::REVOKE => revoke(standing, entry)?,
        EventType::EXPIRE => expire(standing, entry)?,
        known if known.name().is_some() && entry.prev_state != entry.new_state => {
            return Err(TransitionError::States { from: standing.state, to: standing.state });
        }
        _ => return Ok(None),
    };
    check_reason(entry)?;
    if (entry.prev_state, entry.new_state) != (standing.state, step.state) {
        return Err(TransitionError::States { from: standing.state, to: step.state });
    }
    Ok(Some(step))
}

fn issue(standing: Standing, entry: &Entry) -> Result<Step, TransitionError> {
    if standing.not_after.is_some() {
        return Err(TransitionError::IssuedBefore);
    }
    Ok(Step { not_after: Some(entry.not_after()?), ..plain(standing, entry, &[State::Absent], State::Good)? })
}

fn revoke(standing: Standing, entry: &Entry) -> Result<Step, TransitionError> {
    let invalid_since = entry.invalid_since()?;
    Ok(Step { invalid_since, ..plain(standing, entry, &[State::Good, State::Hold], State::Revoked)? })
}

fn expire(standing: Standing, entry: &Entry) -> Result<Step, TransitionError> {
    let step = plain(standing, entry, &[State::Good, State::Hold, State::Revoked], State::Absent)?;
    match standing.not_after {
        Some(not_after) if entry.time <= not_after => Err(TransitionError::NotExpired { not_after, time: entry.time }),
        _ => Ok(step),
    }
}

fn plain(standing: Standing, entry: &Entry, from: &[State], to: State) -> Result<Step, TransitionError> {
    if !from.contains(&standing.state) {
        return Err(TransitionError::NotPossible { event: entry.event_type, state: standing.state });
    }
    Ok(Step { state: to, invalid_since: None, not_after: None })
}

/// A CRL must be able to say the reason of a revocation: neither 7 (unused) nor the two that take it back or hold it
/// (RFC 5280 §5.3.1).
fn check_reason(entry: &Entry) -> Result<(), TransitionError> {
    let fits = match entry.event_type {
        EventType::REVOKE => matches!(entry.reason, 0..=5 | 9 | 10),
        EventType::HOLD => entry.reason == CERTIFICATE_HOLD,
        _ => entry.reason == 0,
    };
    if fits { Ok(()) } else { Err(TransitionError::Reason(entry.reason)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::entry::{Digests, Event, StatusKey};

    const NOT_AFTER: u64 = 86_400;
    const ALL: [State; 4] = [State::Absent, State::Good, State::Hold, State::Revoked];

    #[test]
    fn the_table_of_transitions_is_complete() {
        type Make = fn(State) -> Entry;
        let table: [(&str, Make, &[State]); 5] = [
            ("issue", |_| Entry::issue(&event(0), Digests::default(), NOT_AFTER), &[State::Absent]),
            ("hold", |_| Entry::hold(&event(1), Digests::default()), &[State::Good]),
            ("resume", |_| Entry::resume(&event(1), Digests::default()), &[State::Hold]),
            ("revoke", |state| Entry::revoke(&event(1), Digests::default(), state, 1, Some(5)), &[State::Good, State::Hold]),
            ("expire", |state| Entry::expire(&event(NOT_AFTER + 1), state), &[State::Good, State::Hold, State::Revoked]),
        ];
        for (name, make, from) in table {
            for state in ALL {
                let result = judge(standing(state), &make(state));
                assert_eq!(result.is_ok(), from.contains(&state), "{name} of {state:?}: {result:?}");
            }
        }
    }

    #[test]
    fn nothing_expires_before_its_time() {
        let expired = |time| judge(standing(State::Good), &Entry::expire(&event(time), State::Good));
        assert_eq!(expired(NOT_AFTER), Err(TransitionError::NotExpired { not_after: NOT_AFTER, time: NOT_AFTER }));
        assert!(expired(NOT_AFTER + 1).is_ok());
    }

    #[test]
    fn what_was_ever_issued_is_not_issued_again() {
        let gone = Standing { state: State::Absent, not_after: Some(NOT_AFTER) };
        let entry = Entry::issue(&event(9), Digests::default(), NOT_AFTER);
        assert_eq!(judge(gone, &entry), Err(TransitionError::IssuedBefore));
    }

    #[test]
    fn an_entry_that_lies_about_its_states_is_refused() {
        for (prev_state, new_state) in [(State::Good, State::Good), (State::Absent, State::Hold)] {
            let mut entry = Entry::issue(&event(0), Digests::default(), NOT_AFTER);
            (entry.prev_state, entry.new_state) = (prev_state, new_state);
            assert!(matches!(judge(standing(State::Absent), &entry), Err(TransitionError::States { .. })));
        }
        let mut notice = Entry::notice(&event(0), EventType::AUDIT, Digests::default(), Vec::new()).unwrap();
        assert_eq!(judge(standing(State::Good), &notice), Ok(None));
        notice.new_state = State::Revoked;
        assert!(matches!(judge(standing(State::Good), &notice), Err(TransitionError::States { .. })));
        notice.event_type = EventType(200);
        assert_eq!(judge(standing(State::Good), &notice), Ok(None));
    }

    #[test]
    fn only_reasons_that_a_crl_can_say_are_accepted() {
        for reason in 0..=255 {
            let entry = Entry::revoke(&event(1), Digests::default(), State::Good, reason, None);
            let accepted = judge(standing(State::Good), &entry).is_ok();
            assert_eq!(accepted, [0, 1, 2, 3, 4, 5, 9, 10].contains(&reason), "{reason}");
        }
        let mut hold = Entry::hold(&event(1), Digests::default());
        hold.reason = 1;
        assert_eq!(judge(standing(State::Good), &hold), Err(TransitionError::Reason(1)));
    }

    fn event(time: u64) -> Event<'static> {
        Event { origin: "log", status_key: StatusKey::from_bytes([1; 32]), version: 1, time }
    }

    fn standing(state: State) -> Standing {
        Standing { state, not_after: (state != State::Absent).then_some(NOT_AFTER) }
    }
}

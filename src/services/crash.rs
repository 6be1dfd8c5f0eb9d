//! The points at which a crash would hurt most, by name, so that a test can kill the process at each one.
//!
//! A point costs one look at a variable when no test is running. `hufu serve` arms one from `HUFU_CRASH_AT`; there is no way
//! to arm it from outside a running process.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

/// Every point, in the order in which an installation, a start, an issue, a revocation and a CRL reach them.
pub static POINTS: &[&str] = &[
    "install-policy-copied",
    "install-log-keys-made",
    "install-authority-keys-made",
    "install-claims-written",
    "start-logs-loaded",
    "start-promises-signed",
    "record-before-commit",
    "record-committed",
    "promise-before-commit",
    "promise-committed",
    "journal-heads-written",
    "journal-checkpoint-signed",
    "issue-signed",
    "complete-before-commit",
    "complete-committed",
    "revoke-before-commit",
    "revoke-committed",
    "crl-signed",
    "crl-before-commit",
    "crl-committed",
];

static ARMED: OnceLock<Armed> = OnceLock::new();

struct Armed {
    point: String,
    /// How often it is still passed unharmed.
    spared: AtomicU32,
}

/// Arms `POINT`, or the n-th passing of it as `POINT:N`, for the life of the process. Errors with the list when the name is
/// unknown.
pub fn arm(text: &str) -> Result<(), String> {
    let armed = parse(text)?;
    ARMED.set(armed).map_err(|_| "a crash point is armed already".to_owned())
}

fn parse(text: &str) -> Result<Armed, String> {
    let (point, passing) = text.split_once(':').unwrap_or((text, "1"));
    if !POINTS.contains(&point) {
        return Err(format!("no crash point {point:?}; there are {}", POINTS.join(", ")));
    }
    match passing.parse::<u32>() {
        Ok(passing) if passing > 0 => Ok(Armed { point: point.to_owned(), spared: AtomicU32::new(passing - 1) }),
        _ => Err(format!("{passing:?} is no number of a passing, counted from 1")),
    }
}

/// Ends the process at once, without any clean-up, when `name` is the armed point.
pub fn point(name: &'static str) {
    debug_assert!(POINTS.contains(&name), "{name} is not in POINTS");
    let Some(armed) = ARMED.get().filter(|armed| armed.point == name) else { return };
    let spare = |left: u32| left.checked_sub(1);
    if armed.spared.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spare).is_err() {
        eprintln!("crash point reached: {name}");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_armed_by_name_and_passing() {
        for (text, spared) in [("crl-signed", Some(0)), ("crl-signed:3", Some(2)), ("crl-signed:0", None), ("crl-sealed", None)] {
            assert_eq!(parse(text).ok().map(|armed| armed.spared.into_inner()), spared, "{text}");
        }
    }
}

//! Reasons to a verdict.

use trust::{Denied, Reason, Time, Verdict};

/// What clocks may differ by.
const CLOCK_SKEW_SECONDS: i64 = 300;

/// The first fact that nothing speaks against, or all that speaks against each of them; `missing` if there is none.
pub(crate) fn first_allowed<'a, T>(
    facts: &[&'a T],
    against: impl Fn(&T) -> Vec<Reason>,
    missing: impl FnOnce() -> Reason,
) -> Result<&'a T, Denied> {
    let mut all = Vec::new();
    for fact in facts {
        let reasons = against(fact);
        if reasons.is_empty() {
            return Ok(fact);
        }
        all.extend(reasons);
    }
    Err(Denied::from_reasons(merged(all)).unwrap_or_else(|| Denied::because(missing())))
}

/// What was found, unless there are reasons against it; then these, and why nothing was found, each said once.
pub(crate) fn found_unless<T>(reasons: Vec<Reason>, found: Result<T, Denied>) -> Result<T, Denied> {
    match found {
        Ok(value) => Denied::from_reasons(merged(reasons)).map_or(Ok(value), Err),
        Err(denied) => {
            let all = reasons.into_iter().chain(denied.reasons().cloned());
            Err(Denied::from_reasons(merged(all.collect())).unwrap_or(denied))
        }
    }
}

/// The verdict on something found or not.
pub(crate) fn settled<T>(found: Result<T, Denied>) -> Verdict<T> {
    found.map_or_else(Verdict::Denied, Verdict::Allowed)
}

/// A no for this reason.
pub(crate) const fn denied<T>(reason: Reason) -> Verdict<T> {
    Verdict::Denied(Denied::because(reason))
}

/// Whether a statement is dated later than its reader's clock, by more than clocks may differ.
pub(crate) fn is_future(stated: Time, now: Time) -> bool {
    stated > now.plus_seconds(CLOCK_SKEW_SECONDS)
}

fn merged(reasons: Vec<Reason>) -> Vec<Reason> {
    let mut merged: Vec<Reason> = Vec::new();
    for reason in reasons {
        if !merged.contains(&reason) {
            merged.push(reason);
        }
    }
    merged
}

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

/// A no for these reasons and for what was not found, each said once; else what was found.
pub(crate) fn settle<T>(reasons: Vec<Reason>, found: Result<T, Denied>) -> Verdict<T> {
    match found {
        Ok(value) => unless(reasons, value),
        Err(denied) => {
            let all = reasons.into_iter().chain(denied.reasons().cloned());
            Verdict::Denied(Denied::from_reasons(merged(all.collect())).unwrap_or(denied))
        }
    }
}

/// A no for these reasons, each said once, or a yes if there are none.
pub(crate) fn unless<T>(reasons: Vec<Reason>, allowed: T) -> Verdict<T> {
    Denied::from_reasons(merged(reasons)).map_or(Verdict::Allowed(allowed), Verdict::Denied)
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

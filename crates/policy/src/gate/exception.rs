//! An exception: for a while, in one place, a model may pass requirements of one policy. It lets no recall pass, nor what
//! the gate asks for beside a policy.

use digest::Digest;
use trust::predicate::Exception;
use trust::{Statement, Time, Verified};

use super::Place;
use super::asked::Asked;
use super::decision::{Excepted, Finding, Outcome, Said};
use crate::verdict::is_future;

/// How long an exception may hold: an emergency is over by then, or is none.
pub const EXCEPTION_SECONDS_MAX: i64 = 86_400;

/// Lets a requirement pass that nothing satisfies, if an exception does.
pub(super) fn apply(
    finding: &mut Finding,
    policy: Digest,
    asked: &Asked<'_>,
    exceptions: &[&Verified<Statement<Exception>>],
    place: &Place,
) {
    let Outcome::Unmet(reasons) = &finding.outcome else {
        return;
    };
    // In whichever order they came, the same one is told.
    let holding = asked.about(exceptions).into_iter().find(|stated| {
        let exception = &stated.value().predicate;
        exception.policy == policy
            && exception
                .requirements
                .iter()
                .any(|word| word == finding.requirement)
            && is_here(exception, place)
            && is_now(exception, asked.now)
    });
    if let Some(stated) = holding {
        finding.outcome = Outcome::Excepted(Excepted {
            by: Said::of(stated),
            until: stated.value().predicate.expires,
            reasons: reasons.clone(),
        });
    }
}

/// Whether all that it says of a place holds here.
fn is_here(exception: &Exception, place: &Place) -> bool {
    let mut scopes = exception.scopes.iter();
    exception.environment == place.environment
        && scopes.all(|(scope, value)| place.scopes.get(scope) == Some(value))
}

fn is_now(exception: &Exception, now: Time) -> bool {
    let longest = exception.granted_at.plus_seconds(EXCEPTION_SECONDS_MAX);
    !is_future(exception.granted_at, now) && now < exception.expires && exception.expires <= longest
}

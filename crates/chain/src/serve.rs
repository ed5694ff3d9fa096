//! The stage `serve`: a server starts on an admitted model.
//!
//! In: the model, its admissions, the recalls. Must hold: an admission for this environment and account that is not
//! over, and nothing recalled, nor the key that admitted. Out: a serving statement, whose session its predictions' ids begin with.
//! Denies: `admission_missing`, `admission_expired`, `recalled`. Logs: the serving statement.

use std::collections::BTreeSet;

use digest::Digest;
use trust::predicate::{Admission, Serving};
use trust::{Artifact, Code, Denied, Reason, Statement, Time, Verdict};

use crate::ledger::{Fault, Ledger, Logged};
use crate::lost;
use crate::recall::{recalled, recalled_key, signer};

/// How many hexadecimal digits of the admission and the start make a session.
const SESSION_DIGITS: usize = 16;

/// Whom a server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The environment.
    pub environment: String,
    /// The service account.
    pub service_account: String,
}

/// Finds the admission that a server may start on: the newest that fits the place and was not signed by a recalled key.
///
/// # Errors
/// A recall can't be checked.
pub fn decide(
    ledger: &Ledger<'_>,
    artifact: &Artifact,
    place: &Place,
    now: Time,
) -> Result<Verdict<Logged<Admission>>, Fault> {
    let reasons = recalled(ledger, artifact)?;
    if let Some(denied) = Denied::from_reasons(reasons) {
        return Ok(Verdict::Denied(denied));
    }
    let about = BTreeSet::from([artifact.digest()]);
    let admissions = ledger.about::<Admission>(&about).believed;
    let fits = |logged: &Logged<Admission>| {
        let said = &logged.statement.value().predicate;
        said.environment == place.environment && said.service_account == place.service_account
    };
    // What a recalled key signed does not count, so that who stole it neither opens nor closes anything.
    let mut reasons = Vec::new();
    let mut newest = None;
    for logged in admissions.into_iter().filter(fits) {
        match recalled_key(ledger, logged.statement.proof().key)? {
            recalled if recalled.is_empty() => newest = Some(logged),
            recalled => reasons = recalled,
        }
    }
    Ok(match newest {
        None => {
            let denied = Denied::from_reasons(reasons)
                .unwrap_or_else(|| Denied::because(missing(artifact.digest(), place)));
            let denied = Verdict::Denied(denied);
            lost::told_of::<Admission, _>(ledger, &about, Code::AdmissionMissing, denied)
        }
        Some(logged) if now >= logged.statement.value().predicate.expires => Verdict::Denied(
            Denied::because(expired(logged.statement.value().predicate.expires)),
        ),
        Some(logged) => Verdict::Allowed(logged),
    })
}

/// The bundles of what a server said and had heard when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// The admission that it started on.
    pub admission: Digest,
    /// Its own statement that it serves.
    pub serving: Digest,
}

/// Why a running server may no longer answer: something was recalled, or the key that the server spoke with, or the
/// admission that it started on is not believed any more. That an admission's time is over is no reason: it is for starting.
///
/// # Errors
/// A recall can't be checked.
pub fn withdrawn(
    ledger: &Ledger<'_>,
    artifact: &Artifact,
    started: Started,
) -> Result<Option<Reason>, Fault> {
    if let Some(reason) = recalled(ledger, artifact)?.into_iter().next() {
        return Ok(Some(reason));
    }
    let about = BTreeSet::from([artifact.digest()]);
    // The key need not hold any more, and a recall of it counts nonetheless.
    let Some(server) = signer::<Serving>(ledger, &about, started.serving)? else {
        return Ok(Some(Reason::new(
            Code::LogInconsistent,
            "the statement that this server started with is not in the log any more",
            "find out with `modelward log verify` what was changed, and start the server again",
        )));
    };
    if let Some(reason) = recalled_key(ledger, server)?.into_iter().next() {
        return Ok(Some(reason));
    }
    let admissions = ledger.about::<Admission>(&about);
    let ours = |logged: &&Logged<Admission>| logged.statement.proof().bundle == started.admission;
    let Some(logged) = admissions.believed.iter().find(ours) else {
        return Ok(Some(Reason::new(
            Code::AdmissionMissing,
            "the admission that this server started on is not believed any more",
            "admit the model again with `modelward admit`, and start the server again",
        )));
    };
    let reasons = recalled_key(ledger, logged.statement.proof().key)?;
    Ok(reasons.into_iter().next())
}

/// The statement that a server has started.
#[must_use]
pub fn statement(
    name: &str,
    artifact: &Artifact,
    admission: Digest,
    now: Time,
) -> Statement<Serving> {
    let seed = format!("{admission} {now} {}", artifact.digest());
    let session = Digest::of(seed.as_bytes())
        .hex()
        .chars()
        .take(SESSION_DIGITS)
        .collect();
    let predicate = Serving {
        session,
        admission,
        started_at: now,
    };
    Statement {
        subjects: vec![crate::publish::subject(name, artifact)],
        predicate,
    }
}

fn missing(model: Digest, place: &Place) -> Reason {
    Reason::new(
        Code::AdmissionMissing,
        format!(
            "the model {model} was not admitted for `{}` in `{}`",
            place.service_account, place.environment
        ),
        format!(
            "admit it: `modelward admit MODEL --environment {} --service-account {}`",
            place.environment, place.service_account
        ),
    )
}

fn expired(expires: Time) -> Reason {
    Reason::new(
        Code::AdmissionExpired,
        format!("the admission held until {expires}"),
        "admit the model again with `modelward admit`",
    )
}

//! Where a policy speaks, and where a model is to run.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use trust::{Code, Reason};

use super::decision::{Finding, Outcome};
use crate::fields::nearest;

/// The scope types that are known besides URIs that somebody makes up.
pub const SCOPE_TYPES: &[&str] = &[
    "kubernetes.io/pod/service_account/v1",
    "kubernetes.io/pod/namespace/v1",
    "kubernetes.io/pod/cluster_id/v1",
    "kubernetes.io/pod/cluster_name/v1",
    "cloud.google.com/service_account/v1",
    "cloud.google.com/project_id/v1",
    "cloud.google.com/location/v1",
    SPIFFE,
];
const SPIFFE: &str = "spiffe.io/id/v1";
const CUSTOM: &str = "https://";

/// How strict a policy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What does not satisfy it is refused.
    Enforce,
    /// What does not satisfy it is let in, and that is told.
    Warn,
    /// What does not satisfy it is let in, and that is recorded.
    Audit,
}

impl Mode {
    /// The mode's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Warn => "warn",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, &'static str> {
        let mut modes = [Self::Enforce, Self::Warn, Self::Audit].into_iter();
        let found = modes.find(|mode| mode.as_str() == word);
        found.ok_or("`enforce`, `warn` or `audit`")
    }
}

/// Where a model is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The environment, if it has one.
    pub environment: Option<String>,
    /// Scope type to value.
    pub scopes: BTreeMap<String, String>,
}

/// Where a policy speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// In these environments; in all and none, if there are none.
    pub environments: Vec<String>,
    /// Where all these hold.
    pub matches: BTreeMap<String, String>,
    /// How strict it is there.
    pub mode: Mode,
}

impl Scope {
    pub(super) fn fits(&self, place: &Place) -> bool {
        let environment = place.environment.as_ref();
        let is_among = || environment.is_some_and(|place| self.environments.contains(place));
        let holds = |(scope, value)| place.scopes.get(scope) == Some(value);
        (self.environments.is_empty() || is_among()) && self.matches.iter().all(holds)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.environments.as_slice() {
            [] => f.write_str("any environment")?,
            some => write!(f, "`{}`", some.join("`, `"))?,
        }
        for (scope, value) in &self.matches {
            write!(f, ", {scope} = `{value}`")?;
        }
        Ok(())
    }
}

/// What speaks against a scope of this type and value. One of an unknown type is refused: it may narrow what would then be
/// allowed everywhere.
#[must_use]
pub fn scope_rule(scope: &str, value: &str) -> Option<String> {
    let is_custom = scope
        .strip_prefix(CUSTOM)
        .is_some_and(|rest| rest.contains('/'));
    if !is_custom && !SCOPE_TYPES.contains(&scope) {
        let like = nearest(scope, SCOPE_TYPES.iter().copied());
        let like = like
            .map(|known| format!("; did you mean `{known}`?"))
            .unwrap_or_default();
        return Some(format!(
            "`{scope}` is no scope type that is known, nor a URI `https://…/…`{like}"
        ));
    }
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(format!(
            "the value of `{scope}` is compared letter by letter: visible ASCII alone"
        ));
    }
    (scope == SPIFFE && !value.starts_with("spiffe://"))
        .then(|| format!("the value of `{scope}` is `spiffe://DOMAIN/PATH`"))
}

/// That a policy does not speak of a place.
pub(super) fn outside(scopes: &[Scope], place: &Place) -> Finding {
    let asks: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    let anywhere = |scope: &Scope| Scope {
        matches: BTreeMap::new(),
        ..scope.clone()
    };
    let is_environment = !scopes.iter().any(|scope| anywhere(scope).fits(place));
    let (code, of) = if is_environment {
        let asked = place.environment.as_deref();
        let asked = asked.map_or("no environment".to_owned(), |asked| format!("`{asked}`"));
        (Code::EnvironmentMismatch, asked)
    } else {
        (Code::ScopeMismatch, "this place".to_owned())
    };
    let message = format!(
        "the policy does not speak of {of}; it does of {}",
        asks.join("; of ")
    );
    let reason = Reason::new(
        code,
        message,
        "ask for one of these, or add a `[[scope]]` to the policy",
    );
    Finding {
        requirement: "scope",
        asks,
        outcome: Outcome::Unmet(vec![reason]),
        tried: Vec::new(),
    }
}

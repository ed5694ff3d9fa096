//! "No", with all its reasons and the way to yes. Never mixed with "could not tell", which is an error.

use crate::Code;
use crate::code::Kind;

/// One reason for a no, and what would make it a yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Which reason; its kind is always [`Kind::Denied`].
    pub code: Code,
    /// The facts of this case.
    pub message: String,
    /// The next step for a person, empty when there is none.
    pub way: String,
}

impl Reason {
    /// A reason of this kind for this case.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>, way: impl Into<String>) -> Self {
        debug_assert!(
            code.kind() == Kind::Denied,
            "`{code}` is no reason for a no"
        );
        Self {
            code,
            message: message.into(),
            way: way.into(),
        }
    }
}

/// A no. It has at least one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    first: Reason,
    rest: Vec<Reason>,
}

impl Denied {
    /// A no for one reason.
    #[must_use]
    pub const fn because(reason: Reason) -> Self {
        Self {
            first: reason,
            rest: Vec::new(),
        }
    }

    /// A no for all these reasons, or `None` if there are none.
    #[must_use]
    pub fn from_reasons(reasons: Vec<Reason>) -> Option<Self> {
        let mut reasons = reasons.into_iter();
        let first = reasons.next()?;
        Some(Self {
            first,
            rest: reasons.collect(),
        })
    }

    /// The reasons, in the order they were found; at least one.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// This no with the reasons of another one after its own.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let (first, rest) = (other.first, other.rest);
        self.rest.push(first);
        self.rest.extend(rest);
        self
    }

    /// The code of the first reason.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.first.code
    }
}

/// What a gate says when it could tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<T> {
    /// Yes, and what follows from it.
    Allowed(T),
    /// No, and why.
    Denied(Denied),
}

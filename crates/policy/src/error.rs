//! Why a file is no policy.

use decode::json;
use trust::Code;

/// Why a file is no policy. A gate that gets one has no answer, and lets nothing in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not JSON, or JSON that could be read in two ways.
    #[error("the policy `{file}` can't be read")]
    Json {
        /// Which file.
        file: String,
        /// Why.
        #[source]
        cause: json::Error,
    },
    /// Not TOML.
    #[error("the policy `{file}` can't be read: {cause}")]
    Toml {
        /// Which file.
        file: String,
        /// Why.
        cause: String,
    },
    /// A key that the format doesn't have.
    #[error("the policy `{file}` has an unknown key `{key}` in {place}")]
    UnknownKey {
        /// Which file.
        file: String,
        /// In which object.
        place: String,
        /// Which key.
        key: String,
        /// The known key that is most like it.
        nearest: Option<String>,
    },
    /// A key that the format asks for.
    #[error("the policy `{file}` lacks the key `{key}` in {place}")]
    MissingKey {
        /// Which file.
        file: String,
        /// In which object.
        place: String,
        /// Which key.
        key: String,
    },
    /// A value of another type or outside what the format allows.
    #[error("the policy `{file}` says what it may not at {place}: {rule}")]
    Value {
        /// Which file.
        file: String,
        /// Where.
        place: String,
        /// What holds there.
        rule: String,
    },
    /// What must be one of its kind stands twice.
    #[error(
        "the policy `{file}` says {place} `{value}` again, which stands in `{earlier}` already"
    )]
    Twice {
        /// Which file.
        file: String,
        /// Where.
        place: String,
        /// What stands twice.
        value: String,
        /// The file that said it first.
        earlier: String,
    },
}

impl PolicyError {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::PolicyInvalid
    }

    /// What a person can do about it.
    #[must_use]
    pub fn way(&self) -> String {
        match self {
            Self::Json { .. } | Self::Toml { .. } => "correct the file at that place".to_owned(),
            Self::UnknownKey {
                nearest: Some(known),
                ..
            } => format!("did you mean `{known}`?"),
            Self::UnknownKey { nearest: None, .. } => {
                "remove the key: what a policy says and nobody reads is no rule".to_owned()
            }
            Self::MissingKey { key, .. } => format!("add `{key}`"),
            Self::Value { .. } => "correct the value".to_owned(),
            Self::Twice { earlier, .. } => {
                format!("remove it here or in `{earlier}`")
            }
        }
    }
}

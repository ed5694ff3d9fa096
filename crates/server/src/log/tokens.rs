//! Who may add lines: whoever has one of the tokens. Only their digests are kept.

use std::collections::BTreeSet;
use std::fmt;

use axum::http::{HeaderMap, header};
use digest::Digest;
use trust::Code;

use crate::refusal::Refusal;

/// The tokens that are accepted.
#[derive(Clone)]
pub struct Tokens(BTreeSet<Digest>);

/// What can be guessed is none.
const SIZE_BYTES_MIN: usize = 32;
const SIZE_BYTES_MAX: usize = 1024;
const COUNT_MAX: usize = 1024;

impl Tokens {
    /// Reads a file of tokens: one to a line; empty lines, and lines that begin with `#`, say nothing.
    ///
    /// # Errors
    /// There is none, or too many, or one that could not be sent or could be guessed.
    pub fn parse(text: &str) -> Result<Self, TokensError> {
        let mut tokens = BTreeSet::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let is_long_enough = (SIZE_BYTES_MIN..=SIZE_BYTES_MAX).contains(&line.len());
            if !is_long_enough || !line.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(TokensError::Line { number });
            }
            tokens.insert(Digest::of(line.as_bytes()));
            if tokens.len() > COUNT_MAX {
                return Err(TokensError::Many);
            }
        }
        if tokens.is_empty() {
            return Err(TokensError::None);
        }
        Ok(Self(tokens))
    }

    /// Whether the request brings one. Digests are compared, so that how long it takes says nothing of a token.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut brought = headers.get_all(header::AUTHORIZATION).iter();
        let token = match (brought.next(), brought.next()) {
            (Some(only), None) => only.as_bytes().strip_prefix(b"Bearer "),
            _ => None,
        };
        if token.is_some_and(|token| self.0.contains(&Digest::of(token))) {
            return Ok(());
        }
        let message = "only who has a token may add to this log";
        let hint =
            "send the header `authorization: Bearer` with a token that the log's keeper gave out";
        Err(Refusal::new(Code::Unauthorized, message, hint))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

/// Why a file of tokens was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokensError {
    /// Not a token.
    #[error(
        "line {number} is no token: one has {SIZE_BYTES_MIN} to {SIZE_BYTES_MAX} ASCII characters and no space"
    )]
    Line {
        /// Which line, from 1.
        number: usize,
    },
    /// Nobody could add.
    #[error("there is no token in it")]
    None,
    /// More than are held.
    #[error("there are more than {COUNT_MAX} tokens in it")]
    Many,
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const ONE: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn files_of_tokens() {
        let fit = format!("# the trainers'\n{ONE}\n\n{ONE}x\n");
        assert_eq!(Tokens::parse(&fit).unwrap().0.len(), 2);
        for unfit in [
            String::new(),
            "# none".to_owned(),
            "short".to_owned(),
            format!("{ONE} "),
            format!(" {ONE}"),
            format!("{ONE}\u{e9}"),
            "x".repeat(SIZE_BYTES_MAX + 1),
            (0..=COUNT_MAX).map(|n| format!("{ONE}{n}\n")).collect(),
        ] {
            assert!(Tokens::parse(&unfit).is_err(), "{unfit:.80}");
        }
    }

    #[test]
    fn one_whole_token_and_no_other() {
        let tokens = Tokens::parse(ONE).unwrap();
        let check = |values: &[String]| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_str(value).unwrap();
                headers.append(header::AUTHORIZATION, value);
            }
            tokens.check(&headers).is_ok()
        };
        assert!(check(&[format!("Bearer {ONE}")]));
        let (long, short) = (
            format!("Bearer {ONE}0"),
            format!("Bearer {}", ONE.trim_start_matches('0')),
        );
        for unfit in [
            long,
            short,
            "Bearer ".into(),
            ONE.into(),
            format!("Basic {ONE}"),
        ] {
            assert!(!check(std::slice::from_ref(&unfit)), "{unfit}");
        }
        assert!(!check(&[]));
        assert!(!check(&[format!("Bearer {ONE}"), format!("Bearer {ONE}")]));
        assert_eq!(format!("{tokens:?}"), "Tokens(1)");
    }
}

//! A moment, in whole seconds. Nobody here asks what time it is: `now` is an argument.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

/// Seconds since 1970 in UTC. Read and printed as RFC 3339, `2026-01-31T12:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// A moment given in seconds since 1970, clamped to the years that RFC 3339 can write.
    #[must_use]
    pub fn from_unix(seconds: i64) -> Self {
        let (min, max) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        Self(seconds.clamp(min, max))
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// This moment and so many seconds more.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_unix(self.0.saturating_add(seconds))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every `Time` was clamped into jiff's range or came out of it.
        write!(
            f,
            "{}",
            Timestamp::from_second(self.0).unwrap_or(Timestamp::UNIX_EPOCH)
        )
    }
}

impl FromStr for Time {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        let refused = || ParseTimeError(text.chars().take(60).collect());
        text.parse::<Timestamp>()
            .map(|t| Self(t.as_second()))
            .map_err(|_| refused())
    }
}

/// The text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time such as `2026-01-31T12:00:00Z`")]
pub struct ParseTimeError(String);

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses() {
        assert_eq!(Time::from_unix(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(
            "2026-01-31T13:00:00+01:00".parse(),
            Ok("2026-01-31T12:00:00Z".parse::<Time>().unwrap())
        );
        for bad in ["", "tomorrow", "2026-01-31", "2026-13-01T00:00:00Z", "1"] {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
        assert!(!Time::from_unix(i64::MAX).to_string().is_empty());
    }
}

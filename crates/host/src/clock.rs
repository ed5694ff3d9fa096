//! The machine's clock: the only place that asks what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use trust::{Code, Time};

/// Nothing here can have happened before Modelward was written: 2025-01-01.
const EARLIEST: i64 = 1_735_689_600;

/// What time it is.
///
/// # Errors
/// The clock stands before 2025, as that of a machine without a battery does: no window of a key could be judged.
pub fn now() -> Result<Time, ClockError> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let now = i64::try_from(since).unwrap_or(i64::MAX);
    if now < EARLIEST {
        Err(ClockError {
            now: Time::from_unix(now),
        })
    } else {
        Ok(Time::from_unix(now))
    }
}

/// The clock can't be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this machine's clock says {now}, which can't be")]
pub struct ClockError {
    now: Time,
}

impl ClockError {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::ClockWrong
    }
}

//! Whole numbers that are typed, each with a least and a most.

use std::ops::RangeInclusive;

/// The most memory that can be asked for, in MiB: 16 TiB.
pub(crate) const MEMORY_MIB_MAX: u64 = 16 << 20;

/// Reads a number that must be in a range, and says which when it isn't.
pub(crate) fn within(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    move |text| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!(
            "a whole number from {} to {} was expected",
            range.start(),
            range.end()
        )),
    }
}

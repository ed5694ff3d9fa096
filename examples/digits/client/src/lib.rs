//! A picture of a digit: made from the data set, drawn in the terminal, sent to a model server.

pub mod classification;
pub mod picture;

use std::{error::Error, fmt::Write as _};

/// An error and its causes, a line for each.
pub fn explain(error: &dyn Error) -> String {
    let mut text = format!("error: {error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "caused by: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot send the picture")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn explains_down_to_the_first_cause() {
        let error = Outer(std::io::Error::other("nobody listens"));
        assert_eq!(
            explain(&error),
            "error: cannot send the picture\ncaused by: nobody listens\n"
        );
    }
}

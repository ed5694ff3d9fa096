//! Why a text is not the TOML that it should be, on one line: where, and what is wrong there.

/// Says where `text` goes wrong and how. The library's own words are a picture of several lines, with a line of the text in
/// it; what stands in a message is shown as one.
#[must_use]
pub fn toml_cause(text: &str, error: &toml::de::Error) -> String {
    let cause = error.message().replace('\n', ", ");
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default();
            format!(
                "line {line}, column {}: {cause}",
                column.chars().count() + 1
            )
        }
        None => cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_told_on_one_line() {
        for (text, told) in [
            ("a = 1\n\"é\" = x", "line 2, column 7: "),
            ("a = 1\na = 2", "line 2, column 1: duplicate key"),
            ("\"b\\nc\" = ", "line 1, column "),
        ] {
            let error = toml::from_str::<toml::Table>(text).unwrap_err();
            let cause = toml_cause(text, &error);
            assert!(cause.starts_with(told), "{cause}");
            assert!(!cause.contains('\n'), "{cause}");
        }
    }
}

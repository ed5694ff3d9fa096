//! Why a text is not the TOML that it should be, on one line: where, and what is wrong there.

const FOUND_CHARS_MAX: usize = 60;

/// Says where `text` goes wrong, how, and what stands there. The library's own words are a picture of several lines, with a
/// line of the text in it; what stands in a message is shown as one.
#[must_use]
pub fn toml_cause(text: &str, error: &toml::de::Error) -> String {
    let cause = error.message().replace('\n', ", ");
    let Some(span) = error.span() else {
        return cause;
    };
    let before = text.get(..span.start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let found = text.get(span).and_then(|found| found.lines().next());
    let found: String = found
        .unwrap_or_default()
        .chars()
        .take(FOUND_CHARS_MAX)
        .collect();
    let at = match found.as_str() {
        "" => String::new(),
        found if cause.contains(&format!("`{found}`")) => String::new(),
        found => format!(": `{found}`"),
    };
    format!("line {line}, column {column}: {cause}{at}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_told_on_one_line() {
        for (text, told) in [
            ("a = 1\n\"é\" = x", "line 2, column 7: "),
            ("a = 1\na = 2", "line 2, column 1: duplicate key: `a`"),
            ("\"b\\nc\" = ", "line 1, column "),
        ] {
            let error = toml::from_str::<toml::Table>(text).unwrap_err();
            let cause = toml_cause(text, &error);
            assert!(cause.starts_with(told), "{cause}");
            assert!(!cause.contains('\n'), "{cause}");
        }
    }
}

//! What a person is told: lines, and each stays one. Names, reasons and what other programs say come from strangers, and a
//! terminal obeys what it is sent: nothing that it would obey goes out, and an end of a line only where we put one.

use std::fmt::Write as _;

/// Lines for a person.
#[derive(Debug, Default, Clone)]
pub(crate) struct Lines(Vec<String>);

impl Lines {
    /// A text of our own: where its lines end was meant.
    pub(crate) fn page(text: &str) -> Self {
        Self(text.lines().map(ToOwned::to_owned).collect())
    }

    pub(crate) fn push(&mut self, line: impl Into<String>) {
        self.0.push(line.into());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &String> {
        self.0.iter()
    }
}

impl Extend<String> for Lines {
    fn extend<T: IntoIterator<Item = String>>(&mut self, lines: T) {
        self.0.extend(lines);
    }
}

impl FromIterator<String> for Lines {
    fn from_iter<T: IntoIterator<Item = String>>(lines: T) -> Self {
        Self(lines.into_iter().collect())
    }
}

impl From<Vec<String>> for Lines {
    fn from(lines: Vec<String>) -> Self {
        Self(lines)
    }
}

impl<const N: usize> From<[String; N]> for Lines {
    fn from(lines: [String; N]) -> Self {
        Self(lines.into())
    }
}

impl From<String> for Lines {
    fn from(line: String) -> Self {
        Self(vec![line])
    }
}

impl From<&str> for Lines {
    fn from(line: &str) -> Self {
        Self::from(line.to_owned())
    }
}

/// So many of them.
pub(crate) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// A line with nothing in it that a terminal would obey, but for the sequences in `ours`.
pub(crate) fn harmless(line: &str, ours: &[&str]) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        let sequence = ours.iter().find(|sequence| rest.starts_with(**sequence));
        let taken = match sequence {
            Some(sequence) => {
                shown.push_str(sequence);
                sequence.len()
            }
            None => {
                let is_safe = character == '\t' || !is_obeyed(character);
                shown.push(if is_safe { character } else { '\u{fffd}' });
                character.len_utf8()
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    shown
}

/// JSON with all that a terminal would obey escaped: it means the same. Such signs stand in its strings alone.
pub(crate) fn harmless_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if is_obeyed(character) {
            // Writing to a string does not fail; and none of them is beyond 16 bits.
            let _ = write!(shown, "\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Controls, ends of lines in any writing, and what has a terminal show signs in another order than they stand in.
fn is_obeyed(character: char) -> bool {
    let turns = matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_not_shown() {
        let color = "\x1b[1;31m";
        let hostile = "a\x1b]0;title\x07b\u{9b}31m\r\n\tc\u{202e}d\u{2028}e\u{7f}";
        let shown =
            "a\u{fffd}]0;title\u{fffd}b\u{fffd}31m\u{fffd}\u{fffd}\tc\u{fffd}d\u{fffd}e\u{fffd}";
        assert_eq!(harmless(hostile, &[]), shown);
        assert_eq!(harmless(hostile, &[color]), shown);
        assert_eq!(harmless(color, &[color]), color);
        assert_eq!(harmless(color, &[]), "\u{fffd}[1;31m");
        assert_eq!(harmless("é漢 🙂", &[]), "é漢 🙂");
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let value = serde_json::json!({"a\u{9b}\u{202e}": "b\n\x1b\u{7f}\u{2029}é"});
        let shown = harmless_json(&value.to_string());
        assert!(
            shown.chars().all(|character| !is_obeyed(character)),
            "{shown:?}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            value
        );
    }
}

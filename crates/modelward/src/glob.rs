//! Patterns for names of files in a model.

use std::fmt;
use std::str::FromStr;

/// A pattern: `*` and `?` stand for characters of one name, `**` for any number of folders. All else stands for itself,
/// and the whole path has to fit.
#[derive(Debug, Clone)]
pub(crate) struct Glob {
    parts: Vec<String>,
}

impl Glob {
    /// Whether a path fits.
    pub(crate) fn fits(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        follow(
            &self.parts,
            &names,
            |part| part == "**",
            |part, name| is_named(part, name),
        )
    }
}

impl FromStr for Glob {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<String> = text.split('/').map(ToOwned::to_owned).collect();
        if parts
            .iter()
            .any(|part| ["", ".", ".."].contains(&part.as_str()))
        {
            return Err("a path in the model was expected, such as `tokenizer/**`".to_owned());
        }
        Ok(Self { parts })
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join("/"))
    }
}

fn is_named(part: &str, name: &str) -> bool {
    let (part, name): (Vec<char>, Vec<char>) = (part.chars().collect(), name.chars().collect());
    follow(
        &part,
        &name,
        |c| *c == '*',
        |c, named| *c == '?' || c == named,
    )
}

/// Whether a pattern fits a text, both taken in steps: all places of the pattern that can be reached are followed at once,
/// so that no pattern takes long.
fn follow<P, T>(
    pattern: &[P],
    text: &[T],
    is_any: impl Fn(&P) -> bool,
    is_one: impl Fn(&P, &T) -> bool,
) -> bool {
    // What stands for any number stands for none, too.
    let pass = |reached: &mut Vec<bool>| {
        for (at, step) in pattern.iter().enumerate() {
            reached[at + 1] |= reached[at] && is_any(step);
        }
    };
    let mut reached = vec![false; pattern.len() + 1];
    reached[0] = true;
    pass(&mut reached);
    for item in text {
        let mut next = vec![false; pattern.len() + 1];
        for (at, step) in pattern.iter().enumerate().filter(|(at, _)| reached[*at]) {
            next[at] |= is_any(step);
            next[at + 1] |= !is_any(step) && is_one(step, item);
        }
        pass(&mut next);
        reached = next;
    }
    reached[pattern.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_paths() {
        for (glob, fitting, others) in [
            ("a.json", &["a.json"][..], &["b/a.json", "a.jsonl", "a"][..]),
            ("*.json", &["a.json", ".json"], &["b/a.json", "a.json/b"]),
            ("*", &["a", ".b"], &["a/b"]),
            ("**", &["a", "a/b", "a/b/c"], &[]),
            (
                "**/*.json",
                &["a.json", "b/a.json", "b/c/a.json"],
                &["a.jsom"],
            ),
            (
                "tokenizer/**",
                &["tokenizer/a", "tokenizer/b/c"],
                &["tokenizers/a"],
            ),
            ("a/**/z", &["a/z", "a/b/z", "a/b/c/z"], &["a/zz", "b/z"]),
            (
                "w-?.bin",
                &["w-1.bin", "w-é.bin"],
                &["w-10.bin", "w-.bin", "w-/.bin"],
            ),
            ("*a*b*", &["ab", "xaxbx"], &["ba", "a"]),
            ("[a]", &["[a]"], &["a"]),
        ] {
            let parsed: Glob = glob.parse().unwrap();
            assert_eq!(parsed.to_string(), glob);
            for path in fitting {
                assert!(parsed.fits(path), "{glob} {path}");
            }
            for path in others {
                assert!(!parsed.fits(path), "{glob} {path}");
            }
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        let glob: Glob = format!("{}b", "*a".repeat(200)).parse().unwrap();
        assert!(!glob.fits(&"a".repeat(4000)));
    }

    #[test]
    fn what_is_no_path_is_no_pattern() {
        for bad in ["", "/a", "a/", "a//b", "../a", "a/./b"] {
            assert!(bad.parse::<Glob>().is_err(), "{bad}");
        }
    }
}

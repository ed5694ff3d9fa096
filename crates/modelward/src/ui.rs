//! The terminal: colours, progress, notes. Standard error only; standard output is for answers.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::lines::{self, Lines};

/// The sequences that [`Ui::good`] and [`Ui::bad`] write.
const COLORS: [&str; 3] = ["\x1b[1;31m", "\x1b[1;32m", "\x1b[0m"];

/// How to speak to whoever is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    /// Answer as JSON.
    pub(crate) json: bool,
    /// Use colour; it never carries meaning alone.
    pub(crate) color: bool,
    /// Draw progress bars.
    pub(crate) progress: bool,
    /// Say what is going on.
    pub(crate) quiet: bool,
}

impl Ui {
    /// What fits the terminal, the flags and `NO_COLOR`.
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            json,
            color: terminal && !plain,
            progress: terminal && !quiet && !json,
            quiet,
        }
    }

    /// For whoever reads lines and nothing else.
    pub(crate) const fn plain() -> Self {
        Self {
            json: false,
            color: false,
            progress: false,
            quiet: true,
        }
    }

    /// A word for something good.
    pub(crate) fn good(&self, word: &str) -> String {
        self.painted(word, "32")
    }

    /// A word for something bad.
    pub(crate) fn bad(&self, word: &str) -> String {
        self.painted(word, "31")
    }

    /// A line as a terminal may have it: nothing in it is obeyed but our own colours.
    pub(crate) fn shown(&self, line: &str) -> String {
        let ours: &[&str] = if self.color { &COLORS } else { &[] };
        lines::harmless(line, ours)
    }

    /// As [`Self::shown`], line by line.
    pub(crate) fn shown_lines(&self, lines: &Lines) -> String {
        let lines: Vec<String> = lines.iter().map(|line| self.shown(line)).collect();
        lines.join("\n")
    }

    fn painted(&self, word: &str, color: &str) -> String {
        if self.color {
            format!("\x1b[1;{color}m{word}\x1b[0m")
        } else {
            word.to_owned()
        }
    }

    /// Says what is going on, on standard error.
    pub(crate) fn note(&self, said: impl Into<Lines>) {
        if !self.quiet {
            // A note that can't be written has nobody to read it.
            let _ = writeln!(
                std::io::stderr().lock(),
                "{}",
                self.shown_lines(&said.into())
            );
        }
    }

    /// Says what was done and may not be what was meant, on standard error.
    pub(crate) fn warn(&self, text: &str) {
        self.note(format!("{} {text}", self.bad("warning:")));
    }

    /// A bar over so many bytes; or if nobody knows how many, only a count of them and of the time.
    pub(crate) fn bytes_bar(&self, what: &str, size_bytes: impl Into<Option<u64>>) -> ProgressBar {
        match size_bytes.into() {
            Some(size_bytes) => self.bar(
                what,
                size_bytes,
                "{msg:20} {bar:30} {bytes:>10}/{total_bytes:10} {binary_bytes_per_sec}",
            ),
            None => self.bar(what, None, "{msg:20} {spinner} {bytes:>10} {elapsed}"),
        }
    }

    /// A bar over so many things.
    pub(crate) fn count_bar(&self, what: &str, count: u64) -> ProgressBar {
        self.bar(what, count, "{msg:20} {bar:30} {pos:>8}/{len:8} {eta}")
    }

    fn bar(&self, what: &str, length: impl Into<Option<u64>>, template: &str) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(length.into(), ProgressDrawTarget::stderr())
            .with_message(what.to_owned());
        let bar = match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style.progress_chars("━╸ ")),
            Err(_) => bar,
        };
        // It draws at once, in whatever style the bar has by then.
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_ours_and_nothing_else_is_obeyed() {
        let ui = |color| Ui {
            json: false,
            color,
            progress: false,
            quiet: false,
        };
        let painted = ui(true).bad("no");
        assert_eq!(ui(true).shown(&painted), painted);
        assert!(!ui(false).shown(&painted).contains('\x1b'));
        let lines = Lines::from(["a\nb".to_owned(), painted + "\x1b[2J"]);
        let shown = "a\u{fffd}b\n\x1b[1;31mno\x1b[0m\u{fffd}[2J";
        assert_eq!(ui(true).shown_lines(&lines), shown);
    }
}

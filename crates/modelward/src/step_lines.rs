//! What a step prints, shown harmlessly; lines `progress DONE TOTAL …` move a bar.

use host::builder::Stream;
use indicatif::ProgressBar;

use crate::lines;
use crate::ui::Ui;

/// Shows a step's lines as they come.
pub(crate) struct Lines<'a> {
    ui: &'a Ui,
    bar: Option<ProgressBar>,
}

impl<'a> Lines<'a> {
    pub(crate) const fn new(ui: &'a Ui) -> Self {
        Self { ui, bar: None }
    }

    pub(crate) fn show(&mut self, _stream: Stream, line: &str) {
        match progress(line) {
            Some((done, total)) => {
                let bar = self
                    .bar
                    .get_or_insert_with(|| self.ui.count_bar("the step", total));
                bar.set_length(total);
                bar.set_position(done);
            }
            None => {
                let text = format!("  step: {}", harmless(line));
                match &self.bar {
                    Some(bar) => bar.suspend(|| self.ui.note(text)),
                    None => self.ui.note(text),
                }
            }
        }
    }

    pub(crate) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn progress(line: &str) -> Option<(u64, u64)> {
    let mut words = line.strip_prefix("progress ")?.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// The beginning of what somebody else says, with nothing in it that a terminal would obey.
pub(crate) fn harmless(line: &str) -> String {
    let beginning: String = line.chars().take(400).collect();
    lines::harmless(&beginning, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_and_escapes_are_not_obeyed() {
        assert_eq!(progress("progress 20 1876 loss 0.5"), Some((20, 1876)));
        assert_eq!(progress("progress x"), None);
        assert_eq!(progress("done"), None);
        assert_eq!(harmless("a\x1b[31mb\x07"), "a\u{fffd}[31mb\u{fffd}");
    }
}

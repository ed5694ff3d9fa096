//! What is said beside the verdict.

use std::fs::File;
use std::io::Write;
use std::sync::Mutex;

use serde_json::json;

use super::refused::{Refused, file_error};
use super::words::{Format, Level, VoiceWords};
use crate::ui::Ui;

/// Speaks on standard error, or into a file.
#[derive(Debug)]
pub(super) struct Voice {
    level: Level,
    format: Format,
    file: Option<Mutex<File>>,
}

impl Voice {
    /// As the words ask.
    pub(super) fn open(words: &VoiceWords) -> Result<Self, Refused> {
        let open = |path: &std::path::PathBuf| {
            let file = File::options().append(true).create(true).open(path);
            file.map(Mutex::new).map_err(|e| file_error(path, &e))
        };
        Ok(Self {
            level: if words.verbose {
                Level::Debug
            } else {
                words.log_level
            },
            format: words.log_format,
            file: words.output_file.as_ref().map(open).transpose()?,
        })
    }

    /// For whoever looks for a mistake.
    pub(super) fn debug(&self, text: &str) {
        self.say(Level::Debug, "debug", text);
    }

    /// What was asked for.
    pub(super) fn info(&self, text: &str) {
        self.say(Level::Info, "info", text);
    }

    /// What somebody should know.
    pub(super) fn warn(&self, text: &str) {
        self.say(Level::Warning, "warning", text);
    }

    /// What a yes leaves open: whoever asks for less than warnings is told all the same.
    pub(super) fn insist(&self, text: &str) {
        self.say(Level::Critical, "warning", text);
    }

    fn say(&self, level: Level, word: &str, text: &str) {
        if level < self.level {
            return;
        }
        let line = match self.format {
            Format::Text => printable(text),
            Format::Json => json!({"level": word, "msg": printable(text)}).to_string(),
        };
        // Whoever can't be told is told by the verdict.
        let _ = match &self.file {
            Some(file) => file.lock().map(|mut file| writeln!(file, "{line}")).ok(),
            None => Some(writeln!(std::io::stderr(), "{line}")),
        };
    }
}

/// Names come from strangers: what a terminal would obey is taken out.
pub(super) fn printable(text: &str) -> String {
    Ui::plain().shown(text)
}

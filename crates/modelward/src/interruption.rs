//! Ctrl-C and requests to end: an answer of their own, at any moment. What was acknowledged is kept; the rest never was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use trust::Code;

use crate::answer::{Answer, Failure, report};
use crate::ui::Ui;

/// Whether the process was told to end, and whether somebody has answered yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interruption {
    told: Arc<AtomicBool>,
    answered: Arc<AtomicBool>,
}

impl Interruption {
    /// Begins to listen. Where no thread can be had, signals end the process as they would without us.
    pub(crate) fn watch(ui: Ui) -> Self {
        let interruption = Self::default();
        let signals = [SIGINT, SIGTERM];
        for signal in signals {
            // Set by the handler itself: a child that died of the same signal may be noticed before the thread runs.
            let _ = signal_hook::flag::register(signal, Arc::clone(&interruption.told));
        }
        if let Ok(mut signals) = Signals::new(signals) {
            let heard = interruption.clone();
            let waits = move || {
                if signals.forever().next().is_some() {
                    heard.end(&ui);
                }
            };
            let _ = thread::Builder::new()
                .name("interruption".to_owned())
                .spawn(waits);
        }
        interruption
    }

    /// What a command came to: an error that came of being told to end is that.
    pub(crate) fn settle(&self, result: Result<Answer, Failure>) -> Result<Answer, Failure> {
        if self.answered.swap(true, Ordering::SeqCst) {
            // The other thread has answered and is ending the process.
            loop {
                thread::park();
            }
        }
        match result {
            Err(_) if self.told.load(Ordering::SeqCst) => Err(interrupted()),
            result => result,
        }
    }

    /// The main thread may be anywhere; all that it writes is whole or not there.
    fn end(&self, ui: &Ui) {
        if !self.answered.swap(true, Ordering::SeqCst) {
            let _ = report(Err(interrupted()), ui);
            std::process::exit(i32::from(Code::Interrupted.kind().exit_status()));
        }
    }
}

fn interrupted() -> Failure {
    Failure::error(
        Code::Interrupted,
        "it was told to stop; nothing is half done",
        "repeat the command when you are ready: what was finished is found, and not done again",
    )
}

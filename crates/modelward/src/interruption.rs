//! Ctrl-C, requests to end and terminals that close: an answer of their own, at any moment. What was acknowledged is kept; the rest never was.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use trust::Code;

use crate::answer::{Answer, Failure, report};
use crate::ui::Ui;

/// Whether this process was told to end. Signals are for all of it, and so is this.
static TOLD: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// How much [`Work`] there is.
static WORK: AtomicUsize = AtomicUsize::new(0);
/// How long work is waited for. What takes longer to notice is swept by the next that works there.
const CLEARING_MAX: Duration = Duration::from_secs(2);

/// Becomes true when the process is told to end.
pub(crate) fn told() -> &'static AtomicBool {
    &TOLD
}

/// Something on disk that its owner removes. While it lives, the process does not end at once when it is told to.
#[derive(Debug)]
pub(crate) struct Work(());

impl Work {
    pub(crate) fn begin() -> Self {
        WORK.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        WORK.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether somebody has answered yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interruption {
    answered: Arc<AtomicBool>,
}

impl Interruption {
    /// Begins to listen. Where no thread can be had, signals end the process as they would without us.
    pub(crate) fn watch(ui: Ui) -> Self {
        let interruption = Self::default();
        // Who starts a program with `nohup` wants it to outlive the terminal.
        let closing = (!is_ignored(SIGHUP)).then_some(SIGHUP);
        let signals = || [SIGINT, SIGTERM].into_iter().chain(closing);
        for signal in signals() {
            // Set by the handler itself: a child that died of the same signal may be noticed before the thread runs.
            let _ = signal_hook::flag::register(signal, Arc::clone(&TOLD));
        }
        if let Ok(mut signals) = Signals::new(signals()) {
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
            Err(_) if TOLD.load(Ordering::SeqCst) => Err(interrupted()),
            result => result,
        }
    }

    /// The main thread may be anywhere; all that it writes is whole or not there.
    fn end(&self, ui: &Ui) {
        let begun = Instant::now();
        while WORK.load(Ordering::SeqCst) > 0 && begun.elapsed() < CLEARING_MAX {
            thread::sleep(Duration::from_millis(10));
        }
        if !self.answered.swap(true, Ordering::SeqCst) {
            let _ = report(Err(interrupted()), ui);
            std::process::exit(i32::from(Code::Interrupted.kind().exit_status()));
        }
    }
}

/// Whether whoever started this process had it ignore a signal.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

fn interrupted() -> Failure {
    Failure::error(
        Code::Interrupted,
        "it was told to stop; nothing is half done",
        "repeat the command when you are ready: what was finished is found, and not done again",
    )
}

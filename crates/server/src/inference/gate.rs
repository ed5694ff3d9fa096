//! Whether predictions are given at all. Open while the model is known not to be recalled; it fails closed.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use infer::Model;
use trust::{Code, Reason};

use super::workers::Workers;
use super::{Limits, RecalledHook};
use crate::refusal::Refusal;

pub(super) struct Gate {
    state: RwLock<State>,
    age_max: Duration,
    draining: AtomicBool,
}

/// A recall, or the loss of the admission, drops the workers, and with them the model; there is no way back.
enum State {
    Open {
        workers: Arc<Workers>,
        asked_at: Instant,
        doubt: String,
    },
    Withdrawn(Reason),
}

impl Gate {
    pub(super) fn open(model: &Arc<Model>, limits: &Limits) -> io::Result<Self> {
        let state = State::Open {
            workers: Arc::new(Workers::start(model, limits)?),
            asked_at: Instant::now(),
            doubt: "the question is still unanswered".to_owned(),
        };
        Ok(Self {
            state: RwLock::new(state),
            age_max: limits.recall_age_max,
            draining: AtomicBool::new(false),
        })
    }

    /// The workers, while predictions may be given.
    pub(super) fn workers(&self) -> Result<Arc<Workers>, Refusal> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open {
                workers, asked_at, ..
            } if asked_at.elapsed() <= self.age_max => Ok(Arc::clone(workers)),
            State::Open { doubt, .. } => Err(self.unsure(doubt)),
            State::Withdrawn(reason) => Err(withdrawn(reason)),
        }
    }

    /// As [`Gate::workers`], and no shutdown has begun: what a load balancer asks.
    pub(super) fn ready(&self) -> Result<(), Refusal> {
        if self.draining.load(Ordering::Relaxed) {
            let hint = "ask another server, or this one when it runs again";
            return Err(Refusal::new(
                Code::NotServing,
                "the server is shutting down",
                hint,
            ));
        }
        self.workers().map(drop)
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Takes in an answer. Not knowing changes nothing at once: the last answer that was one gets old.
    fn hear(&self, answer: Result<Option<Reason>, String>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match (answer, &mut *state) {
            (Ok(Some(reason)), _) => *state = State::Withdrawn(reason),
            (Ok(None), State::Open { asked_at, .. }) => *asked_at = Instant::now(),
            (Err(cause), State::Open { doubt, .. }) => *doubt = cause,
            (_, State::Withdrawn(_)) => {}
        }
    }

    fn is_withdrawn(&self) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        matches!(&*state, State::Withdrawn(_))
    }

    fn unsure(&self, doubt: &str) -> Refusal {
        let seconds = self.age_max.as_secs_f32();
        let message = format!(
            "for more than {seconds} s it could not be told whether the model was recalled: {doubt}"
        );
        let hint = "the server answers again as soon as it can tell";
        Refusal::new(Code::NotServing, message, hint)
    }
}

/// With the code of what withdrew it, which need not be a recall: an admission may have lost its key.
fn withdrawn(reason: &Reason) -> Refusal {
    Refusal::new(reason.code, reason.message.as_str(), reason.way.as_str())
}

/// Asks now, and from then on every `interval` in a thread of its own, until the watch is dropped or the model withdrawn.
///
/// Age is measured by the gate's readers, so that a question which never returns closes the gate too.
pub(super) fn watch(
    gate: &Arc<Gate>,
    question: Box<RecalledHook>,
    interval: Duration,
) -> io::Result<Watch> {
    let (stop, stopped) = mpsc::channel::<()>();
    gate.hear(question());
    let gate = Arc::clone(gate);
    let ask = move || {
        while !gate.is_withdrawn()
            && stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout)
        {
            gate.hear(question());
        }
    };
    std::thread::Builder::new()
        .name("recall".to_owned())
        .spawn(ask)?;
    Ok(Watch { _stop: stop })
}

/// Dropping it ends the questions.
pub(super) struct Watch {
    _stop: mpsc::Sender<()>,
}

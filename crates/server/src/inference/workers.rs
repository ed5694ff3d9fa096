//! Threads that compute, each with a session of its own, and the bounded queue before them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use infer::{Model, Session};
use tokio::sync::oneshot;
use trust::Code;

use super::{Limits, Server};
use crate::refusal::Refusal;

type Job = Box<dyn FnOnce(&mut Session) + Send>;

/// Dropping it ends the threads once their queue is empty.
pub(super) struct Workers {
    queue: SyncSender<Job>,
    model: Arc<Model>,
}

impl Workers {
    pub(super) fn start(model: &Arc<Model>, limits: &Limits) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(limits.queue_max);
        let jobs = Arc::new(Mutex::new(jobs));
        // Buffers of large models are counted: all workers together, but for the first, keep within the limit.
        let session_bytes = Session::memory_bytes(model).max(1);
        let fitting = (limits.sessions_bytes_max / session_bytes).max(1);
        for _ in 0..limits.workers.get().min(fitting) {
            let (model, jobs) = (Arc::clone(model), Arc::clone(&jobs));
            std::thread::Builder::new()
                .name("infer".to_owned())
                .spawn(move || work(&model, &jobs))?;
        }
        let model = Arc::clone(model);
        Ok(Self { queue, model })
    }

    pub(super) const fn model(&self) -> &Arc<Model> {
        &self.model
    }
}

/// A job that panics loses its answer and its session, not the worker.
fn work(model: &Arc<Model>, jobs: &Mutex<Receiver<Job>>) {
    let mut session = Session::new(Arc::clone(model));
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(job) = next() {
        if catch_unwind(AssertUnwindSafe(|| job(&mut session))).is_err() {
            session = Session::new(Arc::clone(model));
        }
    }
}

impl Server {
    /// Does the work on a worker. It is not begun when its client went away, or the model was recalled, while it waited.
    pub(super) async fn on_worker<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &mut Session) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let workers = self.gate.workers()?;
        let (answer, answered) = oneshot::channel();
        let server = Arc::clone(self);
        let job = move |session: &mut Session| {
            if answer.is_closed() {
                return;
            }
            let done = server.gate.workers().and_then(|_| work(&server, session));
            // The client may have gone away meanwhile; then nobody wants the answer.
            let _ = answer.send(done);
        };
        workers
            .queue
            .try_send(Box::new(job))
            .map_err(|_| Refusal::overloaded("as many requests wait for a worker as may wait"))?;
        drop(workers);
        answered.await.unwrap_or_else(|_| {
            let message = "An internal server error occurred: the computation broke off";
            let hint =
                "ask again; what breaks off each time is a fault of the server, to be reported";
            Err(Refusal::new(Code::Internal, message, hint))
        })
    }
}

//! The server of one verified model: pictures at `/classify/v0`, tensors by the Open Inference Protocol (v2, REST).
//!
//! ```text
//! listener ─► connections ─► routes ─┬─► classify ─┐
//!                   (limits) (bodies) └─► v2 ───────┴─► gate ─► workers (a session each) ─► predictions ─► answer
//!                                                       ▲
//!                                           recall ─────┘  every second
//! ```
//! In: an admitted model, and requests of strangers. Must hold: nothing of a request's size is allocated before a limit was
//! checked; requests take no more memory than there is for all of them; no name of a request becomes a path; every answer to a
//! request has a JSON body, and every refusal an `error`, a `code` and a `hint` in it
//! (what is no HTTP, or has too long a head, is no request, and gets a bare 400 or 431 from the library below). Out: answers
//! that carry the model's digest, its admission and a prediction id. Denies: all predictions once the model was recalled, or
//! once nobody can tell. Logs: each prediction through [`Hooks::record`], before its answer leaves.

mod base64;
mod classify;
mod gate;
mod json;
mod predictions;
mod routes;
mod v2;
mod workers;

use std::io;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use digest::Digest;
use infer::Model;
use trust::Reason;

use crate::body::{self, Body};
use crate::connections;
use crate::memory::Memory;
use crate::refusal::Refusal;

pub use predictions::{PredictionRecord, Protocol};

use gate::Gate;
use predictions::Predictions;

/// What is served.
#[derive(Debug)]
pub struct Serving {
    /// The model's name in URLs.
    pub name: String,
    /// Its version in URLs.
    pub version: String,
    /// The model.
    pub model: Arc<Model>,
    /// The digest of the whole model artifact, which each answer names.
    pub model_digest: Digest,
    /// The bundle of the admission it was loaded on, which each answer names.
    pub admission: Digest,
    /// What the ids of predictions begin with: letters, digits, `-`, `_` and `.`.
    pub session: String,
}

/// What the server asks of its caller. Both may block; neither is called on a thread that serves connections.
#[expect(missing_debug_implementations, reason = "closures have no text")]
pub struct Hooks {
    /// Keeps a prediction. Called before the answer is sent: when it fails the prediction is not given.
    pub record: Box<RecordHook>,
    /// Whether the model was recalled since; an error when nobody can tell.
    pub recalled: Box<RecalledHook>,
}

/// See [`Hooks::record`].
pub type RecordHook = dyn Fn(&PredictionRecord) -> io::Result<()> + Send + Sync;
/// See [`Hooks::recalled`].
pub type RecalledHook = dyn Fn() -> Result<Option<Reason>, String> + Send + Sync;

/// What the server allows strangers to make it do.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The longest body of `/classify/v0`, in bytes.
    pub classify_body_bytes_max: usize,
    /// The longest body of an inference request, in bytes.
    pub v2_body_bytes_max: usize,
    /// The most memory that all requests take together, in bytes: bodies, what is made of them, and answers that have not
    /// left. At least one of the longest bodies fits.
    pub memory_bytes_max: usize,
    /// The most memory for the buffers that workers compute in, in bytes; what does not fit makes workers fewer.
    pub sessions_bytes_max: usize,
    /// The most values in the JSON of one request, counted before it is read.
    pub json_values_max: usize,
    /// The most rows in one inference request.
    pub rows_max: usize,
    /// The most connections. A further one gets the place of that which has kept the server waiting longest; while all have
    /// an answer coming, it waits in the kernel.
    pub connections_max: usize,
    /// How many requests are computed at once, each in a thread with a session of its own.
    pub workers: NonZeroUsize,
    /// How many requests may wait for a worker; more are refused with 429.
    pub queue_max: usize,
    /// How long a client may take for the head of a request, and be idle between two.
    pub head_timeout: Duration,
    /// How long a client may take for the body of a request.
    pub body_timeout: Duration,
    /// How long a client may take to accept any byte of an answer.
    pub write_timeout: Duration,
    /// How long requests may take to end after the server was told to.
    pub drain_timeout: Duration,
    /// How often [`Hooks::recalled`] is asked.
    pub recall_interval: Duration,
    /// How old the last answer of [`Hooks::recalled`] may be before nothing is predicted any more.
    pub recall_age_max: Duration,
}

impl Limits {
    const fn connections(&self) -> connections::Limits {
        connections::Limits {
            connections_max: self.connections_max,
            head_timeout: self.head_timeout,
            write_timeout: self.write_timeout,
            drain_timeout: self.drain_timeout,
        }
    }
}

/// A thread more takes memory of its own; whoever has more cores starts more servers.
const WORKERS_MAX: NonZeroUsize = NonZeroUsize::new(8).unwrap();

impl Default for Limits {
    fn default() -> Self {
        Self {
            classify_body_bytes_max: 1 << 20,
            v2_body_bytes_max: 16 << 20,
            memory_bytes_max: 18 << 20,
            sessions_bytes_max: 8 << 20,
            json_values_max: 1 << 18,
            rows_max: 1 << 10,
            connections_max: 512,
            workers: std::thread::available_parallelism()
                .map_or(NonZeroUsize::MIN, |cores| cores.min(WORKERS_MAX)),
            queue_max: 64,
            head_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(15),
            drain_timeout: Duration::from_secs(10),
            recall_interval: Duration::from_secs(1),
            recall_age_max: Duration::from_secs(30),
        }
    }
}

/// Serves until `shutdown` resolves and the requests that were under way have their answers.
///
/// It makes a runtime of its own, and `shutdown` runs inside it: there it may wait for signals. A model that is recalled
/// already is not an error: the server is live, not ready, and says why.
///
/// # Errors
/// The session is not fit for an id, or the machine gives no threads or sockets.
pub fn serve(
    listener: TcpListener,
    serving: Serving,
    hooks: Hooks,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if serving.session.is_empty() || !serving.session.bytes().all(is_fit) {
        return Err(Error::Session(serving.session));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("serve")
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let Hooks { record, recalled } = hooks;
    let gate = Arc::new(Gate::open(&serving.model, &limits).map_err(Error::Workers)?);
    let _watch = gate::watch(&gate, recalled, limits.recall_interval).map_err(Error::Workers)?;
    let server = Arc::new(Server::new(serving, record, gate, limits));
    let answers = connections::Answers {
        router: routes::router(&server),
        drained: Box::new({
            let server = Arc::clone(&server);
            move || server.gate.drain()
        }),
    };
    let limits = server.limits.connections();
    let served = runtime.block_on(connections::serve(listener, answers, limits, shutdown));
    runtime.shutdown_background();
    served.map_err(Error::Listen)
}

/// What every request can reach.
struct Server {
    name: String,
    version: String,
    gate: Arc<Gate>,
    predictions: Predictions,
    memory: Memory,
    limits: Limits,
}

impl Server {
    /// Reads a body of at most `size_bytes_max` bytes.
    async fn read(&self, request: Request, size_bytes_max: usize) -> Result<Body, Refusal> {
        let limits = body::Limits {
            size_bytes_max,
            time_max: self.limits.body_timeout,
            hint: "send fewer rows, or a smaller picture",
        };
        body::read(request, &self.memory, limits).await
    }

    fn new(serving: Serving, record: Box<RecordHook>, gate: Arc<Gate>, limits: Limits) -> Self {
        let longest = limits.classify_body_bytes_max.max(limits.v2_body_bytes_max);
        let memory_bytes = limits.memory_bytes_max.max(longest);
        Self {
            predictions: Predictions::new(&serving, record),
            name: serving.name,
            version: serving.version,
            gate,
            memory: Memory::new(memory_bytes),
            limits,
        }
    }
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A session that can't begin an id.
    #[error("the session `{0}` is not made of letters, digits, `-`, `_` and `.`")]
    Session(String),
    /// No runtime.
    #[error("the server's runtime can't be started")]
    Runtime(#[source] io::Error),
    /// No threads.
    #[error("the server's worker threads can't be started")]
    Workers(#[source] io::Error),
    /// A listener that can't be used.
    #[error("the listener can't be used")]
    Listen(#[source] io::Error),
}

//! The server of a log: C2SP's tlog-tiles for everybody, and lines from those who have a token.
//!
//! ```text
//!              ┌─► GET /checkpoint, /tile/… ──────────────► host::log::Log
//! connections ─┤
//!              └─► POST /add ─► token ─► entry ─► sequencer ─► Log::append ─► its index, and the head over it
//! ```
//! In: a log in a folder, and requests of strangers. Must hold: only what the signed head commits to is shown, since it is
//! kept for ever by who reads it; no name of a request becomes a path, but a tile's, which has one spelling; all requests
//! together take no more memory than there is for them; a line is acknowledged once it is durable and under a signed head.
//! Denies: lines of those without a token, and what is no line of a log of Modelward. Logs: the lines.

mod add;
mod tiles;
mod tokens;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use host::log::{Log, Sequencer};
use trust::Code;
use trust::log::LogSigner;

use crate::connections;
use crate::memory::Memory;
use crate::refusal::Refusal;

pub use tokens::{Tokens, TokensError};

/// What is served.
#[derive(Debug)]
pub struct Serving {
    /// The log.
    pub log: Log,
    /// Who may add to it; without, it is only read.
    pub adding: Option<Adding>,
}

/// How lines are added.
#[derive(Debug)]
pub struct Adding {
    /// The key that signs the heads.
    pub signer: LogSigner,
    /// Who may.
    pub tokens: Tokens,
}

/// What the server allows strangers to make it do.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The most connections; see [`crate::inference::Limits::connections_max`].
    pub connections_max: usize,
    /// The most memory that all answers and lines on their way take together, in bytes. One tile of the longest entries fits.
    pub memory_bytes_max: usize,
    /// How long a client may take for the head of a request, and be idle between two.
    pub head_timeout: Duration,
    /// How long a client may take for the body of a request.
    pub body_timeout: Duration,
    /// How long a client may take to accept any byte of an answer.
    pub write_timeout: Duration,
    /// How long requests may take to end after the server was told to.
    pub drain_timeout: Duration,
}

/// How many files are read at the same time.
const READERS_MAX: usize = 8;

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            memory_bytes_max: 64 << 20,
            head_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(15),
            write_timeout: Duration::from_secs(15),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// Serves until `shutdown` resolves and the requests that were under way have their answers; then every line that was taken
/// is durable or was refused. `shutdown` runs in the server's own runtime.
///
/// # Errors
/// The machine gives no threads or sockets.
pub fn serve(
    listener: TcpListener,
    serving: Serving,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(READERS_MAX)
        .thread_name("serve-log")
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let server = Arc::new(Server::new(serving, limits)?);
    let limits = server.limits.connections();
    let answers = connections::Answers {
        router: router(&server),
        drained: Box::new(|| ()),
    };
    drop(server);
    let served = runtime.block_on(connections::serve(listener, answers, limits, shutdown));
    // With the last request goes the sequencer, which first ends what it has begun.
    drop(runtime);
    served.map_err(Error::Listen)
}

fn router(server: &Arc<Server>) -> Router {
    Router::new()
        .route("/checkpoint", get(tiles::checkpoint))
        .route("/tile/{*tile}", get(tiles::tile))
        .route("/add", post(add::add))
        .fallback(no_route)
        .method_not_allowed_fallback(async || Refusal::wrong_method())
        .with_state(Arc::clone(server))
}

async fn no_route() -> Refusal {
    let hint = "`/checkpoint` is the log's head; what leads to it begins with `/tile/`";
    Refusal::new(Code::NotFound, "there is no such route", hint)
}

/// What every request can reach.
struct Server {
    log: Log,
    adding: Option<(Sequencer, Tokens)>,
    memory: Memory,
    limits: Limits,
}

impl Server {
    fn new(serving: Serving, limits: Limits) -> Result<Self, Error> {
        let Serving { log, adding } = serving;
        let adding = adding.map(|Adding { signer, tokens }| {
            let sequencer = Sequencer::start(log.clone(), signer)?;
            Ok((sequencer, tokens))
        });
        let tile = usize::try_from(host::log::TILE_SIZE_BYTES_MAX).unwrap_or(usize::MAX);
        // A tile is read, and then cut out of what was read.
        let longest = tile.saturating_mul(2);
        Ok(Self {
            log,
            adding: adding.transpose().map_err(Error::Writer)?,
            memory: Memory::new(limits.memory_bytes_max.max(longest)),
            limits,
        })
    }
}

impl Limits {
    pub(crate) const fn connections(&self) -> connections::Limits {
        connections::Limits {
            connections_max: self.connections_max,
            head_timeout: self.head_timeout,
            write_timeout: self.write_timeout,
            drain_timeout: self.drain_timeout,
        }
    }
}

/// Why the server did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No runtime.
    #[error("the server's runtime can't be started")]
    Runtime(#[source] io::Error),
    /// No thread to write the log.
    #[error("the thread that writes the log can't be started")]
    Writer(#[source] io::Error),
    /// A listener that can't be used.
    #[error("the listener can't be used")]
    Listen(#[source] io::Error),
}

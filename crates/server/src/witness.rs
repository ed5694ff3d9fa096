//! A witness (C2SP tlog-witness): it cosigns heads of the logs that it knows, each only if it follows from the last.
//!
//! In: requests of logs. Must hold: a head is remembered, durably, before it is cosigned, and no two are from the same one
//! before. Out: a line for the log's checkpoint. Denies: heads of unknown logs, of another history, or asked for from another size.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use host::log::{Seen, SeenError};
use trust::Code;
use trust::log::{AddCheckpoint, LogKey, WitnessRefusal, WitnessSigner};

use crate::body::{self, Body};
use crate::connections;
use crate::log::{Error, Limits};
use crate::memory::Memory;
use crate::refusal::Refusal;

/// What a witness has.
#[derive(Debug)]
pub struct Serving {
    /// What it saw.
    pub seen: Seen,
    /// The logs that it knows.
    pub logs: Vec<LogKey>,
    /// Its key.
    pub signer: WitnessSigner,
}

/// A request with all its hashes, and a note of the longest.
const REQUEST_SIZE_BYTES_MAX: usize = 128 << 10;
const TEXT: &str = "text/plain; charset=utf-8";
const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";
/// Each waits for the disk.
const WRITERS_MAX: usize = 4;

/// Serves until `shutdown` resolves, which runs in the server's own runtime.
///
/// # Errors
/// The machine gives no threads or sockets.
pub fn serve(
    listener: TcpListener,
    serving: Serving,
    limits: &Limits,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(WRITERS_MAX)
        .thread_name("witness")
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let connections = limits.connections();
    let server = Arc::new(Server {
        memory: Memory::new(limits.memory_bytes_max.max(REQUEST_SIZE_BYTES_MAX)),
        body_timeout: limits.body_timeout,
        serving,
    });
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .fallback(async || {
            let hint = "heads to cosign go to `/add-checkpoint`";
            Refusal::new(Code::NotFound, "there is no such route", hint)
        })
        .method_not_allowed_fallback(async || Refusal::wrong_method())
        .with_state(server);
    let drained = Box::new(|| ());
    let answers = connections::Answers { router, drained };
    let served = runtime.block_on(connections::serve(listener, answers, connections, shutdown));
    drop(runtime);
    served.map_err(Error::Listen)
}

struct Server {
    serving: Serving,
    memory: Memory,
    body_timeout: Duration,
}

async fn add_checkpoint(
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Response, Refusal> {
    let limits = body::Limits {
        size_bytes_max: REQUEST_SIZE_BYTES_MAX,
        time_max: server.body_timeout,
        hint: "send one head, with the hashes that lead to it",
    };
    let Body { bytes, .. } = body::read(request, &server.memory, limits).await?;
    let text = str::from_utf8(&bytes);
    let text = text.map_err(|_| Refusal::invalid("the request is no text", limits.hint))?;
    let asked = match AddCheckpoint::parse(text) {
        Ok(asked) => asked,
        Err(cause) => return refused(&cause),
    };
    let judging = tokio::task::spawn_blocking(move || server.cosign(&asked));
    match judging.await {
        Ok(answer) => answer,
        Err(_) => Err(Refusal::new(
            Code::Interrupted,
            "the witness is stopping",
            "ask again later",
        )),
    }
}

impl Server {
    fn cosign(&self, asked: &AddCheckpoint) -> Result<Response, Refusal> {
        let origin = asked.claimed_origin();
        let Serving { seen, logs, signer } = &self.serving;
        let key = logs.iter().find(|key| key.name() == origin);
        let key = key.ok_or_else(|| {
            let hint = "its keeper decides which logs it knows";
            Refusal::new(Code::NotFound, "this witness does not know the log", hint)
        })?;
        let now = host::clock::now().map_err(|_| {
            let message = "the witness's clock can't be right";
            Refusal::new(Code::ClockWrong, message, "tell its keeper")
        })?;
        let now = u64::try_from(now.unix()).unwrap_or_default();
        match seen.see(asked, key) {
            Ok(checkpoint) => Ok(signer.cosign(&checkpoint, now).into_response()),
            Err(SeenError::Refused(cause)) => refused(&cause),
            Err(SeenError::Disk(_)) => {
                let message = "the witness can't remember what it saw";
                Err(Refusal::new(Code::Io, message, "tell its keeper"))
            }
        }
    }
}

/// The specification says which statuses a witness has; those of a head that is not cosigned are no codes of ours.
fn refused(cause: &WitnessRefusal) -> Result<Response, Refusal> {
    let (status, media_type, text) = match cause {
        WitnessRefusal::Malformed(_) => {
            let hint = "send `old` and a size, hashes, an empty line, and a checkpoint";
            return Err(Refusal::invalid(cause.to_string(), hint));
        }
        WitnessRefusal::Conflict { size } => {
            (StatusCode::CONFLICT, SIZE_MEDIA_TYPE, size.to_string())
        }
        WitnessRefusal::Checkpoint(_) => (StatusCode::FORBIDDEN, TEXT, cause.to_string()),
        WitnessRefusal::Proof(_) => (StatusCode::UNPROCESSABLE_ENTITY, TEXT, cause.to_string()),
    };
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(media_type))];
    Ok((status, headers, format!("{text}\n")).into_response())
}

//! What everybody may read.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use host::log::{LogError, StoredTile};
use trust::Code;
use trust::log::TilePath;

use super::Server;
use crate::memory::Share;
use crate::refusal::Refusal;

/// A tile never changes once a signed head commits to it, also one that is not full.
const KEPT: &str = "public, max-age=31536000, immutable";
/// Who asks for the head asks for the newest.
const NOT_KEPT: &str = "no-cache";
const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// `GET /checkpoint`
pub(super) async fn checkpoint(State(server): State<Arc<Server>>) -> Result<Response, Refusal> {
    let note = blocking(move || server.log.note()).await?;
    let note = note.ok_or_else(|| {
        let hint = "ask again when something was added";
        Refusal::new(Code::NotFound, "the log has no line yet", hint)
    })?;
    Ok(answer(note, TEXT, NOT_KEPT))
}

/// `GET /tile/<L>/<N>[.p/<W>]` and `GET /tile/entries/<N>[.p/<W>]`
pub(super) async fn tile(
    State(server): State<Arc<Server>>,
    Path(tile): Path<String>,
) -> Result<Response, Refusal> {
    let missing = |message: String| {
        let hint = "the head at `/checkpoint` says which tiles there are";
        Refusal::new(Code::NotFound, message, hint)
    };
    let path: TilePath = format!("tile/{tile}")
        .parse()
        .map_err(|e: trust::log::TileError| missing(e.to_string()))?;
    let opening = Arc::clone(&server);
    let stored = blocking(move || opening.log.tile(path)).await?;
    let stored = stored.ok_or_else(|| missing(format!("the log has no `{path}` yet")))?;
    let mut share = server.memory.share()?;
    share.grow(taken_bytes(&stored))?;
    let (bytes, share) = blocking(move || Ok((stored.read()?, share))).await?;
    Ok(answer(kept(bytes, share), BYTES, KEPT))
}

/// What was read, and what is cut out of it.
fn taken_bytes(stored: &StoredTile) -> usize {
    let size_bytes = usize::try_from(stored.size_bytes()).unwrap_or(usize::MAX);
    size_bytes.saturating_mul(2)
}

fn kept(bytes: Vec<u8>, mut share: Share) -> axum::body::Bytes {
    share.shrink_to(bytes.len());
    share.keep(bytes)
}

fn answer(body: impl IntoResponse, media_type: &'static str, caching: &'static str) -> Response {
    let mut response = body.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, caching),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // What everybody may read, every page may.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Asks the disk, on a thread that may wait for it.
async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(ask).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(cause)) => Err(unreadable(&cause)),
        Err(_) => Err(stopped()),
    }
}

/// Whose the fault is, and no path of this machine.
pub(super) fn unreadable(cause: &LogError) -> Refusal {
    let (code, message) = match cause {
        LogError::Disk(_) => (Code::Io, "the log can't be read or written now"),
        _ => (Code::LogInconsistent, "the log is damaged"),
    };
    let hint = "tell its keeper, who sees more by `modelward log verify`";
    Refusal::new(code, message, hint)
}

pub(super) fn stopped() -> Refusal {
    let message = "the server is stopping";
    Refusal::new(Code::Interrupted, message, "ask again later")
}

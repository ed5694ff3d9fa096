//! `POST /add`: one line of a log, from somebody who has a token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use host::log::{NotTaken, Placed};
use serde::Serialize;
use tokio::sync::oneshot;
use trust::log::{ENTRY_SIZE_BYTES_MAX, Entry};

use super::Server;
use super::tiles::{stopped, unreadable};
use crate::body::{self, Body};
use crate::refusal::Refusal;
use crate::respond::respond;

/// Where the line stands.
#[derive(Serialize)]
struct Added<'a> {
    index: u64,
    /// The signed head that commits to it.
    checkpoint: &'a str,
}

pub(super) async fn add(
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Response, Refusal> {
    // (1) Who may; before any of the body is read.
    let (sequencer, tokens) = server.adding.as_ref().ok_or_else(|| {
        let hint = "its keeper adds to it with `modelward`";
        Refusal::not_offered("this log takes no lines by request", hint)
    })?;
    tokens.check(request.headers())?;
    // (2) A line in its one spelling: what else is in a log, nobody could watch.
    let limits = body::Limits {
        size_bytes_max: ENTRY_SIZE_BYTES_MAX,
        time_max: server.limits.body_timeout,
        hint: "send one line of a log",
    };
    let Body { bytes, share } = body::read(request, &server.memory, limits).await?;
    Entry::parse(&bytes).map_err(|cause| {
        let hint = "send one line as docs/formats/log.md has it, in its canonical form and without a line's end";
        Refusal::invalid(cause.to_string(), hint)
    })?;
    // (3) Acknowledged when it is durable.
    let (tell, told) = oneshot::channel();
    let answer = move |placed| {
        drop(share);
        // Who has gone meanwhile finds the line in the log.
        let _ = tell.send(placed);
    };
    let taken = sequencer.submit(bytes, Box::new(answer));
    taken.map_err(|cause| match cause {
        NotTaken::Full => Refusal::overloaded("as many lines wait as may"),
        NotTaken::Long { .. } => Refusal::invalid(cause.to_string(), limits.hint),
        NotTaken::Stopped => stopped(),
    })?;
    let placed: Placed = match told.await {
        Ok(Ok(placed)) => placed,
        Ok(Err(cause)) => return Err(unreadable(&cause)),
        Err(_) => return Err(stopped()),
    };
    Ok(respond(&Added {
        index: placed.index,
        checkpoint: placed.checkpoint.note(),
    }))
}

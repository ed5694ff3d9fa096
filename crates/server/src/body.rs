//! The bodies of requests, within the limits of one request and of all together.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use hyper::body::{Frame, Incoming, SizeHint};
use infer::room;
use trust::Code;

use crate::connections::Place;
use crate::memory::{Memory, Share};
use crate::refusal::Refusal;

/// The most that is read of a body that nobody wants, so that its sender sees the answer.
const UNWANTED_BYTES_MAX: u64 = 32 << 20;
const UNWANTED_TIME_MAX: Duration = Duration::from_secs(1);

/// A body's memory grows by doubling up to this, and then in steps of it.
const STEP_BYTES: usize = 64 << 10;

/// A whole body, and its share of the memory.
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) share: Share,
}

impl Body {
    /// Bytes are copied out of their chunks: many tiny chunks must not cost more than their bytes.
    fn add(&mut self, data: &[u8], size_bytes_max: usize) -> Result<(), Refusal> {
        let size_bytes = self.bytes.len() + data.len();
        if size_bytes > self.share.size_bytes() {
            let needed = if size_bytes <= STEP_BYTES {
                size_bytes.next_power_of_two()
            } else {
                size_bytes.next_multiple_of(STEP_BYTES).min(size_bytes_max)
            };
            self.share.grow(needed - self.share.size_bytes())?;
        }
        if size_bytes <= STEP_BYTES {
            let spare = self.share.size_bytes() - self.bytes.len();
            self.bytes.reserve_exact(spare.min(STEP_BYTES));
        } else if size_bytes > self.bytes.capacity() {
            let mut all = room(size_bytes_max);
            all.append(&mut self.bytes);
            self.bytes = all;
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    /// Whether there is nothing in it to read.
    pub(crate) fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }
}

/// What one body may take.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) size_bytes_max: usize,
    pub(crate) time_max: Duration,
    /// What to do about a longer one.
    pub(crate) hint: &'static str,
}

/// Reads a body within its limits. Its declared size is judged before any of it is read; memory is taken only as bytes
/// arrive, so that a promise of many costs nothing.
pub(crate) async fn read(
    request: Request,
    memory: &Memory,
    limits: Limits,
) -> Result<Body, Refusal> {
    check_encoding(request.headers())?;
    let declared = request.body().size_hint().lower();
    if declared > limits.size_bytes_max as u64 {
        return Err(too_large(limits));
    }
    memory.has(declared)?;
    let reading = collect(request.into_body(), memory, limits);
    let too_slow = |_| {
        let seconds = limits.time_max.as_secs_f32();
        Refusal::too_slow(format!("the body was not there within {seconds} s"))
    };
    tokio::time::timeout(limits.time_max, reading)
        .await
        .map_err(too_slow)?
}

async fn collect(
    mut from: axum::body::Body,
    memory: &Memory,
    limits: Limits,
) -> Result<Body, Refusal> {
    let max = limits.size_bytes_max;
    let mut body = Body {
        bytes: Vec::new(),
        share: memory.share()?,
    };
    while let Some(frame) = next_frame(&mut from).await {
        let broken = |_| {
            let message = "the body broke off, or its chunks can't be read";
            Refusal::invalid(message, "send the whole body again")
        };
        // What is no data is a trailer; nothing here asks for one.
        let Ok(data) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        if data.len() > max - body.bytes.len() {
            return Err(too_large(limits));
        }
        body.add(&data, max)?;
    }
    Ok(body)
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Refusal::media_type(
                "compressed bodies are not read here",
                "send the body without `content-encoding`",
            ))
        }
        _ => Ok(()),
    }
}

fn too_large(limits: Limits) -> Refusal {
    let size_bytes_max = limits.size_bytes_max;
    let message = format!("the body is longer than the {size_bytes_max} bytes allowed");
    Refusal::new(Code::TooLarge, message, limits.hint)
}

async fn next_frame<B: HttpBody + Unpin>(body: &mut B) -> Option<Result<Frame<B::Data>, B::Error>> {
    std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

/// A body that its connection can still reach after a handler took it.
#[derive(Clone)]
pub(crate) struct Shared {
    body: Arc<Mutex<Incoming>>,
    place: Arc<Place>,
}

impl Shared {
    pub(crate) fn new(body: Incoming, place: Arc<Place>) -> Self {
        if body.is_end_stream() {
            place.request_came();
        }
        let body = Arc::new(Mutex::new(body));
        Self { body, place }
    }

    /// Reads on where a refusal stopped, and forgets it: most clients look for an answer only after they sent everything.
    pub(crate) async fn discard(mut self) {
        if self.is_end_stream() || self.size_hint().lower() > UNWANTED_BYTES_MAX {
            return;
        }
        let discarding = async {
            let mut size_bytes = 0_u64;
            while let Some(Ok(frame)) = next_frame(&mut self).await {
                size_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                if size_bytes > UNWANTED_BYTES_MAX {
                    break;
                }
            }
        };
        // Whoever takes longer gets the answer all the same, and then a closed connection.
        let _ = tokio::time::timeout(UNWANTED_TIME_MAX, discarding).await;
    }

    fn with<T>(&self, look: impl FnOnce(Pin<&mut Incoming>) -> T) -> T {
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        look(Pin::new(&mut *body))
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = self.with(|body| body.poll_frame(context));
        if matches!(frame, Poll::Ready(None)) {
            self.place.request_came();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}

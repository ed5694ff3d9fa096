//! Connections: how many, how slow, and how they end.

mod places;
mod stall;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::Service;

use crate::body::Shared;

pub(crate) use places::Place;

use places::Places;
use stall::Stall;

const HEADERS_MAX: usize = 64;
const HEAD_SIZE_BYTES_MAX: usize = 16 << 10;
/// Each connection may have one of these filled and one in use.
const READ_SIZE_BYTES_MAX: usize = 16 << 10;
/// When the machine has no descriptor left, trying again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What all servers allow their clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connections_max: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) drain_timeout: Duration,
}

/// Who answers.
pub(crate) struct Answers {
    pub(crate) router: Router,
    /// Hears that no more requests are taken.
    pub(crate) drained: Box<dyn FnOnce() + Send>,
}

/// Serves until `shutdown`, then lets every request that has begun end within the limit.
pub(crate) async fn serve(
    listener: std::net::TcpListener,
    answers: Answers,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let (drain, draining) = watch::channel(false);
    let places = Places::new(limits.connections_max);
    let connections = Connections {
        router: answers.router,
        limits,
        draining,
    };
    tokio::select! {
        () = connections.accept(&listener, &places) => {}
        () = shutdown => {}
    }
    drop(listener);
    (answers.drained)();
    drain.send_replace(true);
    // All places are free again when all connections have ended; those that don't in time are cut.
    let _ = tokio::time::timeout(limits.drain_timeout, places.all_free()).await;
    Ok(())
}

#[derive(Clone)]
struct Connections {
    router: Router,
    limits: Limits,
    draining: watch::Receiver<bool>,
}

impl Connections {
    /// Never returns. One newcomer at most waits for a place, the others wait in the kernel.
    async fn accept(&self, listener: &TcpListener, places: &Arc<Places>) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let place = places.take(peer.ip()).await;
                    tokio::spawn(self.clone().connection(stream, place));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    async fn connection(self, stream: TcpStream, place: Arc<Place>) {
        let Self {
            router,
            limits,
            mut draining,
        } = self;
        // Answers are small and go out whole. When the option can't be set they are only slower.
        let _ = stream.set_nodelay(true);
        let io = TokioIo::new(Stall::new(stream, limits.write_timeout, Arc::clone(&place)));
        let service = service_fn(|request| answer(router.clone(), request, Arc::clone(&place)));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_timeout)
            .max_headers(HEADERS_MAX)
            .max_header_size(HEAD_SIZE_BYTES_MAX)
            .max_buf_size(READ_SIZE_BYTES_MAX)
            .serve_connection(io, service);
        let mut connection = std::pin::pin!(connection);
        // A connection's error is its client's: it broke off, or sent what is no HTTP and was told so by a status.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = place.is_wanted() => return,
            _ = draining.wait_for(|is_draining| *is_draining) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

async fn answer(
    mut router: Router,
    request: Request<Incoming>,
    place: Arc<Place>,
) -> Result<Response, Infallible> {
    place.head_came();
    let (parts, body) = request.into_parts();
    let is_waiting = parts.headers.contains_key(header::EXPECT);
    let body = Shared::new(body, Arc::clone(&place));
    let request = Request::from_parts(parts, Body::new(body.clone()));
    let response = router.call(request).await?;
    // Who asked before sending, or was too slow, need not send the rest.
    if !is_waiting && response.status() != StatusCode::REQUEST_TIMEOUT {
        body.discard().await;
    }
    place.answer_goes();
    Ok(response)
}

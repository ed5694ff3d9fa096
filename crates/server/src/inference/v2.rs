//! The Open Inference Protocol, version 2, over REST: what the server and its model are, and inference.

mod answer;
mod ask;

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use infer::tensor::TensorSpec;
use serde::Serialize;
use trust::Code;

use super::Server;
use super::json::essence;
use super::predictions::{Batch, Protocol};
use crate::body::Body;
use crate::refusal::Refusal;
use crate::respond::{MEDIA_TYPE, respond};
use ask::Ask;

const HEADER_LENGTH: &str = "inference-header-content-length";
const BINARY_MEDIA_TYPE: &str = "application/octet-stream";
const HAVE_A_BODY: &str = "send `{\"inputs\": [{\"name\": …, \"shape\": …, \"datatype\": …, \"data\": …}]}` as the body; `GET /v2/models/NAME` says what the model takes";
const PLATFORM: &str = "modelward_safetensors";

/// The model that a path names. There is one; no other name or version is looked for anywhere.
pub(super) struct Named;

impl FromRequestParts<Arc<Server>> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Refusal> {
        let unknown = || {
            let message = "there is no such model or version here";
            Refusal::new(
                Code::NotFound,
                message,
                "`GET /v2/models` names what there is",
            )
        };
        let params = RawPathParams::from_request_parts(parts, server).await;
        let params = params.map_err(|_| unknown())?;
        let is_ours = |(key, value): (&str, &str)| match key {
            "name" => value == server.name,
            _ => value == server.version,
        };
        if params.iter().all(is_ours) {
            Ok(Self)
        } else {
            Err(unknown())
        }
    }
}

pub(super) async fn live() -> Response {
    #[derive(Serialize)]
    struct Live {
        live: bool,
    }
    respond(&Live { live: true })
}

pub(super) async fn ready(State(server): State<Arc<Server>>) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Ready {
        ready: bool,
        live: bool,
    }
    server.gate.ready()?;
    Ok(respond(&Ready {
        ready: true,
        live: true,
    }))
}

pub(super) async fn server() -> Response {
    #[derive(Serialize)]
    struct Metadata {
        name: &'static str,
        version: &'static str,
        extensions: [&'static str; 1],
    }
    respond(&Metadata {
        name: "modelward",
        version: env!("CARGO_PKG_VERSION"),
        extensions: ["binary_tensor_data"],
    })
}

pub(super) async fn models(State(server): State<Arc<Server>>) -> Response {
    #[derive(Serialize)]
    struct Models<'a> {
        models: [&'a str; 1],
    }
    respond(&Models {
        models: [&server.name],
    })
}

pub(super) async fn model(
    State(server): State<Arc<Server>>,
    _: Named,
) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Metadata<'a> {
        name: &'a str,
        versions: [&'a str; 1],
        platform: &'static str,
        inputs: [Tensor<'a>; 1],
        outputs: [Tensor<'a>; 1],
    }
    let workers = server.gate.workers()?;
    let model = workers.model();
    Ok(respond(&Metadata {
        name: &server.name,
        versions: [&server.version],
        platform: PLATFORM,
        inputs: [Tensor::of(model.input())],
        outputs: [Tensor::of(model.output())],
    }))
}

#[derive(Serialize)]
struct Tensor<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: Vec<i64>,
}

impl<'a> Tensor<'a> {
    fn of(spec: &'a TensorSpec) -> Self {
        Self {
            name: spec.name(),
            datatype: spec.datatype().name(),
            shape: spec.shape(),
        }
    }
}

pub(super) async fn model_ready(
    State(server): State<Arc<Server>>,
    _: Named,
) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Ready<'a> {
        name: &'a str,
        ready: bool,
    }
    server.gate.ready()?;
    Ok(respond(&Ready {
        name: &server.name,
        ready: true,
    }))
}

/// Triton's list of models, for the tools that ask for it.
pub(super) async fn index(State(server): State<Arc<Server>>) -> Response {
    #[derive(Serialize)]
    struct Entry<'a> {
        name: &'a str,
        version: &'a str,
        state: &'static str,
        reason: String,
    }
    let (state, reason) = match server.gate.ready() {
        Ok(()) => ("READY", String::new()),
        Err(refusal) => ("UNAVAILABLE", refusal.message().to_owned()),
    };
    respond(&[Entry {
        name: &server.name,
        version: &server.version,
        state,
        reason,
    }])
}

pub(super) async fn infer(
    State(server): State<Arc<Server>>,
    _: Named,
    request: Request,
) -> Result<Response, Refusal> {
    server.gate.workers()?;
    check_media_type(&request)?;
    let header_length = header_length(&request)?;
    let body = server
        .read(request, server.limits.v2_body_bytes_max)
        .await?;
    if body.is_blank() {
        let message = "the request has no body";
        return Err(Refusal::invalid(message, HAVE_A_BODY));
    }
    let inferring = server.on_worker(move |server, session| {
        let model = Arc::clone(session.model());
        let Body { bytes, mut share } = body;
        let Ask { tensor, reply } = Ask::read(&bytes, header_length, &model, server)?;
        let answer_bytes = reply.size_bytes(&model);
        share.grow(Batch::memory_bytes(&model, reply.rows).saturating_add(answer_bytes))?;
        let give = |batch: &mut Batch<'_>| tensor.give(batch);
        let prediction = server.predict(session, Protocol::V2, reply.rows, give)?;
        drop(bytes);
        let text = reply.text(&prediction, &model, server, answer_bytes);
        share.shrink_to(answer_bytes);
        Ok(reply.response(text, share, &prediction))
    });
    inferring.await
}

/// Clients of this protocol often state no type; what must not pass is what a page of another origin may send unasked.
fn check_media_type(request: &Request) -> Result<(), Refusal> {
    let stated = request.headers().get(header::CONTENT_TYPE);
    let stated = stated
        .map_or(Some(""), |value| value.to_str().ok())
        .map(essence);
    let is_known = |media_type: &str| {
        ["", MEDIA_TYPE, BINARY_MEDIA_TYPE]
            .iter()
            .any(|known| media_type.eq_ignore_ascii_case(known))
    };
    if stated.is_some_and(is_known) {
        Ok(())
    } else {
        let message = format!(
            "the request's `content-type` must be `application/json`, or `{BINARY_MEDIA_TYPE}` with binary tensors"
        );
        let hint = "state one of the two, or none";
        Err(Refusal::media_type(message, hint))
    }
}

/// How long the JSON before binary tensors is; none when the whole body is JSON.
fn header_length(request: &Request) -> Result<Option<usize>, Refusal> {
    let Some(stated) = request.headers().get(HEADER_LENGTH) else {
        return Ok(None);
    };
    let length = stated.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| {
        let message = format!("the header `{HEADER_LENGTH}` must be a number of bytes");
        Refusal::invalid(
            message,
            "state how long the JSON before the binary tensors is",
        )
    })
}

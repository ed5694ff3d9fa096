//! `POST /classify/v0`: a picture in, a digit out.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use decode::json::Value;
use infer::Session;
use infer::picture::PictureError;
use serde::Serialize;
use trust::Code;

use super::base64;
use super::json::{essence, read, respond};
use super::predictions::Protocol;
use super::refusal::Refusal;
use super::{Limits, Server};

const NO_IMAGE: &str = "Missing 'image' field in request body.";
const NO_MODEL: &str = "Model not loaded. Cannot perform classification.";

#[derive(Serialize)]
struct Answer {
    predicted_digit: usize,
}

pub(super) async fn classify(
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Response, Refusal> {
    server.gate.workers().map_err(in_the_contracts_words)?;
    let media_type = check_media_type(request.headers());
    let body = server
        .read(request, server.limits.classify_body_bytes_max)
        .await?;
    if body.bytes().iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::invalid(NO_IMAGE));
    }
    media_type?;
    let predicting = server.on_worker(move |server, session| {
        let row = row(session, body.bytes(), &server.limits)?;
        server.predict(session, Protocol::Classify, &row, 1)
    });
    let prediction = predicting.await.map_err(in_the_contracts_words)?;
    let mut response = respond(&Answer {
        predicted_digit: prediction.classes.first().copied().unwrap_or_default(),
    });
    prediction.marks.put_on(&mut response);
    Ok(response)
}

/// Pages of other origins can post text and forms without asking, but not JSON.
fn check_media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let stated = headers.get(header::CONTENT_TYPE);
    let stated = stated.and_then(|value| value.to_str().ok()).unwrap_or("");
    if essence(stated).eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Refusal::media_type(
            "the request's `content-type` must be `application/json`",
        ))
    }
}

fn row(session: &Session, body: &[u8], limits: &Limits) -> Result<Vec<f32>, Refusal> {
    let encoded = picture(body, limits)?;
    let preprocessing = session.model().preprocessing().ok_or_else(|| {
        Refusal::new(Code::NotFound, "this model takes no pictures")
            .with_hint("send tensors to `/v2/models/NAME/infer`")
    })?;
    preprocessing.row(&encoded).map_err(|error| unfit(&error))
}

/// A body without a picture is told so in the contract's words, whatever it holds instead.
fn picture(body: &[u8], limits: &Limits) -> Result<Vec<u8>, Refusal> {
    let missing = || Refusal::invalid(NO_IMAGE);
    let value = read(body, limits)?;
    match value.member("image").ok_or_else(missing)? {
        Value::String(text) => base64::decode(text),
        _ => Err("`image` is not a string".to_owned()),
    }
    .map_err(|problem| Refusal::invalid(format!("Invalid base64 encoding: {problem}")))
}

fn unfit(error: &PictureError) -> Refusal {
    let mut message = format!("Image preprocessing failed: {error}");
    if let PictureError::Decode(cause) = error {
        message = format!("{message}: {cause}");
    }
    Refusal::new(Code::PictureInvalid, message)
}

fn in_the_contracts_words(refusal: Refusal) -> Refusal {
    if refusal.is_closed() {
        refusal.reworded(NO_MODEL)
    } else {
        refusal
    }
}

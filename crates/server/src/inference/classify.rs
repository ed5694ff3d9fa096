//! `POST /classify/v0`: a picture in, a digit out.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use infer::Session;
use infer::picture::{PictureError, SIDE_MAX};
use serde::Serialize;
use trust::Code;

use super::base64;
use super::json::{essence, read};
use super::predictions::Protocol;
use super::{Limits, Server};
use crate::body::Body;
use crate::refusal::Refusal;
use crate::respond::respond;

const NO_IMAGE: &str = "Missing 'image' field in request body.";
const NO_MODEL: &str = "Model not loaded. Cannot perform classification.";
const SEND_AN_IMAGE: &str =
    "send `{\"image\": BASE64 OF A PNG}` as the body, with `content-type: application/json`";

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
    if body.is_blank() {
        return Err(Refusal::invalid(NO_IMAGE, SEND_AN_IMAGE));
    }
    media_type?;
    let predicting = server.on_worker(move |server, session| {
        let row = row(session, body, &server.limits)?;
        server.predict(session, Protocol::Classify, 1, |batch| {
            row.iter().for_each(|number| batch.take(*number));
            Ok(())
        })
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
            SEND_AN_IMAGE,
        ))
    }
}

fn row(session: &Session, mut body: Body, limits: &Limits) -> Result<Vec<f32>, Refusal> {
    let no_pictures = || {
        let hint = "send tensors to `/v2/models/NAME/infer`";
        Refusal::new(Code::NotFound, "this model takes no pictures", hint)
    };
    // The picture is never longer than its base64.
    body.share.grow(body.bytes.len())?;
    let encoded = picture(&body.bytes, limits)?;
    body.bytes = Vec::new();
    let preprocessing = session.model().preprocessing().ok_or_else(no_pictures)?;
    body.share.shrink_to(encoded.len());
    body.share.grow(preprocessing.memory_bytes(&encoded))?;
    preprocessing.row(&encoded).map_err(|error| unfit(&error))
}

/// A body without a picture is told so in the contract's words, whatever it holds instead.
fn picture(body: &[u8], limits: &Limits) -> Result<Vec<u8>, Refusal> {
    let missing = || Refusal::invalid(NO_IMAGE, SEND_AN_IMAGE);
    let image = read(body, limits)?.member("image").ok_or_else(missing)?;
    let decoded = match image.chars() {
        Some(text) => base64::decode(text, image.text().len()),
        None => Err("`image` is not a string"),
    };
    decoded.map_err(|problem| {
        let message = format!("Invalid base64 encoding: {problem}");
        Refusal::invalid(
            message,
            "encode the PNG's bytes, with padding: `base64 -w0 FILE`",
        )
    })
}

fn unfit(error: &PictureError) -> Refusal {
    let mut message = format!("Image preprocessing failed: {error}");
    if let PictureError::Decode(cause) = error {
        message = format!("{message}: {cause}");
    }
    let hint = format!("send a whole PNG of at most {SIDE_MAX} pixels on a side");
    Refusal::new(Code::PictureInvalid, message, hint)
}

fn in_the_contracts_words(refusal: Refusal) -> Refusal {
    if refusal.is_closed() {
        refusal.reworded(NO_MODEL)
    } else {
        refusal
    }
}

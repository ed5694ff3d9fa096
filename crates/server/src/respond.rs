//! Answers in JSON.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use infer::room;
use serde::Serialize;

pub(crate) const MEDIA_TYPE: &str = "application/json";

/// About `size_bytes` of JSON.
pub(crate) fn to_vec(value: &impl Serialize, size_bytes: usize) -> Vec<u8> {
    let mut text = room(size_bytes);
    // Strings, finite numbers, lists and plain structs always serialise, and memory takes them.
    let _ = serde_json::to_writer(&mut text, value);
    text
}

pub(crate) fn respond(value: &impl Serialize) -> Response {
    of_text(to_vec(value, 0))
}

pub(crate) fn of_text(text: impl IntoResponse) -> Response {
    let mut response = text.into_response();
    let media_type = HeaderValue::from_static(MEDIA_TYPE);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    response
}

//! JSON in and out.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use decode::json::{self, Value};
use serde::Serialize;
use trust::Code;

use super::Limits;
use super::refusal::Refusal;

pub(super) const MEDIA_TYPE: &str = "application/json";
/// A tensor's eight dimensions, and what stands around them.
const DEPTH_MAX: usize = 16;

/// Reads the JSON of a request. Its size was limited when it was received.
///
/// A value takes some fifty bytes when it is unpacked and two in the text, so they are counted before: there are no more
/// values than commas and opening brackets, and one.
pub(super) fn read(text: &[u8], limits: &Limits) -> Result<Value, Refusal> {
    let opens_value = |byte: &&u8| matches!(byte, b',' | b'[' | b'{');
    let values = 1 + text.iter().filter(opens_value).count();
    if values > limits.json_values_max {
        let message = format!(
            "the JSON may hold {values} values, more than the {} allowed",
            limits.json_values_max
        );
        return Err(Refusal::new(Code::TooLarge, message)
            .with_hint("send fewer rows, or send them as binary tensors"));
    }
    let limits = json::Limits {
        size_bytes_max: text.len(),
        depth_max: DEPTH_MAX,
    };
    json::value(text, limits)
        .map_err(|error| Refusal::new(Code::JsonInvalid, format!("The body is not JSON: {error}")))
}

pub(super) fn to_vec(value: &impl Serialize) -> Vec<u8> {
    // Strings, finite numbers, lists and plain structs always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}

pub(super) fn respond(value: &impl Serialize) -> Response {
    let mut response = to_vec(value).into_response();
    let media_type = HeaderValue::from_static(MEDIA_TYPE);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    response
}

/// A media type without its parameters.
pub(super) fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

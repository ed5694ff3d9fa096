//! The answer to an inference request.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use infer::Model;
use serde::Serialize;

use super::super::predictions::{Marks, Prediction};
use super::super::{Server, json};
use super::ask::Ask;
use super::{BINARY_MEDIA_TYPE, HEADER_LENGTH};

#[derive(Serialize)]
struct Answer<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    parameters: &'a Marks,
    outputs: [Output<'a>; 1],
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'a str,
    shape: Vec<usize>,
    datatype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<BinaryParameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a [f32]>,
}

#[derive(Serialize)]
struct BinaryParameters {
    binary_data_size: usize,
}

pub(super) fn response(
    ask: &Ask,
    prediction: &Prediction,
    model: &Model,
    server: &Server,
) -> Response {
    let mut shape = vec![ask.rows];
    shape.extend(model.output().row());
    let binary_data_size = size_of_val(prediction.output.as_slice());
    let answer = Answer {
        model_name: &server.name,
        model_version: &server.version,
        id: ask.id.as_deref(),
        parameters: &prediction.marks,
        outputs: [Output {
            name: model.output().name(),
            shape,
            datatype: model.output().datatype().name(),
            parameters: ask
                .is_binary
                .then_some(BinaryParameters { binary_data_size }),
            data: (!ask.is_binary).then_some(&prediction.output),
        }],
    };
    let mut response = if ask.is_binary {
        binary(json::to_vec(&answer), &prediction.output)
    } else {
        json::respond(&answer)
    };
    prediction.marks.put_on(&mut response);
    response
}

/// The JSON, and after it the numbers, little-endian.
fn binary(mut body: Vec<u8>, numbers: &[f32]) -> Response {
    let header_length = HeaderValue::from(body.len());
    body.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(BINARY_MEDIA_TYPE),
    );
    headers.insert(HeaderName::from_static(HEADER_LENGTH), header_length);
    response
}

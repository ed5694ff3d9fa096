//! The answer to an inference request.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use infer::Model;
use serde::Serialize;

use super::super::Server;
use super::super::predictions::{Marks, Prediction};
use super::{BINARY_MEDIA_TYPE, HEADER_LENGTH};
use crate::memory::Share;
use crate::respond;

/// A number in JSON: a sign, nine digits and a point, an exponent, and the comma.
const NUMBER_BYTES_MAX: usize = 16;
/// Room for what stands around the numbers, so that it seldom has to be made anew.
const AROUND_BYTES: usize = 1 << 10;

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

/// How an answer shall look.
pub(super) struct Reply {
    pub(super) id: Option<String>,
    pub(super) rows: usize,
    pub(super) is_binary: bool,
}

impl Reply {
    /// The most bytes that the numbers of an answer take; what stands around them is small.
    pub(super) fn size_bytes(&self, model: &Model) -> usize {
        let number_bytes = if self.is_binary {
            size_of::<f32>()
        } else {
            NUMBER_BYTES_MAX
        };
        let numbers = self.rows.saturating_mul(model.output().row_elements());
        numbers.saturating_mul(number_bytes)
    }

    /// The body of the answer, and how much of it is JSON, if not all.
    pub(super) fn text(
        &self,
        prediction: &Prediction,
        model: &Model,
        server: &Server,
        size_bytes: usize,
    ) -> (Vec<u8>, Option<usize>) {
        let mut shape = vec![self.rows];
        shape.extend(model.output().row());
        let binary_data_size = size_of_val(prediction.output.as_slice());
        let binary = BinaryParameters { binary_data_size };
        let answer = Answer {
            model_name: &server.name,
            model_version: &server.version,
            id: self.id.as_deref(),
            parameters: &prediction.marks,
            outputs: [Output {
                name: model.output().name(),
                shape,
                datatype: model.output().datatype().name(),
                parameters: self.is_binary.then_some(binary),
                data: (!self.is_binary).then_some(&prediction.output),
            }],
        };
        let mut text = respond::to_vec(&answer, size_bytes.saturating_add(AROUND_BYTES));
        let header_length = text.len();
        if !self.is_binary {
            return (text, None);
        }
        text.extend((prediction.output.iter()).flat_map(|number| number.to_le_bytes()));
        (text, Some(header_length))
    }

    /// The answer, which keeps its share of the memory until it has left.
    pub(super) fn response(
        &self,
        (text, header_length): (Vec<u8>, Option<usize>),
        share: Share,
        prediction: &Prediction,
    ) -> Response {
        let mut response = respond::of_text(share.keep(text));
        if let Some(header_length) = header_length {
            let headers = response.headers_mut();
            let binary = HeaderValue::from_static(BINARY_MEDIA_TYPE);
            headers.insert(header::CONTENT_TYPE, binary);
            let header_length = HeaderValue::from(header_length);
            headers.insert(HeaderName::from_static(HEADER_LENGTH), header_length);
        }
        prediction.marks.put_on(&mut response);
        response
    }
}

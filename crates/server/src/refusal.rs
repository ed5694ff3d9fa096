//! An answer that is none: a status, and a JSON body with what was wrong and what to do.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use trust::Code;

use crate::respond::respond;

/// Why a request gets no answer. Its texts are ours or quote the request, never the machine.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    body: Body,
}

#[derive(Debug, Serialize)]
struct Body {
    error: String,
    code: &'static str,
    hint: String,
}

impl Refusal {
    /// With the table's word and status, to which there is no other way, and what the client can do.
    pub(crate) fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let body = Body {
            error: message.into(),
            code: code.as_str(),
            hint: hint.into(),
        };
        // Every status in the table is one.
        let status = StatusCode::from_u16(code.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, body }
    }

    /// 400: what the request says can't be meant for this model.
    pub(crate) fn invalid(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Code::RequestInvalid, message, hint)
    }

    /// 429: the same request may do better later.
    pub(crate) fn overloaded(message: &'static str) -> Self {
        Self::new(Code::Overloaded, message, "ask again later")
    }

    /// 408: the client took too long.
    pub(crate) fn too_slow(message: impl Into<String>) -> Self {
        let hint = "send it faster, or in smaller requests";
        Self::new(Code::Timeout, message, hint)
    }

    /// 405: there is such a thing, but not to do this with.
    pub(crate) fn wrong_method() -> Self {
        let message = "this route does not take this method";
        let hint = "the header `allow` names those it takes";
        Self::new(Code::MethodNotAllowed, message, hint)
    }

    /// 415: the body is written in a way that is not read here.
    pub(crate) fn media_type(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Code::MediaType, message, hint)
    }

    /// 501: the protocol has it, this server doesn't.
    pub(crate) fn not_offered(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Code::NotOffered, message, hint)
    }

    /// In other words; the old ones become the hint.
    pub(crate) fn reworded(mut self, message: &str) -> Self {
        let facts = std::mem::replace(&mut self.body.error, message.to_owned());
        self.body.hint = format!("{facts}; {}", self.body.hint);
        self
    }

    pub(crate) fn message(&self) -> &str {
        &self.body.error
    }

    #[cfg(test)]
    pub(crate) const fn code(&self) -> &'static str {
        self.body.code
    }

    /// Whether there is no model to predict with.
    pub(crate) fn is_closed(&self) -> bool {
        [Code::Recalled, Code::NotServing]
            .map(Code::as_str)
            .contains(&self.body.code)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = respond(&self.body);
        *response.status_mut() = self.status;
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            let later = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, later);
        }
        response
    }
}

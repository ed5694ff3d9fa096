//! Which path is whose.

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get, post};
use trust::Code;

use super::{Server, classify, v2};
use crate::refusal::Refusal;

pub(super) fn router(server: &Arc<Server>) -> Router {
    Router::new()
        .route("/classify/v0", post(classify::classify))
        .route("/v2", get(v2::server))
        .route("/v2/health/live", get(v2::live))
        .route("/v2/health/ready", get(v2::ready))
        .route("/v2/models", get(v2::models))
        .route("/v2/models/{name}", get(v2::model))
        .route("/v2/models/{name}/ready", get(v2::model_ready))
        .route("/v2/models/{name}/infer", post(v2::infer))
        .route("/v2/models/{name}/versions/{version}", get(v2::model))
        .route(
            "/v2/models/{name}/versions/{version}/ready",
            get(v2::model_ready),
        )
        .route(
            "/v2/models/{name}/versions/{version}/infer",
            post(v2::infer),
        )
        .route("/v2/repository/index", post(v2::index))
        .route("/v2/repository/models/{name}/load", any(no_loading))
        .route("/v2/repository/models/{name}/unload", any(no_loading))
        .route("/v2/systemsharedmemory/{*call}", any(no_shared_memory))
        .route("/v2/cudasharedmemory/{*call}", any(no_shared_memory))
        .route("/v2/models/{name}/trace/setting", any(not_by_request))
        .route("/v2/trace/setting", any(not_by_request))
        .route("/v2/logging", any(not_by_request))
        .fallback(no_route)
        .method_not_allowed_fallback(async || Refusal::wrong_method())
        .with_state(Arc::clone(server))
}

async fn no_route() -> Refusal {
    let hint = "pictures go to `/classify/v0`; what else there is begins with `/v2`";
    Refusal::new(Code::NotFound, "there is no such route", hint)
}

/// A model comes in through the admission gate and goes out by a recall; strangers can do neither.
async fn no_loading() -> Refusal {
    let hint = "admit a model with `modelward admit`, and start a server on it";
    Refusal::not_offered("models are not loaded or unloaded by request", hint)
}

async fn no_shared_memory() -> Refusal {
    let message = "this server shares no memory with its clients";
    Refusal::not_offered(message, "send binary tensors in the body")
}

async fn not_by_request() -> Refusal {
    let message = "this server's settings are not read or changed by request";
    Refusal::not_offered(message, "whoever starts the server sets them")
}

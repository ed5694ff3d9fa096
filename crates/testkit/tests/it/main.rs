//! What ARCHITECTURE.md says of the house, and what every parser promises.

mod bad_input;
mod certificates;
mod library;
mod mutate;
mod oms;
mod replay;
mod several_signatures;
mod sigstore;
mod tidy;
mod timestamps;
mod tuf;

use std::path::PathBuf;

use serde::de::DeserializeOwned;

/// A path from the top of the repository.
fn top(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// A table of cases.
fn table<T: DeserializeOwned>(path: &str) -> T {
    let text = std::fs::read_to_string(top(path)).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

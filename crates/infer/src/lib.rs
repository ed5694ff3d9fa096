//! A verified model and a tensor to a tensor.
//!
//! [`architecture`] says what the layers are, [`model`] joins it with the weights, [`picture`] and [`tensor`] make inputs,
//! and a [`Session`] computes. Nothing here reads a file, a clock or a network.

pub mod architecture;
mod engine;
#[cfg(test)]
mod fixture;
pub mod model;
pub mod picture;
mod room;
pub mod tensor;

pub use engine::{RunError, Session};
pub use model::Model;
pub use room::room;

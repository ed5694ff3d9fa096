//! All that listens on a socket.
//!
//! [`inference`] answers for one verified model, [`log`] shows a log and adds to it, [`witness`] cosigns heads. Each server is a module with one entry
//! point that takes a bound listener, so that the caller decides where it listens, and tests listen on a port of their own.

mod body;
mod connections;
mod memory;
mod refusal;
mod respond;

pub mod inference;
pub mod log;
pub mod witness;

//! The servers over real sockets, asked by a client that is written here.

mod classify;
mod client;
mod fixture;
mod hostile;
mod lifecycle;
mod log;
mod places;
mod v2;

//! What ARCHITECTURE.md says of the house, and what every parser promises.

mod mutate;
mod replay;
mod tidy;

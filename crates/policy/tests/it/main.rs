//! The rules, on statements that real keys signed.

mod admission;
mod conformance;
mod dependency;
mod deployment;
mod kit;
mod oracle;
mod publish;
mod recall;

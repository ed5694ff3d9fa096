//! The rules, on statements that real keys signed.

mod admission;
mod conformance;
mod dependency;
mod deployment;
mod gate;
mod gate_laws;
mod kit;
mod oracle;
mod publish;
mod recall;

//! One file for each word of the command line, named as it is typed: its arguments, whose comments are its help, and
//! what it does: parse, ask, act, print.

pub(crate) mod admit;
pub(crate) mod approve;
pub(crate) mod artifact;
pub(crate) mod audit;
pub(crate) mod bundle;
pub(crate) mod completions;
pub(crate) mod cosign;
pub(crate) mod dataset;
pub(crate) mod demo;
pub(crate) mod deploy;
pub(crate) mod diff;
pub(crate) mod digest;
pub(crate) mod doctor;
pub(crate) mod fetch;
pub(crate) mod help;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod keyless;
pub(crate) mod log;
pub(crate) mod man;
pub(crate) mod oms;
pub(crate) mod policy;
pub(crate) mod publish;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod recall;
pub(crate) mod sbom;
pub(crate) mod scan;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod store;
pub(crate) mod train;
pub(crate) mod verify;

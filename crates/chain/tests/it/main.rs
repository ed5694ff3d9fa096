//! The stages' decisions, on dossiers made in memory with real keys and a real log's signature.

mod admit;
mod audit;
mod deploy;
mod gates;
mod kit;
mod ledger;
mod lineage;
mod publish;
mod recall;
mod recalled_key;
mod scan;
mod serve;
mod step_root;
mod train;

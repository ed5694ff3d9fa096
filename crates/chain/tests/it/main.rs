//! The stages' decisions, on dossiers made in memory with real keys and a real log's signature.

mod audit;
mod gates;
mod kit;
mod ledger;
mod lineage;
mod recall;
mod scan;
mod train;

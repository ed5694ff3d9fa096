//! The stages, one file each, in data order: the decisions, with no I/O.
//!
//! ```text
//! dataset ─► train ─► scan ─► sign ─► publish ─► deploy ─► admit ─► serve
//!    │         │        │       │        │          │        │        │
//!    └─────────┴────────┴───────┴── statements ─────┴────────┴────────┴─► ledger ─► lineage ─► audit, recall
//! ```
//! Each stage takes what was verified and answers with a verdict; an allowed one carries the statement to sign. Bytes
//! come in as arguments: whoever calls gathers, acts and records.

pub mod admit;
pub mod audit;
pub mod dataset;
pub mod deploy;
pub mod fetch;
pub mod gate;
pub mod ledger;
pub mod lineage;
mod lost;
pub mod publish;
pub mod recall;
pub mod scan;
pub mod serve;
pub mod sign;
pub mod step_root;
pub mod train;

pub use ledger::{Dossier, Fault, Ledger, Logged, Shelf, Statements};
pub use lineage::Lineage;

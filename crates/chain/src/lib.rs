//! The stages, one file each, in data order: the decisions, with no I/O

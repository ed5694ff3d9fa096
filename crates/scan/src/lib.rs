//! Hostile model files to findings; reads, never runs

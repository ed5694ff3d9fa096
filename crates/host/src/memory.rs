//! How much of the machine's memory this process keeps.

/// To be called before there is much in memory: what is large then goes back to the kernel when it is freed, so that a
/// process never has more than what is in use.
pub fn give_back_when_freed() {
    crate::builder::map_large_allocations();
}

/// Gives back what was freed in small pieces. To be called before something large, when much that is small has gone.
pub fn give_back() {
    crate::builder::trim_allocations();
}

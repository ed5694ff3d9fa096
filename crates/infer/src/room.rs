//! Memory that a request takes for a moment.

/// What takes less is kept by the allocator for the next one, which is faster.
const KEPT_BYTES_MAX: usize = 64 << 10;
/// Allocators keep freed memory in each thread's own heap, where no other thread can use it; glibc does so with all that is
/// not larger than this. What is larger is mapped on its own, and goes back to the kernel at once.
const MAPPED_BYTES_MIN: usize = (32 << 20) + 1;

/// Room for `count` values. Only what is written to takes memory, and none of it stays taken after the list is dropped.
#[must_use]
pub fn room<T>(count: usize) -> Vec<T> {
    let mut room = Vec::new();
    let size_bytes = count.saturating_mul(size_of::<T>());
    let mapped = MAPPED_BYTES_MIN.div_ceil(size_of::<T>().max(1));
    // A process that may not reserve more than it uses gets what it needs.
    if size_bytes <= KEPT_BYTES_MAX || room.try_reserve_exact(count.max(mapped)).is_err() {
        room.reserve_exact(count);
    }
    room
}

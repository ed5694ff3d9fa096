//! The calls for which no safe wrapper exists. All `unsafe` of this crate is here.

#![allow(
    unsafe_code,
    reason = "leaving namespaces, closing descriptors by number, now or later, and tuning the allocator have no safe wrapper"
)]

use std::io;

use rustix::thread::UnshareFlags;

/// Leaves the shared namespaces for new ones.
pub(super) fn unshare(namespaces: UnshareFlags) -> io::Result<()> {
    let namespaces = namespaces.difference(UnshareFlags::FILES);
    // SAFETY: the call is unsound only with FILES, which gives threads different descriptor tables; it was removed.
    unsafe { rustix::thread::unshare_unsafe(namespaces) }.map_err(Into::into)
}

/// Closes every descriptor that this process was started with, except the three standard ones.
///
/// To be called first thing in a fresh process, before anything is opened.
pub(super) fn close_inherited() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: the arguments are plain numbers. What is closed has no owner in this process: it has just been started,
    // is single-threaded, and has opened nothing yet, so no `OwnedFd` is left dangling.
    let result = unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, 0) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Has every descriptor but the three standard ones closed in whatever this process starts: all that are open, be they
/// whoever's who started this process.
///
/// # Errors
/// The system can't, and does not say which are open either.
pub fn close_on_exec() -> io::Result<()> {
    const FIRST: libc::c_int = 3;
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: the arguments are plain numbers. Nothing is closed in this process: a flag is set that the standard library
    // sets on all that it opens.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            FIRST,
            libc::c_uint::MAX,
            CLOSE_RANGE_CLOEXEC,
        )
    };
    if result == 0 {
        return Ok(());
    }
    // Before Linux 5.11, and where a filter forbids it: one by one.
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name();
        let number = number.to_str().and_then(|number| number.parse().ok());
        if let Some(number) = number.filter(|number| *number >= FIRST) {
            // SAFETY: as above. A number that is nobody's, such as the closed folder's, is answered with an error.
            unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// Has the allocator map what is large on its own, and give it back to the kernel when it is freed. By itself glibc does so
/// only until the first such piece is freed, and from then on keeps pieces of that size for later.
pub(crate) fn map_large_allocations() {
    #[cfg(target_env = "gnu")]
    {
        const LARGE_BYTES: libc::c_int = 128 << 10;
        // SAFETY: the arguments are plain numbers, and the allocator takes its own lock. A refusal changes nothing.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES) };
    }
}

/// Has the allocator give back to the kernel what is free in the midst of what is not.
pub(crate) fn trim_allocations() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the argument is a plain number, and the allocator takes its own lock. Nothing in use is touched.
    unsafe {
        libc::malloc_trim(0);
    }
}

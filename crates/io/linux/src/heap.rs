//! The C library's heap, as a daemon wants it that holds much for long and briefly needs a lot more.

/// Keeps the heap in one piece and large blocks out of it, so that what is freed is used again or goes back to the
/// kernel. By default each thread gets a heap of its own, and none gives back what lies under something still in use.
///
/// Call it before there are other threads. Does nothing without glibc.
pub fn keep_small() {
    #[cfg(target_env = "gnu")]
    {
        // Blocks of this size and more are mapped one by one. Set, the threshold does not grow with what is freed.
        const LARGE: libc::c_int = 128 * 1024;
        for (setting, value) in [(libc::M_ARENA_MAX, 1), (libc::M_MMAP_THRESHOLD, LARGE)] {
            #[expect(
                unsafe_code,
                reason = "takes two numbers; refuses what it does not know, which costs only memory"
            )]
            // SAFETY: no pointers are involved, and no other thread allocates yet.
            let _accepted = unsafe { libc::mallopt(setting, value) };
        }
    }
}

/// Gives the kernel every page of the heap back on which nothing is in use. Takes about a millisecond for each 10 MB.
/// Does nothing without glibc.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        #[expect(unsafe_code, reason = "the library locks its own heap")]
        // SAFETY: no pointers are involved, and what is in use is not touched.
        let _gave_any = unsafe { libc::malloc_trim(0) };
    }
}

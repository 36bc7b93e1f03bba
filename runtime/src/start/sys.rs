//! The `unsafe` of the start.

#![allow(unsafe_code)]

use dlmalloc::Dlmalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ffi::{CStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStringExt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Called by the C library's start-up code. The arguments are here alone: `std::env::args` has none.
///
/// # Safety
/// `argv` has `argc` strings that are NUL-terminated, as the kernel lays them out.
#[unsafe(no_mangle)] // The one `main` of this program, with C's signature.
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let count = usize::try_from(argc).unwrap_or(0);
    let string = |index| {
        // SAFETY: the caller's promise; the index is below argc.
        let string = unsafe { CStr::from_ptr(*argv.add(index)) };
        OsString::from_vec(string.to_bytes().to_vec())
    };
    crate::execute((0..count).map(string).collect())
}

/// clock_gettime(2) by a system call. musl's looks the vDSO up at the first call and then uses it: we ask once or twice, and
/// the pages of the vDSO cost more than that.
///
/// # Safety
/// `time` can be written to.
#[cfg(musl)]
#[unsafe(no_mangle)] // The name is the C library's.
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int }
}

/// The heap: dlmalloc behind a lock that costs next to nothing where there is one thread, as here.
///
/// musl's own allocator gives each page back as soon as it is free, and takes it again: a hundred system calls a start.
pub struct Allocator {
    heap: UnsafeCell<Dlmalloc>,
    is_held: AtomicBool,
}

// SAFETY: the heap is only touched while the lock is held.
unsafe impl Sync for Allocator {}

impl Allocator {
    /// An empty heap.
    pub const fn new() -> Self {
        Self { heap: UnsafeCell::new(Dlmalloc::new()), is_held: AtomicBool::new(false) }
    }

    fn locked<R>(&self, call: impl FnOnce(&mut Dlmalloc) -> R) -> R {
        while self.is_held.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        // SAFETY: only we hold the lock, and no call into the heap comes back here.
        let result = call(unsafe { &mut *self.heap.get() });
        self.is_held.store(false, Ordering::Release);
        result
    }
}

// SAFETY: dlmalloc's blocks fit their layouts; what it asks of its callers is what `GlobalAlloc` asks of ours.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        self.locked(|heap| unsafe { heap.malloc(layout.size(), layout.align()) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        self.locked(|heap| unsafe { heap.calloc(layout.size(), layout.align()) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        self.locked(|heap| unsafe { heap.free(block, layout.size(), layout.align()) });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        self.locked(|heap| unsafe { heap.realloc(block, layout.size(), layout.align(), size) })
    }
}

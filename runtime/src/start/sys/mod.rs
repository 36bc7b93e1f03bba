//! The `unsafe` of the start.

#![allow(unsafe_code)]

pub mod heap;
// Without optimization, what they are made of is calls of them.
#[cfg(all(musl, target_arch = "x86_64", not(debug_assertions)))]
mod memory;

use std::ffi::{CStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStringExt;

/// Called by the C library's start-up code. The arguments are here alone: `std::env::args` has none.
///
/// # Safety
/// `argv` has `argc` strings that are NUL-terminated, as the kernel lays them out.
#[unsafe(no_mangle)] // The one `main` of this program, with C's signature.
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    open_standard_streams();
    let count = usize::try_from(argc).unwrap_or(0);
    let string = |index| {
        // SAFETY: the caller's promise; the index is below argc.
        let string = unsafe { CStr::from_ptr(*argv.add(index)) };
        OsString::from_vec(string.to_bytes().to_vec())
    };
    crate::execute((0..count).map(string).collect())
}

/// A standard stream that the caller has closed is the null device from here on, as the standard library's own start
/// has it: the next file that is opened would get its number, and be written to as if it were a stream.
fn open_standard_streams() {
    let mut streams = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: the array has as many elements as the call is told; a closed descriptor is an answer, not an error.
    let polled = unsafe { libc::poll(streams.as_mut_ptr(), 3, 0) };
    for stream in streams {
        let is_closed = stream.revents & libc::POLLNVAL != 0;
        // SAFETY: the path is NUL-terminated. The lowest free number is this stream's: those below it are open.
        if polled > 0 && is_closed && unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } < 0 {
            // Nothing is safe without them, and there is no stream to say so.
            std::process::abort();
        }
    }
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

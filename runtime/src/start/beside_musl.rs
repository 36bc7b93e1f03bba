//! Functions that the standard library takes from glibc, and that musl does not have.

use std::ffi::{c_char, c_int, c_void};

/// gnu_get_libc_version(3). Whether posix_spawn(3) may be used depends on it: musl's reports why an exec failed, as
/// glibc's has done since 2.24.
#[unsafe(no_mangle)] // The name is glibc's.
pub extern "C" fn gnu_get_libc_version() -> *const c_char {
    c"2.24".as_ptr()
}

/// Where the unwinder would find a frame's description: nowhere. A panic is an abort here, and has no back trace.
#[unsafe(no_mangle)] // The name is glibc's.
pub extern "C" fn _dl_find_object(_address: *const c_void, _result: *mut c_void) -> c_int {
    -1
}

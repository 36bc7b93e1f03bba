//! The five functions the compiler expects from a C library. The crate is `no_builtins`, so that it does not turn
//! these loops into calls of themselves.

/// `memcpy(3)`.
///
/// # Safety
/// As in C: `count` bytes at both pointers, not overlapping.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    for at in 0..count {
        // SAFETY: within the caller's `count` bytes.
        unsafe { *to.add(at) = *from.add(at) };
    }
    to
}

/// `memset(3)`.
///
/// # Safety
/// As in C: `count` bytes at `to`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    for at in 0..count {
        // SAFETY: within the caller's `count` bytes.
        unsafe { *to.add(at) = byte as u8 };
    }
    to
}

/// `memcmp(3)`.
///
/// # Safety
/// As in C: `count` bytes at both pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    for at in 0..count {
        // SAFETY: within the caller's `count` bytes.
        let (left, right) = unsafe { (*left.add(at), *right.add(at)) };
        if left != right {
            return i32::from(left) - i32::from(right);
        }
    }
    0
}

/// `bcmp(3)`.
///
/// # Safety
/// As [`memcmp`].
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    // SAFETY: passed on to the caller.
    unsafe { memcmp(left, right, count) }
}

/// `strlen(3)`.
///
/// # Safety
/// As in C: a NUL ends the string.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut count = 0;
    // SAFETY: stops at the NUL.
    while unsafe { *text.add(count) } != 0 {
        count += 1;
    }
    count
}

/// Debug builds refer to it, though a panic aborts.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

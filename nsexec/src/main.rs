//! The program nsexec: what a program without a C library needs to begin and to end. All else is in the library.

#![no_std]
#![no_main]

mod arch;

use core::panic::PanicInfo;

/// The Rust entry. `stack` is where the kernel put argc, then the pointers of argv (execve(2)): argv[1] is the number
/// of the first descriptor that is nsexec's.
unsafe extern "C" fn entry(stack: *const usize) -> ! {
    // SAFETY: the kernel's layout of a new program's stack: argc, and argc pointers to NUL-terminated strings.
    let base = unsafe {
        match *stack {
            0 | 1 => None,
            _ => number(*stack.add(2).cast::<*const u8>()),
        }
    };
    match base {
        Some(base) => nsexec::boot::boot(base),
        None => nsexec::boot::usage(),
    }
}

/// The value of decimal digits.
///
/// # Safety
/// `text` points to a NUL-terminated string.
unsafe fn number(mut text: *const u8) -> Option<u32> {
    let mut value = None;
    loop {
        // SAFETY: no further than the NUL.
        match unsafe { *text } {
            0 => return value,
            digit @ b'0'..=b'9' => {
                value = Some(value.unwrap_or(0u32).checked_mul(10)?.checked_add(u32::from(digit - b'0'))?);
            }
            _ => return None,
        }
        // SAFETY: this byte was not the NUL.
        text = unsafe { text.add(1) };
    }
}

/// There is nobody to tell, and nothing to unwind.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    nsexec::boot::abandon()
}

/// The prebuilt `core` of debug builds refers to it, although panics abort.
// SAFETY: no other definition of this symbol is linked.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

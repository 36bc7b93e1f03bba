//! All that depends on the architecture: the first instructions, and the copies that the compiler asks for.
//!
//! The copies are assembly because a loop in Rust is recognised as one and becomes a call of itself.

use core::arch::{asm, naked_asm};

/// The kernel enters here, with argc at the stack pointer and no return address.
// SAFETY: the linker's entry symbol; nothing else is called `_start`.
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        // Outermost frame (System V ABI, 3.4.1).
        "xor ebp, ebp",
        "mov rdi, rsp",
        "and rsp, -16",
        "call {entry}",
        "ud2",
        entry = sym crate::entry,
    )
}

/// The kernel enters here, with argc at the stack pointer.
// SAFETY: the linker's entry symbol; nothing else is called `_start`.
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        // Outermost frame (AAPCS64, 6.4.6).
        "mov x29, #0",
        "mov x30, #0",
        "mov x0, sp",
        "b {entry}",
        entry = sym crate::entry,
    )
}

/// Copies upwards.
///
/// # Safety
/// `from` is readable and `to` writable for `len` bytes, and `to` does not lie inside `from`'s bytes.
unsafe fn copy_up(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise. The direction flag is clear (System V ABI).
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("rep movsb", inout("rcx") len => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
    // SAFETY: the caller's promise.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("cbz {len}, 3f", "2:", "ldrb {byte:w}, [{from}], #1", "strb {byte:w}, [{to}], #1",
            "subs {len}, {len}, #1", "b.ne 2b", "3:",
            len = inout(reg) len => _, from = inout(reg) from => _, to = inout(reg) to => _, byte = out(reg) _,
            options(nostack));
    }
}

/// Copies downwards.
///
/// # Safety
/// `from` is readable and `to` writable for `len` bytes, and `from` does not lie inside `to`'s bytes, unless above it.
unsafe fn copy_down(to: *mut u8, from: *const u8, len: usize) {
    let (to, from) = (to.wrapping_add(len), from.wrapping_add(len));
    // SAFETY: the caller's promise. The direction flag is set only inside.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("std", "rep movsb", "cld", inout("rcx") len => _, inout("rdi") to.wrapping_sub(1) => _,
            inout("rsi") from.wrapping_sub(1) => _, options(nostack));
    }
    // SAFETY: the caller's promise.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("cbz {len}, 3f", "2:", "ldrb {byte:w}, [{from}, #-1]!", "strb {byte:w}, [{to}, #-1]!",
            "subs {len}, {len}, #1", "b.ne 2b", "3:",
            len = inout(reg) len => _, from = inout(reg) from => _, to = inout(reg) to => _, byte = out(reg) _,
            options(nostack));
    }
}

// SAFETY of the symbols below: nothing else that is linked defines them, and they keep the C library's contracts,
// which the compiler relies on when it emits calls to them.

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // SAFETY: the compiler passes areas that do not overlap.
    unsafe { copy_up(to, from, len) };
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // SAFETY: in the direction in which no byte is overwritten before it is read.
    unsafe {
        if (to as usize).wrapping_sub(from as usize) >= len {
            copy_up(to, from, len);
        } else {
            copy_down(to, from, len);
        }
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
    // SAFETY: the compiler passes a writable area.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("rep stosb", inout("rcx") len => _, inout("rdi") to => _, in("al") byte as u8,
            options(nostack, preserves_flags));
    }
    // SAFETY: the compiler passes a writable area.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("cbz {len}, 3f", "2:", "strb {byte:w}, [{to}], #1", "subs {len}, {len}, #1", "b.ne 2b", "3:",
            len = inout(reg) len => _, to = inout(reg) to => _, byte = in(reg) byte, options(nostack));
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
    for at in 0..len {
        // SAFETY: the compiler passes readable areas of `len` bytes. Volatile: the loop must not become a call of this
        // function.
        let (a, b) = unsafe { (a.add(at).read_volatile(), b.add(at).read_volatile()) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
    // SAFETY: the same contract.
    unsafe { memcmp(a, b, len) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut len: usize = 0;
    // SAFETY: no further than the NUL that ends the string. Volatile: as in `memcmp`.
    while unsafe { text.add(len).read_volatile() } != 0 {
        len += 1;
    }
    len
}

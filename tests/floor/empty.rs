//! The smallest process Linux can run: exits with 0 at once, or, given any argument, waits for a signal for ever.
//!
//! scripts/bench starts it as the container's `/bin/true` and long-running program, and times it alone as the cost
//! of starting any process at all.
#![no_std]
#![no_main]

/// Hands the initial stack to [`entry`].
///
/// # Safety
/// Called by the kernel only.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    #[cfg(target_arch = "x86_64")]
    core::arch::naked_asm!("mov rdi, rsp", "and rsp, -16", "call {}", "ud2", sym entry);
    #[cfg(target_arch = "aarch64")]
    core::arch::naked_asm!("mov x0, sp", "bl {}", "brk 1", sym entry);
}

/// Exits, or sleeps when argc is above 1.
///
/// # Safety
/// `stack` is the initial stack, which begins with argc.
unsafe extern "C" fn entry(stack: *const usize) -> ! {
    // SAFETY: the caller's promise.
    let argc = unsafe { *stack };
    if argc > 1 {
        // SAFETY: ppoll on no descriptors, with no timeout and no mask, touches no memory.
        let _ = unsafe { syscalls::raw_syscall!(syscalls::Sysno::ppoll, 0, 0, 0, 0, 0) };
    }
    loop {
        // SAFETY: exit_group does not return and touches no memory.
        let _ = unsafe { syscalls::raw_syscall!(syscalls::Sysno::exit_group, 0) };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Debug builds refer to it, though a panic aborts.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

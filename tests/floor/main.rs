//! The floor: the kernel calls that `runc spec`'s config needs, made by the smallest program that can make them.
//!
//! ```text
//! floor ROOTFS CGROUP[:CGROUP...] PROGRAM [ARG...]
//! ```
//!
//! The first CGROUP is on the version 2 hierarchy (`-` if there is none), the others on the version 1 ones. It reads
//! no config, writes no state, checks nothing twice and knows no option: what a runtime takes longer than this is its
//! own. It is a yardstick, not a runtime: never give it a root filesystem that somebody else can write to.
#![no_std]
#![no_main]
#![no_builtins]

mod cgroup;
mod container;
mod mem;
mod sys;

use core::ffi::{CStr, c_char};

use syscalls::Sysno;

use cgroup::{Cgroups, MOST};
use sys::{Done, Failure, call, exit, write};

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

/// Splits the stack into argv and envp.
///
/// # Safety
/// `stack` is the initial stack: argc, argc strings, NULL, the environment, NULL.
unsafe extern "C" fn entry(stack: *const usize) -> ! {
    // SAFETY: the initial stack holds what it says, and nothing else refers to the strings.
    let (argc, argv, envp) = unsafe {
        let argc = *stack;
        (argc, stack.add(1) as *const *mut u8, stack.add(argc + 2) as *const *const u8)
    };
    if argc < 4 {
        complain(&Failure { step: "usage: floor ROOTFS CGROUP[:CGROUP...] PROGRAM [ARG...]", errno: 0 });
        exit(2);
    }
    // SAFETY: argv has at least four strings, checked above.
    let (rootfs, list, program) =
        unsafe { (CStr::from_ptr(*argv.add(1) as *const c_char), *argv.add(2), argv.add(3)) };
    let empty = c"";
    let mut v1 = [empty; MOST];
    // SAFETY: the list is a NUL-terminated string of this process's stack.
    let (v2, count) = unsafe { split(list, &mut v1) };
    let v1 = v1.get(..count).unwrap_or(&[]);
    let cgroups = Cgroups { v2: if v2 == c"-" { None } else { Some(v2) }, v1 };
    match run(rootfs, &cgroups, program as *const *const u8, envp) {
        Ok(code) => exit(code),
        Err(failure) => {
            complain(&failure);
            exit(125)
        }
    }
}

/// Cuts the colon-separated list in place. Returns the first element and how many of the others are in `rest`.
///
/// # Safety
/// `list` is NUL-terminated, writable and lives for ever.
unsafe fn split<'a>(list: *mut u8, rest: &mut [&'a CStr; MOST]) -> (&'a CStr, usize) {
    let (mut at, mut count) = (list, 0);
    // SAFETY: `at` stays before the list's NUL, and each piece starts right after a colon that became a NUL.
    unsafe {
        while *at != 0 {
            if *at == b':' {
                *at = 0;
                let Some(slot) = rest.get_mut(count) else { break };
                // Its end is found later: the piece reaches to the next colon until that is cut as well.
                *slot = CStr::from_ptr(at.add(1) as *const c_char);
                count += 1;
            }
            at = at.add(1);
        }
        // Now that all colons are cut, measure again.
        for slot in rest.iter_mut().take(count) {
            *slot = CStr::from_ptr(slot.as_ptr());
        }
        (CStr::from_ptr(list as *const c_char), count)
    }
}

/// Starts the container and waits for it. Returns its exit code.
fn run(rootfs: &CStr, cgroups: &Cgroups<'_>, argv: *const *const u8, envp: *const *const u8) -> Done<usize> {
    let dir = cgroups.make()?;
    let result = clone3(dir, !cgroups.v1.is_empty()).and_then(|pid| match pid {
        0 => {
            if let Err(failure) = container::run(rootfs, cgroups, argv, envp) {
                complain(&failure);
            }
            exit(125)
        }
        pid => wait(pid),
    });
    cgroups.remove()?;
    result
}

/// fork(2) into new namespaces and, on version 2, into the cgroup.
fn clone3(cgroup: Option<usize>, hybrid: bool) -> Done {
    const CLONE_INTO_CGROUP: u64 = 1 << 33;
    /// `struct clone_args` up to the cgroup, clone(2).
    #[repr(C)]
    #[derive(Default)]
    struct Args {
        flags: u64,
        pidfd: u64,
        child_tid: u64,
        parent_tid: u64,
        exit_signal: u64,
        stack: u64,
        stack_size: u64,
        tls: u64,
        set_tid: u64,
        set_tid_size: u64,
        cgroup: u64,
    }
    let namespaces = libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        // `runc spec` writes a cgroup namespace on version 2 only.
        | if hybrid { 0 } else { libc::CLONE_NEWCGROUP };
    let mut args =
        Args { flags: namespaces as u32 as u64, exit_signal: libc::SIGCHLD as u64, ..Args::default() };
    if let Some(dir) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = dir as u64;
    }
    // SAFETY: without CLONE_VM the child has a copy of everything, stack included.
    unsafe { call("clone3", Sysno::clone3, [&raw const args as usize, size_of::<Args>(), 0, 0, 0, 0]) }
}

fn wait(pid: usize) -> Done<usize> {
    let mut status = 0_i32;
    // SAFETY: the status outlives the call.
    unsafe { call("wait4", Sysno::wait4, [pid, &raw mut status as usize, 0, 0, 0, 0])? };
    let (signal, code) = (status as usize & 0x7f, status as usize >> 8 & 0xff);
    Ok(if signal == 0 { code } else { 128 + signal })
}

/// One line on stderr: the step and the number of the error.
fn complain(failure: &Failure) {
    let mut digits = [b' ', b'0', b'0', b'0', b'\n'];
    let mut number = failure.errno as u32;
    for digit in digits.iter_mut().rev().skip(1).take(3) {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    for part in [b"floor: ", failure.step.as_bytes(), b": errno", &digits] {
        // Nobody is left to be told when stderr is gone.
        let _ = write("write", 2, part);
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(126)
}

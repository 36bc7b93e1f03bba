//! Every system call, and the only `unsafe` of nsexec.
//!
//! One wrapper is one kernel call under the kernel's name: typed arguments in, `Result` out, no policy. rustix makes
//! the call where it has it; `call!` makes the others.
#![allow(unsafe_code)]

pub mod cred;
pub mod file;
pub mod map;
pub mod mount;
pub mod process;
pub mod socket;
pub mod terminal;

pub use rustix::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
pub use rustix::io::Errno;

/// What a system call returns.
pub type Result<T> = core::result::Result<T, Errno>;

/// The current directory, where a call takes a directory's fd; irrelevant for an absolute path.
pub const CWD: BorrowedFd<'static> = rustix::fs::CWD;

/// The value that a raw call returned, or its error.
fn check(returned: usize) -> Result<usize> {
    const MAX_ERRNO: usize = 4095;
    match returned.wrapping_neg() {
        errno @ 1..=MAX_ERRNO => Err(Errno::from_raw_os_error(errno as i32)),
        _ => Ok(returned),
    }
}

/// A system call that rustix does not have. Every argument is cast to a register.
macro_rules! call {
    ($name:ident $(, $argument:expr)* $(,)?) => {
        $crate::sys::check(syscalls::raw_syscall!(syscalls::Sysno::$name $(, $argument)*))
    };
}
use call;

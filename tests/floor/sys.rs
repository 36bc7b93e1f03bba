//! The system calls of the floor, and nothing else: each wrapper is one call, and fails with the name of the step.

use core::ffi::CStr;

use syscalls::{Errno, Sysno, raw_syscall};

/// What the program was doing when the kernel said no.
pub struct Failure {
    /// The step, in words.
    pub step: &'static str,
    /// The kernel's answer.
    pub errno: i32,
}

/// The result of one step.
pub type Done<T = usize> = Result<T, Failure>;

/// One system call of up to six arguments.
///
/// # Safety
/// As the call itself demands: every pointer among the arguments must be valid for what the kernel does with it.
pub unsafe fn call(step: &'static str, number: Sysno, args: [usize; 6]) -> Done {
    let [a, b, c, d, e, f] = args;
    // SAFETY: passed on to the caller.
    let answer = unsafe { raw_syscall!(number, a, b, c, d, e, f) };
    Errno::from_ret(answer).map_err(|errno| Failure { step, errno: errno.into_raw() })
}

/// The directory every relative path starts from.
pub const AT_FDCWD: usize = -100_isize as usize;

/// `mount(2)`. `data` may be empty: the kernel copies a page for each string it is given.
pub fn mount(
    step: &'static str,
    source: &CStr,
    target: &CStr,
    kind: Option<&CStr>,
    flags: usize,
    data: Option<&CStr>,
) -> Done {
    let kind = kind.map_or(0, |text| text.as_ptr() as usize);
    let data = data.map_or(0, |text| text.as_ptr() as usize);
    // SAFETY: all strings are NUL-terminated, or null where mount(2) accepts that.
    unsafe {
        call(step, Sysno::mount, [source.as_ptr() as usize, target.as_ptr() as usize, kind, flags, data, 0])
    }
}

/// `mkdirat(2)` from the working directory.
pub fn mkdir(step: &'static str, path: &CStr, mode: usize) -> Done {
    // SAFETY: the path is NUL-terminated.
    unsafe { call(step, Sysno::mkdirat, [AT_FDCWD, path.as_ptr() as usize, mode, 0, 0, 0]) }
}

/// `openat(2)`.
pub fn open(step: &'static str, dir: usize, path: &CStr, flags: i32) -> Done {
    // SAFETY: the path is NUL-terminated.
    unsafe { call(step, Sysno::openat, [dir, path.as_ptr() as usize, flags as usize, 0, 0, 0]) }
}

/// `close(2)`, whose answer changes nothing here.
pub fn close(fd: usize) {
    // SAFETY: no memory is passed.
    let _ = unsafe { call("close", Sysno::close, [fd, 0, 0, 0, 0, 0]) };
}

/// `read(2)`.
pub fn read(step: &'static str, fd: usize, bytes: &mut [u8]) -> Done {
    // SAFETY: the pointer and length are of one slice.
    unsafe { call(step, Sysno::read, [fd, bytes.as_mut_ptr() as usize, bytes.len(), 0, 0, 0]) }
}

/// `write(2)`.
pub fn write(step: &'static str, fd: usize, bytes: &[u8]) -> Done {
    // SAFETY: the pointer and length are of one slice.
    unsafe { call(step, Sysno::write, [fd, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]) }
}

/// A call whose arguments are numbers only.
pub fn plain(step: &'static str, number: Sysno, args: [usize; 6]) -> Done {
    // SAFETY: used with calls that take no pointers, or with null ones.
    unsafe { call(step, number, args) }
}

/// Ends the process.
pub fn exit(code: usize) -> ! {
    loop {
        let _ = plain("exit", Sysno::exit_group, [code, 0, 0, 0, 0, 0]);
    }
}

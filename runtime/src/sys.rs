//! System calls that nix lacks: every `unsafe` of the runtime outside the cgroup driver.

#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use std::ffi::{CStr, CString};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// memfd_create(2) with sealing allowed, executable.
///
/// Since Linux 6.3 a sysctl may make memfds non-executable unless asked for; before, the flag is refused.
pub fn executable_memfd(name: &CStr) -> Result<OwnedFd, Errno> {
    const MFD_EXEC: libc::c_uint = 0x10;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    memfd(name, flags | MFD_EXEC).or_else(|errno| match errno {
        Errno::EINVAL => memfd(name, flags),
        other => Err(other),
    })
}

fn memfd(name: &CStr, flags: libc::c_uint) -> Result<OwnedFd, Errno> {
    // SAFETY: the name is NUL-terminated and lives across the call; the kernel returns a new fd that nobody else owns.
    unsafe { owned(libc::memfd_create(name.as_ptr(), flags).into()) }
}

/// pidfd_open(2).
pub fn pidfd_open(pid: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: no pointers; the kernel returns a new fd that nobody else owns.
    unsafe { owned(libc::syscall(libc::SYS_pidfd_open, pid, 0)) }
}

/// pidfd_send_signal(2).
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<(), Errno> {
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed and means kill(2)'s.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, info, 0) };
    Errno::result(result).map(drop)
}

/// close_range(2) with CLOSE_RANGE_CLOEXEC: fds of the caller's that it forgot to mark.
pub fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: marks fds close-on-exec, closes none: no fd that Rust owns is invalidated.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
    Errno::result(result).map(drop)
}

/// The permitted capabilities of this process (capget(2)); none where that can't be told.
pub fn permitted_capabilities() -> u64 {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 reads one header and writes two data records, which both live across the call.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    match result {
        0 => u64::from(data[0].permitted) | u64::from(data[1].permitted) << 32,
        _ => 0,
    }
}

/// PR_SET_CHILD_SUBREAPER: orphans of the container come to us.
pub fn become_subreaper() -> Result<(), Errno> {
    // SAFETY: no pointers.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

/// recvmsg(2) of one frame, with the fd that may come along (SCM_RIGHTS). Returns the frame's length; 0 at the end.
pub fn receive(socket: BorrowedFd<'_>, frame: &mut [u8]) -> Result<(usize, Option<OwnedFd>), Errno> {
    let mut control = nix::cmsg_space!(RawFd);
    let mut parts = [IoSliceMut::new(frame)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
    let fd = message.cmsgs()?.find_map(|part| match part {
        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
        _ => None,
    });
    // SAFETY: the kernel has just installed it for this message; there is room for one only.
    Ok((message.bytes, fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })))
}

/// Starts a program in a new process, with no environment, nothing blocked, and some fds under given numbers; returns
/// at once.
///
/// clone(2) with CLONE_VM: nothing is copied, and unlike with vfork(2) the two run side by side until the exec.
pub fn start(
    program: BorrowedFd<'_>,
    args: [CString; 2],
    fds: [(BorrowedFd<'_>, i32); 2],
) -> Result<nix::unistd::Pid, Errno> {
    const STACK: usize = 16 * 1024;
    let [name, argument] = args.map(CString::into_raw);
    // The new process reads these while we go on: none of it is ever freed.
    let plan = Box::leak(Box::new(Start {
        program: program.as_raw_fd(),
        argv: [name, argument, std::ptr::null()],
        envp: [std::ptr::null()],
        fds: fds.map(|(fd, number)| (fd.as_raw_fd(), number)),
    }));
    let stack: &mut [std::mem::MaybeUninit<u128>] = Box::leak(Box::new_uninit_slice(STACK / 16));
    let top = stack.as_mut_ptr_range().end;
    // SAFETY: the stack and the argument live for ever; `exec_in_child` keeps to system calls without the C library.
    let pid = unsafe {
        libc::clone(exec_in_child, top.cast(), libc::CLONE_VM | libc::SIGCHLD, (&raw mut *plan).cast())
    };
    Errno::result(pid).map(nix::unistd::Pid::from_raw)
}

/// What the new process needs.
struct Start {
    program: i32,
    argv: [*const libc::c_char; 3],
    envp: [*const libc::c_char; 1],
    fds: [(i32, i32); 2],
}

/// Shares our memory, also the thread's errno: only raw system calls, and nothing is written but its own stack.
extern "C" fn exec_in_child(plan: *mut libc::c_void) -> libc::c_int {
    use syscalls::{Sysno, raw_syscall};
    const NOT_STARTED: usize = 127;
    let nothing_blocked = 0u64;
    // SAFETY: `plan` is the leaked `Start`, which nobody changes; all pointers point into it or to the stack.
    unsafe {
        let plan = &*plan.cast::<Start>();
        raw_syscall!(Sysno::rt_sigprocmask, libc::SIG_SETMASK, &raw const nothing_blocked, 0usize, 8usize);
        for (fd, number) in plan.fds {
            raw_syscall!(Sysno::dup3, fd, number, 0usize);
        }
        let (argv, envp) = (plan.argv.as_ptr(), plan.envp.as_ptr());
        raw_syscall!(Sysno::execveat, plan.program, c"".as_ptr(), argv, envp, libc::AT_EMPTY_PATH);
        raw_syscall!(Sysno::exit_group, NOT_STARTED);
    }
    libc::c_int::MAX
}

/// fcntl(2) with F_DUPFD_CLOEXEC: a copy of the fd, with a number of at least `lowest`.
pub fn duplicate_above(fd: BorrowedFd<'_>, lowest: i32) -> Result<OwnedFd, Errno> {
    let copy = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(lowest))?;
    // SAFETY: fcntl has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// sigaction(2): SIGPIPE is ignored.
pub fn ignore_sigpipe() -> Result<(), Errno> {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is installed.
    unsafe { sigaction(Signal::SIGPIPE, &ignore).map(drop) }
}

/// TIOCGWINSZ and TIOCSWINSZ: gives the terminal `to` the size of `from`.
pub fn copy_window_size(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel writes one winsize, which lives across the call.
    Errno::result(unsafe { libc::ioctl(from.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) })?;
    // SAFETY: the kernel reads one winsize, which lives across the call.
    Errno::result(unsafe { libc::ioctl(to.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }).map(drop)
}

/// # Safety
/// `fd` is a new fd that nobody else owns, or negative with errno set.
unsafe fn owned(fd: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = Errno::result(fd)?;
    // SAFETY: the caller's promise; fd numbers fit.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

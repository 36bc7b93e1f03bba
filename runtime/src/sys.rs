//! System calls that nix lacks: every `unsafe` of the runtime outside the cgroup driver.

#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use std::ffi::{CStr, CString, OsStr};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

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

/// poll(2) of the fds 0, 1 and 2, all in one call: whether they are open.
pub fn are_standard_streams_open() -> Result<[bool; 3], Errno> {
    let mut fds = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: the kernel reads and writes three pollfds, which live across the call.
    Errno::result(unsafe { libc::poll(fds.as_mut_ptr(), 3, 0) })?;
    Ok(fds.map(|fd| fd.revents & libc::POLLNVAL == 0))
}

/// sched_setaffinity(2) of this process, with a mask of any size.
pub fn set_affinity(mask: &[u8]) -> Result<(), Errno> {
    // SAFETY: the kernel reads as many bytes as the mask has.
    let result = unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, mask.len(), mask.as_ptr()) };
    Errno::result(result).map(drop)
}

/// Whether seccomp(2) knows a flag of a filter: it looks at the flags before it looks for the filter. With a listener,
/// without which it refuses SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV.
pub fn seccomp_flag_is_known(flag: u32) -> bool {
    const SECCOMP_SET_MODE_FILTER: libc::c_uint = 1;
    let flag = flag | crate::seccomp::FLAG_NEW_LISTENER;
    let none = std::ptr::null::<libc::c_void>();
    // SAFETY: without a filter nothing is loaded.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag, none) };
    Errno::result(result) == Err(Errno::EFAULT)
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

/// What a new process is made of: clone3(2).
#[derive(Clone, Copy, Debug)]
pub struct NewProcess<'a> {
    /// CLONE_NEW* flags.
    pub namespaces: u32,
    /// Its cgroup (v2): CLONE_INTO_CGROUP.
    pub cgroup: Option<BorrowedFd<'a>>,
}

/// Starts a program in a new process, with no environment, nothing blocked, and some fds under given numbers; returns
/// at once.
///
/// clone3(2) with CLONE_VM: nothing is copied, and unlike with vfork(2) the two run side by side until the exec.
pub fn start(
    program: BorrowedFd<'_>,
    args: [CString; 2],
    fds: [(BorrowedFd<'_>, i32); 2],
    process: NewProcess<'_>,
) -> Result<nix::unistd::Pid, Errno> {
    use syscalls::Sysno;
    const NOT_STARTED: usize = 127;
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // The new process reads these while we go on: none of it is ever freed.
    let [name, argument] = args.map(CString::into_raw);
    let argv = Box::leak(Box::new([name.cast_const(), argument, std::ptr::null()]));
    let envp: &[*const libc::c_char; 1] = &const { [std::ptr::null()] };
    let nothing_blocked: &u64 = &0;
    let dup = |(fd, number): (BorrowedFd<'_>, i32)| {
        Call(Sysno::dup3 as usize, [fd.as_raw_fd() as usize, number as usize, 0, 0, 0])
    };
    let [first, second] = fds.map(dup);
    let mask = std::ptr::from_ref(nothing_blocked) as usize;
    let (argv, envp) = (argv.as_ptr() as usize, envp.as_ptr() as usize);
    let calls = Box::leak(Box::new([
        Call(Sysno::rt_sigprocmask as usize, [libc::SIG_SETMASK as usize, mask, 0, size_of::<u64>(), 0]),
        first,
        second,
        Call(
            Sysno::execveat as usize,
            [program.as_raw_fd() as usize, c"".as_ptr() as usize, argv, envp, libc::AT_EMPTY_PATH as usize],
        ),
        Call(Sysno::exit_group as usize, [NOT_STARTED, 0, 0, 0, 0]),
    ]));
    let into = if process.cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
    let args = CloneArgs {
        flags: u64::from(process.namespaces) | libc::CLONE_VM as u64 | into,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: process.cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
        ..CloneArgs::default()
    };
    // SAFETY: the calls and all that they point to live for ever and don't change; they end in exit_group.
    new_pid(unsafe { clone3_and_call(&args, calls.as_ptr()) })
}

/// A process in a new user namespace, which waits until it is killed; it is when we end.
pub fn waiting_in_new_user_namespace() -> Result<nix::unistd::Pid, Errno> {
    use syscalls::Sysno;
    // It reads these while we go on: they are constants.
    static CALLS: [Call; 3] = [
        Call(Sysno::prctl as usize, [libc::PR_SET_PDEATHSIG as usize, libc::SIGKILL as usize, 0, 0, 0]),
        Call(Sysno::ppoll as usize, [0; 5]),
        Call(Sysno::exit_group as usize, [0; 5]),
    ];
    let args = CloneArgs {
        flags: (libc::CLONE_NEWUSER | libc::CLONE_VM) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    // SAFETY: the calls are constants, and end in exit_group.
    new_pid(unsafe { clone3_and_call(&args, CALLS.as_ptr()) })
}

/// What clone3(2) returned.
fn new_pid(returned: usize) -> Result<nix::unistd::Pid, Errno> {
    match returned.wrapping_neg() {
        errno @ 1..=4095 => Err(Errno::from_raw(errno as i32)),
        _ => Ok(nix::unistd::Pid::from_raw(returned as i32)),
    }
}

/// open_tree(2) with OPEN_TREE_CLONE: a detached copy of a mount, with or without what is mounted below it.
/// `nofollow`: a path that is a symlink means the symlink.
pub fn clone_tree(path: &CStr, recursive: bool, nofollow: bool) -> Result<OwnedFd, Errno> {
    let flag = |on: bool, flag: libc::c_int| if on { flag as libc::c_uint } else { 0 };
    let how = flag(recursive, libc::AT_RECURSIVE) | flag(nofollow, libc::AT_SYMLINK_NOFOLLOW);
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | how;
    // SAFETY: the path is NUL-terminated and lives across the call; the kernel returns a new fd that nobody else owns.
    unsafe { owned(libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags)) }
}

/// What mount_setattr(2) changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct MountChange<'a> {
    /// MOUNT_ATTR_* to set.
    pub set: u64,
    /// MOUNT_ATTR_* to clear.
    pub clear: u64,
    /// MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE; 0: as it is.
    pub propagation: u64,
    /// MOUNT_ATTR_IDMAP by the mappings of this user namespace.
    pub id_map: Option<BorrowedFd<'a>>,
}

/// mount_setattr(2) of the mount that `fd` is the root of, and of those below it.
pub fn change_mount(fd: BorrowedFd<'_>, recursive: bool, change: MountChange<'_>) -> Result<(), Errno> {
    let map = if change.id_map.is_some() { libc::MOUNT_ATTR_IDMAP } else { 0 };
    let attributes = libc::mount_attr {
        attr_set: change.set | map,
        attr_clr: change.clear,
        propagation: change.propagation,
        userns_fd: change.id_map.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    let below = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the empty path is NUL-terminated; the kernel reads one structure of the size given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | below,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(result).map(drop)
}

/// A system call that is made later: its number, and the arguments.
#[repr(C)]
struct Call(usize, [usize; 5]);

/// `struct clone_args` (clone(2)).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
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

/// clone3(2); the new process makes one call after the other. It has our memory, our stack pointer and nothing else:
/// so it keeps to registers, and comes to no Rust code.
///
/// # Safety
/// One of the calls ends the process, and until then all memory that they read stays as it is.
#[cfg(target_arch = "x86_64")]
unsafe fn clone3_and_call(args: &CloneArgs, calls: *const Call) -> usize {
    let returned: usize;
    // SAFETY: the kernel reads the structure; what the new process runs does not touch the stack that it shares.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 3f",
            "2:",
            "mov rax, [{calls}]",
            "mov rdi, [{calls} + 8]",
            "mov rsi, [{calls} + 16]",
            "mov rdx, [{calls} + 24]",
            "mov r10, [{calls} + 32]",
            "mov r8, [{calls} + 40]",
            "add {calls}, 48",
            "syscall",
            "jmp 2b",
            "3:",
            calls = inout(reg) calls => _,
            inlateout("rax") syscalls::Sysno::clone3 as usize => returned,
            inout("rdi") std::ptr::from_ref(args) => _,
            inout("rsi") size_of::<CloneArgs>() => _,
            out("rdx") _,
            out("r10") _,
            out("r8") _,
            out("rcx") _,
            out("r11") _,
        );
    }
    returned
}

/// clone3(2); the new process makes one call after the other. It has our memory, our stack pointer and nothing else:
/// so it keeps to registers, and comes to no Rust code.
///
/// # Safety
/// One of the calls ends the process, and until then all memory that they read stays as it is.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3_and_call(args: &CloneArgs, calls: *const Call) -> usize {
    let returned: usize;
    // SAFETY: as on x86_64.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 3f",
            "2:",
            "ldp x8, x0, [{calls}]",
            "ldp x1, x2, [{calls}, 16]",
            "ldp x3, x4, [{calls}, 32]",
            "add {calls}, {calls}, 48",
            "svc 0",
            "b 2b",
            "3:",
            calls = inout(reg) calls => _,
            inout("x8") syscalls::Sysno::clone3 as usize => _,
            inout("x0") std::ptr::from_ref(args) => returned,
            inout("x1") size_of::<CloneArgs>() => _,
            out("x2") _,
            out("x3") _,
            out("x4") _,
        );
    }
    returned
}

/// fcntl(2) with F_DUPFD_CLOEXEC: a copy of the fd, with a number of at least `lowest`.
pub fn duplicate_above(fd: BorrowedFd<'_>, lowest: i32) -> Result<OwnedFd, Errno> {
    let copy = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(lowest))?;
    // SAFETY: fcntl has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Whether a descriptor is open, and a program that is executed gets it: fcntl(2), F_GETFD.
pub fn is_inherited(fd: RawFd) -> bool {
    // SAFETY: no pointers; a number that is no descriptor is EBADF.
    unsafe { libc::fcntl(fd, libc::F_GETFD) == 0 }
}

/// realpath(3), into memory of ours: the C library's heap is then not set up at all.
pub fn real_path(path: &Path) -> Result<PathBuf, Errno> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let mut buffer = [0; libc::PATH_MAX as usize];
    // SAFETY: the path is NUL-terminated, and the buffer has the PATH_MAX bytes that realpath may write.
    let found = unsafe { libc::realpath(path.as_ptr(), buffer.as_mut_ptr()) };
    if found.is_null() {
        return Err(Errno::last());
    }
    // SAFETY: it has succeeded, and so written a NUL-terminated string.
    let found = unsafe { CStr::from_ptr(buffer.as_ptr()) };
    Ok(PathBuf::from(OsStr::from_bytes(found.to_bytes())))
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

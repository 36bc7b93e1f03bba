//! The system calls of the harness that std and nix have no safe word for.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// pidfd_open(2).
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers; the descriptor it returns is new and ours.
    unsafe {
        let fd = check(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// Makes this process the one that orphans below it are given to, as a container manager does.
pub fn become_subreaper() {
    // SAFETY: PR_SET_CHILD_SUBREAPER takes an integer.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

/// poll(2) for reading until `deadline`; false if nothing came.
pub fn readable(fd: BorrowedFd, deadline: Instant) -> io::Result<bool> {
    any_readable(&[fd], deadline)
}

/// poll(2) for reading on any of `fds` until `deadline`; false if nothing came.
pub fn any_readable(fds: &[impl AsRawFd], deadline: Instant) -> io::Result<bool> {
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let poll = |fd: RawFd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut polls: Vec<libc::pollfd> = fds.iter().map(|fd| poll(fd.as_raw_fd())).collect();
    let count = polls.len() as libc::nfds_t;
    // SAFETY: the vector holds as many pollfds as it is said to.
    let ready =
        check(unsafe { libc::poll(polls.as_mut_ptr(), count, left.as_millis() as libc::c_int) }.into());
    match ready {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => any_readable(fds, deadline),
        other => Ok(other? > 0),
    }
}

/// waitpid(2): the exit code, or 128 + the signal, of a child that has ended; None while it runs.
pub fn reap(pid: i32) -> io::Result<Option<i32>> {
    let mut status = 0;
    // SAFETY: the status is a valid place to write to.
    match check(unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) }.into())? {
        0 => Ok(None),
        _ if libc::WIFEXITED(status) => Ok(Some(libc::WEXITSTATUS(status))),
        _ => Ok(Some(128 + libc::WTERMSIG(status))),
    }
}

/// What a child does to itself before the exec.
#[derive(Default)]
pub struct Before {
    /// Descriptors to place at given numbers, without close-on-exec.
    pub fds: Vec<(RawFd, RawFd)>,
    /// A new session whose controlling terminal is stdin.
    pub new_session: bool,
    /// Resource limits: resource, soft and hard.
    pub limits: Vec<(u32, u64)>,
    /// setuid and setgid to this.
    pub user: Option<u32>,
    /// A mount namespace of its own, from which no mount gets out.
    pub private_mounts: bool,
    /// Its securebits, capabilities(7).
    pub securebits: Option<i32>,
}

/// Makes `command` do what `before` says between fork and exec.
pub fn prepare(command: &mut Command, before: Before) {
    // SAFETY: the closure makes only async-signal-safe system calls and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            for &(from, to) in &before.fds {
                if from == to {
                    check(libc::fcntl(from, libc::F_SETFD, 0).into())?;
                } else {
                    check(libc::dup2(from, to).into())?;
                }
            }
            if before.new_session {
                check(libc::setsid().into())?;
                check(libc::ioctl(0, libc::TIOCSCTTY, 0).into())?;
            }
            if before.private_mounts {
                make_mounts_private()?;
            }
            if let Some(bits) = before.securebits {
                check(libc::prctl(libc::PR_SET_SECUREBITS, bits, 0, 0, 0).into())?;
            }
            for &(resource, value) in &before.limits {
                let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
                check(libc::setrlimit(resource, &limit).into())?;
            }
            if let Some(id) = before.user {
                check(libc::setgroups(0, std::ptr::null()).into())?;
                check(libc::setgid(id).into())?;
                check(libc::setuid(id).into())?;
            }
            Ok(())
        });
    }
}

/// setns(2).
pub fn setns(namespace: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open for the call.
    check(unsafe { libc::setns(namespace.as_raw_fd(), 0) }.into()).map(drop)
}

/// `union bpf_attr`, longer than that of any kernel so far: Linux 6.17 writes past the end of a shorter one.
type Attribute = [u32; 128];

/// bpf(2).
///
/// # Safety
/// Every address in the attribute is valid for what the command does with it.
unsafe fn bpf(command: libc::c_int, attribute: &mut Attribute) -> io::Result<libc::c_long> {
    let size = size_of::<Attribute>();
    // SAFETY: the attribute is as long as it is said to be; the addresses in it are the caller's promise.
    check(unsafe { libc::syscall(libc::SYS_bpf, command, attribute.as_mut_ptr(), size) })
}

/// BPF_PROG_GET_NEXT_ID: the first program whose id is greater.
pub fn next_bpf_program(id: u32) -> io::Result<Option<u32>> {
    let mut attribute = [0; 128];
    attribute[0] = id;
    // SAFETY: no addresses.
    match unsafe { bpf(11, &mut attribute) } {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        done => done.map(|_| Some(attribute[1])),
    }
}

/// BPF_PROG_GET_FD_BY_ID.
pub fn bpf_program(id: u32) -> io::Result<OwnedFd> {
    let mut attribute = [0; 128];
    attribute[0] = id;
    // SAFETY: no addresses; the descriptor is new and ours.
    unsafe { bpf(13, &mut attribute).map(|fd| OwnedFd::from_raw_fd(fd as RawFd)) }
}

/// BPF_PROG_QUERY: the ids of the programs for devices that are attached to a cgroup.
pub fn attached_device_programs(cgroup: &File) -> io::Result<Vec<u32>> {
    const BPF_CGROUP_DEVICE: u32 = 6;
    let mut ids = [0_u32; 64];
    let address = ids.as_mut_ptr().expose_provenance() as u64;
    let mut attribute = [0; 128];
    attribute[0] = cgroup.as_raw_fd() as u32;
    attribute[1] = BPF_CGROUP_DEVICE;
    attribute[4] = address as u32;
    attribute[5] = (address >> 32) as u32;
    attribute[6] = ids.len() as u32;
    // SAFETY: the kernel writes no more ids than it is said that there is room for.
    unsafe { bpf(16, &mut attribute) }?;
    Ok(ids[..attribute[6] as usize].to_vec())
}

/// A mount namespace of the calling thread's own, from which no mount gets out. For use between fork and exec, too.
fn make_mounts_private() -> io::Result<()> {
    let root = c"/".as_ptr();
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: a C string and null pointers; unshare(2) of the mounts is that of the calling thread.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWNS).into())?;
        check(libc::mount(root, root, std::ptr::null(), private, std::ptr::null()).into()).map(drop)
    }
}

/// Mounts cgroup2 on /sys/fs/cgroup, in a mount namespace of this thread's own.
pub fn see_cgroup2_alone() -> io::Result<()> {
    make_mounts_private()?;
    let (kind, cgroup) = (c"cgroup2".as_ptr(), c"/sys/fs/cgroup".as_ptr());
    // SAFETY: C strings and a null pointer.
    check(unsafe { libc::mount(kind, cgroup, kind, 0, std::ptr::null()) }.into()).map(drop)
}

/// A pseudo terminal of `rows` x `columns`: master and slave.
pub fn open_pty(rows: u16, columns: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let (mut master, mut slave) = (-1, -1);
    // SAFETY: the pointers are valid or null; both descriptors are new and ours.
    unsafe {
        let name = std::ptr::null_mut();
        check(libc::openpty(&mut master, &mut slave, name, std::ptr::null(), &size).into())?;
        for fd in [master, slave] {
            check(libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC).into())?;
        }
        Ok((OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)))
    }
}

/// Changes the size of a terminal, which sends SIGWINCH to its foreground processes.
pub fn set_size(terminal: BorrowedFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the ioctl reads one winsize.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &size) }.into()).map(drop)
}

/// Takes ownership of a descriptor that came in a control message.
///
/// # Safety
/// Nothing else may own `fd`.
pub unsafe fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: the caller's promise.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

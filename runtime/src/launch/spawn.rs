//! Starts nsexec from a sealed memfd, with the fds where the plan says they are.

use super::{Error, Stage, syscall};
use crate::plan::Birth;
use crate::sys::NewProcess;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::pipe2;
use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The stage that enters the container, built by build.rs.
static NSEXEC: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/nsexec"));

pub(super) fn spawn(
    first_fd: u32,
    birth: Birth,
    cgroup: Option<BorrowedFd<'_>>,
    awaited: bool,
) -> Result<Stage, Error> {
    let program = sealed_program()?;
    let (plan_read, plan_write) = pipe2(OFlag::O_CLOEXEC).map_err(syscall("make the plan's pipe"))?;
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(syscall("make the sync socket"))?;
    // The final numbers may be in use: all are first copied out of the way.
    let copy = |fd: BorrowedFd<'_>| copy_above(fd, first_fd.saturating_add(2));
    let (plan_read, theirs, program) =
        (copy(plan_read.as_fd())?, copy(theirs.as_fd())?, copy(program.as_fd())?);

    // The one end is closed by the exec, and by nothing before it.
    let exec = if awaited {
        let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(syscall("make a pipe for the exec"))?;
        Some((read, copy(write.as_fd())?))
    } else {
        None
    };

    let number = CString::new(first_fd.to_string()).unwrap_or_default();
    let base = i32::try_from(first_fd).unwrap_or(i32::MAX);
    let fds = [(plan_read.as_fd(), base), (theirs.as_fd(), base.saturating_add(1))];
    let (namespaces, what) = match birth {
        Birth::Runtime { namespaces } => (namespaces, "linux.namespaces: clone3"),
        Birth::Stage => (0, "start nsexec"),
    };
    let process = NewProcess { namespaces, cgroup };
    let first = crate::sys::start(program.as_fd(), [c"nsexec".to_owned(), number], fds, process)
        .map_err(syscall(what))?;
    // Made by us it is the only one: nobody is left to be reaped.
    let only = birth != Birth::Stage;
    Ok(Stage {
        first,
        init: only.then_some(first),
        reaped: only,
        released: false,
        pipe: Some(File::from(plan_write)),
        exec: exec.map(|(read, _)| File::from(read)),
        sync: ours,
        hook_output: None,
    })
}

/// What /proc/PID/exe of nsexec begins with: the kernel's word for a memfd, and its name.
pub const MEMFD: &str = "/memfd:nsexec";

/// The bytes of nsexec in a memfd that nobody can write to: what the container can see of us through /proc is this
/// (CVE-2019-5736).
fn sealed_program() -> Result<OwnedFd, Error> {
    let memfd = crate::sys::executable_memfd(c"nsexec").map_err(syscall("make a memfd for nsexec"))?;
    let mut file = File::from(memfd);
    file.write_all(NSEXEC).map_err(|error| Error::Syscall {
        what: "write nsexec to its memfd",
        errno: nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0)),
    })?;
    let seals =
        SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).map_err(syscall("seal the memfd of nsexec"))?;
    Ok(file.into())
}

fn copy_above(fd: BorrowedFd<'_>, lowest: u32) -> Result<OwnedFd, Error> {
    let lowest = i32::try_from(lowest).unwrap_or(i32::MAX);
    crate::sys::duplicate_above(fd, lowest).map_err(syscall("copy a file descriptor"))
}

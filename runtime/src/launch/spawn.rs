//! Starts nsexec from a sealed memfd, with the fds where the plan says they are.

use super::{Error, Stage, syscall};
use crate::plan::{FdRole, Plan};
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::{Pid, pipe2};
use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The stage that enters the container, built by build.rs.
static NSEXEC: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/nsexec"));

pub(super) fn spawn(plan: &Plan, fds: &[(FdRole, OwnedFd)]) -> Result<Stage, Error> {
    let program = sealed_program()?;
    let (plan_read, plan_write) = pipe2(OFlag::O_CLOEXEC).map_err(syscall("make the plan's pipe"))?;
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(syscall("make the sync socket"))?;

    let passed = [plan_read.as_fd(), theirs.as_fd()].into_iter().chain(fds.iter().map(|(_, fd)| fd.as_fd()));
    // The final numbers may be in use by other fds that are passed on: all are first copied out of the way.
    let above = plan.first_fd + 2 + fds.len() as u32;
    let copies: Vec<OwnedFd> = passed.map(|fd| copy_above(fd, above)).collect::<Result<_, _>>()?;
    let program = copy_above(program.as_fd(), above)?;

    let first = exec_program(&program, plan.first_fd, &copies)?;
    Ok(Stage { first, init: None, reaped: false, pipe: Some(File::from(plan_write)), sync: ours })
}

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

/// Nothing is blocked: what the caller, or we, block is not the container's. (nsexec itself resets what is ignored: the
/// C library's posix_spawn would leave two signals ignored.)
fn exec_program(program: &OwnedFd, first_fd: u32, copies: &[OwnedFd]) -> Result<Pid, Error> {
    let failed = syscall("start nsexec");
    let mut actions = PosixSpawnFileActions::init().map_err(&failed)?;
    for (target, copy) in (first_fd..).zip(copies) {
        actions.add_dup2(copy.as_raw_fd(), target as i32).map_err(&failed)?;
    }
    let mut attributes = PosixSpawnAttr::init().map_err(&failed)?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK).map_err(&failed)?;
    attributes.set_sigmask(&SigSet::empty()).map_err(&failed)?;
    let path = CString::new(format!("/proc/self/fd/{}", program.as_raw_fd())).unwrap_or_default();
    let number = CString::new(first_fd.to_string()).unwrap_or_default();
    let env: [&std::ffi::CStr; 0] = [];
    posix_spawn(path.as_c_str(), &actions, &attributes, &[c"nsexec", &number], &env).map_err(failed)
}

//! Finding the program, and the directory that it starts in.

use super::Container;
use crate::fault::{During, Fault, Result};
use crate::inside::{self, Symlinks};
use crate::sys::file::{self, Open};
use crate::sys::{self, BorrowedFd, Errno};
use crate::text::PATH_MAX;
use core::ffi::CStr;
use skeg_proto::Op;

/// Finds the program among the candidates, as execvp(3) would, but with the user's rights: the first that the user may
/// execute. So a missing program fails `create`, not `start`.
pub fn program(container: &mut Container<'_>, uid: u32, gid: u32) -> Result<()> {
    let Some(candidates) = container.registers.candidates else {
        return Err(Fault::new(Op::Lookup, Errno::NOENT));
    };
    if let Some(groups) = container.registers.groups {
        // The groups stay: Credentials sets the same ones. Where a user namespace denies setgroups(2), the user does
        // not get them then either.
        match sys::cred::setgroups(groups.as_bytes()) {
            Ok(()) | Err(Errno::PERM) => {}
            Err(errno) => return Err(Fault::new(Op::Setgroups, errno)),
        }
    }
    let root = container.root()?;
    let (old_gid, old_uid) = (sys::cred::setfsgid(gid), sys::cred::setfsuid(uid));
    let found = find(root, candidates.iter());
    // In this order: it takes back CAP_SETGID with the user.
    sys::cred::setfsuid(old_uid);
    sys::cred::setfsgid(old_gid);
    container.program = Some(found?);
    Ok(())
}

/// The first candidate that can be executed; otherwise the error of the last one that exists.
fn find<'a>(root: BorrowedFd<'_>, candidates: impl Iterator<Item = &'a CStr>) -> Result<&'a CStr> {
    let mut worst = Fault::new(Op::Lookup, Errno::NOENT);
    for (position, path) in (0u32..).zip(candidates) {
        match executable(root, path) {
            Ok(()) => return Ok(path),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(errno) => worst = Fault::new(Op::Lookup, errno).with(position),
        }
    }
    Err(worst)
}

fn executable(root: BorrowedFd<'_>, path: &CStr) -> sys::Result<()> {
    let file = inside::open(root, path, Open::PATH, Symlinks::Follow)?;
    if file::is_directory(&file::stat(&file)?) {
        return Err(Errno::ISDIR);
    }
    match file::may_execute(&file, c"") {
        // A kernel of before 5.8 would not know AT_EMPTY_PATH here.
        Err(Errno::NOSYS | Errno::INVAL) => Ok(()),
        done => done,
    }
}

/// Changes into the working directory. One that root may not enter (another user's home on NFS, FUSE) is entered
/// later, as that user.
pub fn workdir<'a>(container: &mut Container<'a>, path: &'a CStr) -> Result<()> {
    match enter(container, path) {
        Err(fault) if fault.is(Errno::ACCESS) || fault.is(Errno::PERM) => {
            container.workdir = Some(path);
            Ok(())
        }
        done => done,
    }
}

/// As the container's user: changes into the directory that could not be entered before.
pub fn late_workdir(container: &mut Container<'_>) -> Result<()> {
    match container.workdir.take() {
        Some(path) => enter(container, path),
        None => Ok(()),
    }
}

fn enter(container: &mut Container<'_>, path: &CStr) -> Result<()> {
    let flags = Open::PATH | Open::DIRECTORY;
    let dir = inside::open(container.root()?, path, flags, Symlinks::Follow).during(Op::Chdir)?;
    file::fchdir(&dir).during(Op::Chdir)?;
    // A directory of the host, reached through a leaked descriptor, has no path in here (CVE-2024-21626).
    let mut cwd = [0; PATH_MAX];
    file::getcwd(&mut cwd).during(Op::Outside)?;
    match cwd {
        [b'/', ..] => Ok(()),
        _ => Err(Fault::without_errno(Op::Outside)),
    }
}

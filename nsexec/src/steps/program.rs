//! Finding the program, and the directory that it starts in.

use super::Container;
use crate::fault::{During, Fault, Result};
use crate::inside::{self, Symlinks};
use crate::sys::file::{self, Open};
use crate::sys::{self, BorrowedFd, Errno};
use crate::text::PATH_MAX;
use core::ffi::CStr;
use skeg_proto::Op;

/// CAP_DAC_OVERRIDE: permissions of files do not count.
const DAC_OVERRIDE: u64 = 1 << 1;
/// CAP_DAC_READ_SEARCH: those of directories do not.
const DAC_READ_SEARCH: u64 = 1 << 2;
/// The capabilities that decide what a program may execute.
const OVER_FILES: u64 = DAC_OVERRIDE | DAC_READ_SEARCH;

/// What the process will have.
pub struct Rights {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The effective capabilities.
    pub effective: u64,
}

/// Finds the program among the candidates, as execvp(3) would, but with the process's rights: the first that it may
/// execute. So a missing program fails `create`, not `start`.
pub fn program<'a>(container: &mut Container<'a>, rights: &Rights, name: &'a CStr) -> Result<()> {
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
    let (old_gid, old_uid) = (sys::cred::setfsgid(rights.gid), sys::cred::setfsuid(rights.uid));
    // The step from root to another user has taken them away.
    let held = if old_uid == 0 && rights.uid != 0 { 0 } else { OVER_FILES };
    let found = with(rights.effective, held, || find(root, candidates.iter()));
    // In this order: it takes back CAP_SETGID with the user.
    sys::cred::setfsuid(old_uid);
    sys::cred::setfsgid(old_gid);
    let found = found?;
    container.program = Some(if name.is_empty() { found } else { name });
    Ok(())
}

/// Looks with those of the capabilities over files that are `wanted`; at most `held` are there.
fn with<T>(wanted: u64, held: u64, look: impl FnOnce() -> Result<T>) -> Result<T> {
    let wanted = if wanted & DAC_OVERRIDE == 0 { wanted & OVER_FILES } else { OVER_FILES };
    if wanted == held {
        return look();
    }
    let (effective, permitted, inheritable) = sys::cred::capget().during(Op::Capset)?;
    let reduced = effective & !OVER_FILES | wanted & permitted;
    sys::cred::capset(reduced, permitted, inheritable).during(Op::Capset)?;
    let found = look();
    sys::cred::capset(effective, permitted, inheritable).during(Op::Capset)?;
    found
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

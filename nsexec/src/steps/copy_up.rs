//! tmpcopyup: a directory's content, copied into the file system that will cover it.
//!
//! The content is the image's: no symlink in it is followed, nothing but regular files is read, and holes stay holes.

use crate::sys::file::{self, Open, Statx};
use crate::sys::{AsFd, Errno, OwnedFd, Result};
use crate::text::{PATH_MAX, Path};
use core::ffi::CStr;

/// Deeper trees are refused (ENAMETOOLONG, as their paths would soon be): every level takes stack, and two descriptors of
/// the 1024 that a process has by default.
const MAX_DEPTH: u32 = 400;
/// S_ISUID and S_ISGID.
const SET_ID: u32 = 0o6000;

/// Copies what the directory `from` (O_PATH) holds into the root directory of the mount `to`.
pub fn copy(from: &OwnedFd, to: &OwnedFd) -> Result<()> {
    let (from, to) = (open_directory(from, c".")?, open_directory(to, c".")?);
    content(&from, &to, 0)
}

fn open_directory(dir: impl AsFd, name: &CStr) -> Result<OwnedFd> {
    file::openat(dir, name, Open::RDONLY | Open::DIRECTORY | Open::NOFOLLOW, 0)
}

fn content(from: &OwnedFd, to: &OwnedFd, depth: u32) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Errno::NAMETOOLONG);
    }
    file::each_entry(from, |name| {
        let entry = file::openat(from, name, Open::PATH | Open::NOFOLLOW, 0)?;
        let stat = file::stat(&entry)?;
        if file::is_directory(&stat) {
            // It would be a third descriptor of every level.
            drop(entry);
            directory(from, to, name, &stat, depth)
        } else if file::is_regular(&stat) {
            regular(from, to, name)
        } else if file::is_symlink(&stat) {
            symlink(&entry, to, name, &stat)
        } else {
            node(to, name, &stat)
        }
    })
}

fn directory(from: &OwnedFd, to: &OwnedFd, name: &CStr, stat: &Statx, depth: u32) -> Result<()> {
    file::mkdirat(to, name, 0o700)?;
    let copy = open_directory(to, name)?;
    content(&open_directory(from, name)?, &copy, depth.saturating_add(1))?;
    // After its content, which would change its times.
    attributes(&copy, stat)
}

fn regular(from: &OwnedFd, to: &OwnedFd, name: &CStr) -> Result<()> {
    // It may have become a FIFO or a device since it was looked at.
    let flags = Open::RDONLY | Open::NOFOLLOW | Open::NONBLOCK | Open::NOCTTY;
    let source = file::openat(from, name, flags, 0)?;
    let stat = file::stat(&source)?;
    if !file::is_regular(&stat) {
        return Err(Errno::INVAL);
    }
    let copy = file::openat(to, name, Open::WRONLY | Open::CREATE | Open::EXCL | Open::NOFOLLOW, 0o600)?;
    data(&source, &copy, stat.stx_size)?;
    attributes(&copy, &stat)
}

/// Copies the parts that are not holes.
fn data(source: &OwnedFd, copy: &OwnedFd, size: u64) -> Result<()> {
    file::ftruncate(copy, size)?;
    let mut offset = 0;
    while offset < size {
        let (begin, end) = match file::next_data(source, offset) {
            Ok(part) => part,
            Err(Errno::NXIO) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        // Not beyond what the file held when it was looked at: somebody may be writing to it.
        let end = end.min(size);
        file::seek(copy, begin)?;
        offset = begin;
        while offset < end {
            let rest = end.saturating_sub(offset);
            if file::sendfile(copy, source, &mut offset, rest)? == 0 {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn symlink(entry: &OwnedFd, to: &OwnedFd, name: &CStr, stat: &Statx) -> Result<()> {
    let mut buffer = [0; PATH_MAX];
    let len = file::readlinkat(entry, c"", &mut buffer)?;
    let target = Path::of(buffer.get(..len).unwrap_or(&[]))?;
    file::symlinkat(target.as_c_str(), to, name)?;
    own(&file::openat(to, name, Open::PATH | Open::NOFOLLOW, 0)?, stat).map(drop)
}

/// A device, FIFO or socket. A user namespace may not make devices: they are left out there.
fn node(to: &OwnedFd, name: &CStr, stat: &Statx) -> Result<()> {
    let mode = u32::from(stat.stx_mode);
    match file::mknodat(to, name, mode, stat.stx_rdev_major, stat.stx_rdev_minor) {
        Err(Errno::PERM) => return Ok(()),
        made => made?,
    }
    own(&file::openat(to, name, Open::PATH | Open::NOFOLLOW, 0)?, stat).map(drop)
}

fn attributes(copy: &OwnedFd, stat: &Statx) -> Result<()> {
    // The owner first: a change of it takes the set-id bits away.
    let owned = own(copy, stat)?;
    let mode = u32::from(stat.stx_mode);
    file::fchmod(copy, if owned { mode } else { mode & !SET_ID })?;
    file::set_times(copy, stat)
}

/// Gives a copy to the owner of its source. Whether it has it now: in a user namespace the owner may not be mapped.
fn own(copy: &OwnedFd, stat: &Statx) -> Result<bool> {
    match file::chown(copy, stat.stx_uid, stat.stx_gid) {
        Ok(()) => Ok(true),
        Err(Errno::PERM | Errno::INVAL) => Ok(false),
        Err(errno) => Err(errno),
    }
}

//! The standard streams.

use super::Container;
use crate::fault::{During, Result};
use crate::sys::file::{self, Open};
use crate::sys::{self, BorrowedFd, Errno};
use core::ffi::CStr;
use skeg_proto::Op;

const STREAMS: [u32; 3] = [0, 1, 2];

fn is_null(stream: BorrowedFd<'_>) -> sys::Result<bool> {
    file::stat(stream).map(|stat| file::is_character_device(&stat, 1, 3))
}

/// Standard streams that are the host's null device become the container's: an open file of the host's /dev shall not
/// be in there.
pub fn reopen_null(container: &mut Container<'_>) -> Result<()> {
    let mut null = None;
    for number in STREAMS {
        match file::named(number).and_then(is_null) {
            Ok(true) => {}
            // A closed stream stays closed.
            Ok(false) | Err(Errno::BADF) => continue,
            Err(errno) => return Err(errno).during(Op::Statx),
        }
        if null.is_none() {
            null = Some(open_null(container)?);
        }
        if let Some(null) = &null {
            file::dup_onto(null, number).during(Op::Open)?;
        }
    }
    Ok(())
}

fn open_null(container: &mut Container<'_>) -> Result<sys::OwnedFd> {
    const NULL: &CStr = c"dev/null";
    let null = crate::inside::open(container.root()?, NULL, Open::RDWR, crate::inside::Symlinks::Follow)
        .during(Op::Open)?;
    if is_null(sys::AsFd::as_fd(&null)).during(Op::Statx)? {
        return Ok(null);
    }
    Err(crate::fault::Fault::new(Op::Verify, Errno::NODEV))
}

/// Gives the standard streams to the container's user, so that it can open /proc/self/fd/1. The null device is
/// everybody's already.
pub fn chown(uid: u32) -> Result<()> {
    for number in STREAMS {
        let stream = file::named(number).during(Op::Chown)?;
        let stat = match file::stat(stream) {
            Err(Errno::BADF) => continue,
            done => done.during(Op::Statx)?,
        };
        if stat.stx_uid == uid || file::is_character_device(&stat, 1, 3) {
            continue;
        }
        match file::chown(stream, uid, u32::MAX) {
            // Not ours to give: an owner that is not mapped, a read-only file system, a file without one.
            Ok(()) | Err(Errno::PERM | Errno::ROFS | Errno::INVAL) => {}
            Err(errno) => return Err(errno).during(Op::Chown),
        }
    }
    Ok(())
}

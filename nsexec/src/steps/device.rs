//! Files that are made inside the root: device nodes, symlinks, directories.

use super::Container;
use crate::fault::{During, Fault, Result};
use crate::inside::{self, Kind, Symlinks};
use crate::sys::file::{self, Open, Statx};
use crate::sys::{BorrowedFd, Errno};
use crate::text::PATH_MAX;
use core::ffi::CStr;
use skeg_proto::Op;

/// A device node or FIFO.
pub struct Node {
    /// File type and permissions, as st_mode.
    pub mode: u32,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Node {
    fn is(&self, stat: &Statx) -> bool {
        file::file_type(stat) == file::type_of_mode(self.mode)
            && (stat.stx_rdev_major, stat.stx_rdev_minor) == (self.major, self.minor)
    }
}

/// Makes a node. What is there already is kept if it is the same node; anything else the image has put there is not
/// followed, not replaced, and fails the start.
pub fn device<'a>(container: &mut Container<'a>, path: &'a CStr, node: &Node) -> Result<()> {
    let (dir, name) = container.parent(path)?;
    match file::mknodat(dir, name, node.mode, node.major, node.minor) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(Fault::new(Op::Mknod, errno)),
    }
    // Whatever mknod said: another process of a shared volume may have swapped it since.
    let file = file::openat(dir, name, Open::PATH | Open::NOFOLLOW, 0).during(Op::OpenTarget)?;
    let stat = file::stat(&file).during(Op::Statx)?;
    if !node.is(&stat) {
        return Err(Fault::new(Op::Verify, Errno::EXIST));
    }
    if (stat.stx_uid, stat.stx_gid) == (node.uid, node.gid) {
        return Ok(());
    }
    file::chown(&file, node.uid, node.gid).during(Op::Chown)
}

/// Makes a symlink. One that is there already is kept.
pub fn symlink<'a>(container: &mut Container<'a>, path: &'a CStr, target: &CStr, exact: bool) -> Result<()> {
    let (dir, name) = container.parent(path)?;
    match file::symlinkat(target, dir, name) {
        Err(Errno::EXIST) if exact && !points_to(dir, name, target) => {
            Err(Fault::new(Op::Symlink, Errno::EXIST))
        }
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(Fault::new(Op::Symlink, errno)),
    }
}

/// Not inlined: its buffer is pages of the stack, which the kernel would hand out for every symlink.
#[inline(never)]
fn points_to(dir: BorrowedFd<'_>, name: &CStr, target: &CStr) -> bool {
    let mut buffer = [0; PATH_MAX];
    let length = file::readlinkat(dir, name, &mut buffer).unwrap_or(0);
    buffer.get(..length) == Some(target.to_bytes())
}

/// Makes a directory, with its parents. One that is there already is kept.
pub fn directory(container: &mut Container<'_>, path: &CStr, mode: u32) -> Result<()> {
    let target = inside::ensure(container.root()?, path, Kind::Directory(mode), Symlinks::Follow)?;
    if file::is_directory(&file::stat(&target.fd).during(Op::Statx)?) {
        return Ok(());
    }
    Err(Fault::new(Op::CreateTarget, Errno::NOTDIR))
}

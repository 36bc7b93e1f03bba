//! Files that are made inside the root: device nodes, symlinks, directories.

use super::Container;
use crate::fault::{During, Fault, Result};
use crate::inside::{self, Symlinks};
use crate::sys::file::{self, Open, Statx};
use crate::sys::mount::{self, OpenTree};
use crate::sys::{BorrowedFd, CWD, Errno};
use crate::text::PATH_MAX;
use core::ffi::CStr;
use skeg_proto::Op;

/// Which device.
pub struct Kind {
    /// File type and permissions, as st_mode.
    pub mode: u32,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// A device node or FIFO.
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Kind {
    fn is(&self, stat: &Statx) -> bool {
        file::file_type(stat) == file::type_of_mode(self.mode)
            && (stat.stx_rdev_major, stat.stx_rdev_minor) == (self.major, self.minor)
    }
}

/// Makes a node. What is there already is kept if it is the same node; anything else the image has put there is not
/// followed, not replaced, and fails the start.
pub fn device<'a>(container: &mut Container<'a>, path: &'a CStr, node: &Node) -> Result<()> {
    const PERMISSIONS: u32 = 0o7777;
    let (dir, name) = container.parent(path)?;
    let Kind { mode, major, minor } = node.kind;
    match file::mknodat(dir, name, mode, major, minor) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(Fault::new(Op::Mknod, errno)),
    }
    // Whatever mknod said: another process of a shared volume may have swapped it since.
    let file = file::openat(dir, name, Open::PATH | Open::NOFOLLOW, 0).during(Op::OpenTarget)?;
    let stat = file::stat(&file).during(Op::Statx)?;
    if !node.kind.is(&stat) {
        return Err(Fault::new(Op::Verify, Errno::EXIST));
    }
    if (stat.stx_uid, stat.stx_gid) != (node.uid, node.gid) {
        file::chown(&file, node.uid, node.gid).during(Op::Chown)?;
    }
    if u32::from(stat.stx_mode) & PERMISSIONS == mode & PERMISSIONS {
        return Ok(());
    }
    match super::host::chmod(container, &file, mode & PERMISSIONS) {
        // Of an image whose /dev can't be written to.
        Err(fault) if fault.is(Errno::ROFS) => Ok(()),
        done => done,
    }
}

/// Binds the host's node. What has this path on the host may be anything: it has to be the device.
pub fn host_device(container: &mut Container<'_>, path: &CStr, kind: &Kind) -> Result<()> {
    let tree = mount::open_tree_clone(CWD, path, OpenTree::empty()).during(Op::OpenSource)?;
    if !kind.is(&file::stat(&tree).during(Op::Statx)?) {
        return Err(Fault::new(Op::Verify, Errno::NODEV));
    }
    let target = inside::ensure(container.root()?, path, inside::Kind::File, Symlinks::Follow)?;
    // move_mount(2) would say EINVAL, which says nothing.
    if target.existed && file::is_directory(&file::stat(&target.fd).during(Op::Statx)?) {
        return Err(Fault::new(Op::MoveMount, Errno::ISDIR));
    }
    mount::move_mount(&tree, &target.fd).during(Op::MoveMount)
}

/// What becomes of something that is in a symlink's place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Present {
    /// It is kept.
    Kept,
    /// It has to be the same symlink.
    Same,
    /// It is removed, where that is possible.
    Replaced,
}

impl Present {
    /// Of the wire's `exact` and `replace`.
    pub fn of(exact: bool, replace: bool) -> Self {
        match (exact, replace) {
            (true, _) => Self::Same,
            (false, true) => Self::Replaced,
            (false, false) => Self::Kept,
        }
    }
}

/// Makes a symlink.
pub fn symlink<'a>(
    container: &mut Container<'a>,
    path: &'a CStr,
    target: &CStr,
    present: Present,
) -> Result<()> {
    let (dir, name) = container.parent(path)?;
    match file::symlinkat(target, dir, name) {
        Err(Errno::EXIST) if present != Present::Kept && !points_to(dir, name, target) => match present {
            Present::Replaced => replace(dir, name, target).during(Op::Symlink),
            _ => Err(Fault::new(Op::Symlink, Errno::EXIST)),
        },
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(Fault::new(Op::Symlink, errno)),
    }
}

fn replace(dir: BorrowedFd<'_>, name: &CStr, target: &CStr) -> crate::sys::Result<()> {
    let removed = match file::unlinkat(dir, name, false) {
        Err(Errno::ISDIR) => file::unlinkat(dir, name, true),
        done => done,
    };
    match removed {
        Ok(()) | Err(Errno::NOENT) => file::symlinkat(target, dir, name),
        // Somebody else's, of a file system that can't be written to, or a mount of the config: it stays.
        Err(Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::BUSY) => Ok(()),
        Err(errno) => Err(errno),
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
    let target = inside::ensure(container.root()?, path, inside::Kind::Directory(mode), Symlinks::Follow)?;
    if file::is_directory(&file::stat(&target.fd).during(Op::Statx)?) {
        return Ok(());
    }
    Err(Fault::new(Op::CreateTarget, Errno::NOTDIR))
}

//! Paths that are hidden or made read-only.

use super::Container;
use crate::fault::{During, Fault, Result};
use crate::inside::{self, Symlinks};
use crate::sys::file::{self, Open};
use crate::sys::mount::OpenTree;
use crate::sys::{Errno, OwnedFd, mount as kernel};
use core::ffi::CStr;
use skeg_proto::Op;

/// Hides a path: a directory behind an empty read-only one, everything else behind the null device. A path that does
/// not exist needs no hiding.
pub fn mask(container: &mut Container<'_>, path: &CStr) -> Result<()> {
    let Some(target) = open(container, path)? else { return Ok(()) };
    if file::is_directory(&file::stat(&target).during(Op::Statx)?) {
        return mask_directory(container, &target);
    }
    let cover = kernel::open_tree_clone(container.null()?, c"", OpenTree::empty()).during(Op::OpenSource)?;
    kernel::move_mount(&cover, &target).during(Op::MoveMount)
}

/// The first empty directory is made, the others are clones of it: before Linux 6.15 only what is attached can be
/// cloned.
fn mask_directory(container: &mut Container<'_>, target: &OwnedFd) -> Result<()> {
    if let Some(empty) = &container.empty {
        let clone = kernel::open_tree_clone(empty, c"", OpenTree::empty()).during(Op::OpenSource)?;
        return kernel::move_mount(&clone, target).during(Op::MoveMount);
    }
    let empty = empty_directory()?;
    kernel::move_mount(&empty, target).during(Op::MoveMount)?;
    container.empty = Some(empty);
    Ok(())
}

/// Makes a path read-only, with the other attributes of the mount that it is on. A path that does not exist is left.
pub fn readonly(container: &mut Container<'_>, path: &CStr) -> Result<()> {
    let Some(target) = open(container, path)? else { return Ok(()) };
    let stat = file::stat(&target).during(Op::Statx)?;
    // From the root, nobody sees what is mounted over it.
    if inside::is_root(container.root()?, &stat).during(Op::Statx)? {
        return kernel::set_attributes(&target, false, kernel::RDONLY, 0).during(Op::SetAttributes);
    }
    let tree = kernel::open_tree_clone(&target, c"", OpenTree::AT_RECURSIVE).during(Op::OpenSource)?;
    kernel::set_attributes(&tree, false, kernel::RDONLY, 0).during(Op::SetAttributes)?;
    kernel::move_mount(&tree, &target).during(Op::MoveMount)
}

fn open(container: &mut Container<'_>, path: &CStr) -> Result<Option<OwnedFd>> {
    match inside::open(container.root()?, path, Open::PATH, Symlinks::Follow) {
        Ok(target) => Ok(Some(target)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(Fault::new(Op::OpenTarget, errno)),
    }
}

/// An empty read-only directory.
pub fn empty_directory() -> Result<OwnedFd> {
    small_directory(kernel::RDONLY)
}

/// A directory with room for another one: a detached tmpfs with these attributes, beside the usual ones.
pub fn small_directory(attributes: u64) -> Result<OwnedFd> {
    let context = kernel::fsopen(c"tmpfs").during(Op::Fsopen)?;
    for (key, value) in
        [(c"source", c"tmpfs"), (c"nr_blocks", c"1"), (c"nr_inodes", c"2"), (c"mode", c"0755")]
    {
        kernel::fsconfig_string(&context, key, value).during(Op::Fsconfig)?;
    }
    kernel::fsconfig_create(&context).during(Op::FsCreate)?;
    let attributes = attributes | kernel::NOSUID | kernel::NODEV | kernel::NOEXEC;
    kernel::fsmount(&context, attributes).during(Op::Fsmount)
}

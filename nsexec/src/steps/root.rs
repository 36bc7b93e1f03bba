//! The container's root: from the host's tree to its own.

use super::Container;
use crate::fault::{During, Fault, Result};
use crate::sys::file::{self, Open};
use crate::sys::mount::OpenTree;
use crate::sys::mount::{self, MS_PRIVATE, MS_REC, MS_SLAVE};
use crate::sys::{self, Errno, OwnedFd};
use core::ffi::CStr;
use skeg_proto::Op;

/// As deep as a path can be.
const MAX_DEPTH: u32 = 4096;

fn open_directory(path: &CStr) -> Result<OwnedFd> {
    file::openat(sys::CWD, path, Open::PATH | Open::DIRECTORY, 0).during(Op::Open)
}

/// Propagation of the mount that holds "/": before the pivot the host's in our namespace, after it the container's.
pub fn propagation(flags: u32) -> Result<()> {
    mount::set_propagation(&open_directory(c"/")?, flags).during(Op::Propagation)
}

/// Makes the mount that holds the path private. pivot_root(2) refuses a new root whose parent mount is shared, and
/// what is mounted on a shared one would appear on the host.
pub fn private_parent(path: &CStr) -> Result<()> {
    let mut dir = open_directory(path)?;
    for _ in 0..MAX_DEPTH {
        if file::is_mount_root(&file::stat(&dir).during(Op::Statx)?) {
            return mount::set_propagation(&dir, MS_PRIVATE).during(Op::Propagation);
        }
        dir = file::openat(&dir, c"..", Open::PATH | Open::DIRECTORY, 0).during(Op::Open)?;
    }
    Err(Fault::new(Op::Open, Errno::LOOP))
}

/// Clones the rootfs and attaches the clone on it: pivot_root(2) wants the root of a mount. Everything that follows is
/// resolved below the clone's fd.
pub fn root(container: &mut Container<'_>, path: &CStr) -> Result<()> {
    let dir = open_directory(path)?;
    let tree = mount::open_tree_clone(&dir, c"", OpenTree::AT_RECURSIVE).during(Op::OpenSource)?;
    // Before it is attached: as a clone of a shared mount it would be shared, too, and pivot_root(2) refuses that. As a
    // slave it still gets what the host mounts.
    mount::set_propagation(&tree, MS_SLAVE).during(Op::Propagation)?;
    mount::move_mount(&tree, &dir).during(Op::MoveMount)?;
    container.root = Some(tree);
    Ok(())
}

/// Changes into the rootfs without any mount.
pub fn chroot(container: &mut Container<'_>, path: &CStr) -> Result<()> {
    file::fchdir(&open_directory(path)?).during(Op::Chdir)?;
    file::chroot(c".").during(Op::Chroot)?;
    enter(container)
}

/// pivot_root(2) into the root, without a directory for the old one: it comes to lie on the new one and is detached
/// from there.
pub fn pivot(container: &mut Container<'_>) -> Result<()> {
    let old = open_directory(c"/")?;
    file::fchdir(container.root()?).during(Op::Chdir)?;
    mount::pivot_root(c".", c".").during(Op::PivotRoot)?;
    // Before the umount: where the old tree is shared, detaching it here would detach it on the host.
    mount::set_propagation(&old, MS_SLAVE | MS_REC).during(Op::Propagation)?;
    file::fchdir(&old).during(Op::Chdir)?;
    mount::detach(c".").during(Op::Unmount)?;
    enter(container)
}

/// Moves the root over "/" and changes into it, where pivot_root(2) can't work (a ramfs as the host's root). The
/// host's tree stays below it, so full views of /proc and /sys are taken away from there first: they would let a
/// user namespace inside mount new ones.
pub fn move_root(container: &mut Container<'_>) -> Result<()> {
    for (path, magic) in [(c"/proc", file::PROC_SUPER_MAGIC), (c"/sys", file::SYSFS_MAGIC)] {
        cover(path, magic)?;
    }
    let root = container.root()?;
    file::fchdir(root).during(Op::Chdir)?;
    mount::move_mount(root, &open_directory(c"/")?).during(Op::MoveMount)?;
    file::chroot(c".").during(Op::Chroot)?;
    enter(container)
}

/// Detaches a mount of the host's tree, or covers it where it can't be detached.
fn cover(path: &CStr, magic: u64) -> Result<()> {
    let dir = match file::openat(sys::CWD, path, Open::PATH | Open::DIRECTORY, 0) {
        Ok(dir) => dir,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        Err(errno) => return Err(Fault::new(Op::Open, errno)),
    };
    if file::magic(&dir).during(Op::Statx)? != magic {
        return Ok(());
    }
    mount::set_propagation(&dir, MS_SLAVE | MS_REC).during(Op::Propagation)?;
    match mount::detach(path) {
        Ok(()) => Ok(()),
        // It is locked by a user namespace (mount_namespaces(7)).
        Err(Errno::INVAL | Errno::PERM) => {
            let empty = super::mask::empty_directory()?;
            mount::move_mount(&empty, &dir).during(Op::MoveMount)
        }
        Err(errno) => Err(Fault::new(Op::Unmount, errno)),
    }
}

/// From here on "/" is the container's root.
fn enter(container: &mut Container<'_>) -> Result<()> {
    file::chdir(c"/").during(Op::Chdir)?;
    container.root = Some(open_directory(c"/")?);
    // The null device that was looked up outside is not used any more.
    container.null = None;
    Ok(())
}

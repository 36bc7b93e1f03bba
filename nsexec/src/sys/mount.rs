//! Mounts, by file descriptor.

use super::{AsFd, BorrowedFd, OwnedFd, Result, call};
use core::ffi::CStr;
pub use rustix::mount::OpenTreeFlags as OpenTree;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags};

/// `MS_REC`.
pub const MS_REC: u32 = 1 << 14;
/// `MS_PRIVATE`.
pub const MS_PRIVATE: u32 = 1 << 18;
/// `MS_SLAVE`.
pub const MS_SLAVE: u32 = 1 << 19;
/// `MOUNT_ATTR_RDONLY`.
pub const RDONLY: u64 = 0x1;
/// `MOUNT_ATTR_NOSUID`.
pub const NOSUID: u64 = 0x2;
/// `MOUNT_ATTR_NODEV`.
pub const NODEV: u64 = 0x4;
/// `MOUNT_ATTR_NOEXEC`.
pub const NOEXEC: u64 = 0x8;
/// `MOUNT_ATTR__ATIME`: the bits of the access-time setting.
pub const ATIME: u64 = 0x70;

const AT_EMPTY_PATH: u32 = 0x1000;
const AT_RECURSIVE: u32 = 0x8000;

/// `int fsopen(const char *fsname, unsigned int flags)`: a configuration context of a file system.
pub fn fsopen(name: &CStr) -> Result<OwnedFd> {
    rustix::mount::fsopen(name, FsOpenFlags::FSOPEN_CLOEXEC)
}

/// `int fspick(int dirfd, const char *path, unsigned int flags)`: a context to change the file system that is mounted
/// at `mount`.
pub fn fspick(mount: impl AsFd) -> Result<OwnedFd> {
    use rustix::mount::FsPickFlags;
    rustix::mount::fspick(mount, c"", FsPickFlags::FSPICK_EMPTY_PATH | FsPickFlags::FSPICK_CLOEXEC)
}

/// `int fsconfig(int fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0)`.
pub fn fsconfig_reconfigure(context: impl AsFd) -> Result<()> {
    rustix::mount::fsconfig_reconfigure(context)
}

/// `int fsconfig(int fd, FSCONFIG_SET_STRING, const char *key, const char *value, 0)`.
pub fn fsconfig_string(context: impl AsFd, key: &CStr, value: &CStr) -> Result<()> {
    rustix::mount::fsconfig_set_string(context, key, value)
}

/// `int fsconfig(int fd, FSCONFIG_SET_FLAG, const char *key, NULL, 0)`.
pub fn fsconfig_flag(context: impl AsFd, key: &CStr) -> Result<()> {
    rustix::mount::fsconfig_set_flag(context, key)
}

/// `int fsconfig(int fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0)`.
pub fn fsconfig_create(context: impl AsFd) -> Result<()> {
    rustix::mount::fsconfig_create(context)
}

/// `int fsmount(int fd, unsigned int flags, unsigned int attr_flags)`: a detached mount.
pub fn fsmount(context: impl AsFd, attributes: u64) -> Result<OwnedFd> {
    let attributes = u32::try_from(attributes).map_err(|_| super::Errno::INVAL)?;
    let attributes = MountAttrFlags::from_bits_retain(attributes);
    rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// `int open_tree(int dirfd, const char *path, unsigned int flags)`: a detached clone of the mount that holds the
/// path, or of `dir` itself where the path is empty. `how`: AT_RECURSIVE for what is mounted below, too,
/// AT_SYMLINK_NOFOLLOW for a symlink itself.
pub fn open_tree_clone(dir: impl AsFd, path: &CStr, how: OpenTree) -> Result<OwnedFd> {
    let flags = OpenTree::OPEN_TREE_CLONE | OpenTree::OPEN_TREE_CLOEXEC | OpenTree::AT_EMPTY_PATH;
    rustix::mount::open_tree(dir, path, flags | OpenTree::AT_NO_AUTOMOUNT | how)
}

/// `int move_mount(int from, "", int to, "", unsigned int flags)`: attaches the mount `from` on the file `to`.
pub fn move_mount(from: impl AsFd, to: impl AsFd) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(from, c"", to, c"", flags)
}

/// `int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)`:
/// mount(2) of a new file system.
pub fn mount(source: &CStr, target: &CStr, fstype: &CStr, flags: u32, data: &CStr) -> Result<()> {
    use rustix::mount::MountFlags;
    rustix::mount::mount(source, target, fstype, MountFlags::from_bits_retain(flags), data)
}

/// `struct mount_attr` (mount_setattr(2)).
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// `int mount_setattr(int dirfd, const char *path, unsigned int flags, struct mount_attr *attr, size_t size)` on the
/// mount `fd`: mount_setattr(2).
fn mount_setattr(fd: BorrowedFd<'_>, recursive: bool, attr: &MountAttr) -> Result<()> {
    use rustix::fd::AsRawFd;
    let flags = if recursive { AT_EMPTY_PATH | AT_RECURSIVE } else { AT_EMPTY_PATH };
    let size = size_of::<MountAttr>();
    // SAFETY: the kernel reads `size` bytes of the structure, which the borrow keeps alive.
    unsafe { call!(mount_setattr, fd.as_raw_fd(), c"".as_ptr(), flags, core::ptr::from_ref(attr), size) }
        .map(drop)
}

/// Sets and clears MOUNT_ATTR_* of a mount.
pub fn set_attributes(mount: impl AsFd, recursive: bool, set: u64, clear: u64) -> Result<()> {
    let attr = MountAttr { attr_set: set, attr_clr: clear, ..MountAttr::default() };
    mount_setattr(mount.as_fd(), recursive, &attr)
}

/// Changes propagation: one of MS_SHARED, MS_SLAVE, MS_PRIVATE and MS_UNBINDABLE, perhaps with MS_REC.
pub fn set_propagation(mount: impl AsFd, flags: u32) -> Result<()> {
    let attr = MountAttr { propagation: u64::from(flags & !MS_REC), ..MountAttr::default() };
    mount_setattr(mount.as_fd(), flags & MS_REC != 0, &attr)
}

/// `int pivot_root(const char *new_root, const char *put_old)`: pivot_root(2).
pub fn pivot_root(new_root: &CStr, put_old: &CStr) -> Result<()> {
    rustix::process::pivot_root(new_root, put_old)
}

/// `int umount2(const char *target, MNT_DETACH)`: umount(2).
pub fn detach(path: &CStr) -> Result<()> {
    rustix::mount::unmount(path, UnmountFlags::DETACH)
}

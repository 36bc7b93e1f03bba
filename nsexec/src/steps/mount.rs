//! Mounts of the container. Each is made detached and attached to a target that was opened before.

use super::{Container, copy_up, long_mount};
use crate::fault::{During, Fault, Result};
use crate::inside::{self, Kind, Symlinks};
use crate::sys::file::{self, Open};
use crate::sys::mount::OpenTree;
use crate::sys::{self, Errno, OwnedFd, mount as kernel};
use crate::text::{Name, Text, octal};
use core::ffi::CStr;
use skeg_proto::Op;
use skeg_proto::field::{Strings, WordList};

/// Where something is mounted.
pub struct Place<'a> {
    /// Inside the root; made when missing.
    pub target: &'a CStr,
    /// MS_* flags to apply one after the other.
    pub propagation: WordList<'a>,
    /// What becomes of symlinks on the way.
    pub symlinks: Symlinks,
    /// Whether it is a file of /proc that may be covered.
    pub proc_file: bool,
}

/// A target that something may be mounted on.
struct Target {
    fd: OwnedFd,
    /// Its mode, if it was there before.
    mode: Option<u16>,
}

/// A new instance of a file system.
pub struct Filesystem<'a> {
    /// Its name.
    pub fstype: &'a CStr,
    /// Its "source"; empty: none.
    pub source: &'a CStr,
    /// `key` or `key=value`.
    pub options: Strings<'a>,
    /// MOUNT_ATTR_*.
    pub attr_set: u64,
    /// Whether its root takes the mode of the directory that it covers.
    pub keep_mode: bool,
}

/// MOUNT_ATTR_* to set and to clear.
#[derive(Clone, Copy)]
pub struct Change {
    /// To set.
    pub set: u64,
    /// To clear.
    pub clear: u64,
}

/// A file or directory of the host.
pub struct Bind<'a> {
    /// Its path on the host.
    pub source: &'a CStr,
    /// A symlink is the source itself.
    pub nofollow: bool,
    /// With what is mounted below it.
    pub recursive: bool,
    /// Whether it has to be a procfs.
    pub procfs: bool,
    /// For the top mount.
    pub top: Change,
    /// For every mount of the tree.
    pub tree: Change,
}

/// Mounts a new instance of a file system.
pub fn filesystem(container: &mut Container<'_>, place: &Place<'_>, new: &Filesystem<'_>) -> Result<()> {
    // Before the file system is made: most starts that fail, fail here, and its mode may be taken from the target.
    let target = place.open(container, Kind::Directory(0o755), new.fstype == c"proc")?;
    let mode = target.mode.filter(|_| new.keep_mode);
    let mount = make(new, &target, mode.map(|mode| octal(u32::from(mode))).as_ref().map(Text::as_c_str))?;
    if core::mem::take(&mut container.copy_up) {
        // Before it is attached: nobody sees half of it.
        copy_up::copy(&target.fd, &mount).during(Op::Copy)?;
    }
    place.attach(&mount, &target)?;
    keep(container, new, mount);
    Ok(())
}

/// Makes the file system, detached.
fn make(new: &Filesystem<'_>, target: &Target, mode: Option<&CStr>) -> Result<OwnedFd> {
    if long_mount::is_needed(new) {
        return long_mount::make(&target.fd, new, mode);
    }
    let context = kernel::fsopen(new.fstype).during(Op::Fsopen)?;
    if !new.source.is_empty() {
        kernel::fsconfig_string(&context, c"source", new.source).during(Op::OpenSource)?;
    }
    for (position, option) in (0u32..).zip(new.options.iter()) {
        configure(&context, option).during(Op::Fsconfig).map_err(|fault| fault.with(position))?;
    }
    if let Some(mode) = mode {
        kernel::fsconfig_string(&context, c"mode", mode).during(Op::Chmod)?;
    }
    kernel::fsconfig_create(&context).during(Op::FsCreate)?;
    kernel::fsmount(&context, new.attr_set).during(Op::Fsmount)
}

/// Passes one option, `key` or `key=value`.
fn configure(context: &OwnedFd, option: &CStr) -> sys::Result<()> {
    let bytes = option.to_bytes_with_nul();
    match bytes.iter().position(|byte| *byte == b'=') {
        None => kernel::fsconfig_flag(context, option),
        Some(equals) => {
            let key = Name::of(bytes.get(..equals).unwrap_or(&[]))?;
            let value = bytes.get(equals.saturating_add(1)..).unwrap_or(&[]);
            let value = CStr::from_bytes_with_nul(value).map_err(|_| Errno::INVAL)?;
            kernel::fsconfig_string(context, key.as_c_str(), value)
        }
    }
}

/// Remembers the mounts that later steps trust more than a path: sysctls, labels and the console go through these.
fn keep(container: &mut Container<'_>, new: &Filesystem<'_>, mount: OwnedFd) {
    // A procfs that can't be written to, or that has only the processes (subset=pid), is of no use for a sysctl.
    let whole = new.options.count() == 0 && new.attr_set & kernel::RDONLY == 0;
    match new.fstype.to_bytes() {
        b"proc" if whole && container.procfs.is_none() => container.procfs = Some(mount),
        b"devpts" if container.devpts.is_none() => container.devpts = Some(mount),
        _ => {}
    }
}

/// Mounts a file or directory of the host.
pub fn bind(container: &mut Container<'_>, place: &Place<'_>, bind: &Bind<'_>) -> Result<()> {
    let mut how = OpenTree::empty();
    how.set(OpenTree::AT_RECURSIVE, bind.recursive);
    how.set(OpenTree::AT_SYMLINK_NOFOLLOW, bind.nofollow);
    let tree = kernel::open_tree_clone(sys::CWD, bind.source, how).during(Op::OpenSource)?;
    // A fake /proc would decide over confinement (CVE-2019-16884).
    if bind.procfs && file::magic(&tree).during(Op::Statx)? != file::PROC_SUPER_MAGIC {
        return Err(Fault::new(Op::Verify, Errno::INVAL));
    }
    let target = place.open(container, kind_of(&tree)?, bind.procfs)?;
    // Before it is attached: nobody ever sees it without its attributes. Those of the tree hold for its top, too.
    change_top(&tree, bind.top)?;
    if bind.tree.set | bind.tree.clear != 0 {
        kernel::set_attributes(&tree, true, bind.tree.set, bind.tree.clear).during(Op::SetAttributes)?;
    }
    place.attach(&tree, &target)
}

/// Attaches a detached mount that the runtime has made.
pub fn attach(container: &mut Container<'_>, place: &Place<'_>, tree: u32) -> Result<()> {
    let tree = file::take(tree).during(Op::OpenSource)?;
    let target = place.open(container, kind_of(&tree)?, false)?;
    place.attach(&tree, &target)
}

/// What a mount of this needs as its target.
fn kind_of(tree: &OwnedFd) -> Result<Kind> {
    let stat = file::stat(tree).during(Op::Statx)?;
    Ok(if file::is_directory(&stat) { Kind::Directory(0o755) } else { Kind::File })
}

/// Changes one mount. In a user namespace the kernel locks what the host has set (EPERM, mount_namespaces(7)): a
/// flag that is then only asked to be cleared stays, as in runc, and those to be set are set. Access times that were
/// asked for are not there if they can't be set.
fn change_top(mount: &OwnedFd, change: Change) -> Result<()> {
    if change.set | change.clear == 0 {
        return Ok(());
    }
    let times = change.clear & kernel::ATIME;
    match kernel::set_attributes(mount, false, change.set, change.clear) {
        Err(Errno::PERM) if change.clear != times => {
            kernel::set_attributes(mount, false, change.set, times).during(Op::SetAttributes)
        }
        done => done.during(Op::SetAttributes),
    }
}

impl Place<'_> {
    /// Opens or makes the target. What is there is looked at once it is open: only then it shows where the image's
    /// symlinks lead. `procfs`: what will be mounted is one.
    fn open(&self, container: &mut Container<'_>, kind: Kind, procfs: bool) -> Result<Target> {
        let root = container.root()?;
        let inside::Target { fd, existed } = inside::ensure(root, self.target, kind, self.symlinks)?;
        if !existed {
            return Ok(Target { fd, mode: None });
        }
        let stat = file::stat(&fd).during(Op::Statx)?;
        // move_mount(2) would say EINVAL, which says nothing.
        if file::is_directory(&stat) != matches!(kind, Kind::Directory(_)) {
            return Err(Fault::new(Op::MoveMount, Errno::NOTDIR));
        }
        // The container would not see it, but whoever joins would have it as its root.
        if inside::is_root(root, &stat).during(Op::Statx)? {
            return Err(Fault::without_errno(Op::OverRoot));
        }
        // Nothing may pose as a file that labels and sysctls are written to (CVE-2019-16884).
        let allowed = self.proc_file || procfs && file::is_mount_root(&stat);
        let is_procfs = file::magic(&fd).during(Op::Statx)? == file::PROC_SUPER_MAGIC;
        if !allowed && is_procfs && inside::is_in_mount_of(root, c"proc", &stat).during(Op::Statx)? {
            return Err(Fault::without_errno(Op::OverProc));
        }
        Ok(Target { fd, mode: Some(stat.stx_mode) })
    }

    fn attach(&self, mount: &OwnedFd, target: &Target) -> Result<()> {
        kernel::move_mount(mount, &target.fd).during(Op::MoveMount)?;
        for flags in self.propagation.iter() {
            kernel::set_propagation(mount, flags).during(Op::Propagation)?;
        }
        Ok(())
    }
}

/// Changes the parameters of a file system inside the root.
pub fn reconfigure(container: &mut Container<'_>, target: &CStr, options: Strings<'_>) -> Result<()> {
    let mount =
        inside::open(container.root()?, target, Open::PATH, Symlinks::Follow).during(Op::OpenTarget)?;
    let context = kernel::fspick(&mount).during(Op::Fsopen)?;
    for (position, option) in (0u32..).zip(options.iter()) {
        configure(&context, option).during(Op::Fsconfig).map_err(|fault| fault.with(position))?;
    }
    kernel::fsconfig_reconfigure(&context).during(Op::FsCreate)
}

/// Changes a mount inside the root.
pub fn set_attributes(
    container: &mut Container<'_>,
    path: &CStr,
    change: Change,
    recursive: bool,
) -> Result<()> {
    let mount = inside::open(container.root()?, path, Open::PATH, Symlinks::Follow).during(Op::OpenTarget)?;
    if !recursive {
        return change_top(&mount, change);
    }
    kernel::set_attributes(&mount, true, change.set, change.clear).during(Op::SetAttributes)
}

//! File systems with parameters that are too long for fsconfig(2): mount(2) takes a page of them at once.

use super::mask;
use super::mount::Filesystem;
use crate::fault::{During, Result};
use crate::sys::file::{self, Open};
use crate::sys::mount::{self as kernel, OpenTree};
use crate::sys::{self, OwnedFd};
use crate::text::Path;
use core::ffi::CStr;
use skeg_proto::Op;

/// As long as a string of fsconfig(2) can be, without its NUL.
const MAX_STRING: usize = 255;

/// Flags of the superblock, which are no parameters to mount(2): their names in fsconfig(2), and MS_*.
const FLAGS: [(&[u8], u32); 5] =
    [(b"ro", 1), (b"sync", 1 << 4), (b"mand", 1 << 6), (b"dirsync", 1 << 7), (b"lazytime", 1 << 25)];

/// Whether a file system can't be made by fsconfig(2).
pub fn is_needed(new: &Filesystem<'_>) -> bool {
    let is_long = |text: &CStr| text.count_bytes() > MAX_STRING;
    is_long(new.source) || new.options.iter().any(is_long)
}

/// Makes the file system, detached. mount(2) attaches what it makes, so it is made inside a directory of our own, which
/// lies on the target for that time: no path of the container's is resolved.
#[inline(never)] // The parameters are a page of the stack, which the kernel would hand out for every mount.
pub fn make(target: &OwnedFd, new: &Filesystem<'_>, mode: Option<&CStr>) -> Result<OwnedFd> {
    let before = file::openat(sys::CWD, c".", Open::PATH | Open::DIRECTORY, 0).during(Op::Open)?;
    let stage = mask::small_directory(0)?;
    file::mkdirat(&stage, c"new", 0o700).during(Op::CreateTarget)?;
    kernel::move_mount(&stage, target).during(Op::MoveMount)?;
    let made = make_in(&stage, new, mode);
    // Whatever has become of it: the target may be shared with the host.
    file::fchdir(&stage).during(Op::Chdir)?;
    kernel::detach(c".").during(Op::Unmount)?;
    file::fchdir(before).during(Op::Chdir)?;
    let tree = made?;
    // Access times can only be set where they are cleared in the same call.
    kernel::set_attributes(&tree, false, new.attr_set, kernel::ATIME).during(Op::SetAttributes)?;
    Ok(tree)
}

fn make_in(stage: &OwnedFd, new: &Filesystem<'_>, mode: Option<&CStr>) -> Result<OwnedFd> {
    let open = || file::openat(stage, c"new", Open::PATH | Open::DIRECTORY, 0).during(Op::Open);
    file::fchdir(open()?).during(Op::Chdir)?;
    mount_here(new, mode)?;
    kernel::open_tree_clone(open()?, c"", OpenTree::empty()).during(Op::OpenSource)
}

fn mount_here(new: &Filesystem<'_>, mode: Option<&CStr>) -> Result<()> {
    let mut data = Path::default();
    let mut flags = 0;
    for option in new.options.iter().map(CStr::to_bytes) {
        match FLAGS.iter().find(|(name, _)| *name == option) {
            Some((_, flag)) => flags |= flag,
            None => add(&mut data, &[option]).during(Op::FsCreate)?,
        }
    }
    if let Some(mode) = mode {
        add(&mut data, &[b"mode=", mode.to_bytes()]).during(Op::FsCreate)?;
    }
    kernel::mount(new.source, c".", new.fstype, flags, data.as_c_str()).during(Op::FsCreate)
}

fn add(data: &mut Path, option: &[&[u8]]) -> sys::Result<()> {
    if !data.as_bytes().is_empty() {
        data.push(b",")?;
    }
    option.iter().try_for_each(|part| data.push(part))
}

//! Paths inside the container's root: opened once, by descriptor, whatever symlinks the image holds and whatever
//! another process swaps meanwhile (CVE-2021-30465, CVE-2024-45310).
//!
//! Every resolution is one openat2(2) with RESOLVE_IN_ROOT. What is missing is made component by component in a
//! directory that is already open, never by a longer path.

use crate::fault::{During, Fault, Result};
use crate::sys::file::{self, Open, Resolve, Statx};
use crate::sys::{self, BorrowedFd, Errno, OwnedFd};
use crate::text::{Name, Path};
use core::ffi::CStr;
use skeg_proto::Op;

/// As many symlinks as the kernel follows in one path.
const MAX_LINKS: u32 = 40;
/// How often a resolution is tried again that a concurrent rename or mount made fail (EAGAIN, openat2(2)).
const MAX_RETRIES: u32 = 128;

/// What is made where the target is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory with these permissions. Its parents get 0755.
    Directory(u32),
    /// An empty regular file, 0644, to be mounted on.
    File,
}

/// Whether symlinks may be followed, inside the root.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Symlinks {
    /// As everywhere.
    Follow,
    /// As everywhere, but one that is the target itself is the target.
    KeepLast,
    /// ELOOP for any of them: /proc and /sys (CVE-2019-19921, CVE-2023-27561), and files of /proc.
    Refuse,
}

impl Symlinks {
    /// Of the wire's `no_symlinks` and `target_nofollow`.
    pub fn of(refused: bool, last_kept: bool) -> Self {
        match (refused, last_kept) {
            (true, _) => Self::Refuse,
            (false, true) => Self::KeepLast,
            (false, false) => Self::Follow,
        }
    }

    fn resolve(self) -> Resolve {
        match self {
            Self::Follow | Self::KeepLast => Resolve::IN_ROOT | Resolve::NO_MAGICLINKS,
            Self::Refuse => Resolve::IN_ROOT | Resolve::NO_MAGICLINKS | Resolve::NO_SYMLINKS,
        }
    }
}

/// A target inside the root.
pub struct Target {
    /// It, O_PATH or freshly created.
    pub fd: OwnedFd,
    /// Whether it was there before.
    pub existed: bool,
}

/// Opens what is there. The root itself for "/", "." and the empty path.
pub fn open(root: BorrowedFd<'_>, path: &CStr, flags: Open, symlinks: Symlinks) -> sys::Result<OwnedFd> {
    open_with(root, path, flags, symlinks.resolve())
}

/// Whether a file that was opened is the root itself.
pub fn is_root(root: BorrowedFd<'_>, stat: &Statx) -> sys::Result<bool> {
    Ok(file::is_mount_root(stat) && file::is_same(stat, &file::stat(root)?))
}

/// Whether a file that was opened is in the mount that a directory of the root is in.
pub fn is_in_mount_of(root: BorrowedFd<'_>, directory: &CStr, stat: &Statx) -> sys::Result<bool> {
    match open(root, directory, Open::PATH | Open::DIRECTORY, Symlinks::Refuse) {
        Ok(directory) => Ok(file::stat(directory)?.stx_mnt_id == stat.stx_mnt_id),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Opens what is below `dir`, without any symlink and without crossing to another mount.
pub fn open_beneath(dir: BorrowedFd<'_>, path: &CStr, flags: Open) -> sys::Result<OwnedFd> {
    open_with(dir, path, flags, Resolve::BENEATH | Resolve::NO_SYMLINKS | Resolve::NO_XDEV)
}

fn open_with(dir: BorrowedFd<'_>, path: &CStr, flags: Open, resolve: Resolve) -> sys::Result<OwnedFd> {
    let path = if path.is_empty() { c"." } else { path };
    let mut tries = 0u32;
    loop {
        match file::openat2(dir, path, flags, resolve) {
            Err(Errno::AGAIN | Errno::INTR) if tries < MAX_RETRIES => tries = tries.saturating_add(1),
            done => return done,
        }
    }
}

/// Opens the target O_PATH; makes it, and the directories on the way, when it is missing. A symlink that points to
/// nothing is followed inside the root, and what it points to is made.
pub fn ensure(root: BorrowedFd<'_>, path: &CStr, kind: Kind, symlinks: Symlinks) -> Result<Target> {
    let flags = match symlinks {
        Symlinks::Follow => Open::PATH,
        Symlinks::KeepLast => Open::PATH | Open::NOFOLLOW,
        Symlinks::Refuse if kind == Kind::File => Open::PATH,
        Symlinks::Refuse => Open::PATH | Open::DIRECTORY,
    };
    match open(root, path, flags, symlinks) {
        Ok(fd) => Ok(Target { fd, existed: true }),
        Err(Errno::NOENT) => ensure_missing(root, path, kind, symlinks, flags),
        Err(errno) => Err(Fault::new(Op::OpenTarget, errno)),
    }
}

/// Not inlined: its paths are pages of the stack, which the kernel would hand out also where nothing is missing.
#[inline(never)]
fn ensure_missing(
    root: BorrowedFd<'_>,
    path: &CStr,
    kind: Kind,
    symlinks: Symlinks,
    flags: Open,
) -> Result<Target> {
    let mut path = Path::of(path.to_bytes()).during(Op::OpenTarget)?;
    for _ in 0..MAX_LINKS {
        match create(root, &path, kind, symlinks)? {
            Created::Target(fd) => return Ok(Target { fd, existed: false }),
            Created::Changed => {}
            Created::Link(next) => path = next,
        }
        match open(root, path.as_c_str(), flags, symlinks) {
            Ok(fd) => return Ok(Target { fd, existed: true }),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(Fault::new(Op::OpenTarget, errno)),
        }
    }
    Err(Fault::new(Op::CreateTarget, Errno::LOOP))
}

/// What one attempt to make a path came to.
#[allow(clippy::large_enum_variant)] // There is no heap to box it on.
enum Created {
    /// It is made.
    Target(OwnedFd),
    /// Somebody else made a part of it meanwhile.
    Changed,
    /// A component is a symlink to nothing: the path to go on with.
    Link(Path),
}

fn create(root: BorrowedFd<'_>, path: &Path, kind: Kind, symlinks: Symlinks) -> Result<Created> {
    let (mut dir, prefix) = longest_existing(root, path, symlinks)?;
    let (existing, missing) = path.as_bytes().split_at_checked(prefix).unwrap_or((&[], &[]));
    let mut rest = missing;
    let mut first = true;
    while let Some((name, after)) = next_component(rest) {
        // The parent of what does not exist does not exist either.
        if name == b".." {
            return Err(Fault::new(Op::CreateTarget, Errno::NOENT));
        }
        let name = Name::of(name).during(Op::CreateTarget)?;
        let last = next_component(after).is_none();
        dir = match make(&dir, name.as_c_str(), if last { kind } else { Kind::Directory(0o755) }) {
            Ok(fd) => fd,
            Err(Errno::EXIST) if first => return follow(&dir, existing, &name, after, symlinks),
            Err(Errno::EXIST | Errno::NOENT) => return Ok(Created::Changed),
            Err(errno) => return Err(Fault::new(Op::CreateTarget, errno)),
        };
        (rest, first) = (after, false);
    }
    Ok(if first { Created::Changed } else { Created::Target(dir) })
}

/// Splits off the first component, without slashes and ".".
fn next_component(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = path;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end)?;
        rest = after.get(1..).unwrap_or(&[]);
        if !name.is_empty() && name != b"." {
            return Some((name, rest));
        }
    }
    None
}

/// Opens the longest part of the path that exists, short of all of it, which has been tried; its length in bytes.
fn longest_existing(root: BorrowedFd<'_>, path: &Path, symlinks: Symlinks) -> Result<(OwnedFd, usize)> {
    let mut len = path.as_bytes().len();
    loop {
        let shorter = path.as_bytes().get(..len).unwrap_or(&[]);
        len = shorter.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let prefix = Path::of(shorter.get(..len).unwrap_or(&[])).during(Op::OpenTarget)?;
        match open(root, prefix.as_c_str(), Open::PATH, symlinks) {
            Ok(fd) => return Ok((fd, len)),
            Err(Errno::NOENT) if len > 0 => {}
            Err(errno) => return Err(Fault::new(Op::OpenTarget, errno)),
        }
    }
}

/// Makes one component and opens what was made. The mode is what was asked for: the umask is 0 while the container is built.
fn make(dir: &OwnedFd, name: &CStr, kind: Kind) -> sys::Result<OwnedFd> {
    match kind {
        Kind::Directory(mode) => {
            file::mkdirat(dir, name, mode)?;
            let flags = Open::PATH | Open::DIRECTORY | Open::NOFOLLOW;
            match file::openat(dir, name, flags, 0) {
                // Somebody put a symlink in its place: look again.
                Err(Errno::NOTDIR | Errno::LOOP) => Err(Errno::NOENT),
                opened => opened,
            }
        }
        Kind::File => {
            let flags = Open::CREATE | Open::EXCL | Open::NOFOLLOW | Open::WRONLY;
            file::openat(dir, name, flags, 0o644)
        }
    }
}

/// The component that could neither be opened nor made: a symlink to nothing, or made by somebody just now.
#[inline(never)] // As `ensure_missing`.
fn follow(dir: &OwnedFd, existing: &[u8], name: &Name, after: &[u8], symlinks: Symlinks) -> Result<Created> {
    let mut buffer = [0; crate::text::PATH_MAX];
    let len = match file::readlinkat(dir, name.as_c_str(), &mut buffer) {
        Ok(len) => len,
        // Not a symlink, or gone again.
        Err(Errno::INVAL | Errno::NOENT) => return Ok(Created::Changed),
        Err(errno) => return Err(Fault::new(Op::OpenTarget, errno)),
    };
    if symlinks == Symlinks::Refuse {
        return Err(Fault::new(Op::OpenTarget, Errno::LOOP));
    }
    let link = buffer.get(..len).unwrap_or(&[]);
    splice(existing, link, after).map(Created::Link).during(Op::CreateTarget)
}

/// The path with a symlink in it replaced by what it holds.
fn splice(existing: &[u8], link: &[u8], after: &[u8]) -> sys::Result<Path> {
    let mut path = Path::default();
    if !link.starts_with(b"/") {
        path.push(existing)?;
        path.push(b"/")?;
    }
    path.push(link)?;
    path.push(b"/")?;
    path.push(after)?;
    Ok(path)
}

/// Opens a directory, made when missing.
#[inline(never)] // As `ensure_missing`.
pub fn directory(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    let path = Path::of(path).during(Op::OpenTarget)?;
    ensure(root, path.as_c_str(), Kind::Directory(0o755), Symlinks::Follow).map(|target| target.fd)
}

/// A path's directory and its last component; None where the path ends in no name.
pub fn split(path: &CStr) -> Option<(&[u8], &CStr)> {
    let bytes = path.to_bytes();
    let start = bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash.saturating_add(1));
    let name = CStr::from_bytes_with_nul(path.to_bytes_with_nul().get(start..)?).ok()?;
    let named = !matches!(name.to_bytes(), b"" | b"." | b"..");
    named.then_some((bytes.get(..start)?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_gives_directory_and_name() {
        assert_eq!(split(c"/dev/null"), Some((&b"/dev/"[..], c"null")));
        assert_eq!(split(c"null"), Some((&b""[..], c"null")));
    }

    #[test]
    fn split_refuses_what_is_no_name() {
        assert_eq!(split(c"/"), None);
        assert_eq!(split(c"/dev/.."), None);
        assert_eq!(split(c""), None);
    }

    #[test]
    fn components_skip_slashes_and_dots() {
        assert_eq!(next_component(b"//./a/b"), Some((&b"a"[..], &b"b"[..])));
        assert_eq!(next_component(b"/./"), None);
    }

    #[test]
    fn an_absolute_link_starts_at_the_root() {
        assert_eq!(splice(b"a/b", b"/c", b"d").unwrap().as_bytes(), b"/c/d");
    }

    #[test]
    fn a_relative_link_starts_where_it_lies() {
        assert_eq!(splice(b"a/b", b"../c", b"d").unwrap().as_bytes(), b"a/b/../c/d");
    }
}

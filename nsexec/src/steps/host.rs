//! What belongs to the kernel's view of the container rather than to its files: sysctls, labels, limits, names, the
//! loopback interface, the session keyring.

use super::Container;
use crate::fault::{During, Fault, Result};
use crate::inside::{self, Symlinks};
use crate::sys::file::{self, Open};
use crate::sys::{self, AsFd, BorrowedFd, Errno, OwnedFd, mount};
use crate::text::{Path, decimal};
use core::ffi::CStr;
use skeg_proto::Op;

/// Raises a hard limit to at least this; the soft one stays.
pub fn raise_limit(resource: u32, wanted: u64) -> Result<()> {
    let (soft, hard) = sys::process::getrlimit(resource).during(Op::Limit)?;
    if hard >= wanted {
        return Ok(());
    }
    sys::process::setrlimit(resource, soft, wanted).during(Op::Limit)
}

/// Writes a sysctl.
pub fn sysctl(container: &mut Container<'_>, path: &CStr, value: &CStr) -> Result<()> {
    let below = Path::of(b"sys/").and_then(|mut below| below.push(path.to_bytes()).map(|()| below));
    write(container, &below.during(Op::Open)?, value)
}

/// Writes an LSM attribute of this process.
pub fn label(container: &mut Container<'_>, path: &CStr, value: &CStr) -> Result<()> {
    // The procfs is of this process's own PID namespace, and "self" is a symlink.
    let below = || {
        let mut below = Path::default();
        below.push_decimal(sys::process::getpid())?;
        below.push(b"/attr/")?;
        below.push(path.to_bytes())?;
        Ok(below)
    };
    write(container, &below().during(Op::Open)?, value)
}

/// Gives a directory inside the root an SELinux label.
pub fn file_label(container: &mut Container<'_>, path: &CStr, value: &CStr) -> Result<()> {
    let flags = Open::RDONLY | Open::DIRECTORY;
    let dir = inside::open(container.root()?, path, flags, Symlinks::Follow).during(Op::OpenTarget)?;
    file::fsetxattr(&dir, c"security.selinux", value.to_bytes()).during(Op::Xattr)
}

/// chmod(2) of an O_PATH descriptor: by its name in procfs, where a name of the root would lead to whatever is there now.
pub fn chmod(container: &mut Container<'_>, file: &OwnedFd, mode: u32) -> Result<()> {
    let fds = || {
        let mut fds = Path::default();
        fds.push_decimal(sys::process::getpid())?;
        fds.push(b"/fd")?;
        Ok(fds)
    };
    let procfs = procfs(container)?;
    let flags = Open::PATH | Open::DIRECTORY;
    let fds = inside::open_beneath(procfs, fds().during(Op::Chmod)?.as_c_str(), flags).during(Op::Chmod)?;
    file::chmodat(&fds, decimal(file::number(file)).as_c_str(), mode).during(Op::Chmod)
}

/// Writes a file of a procfs that is known to be one, without following a symlink or going to another mount: a path
/// would lead to whatever the image or a volume has put there (CVE-2019-16884, CVE-2025-52881).
fn write(container: &mut Container<'_>, path: &Path, value: &CStr) -> Result<()> {
    let procfs = procfs(container)?;
    let file = inside::open_beneath(procfs, path.as_c_str(), Open::WRONLY).during(Op::Open)?;
    // procfs takes a value in one write(2) only.
    match file::write(&file, value.to_bytes()).during(Op::Write)? {
        count if count == value.count_bytes() => Ok(()),
        _ => Err(Fault::new(Op::Write, Errno::IO)),
    }
}

/// The procfs that this process has mounted; otherwise a new one that is attached nowhere; where the kernel refuses that
/// (EPERM: a user namespace that sees no whole procfs may not mount one), the one at /proc, checked to be one.
fn procfs<'c>(container: &'c mut Container<'_>) -> Result<BorrowedFd<'c>> {
    if container.procfs.is_none() {
        let procfs = match new_procfs() {
            Err(Errno::PERM) => checked_procfs(container)?,
            done => done.during(Op::Fsmount)?,
        };
        container.procfs = Some(procfs);
    }
    container.procfs.as_ref().map(AsFd::as_fd).ok_or(Fault::new(Op::Open, Errno::BADF))
}

fn new_procfs() -> sys::Result<OwnedFd> {
    let context = mount::fsopen(c"proc")?;
    mount::fsconfig_create(&context)?;
    mount::fsmount(&context, mount::NOSUID | mount::NODEV | mount::NOEXEC)
}

fn checked_procfs(container: &mut Container<'_>) -> Result<OwnedFd> {
    let flags = Open::PATH | Open::DIRECTORY;
    let procfs =
        inside::open(container.root()?, c"proc", flags, inside::Symlinks::Refuse).during(Op::Open)?;
    let stat = file::stat(&procfs).during(Op::Statx)?;
    // The root of a mount: a bind of /proc/PID would be a procfs, too.
    let whole = file::is_mount_root(&stat) && stat.stx_ino == PROC_ROOT_INO;
    if file::magic(&procfs).during(Op::Statx)? == file::PROC_SUPER_MAGIC && whole {
        return Ok(procfs);
    }
    Err(Fault::new(Op::Verify, Errno::NODEV))
}

/// The inode number of a procfs's root directory.
const PROC_ROOT_INO: u64 = 1;

/// Brings the loopback interface up.
pub fn loopback() -> Result<()> {
    let socket = sys::socket::inet().during(Op::Loopback)?;
    sys::socket::bring_loopback_up(socket.as_fd()).during(Op::Loopback)
}

/// Sets the umask.
pub fn umask(mask: u32) -> Result<()> {
    sys::process::umask(mask);
    Ok(())
}

/// Joins a new session keyring, so that the host's stays out of reach, and adds permissions to it.
pub fn keyring(name: &CStr, permissions: u32) -> Result<()> {
    let keyring = match sys::cred::join_session_keyring(name) {
        // A kernel without keyrings has none to protect.
        Err(Errno::NOSYS) => return Ok(()),
        done => done.during(Op::Keyring)?,
    };
    let mut buffer = [0; 512];
    let len = sys::cred::describe_key(keyring, &mut buffer).during(Op::Keyring)?;
    let description = buffer.get(..len).unwrap_or(&buffer);
    let present = key_permissions(description).ok_or(Fault::new(Op::Keyring, Errno::PROTO))?;
    if present | permissions == present {
        // It may be one that exists, and another user's.
        return Ok(());
    }
    sys::cred::set_key_permissions(keyring, present | permissions).during(Op::Keyring)
}

/// The fourth field, in hexadecimal, of `type;uid;gid;perm;description`.
fn key_permissions(description: &[u8]) -> Option<u32> {
    let field = description.split(|byte| *byte == b';').nth(3)?;
    u32::from_str_radix(core::str::from_utf8(field).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_of_a_key() {
        assert_eq!(key_permissions(b"keyring;0;0;3f130000;_ses.x\0"), Some(0x3f13_0000));
    }

    #[test]
    fn a_description_without_permissions() {
        assert_eq!(key_permissions(b"keyring;0;0"), None);
        assert_eq!(key_permissions(b"keyring;0;0;zz;x"), None);
    }
}

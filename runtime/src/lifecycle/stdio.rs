//! The standard streams of a container whose users are mapped.

use nix::sys::stat::{FileStat, SFlag, fstat};
use nix::unistd::{Uid, fchown};
use oci_spec::runtime::{LinuxIdMapping, Spec};
use std::os::fd::AsFd;

/// Gives the standard streams to the process's user: the process may then open them again by /dev/stdout. It is done
/// here, since in its own user namespace nobody may; so only with pipes, sockets and files without a name: another file
/// or a terminal of the host's would be the container's from then on. runc makes pipes for its own.
pub(super) fn give_to_mapped_user(spec: &Spec) {
    let uid = spec.process().as_ref().map_or(0, |p| p.user().uid());
    let mappings = spec.linux().as_ref().and_then(|l| l.uid_mappings().as_deref()).unwrap_or_default();
    let Some(owner) = mappings.iter().find_map(|mapping| on_host(mapping, uid)) else { return };
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    for fd in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
        if fstat(fd).is_ok_and(|stat| is_of_the_callers_own(&stat)) {
            let _ = fchown(fd, Some(owner), None);
        }
    }
}

fn is_of_the_callers_own(stat: &FileStat) -> bool {
    match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFIFO | SFlag::S_IFSOCK => true,
        SFlag::S_IFREG => stat.st_nlink == 0,
        _ => false,
    }
}

fn on_host(mapping: &LinuxIdMapping, id: u32) -> Option<Uid> {
    let offset = id.checked_sub(mapping.container_id()).filter(|offset| *offset < mapping.size())?;
    mapping.host_id().checked_add(offset).map(Uid::from_raw)
}

//! The standard streams of a container whose users are mapped.

use nix::sys::stat::fstat;
use nix::unistd::{Uid, fchown};
use oci_spec::runtime::{LinuxIdMapping, Spec};
use std::os::fd::AsFd;

/// Gives the standard streams to the process's user, as runc does: the process may then open them again by
/// /dev/stdout. It is done here, since in its own user namespace nobody may. What can't be given away (a file of
/// somebody else's, a read-only file system) stays as it is.
pub(super) fn give_to_mapped_user(spec: &Spec) {
    let uid = spec.process().as_ref().map_or(0, |p| p.user().uid());
    let mappings = spec.linux().as_ref().and_then(|l| l.uid_mappings().as_deref()).unwrap_or_default();
    let Some(owner) = mappings.iter().find_map(|mapping| on_host(mapping, uid)) else { return };
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    for fd in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
        // The host's null device is everybody's (1:3, null(4)).
        let null = nix::sys::stat::makedev(1, 3);
        if fstat(fd).is_ok_and(|stat| stat.st_rdev != null) {
            let _ = fchown(fd, Some(owner), None);
        }
    }
}

fn on_host(mapping: &LinuxIdMapping, id: u32) -> Option<Uid> {
    let offset = id.checked_sub(mapping.container_id()).filter(|offset| *offset < mapping.size())?;
    mapping.host_id().checked_add(offset).map(Uid::from_raw)
}

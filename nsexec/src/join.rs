//! Joining namespaces that exist.

use crate::fault::{During, Fault, Result};
use crate::namespaces::{self, Entrant};
use crate::sys::file::Open;
use crate::sys::process::{NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWTIME, NEWUSER, NEWUTS};
use crate::sys::{self, Errno, OwnedFd};
use crate::text::Path;
use core::ffi::CStr;
use skeg_proto::Op;

/// There are eight types of namespaces, and a process is in one of each.
const MAX_NAMESPACES: usize = 8;

/// A namespace of NS_PATHS, opened.
struct Namespace {
    kind: u32,
    fd: OwnedFd,
    joined: bool,
}

/// Joins the namespaces of NS_PATHS, `type:path,type:path`: first everything that the privileges allow, then the user
/// namespace, then what was refused before. A namespace may belong to the host's user namespace or to the one that
/// is joined, and setns(2) wants CAP_SYS_ADMIN in its owner. A fault's detail is the position in NS_PATHS.
pub fn paths(list: &CStr, entrant: Entrant) -> Result<()> {
    // All of them are opened first: after the mount namespace is joined the paths mean something else.
    let mut namespaces = open_all(list)?;
    pass(&mut namespaces, |kind| kind != NEWUSER, Refused::Later)?;
    pass(&mut namespaces, |kind| kind == NEWUSER, Refused::Fails)?;
    if namespaces.iter().flatten().any(|namespace| namespace.kind == NEWUSER) {
        namespaces::become_root(entrant)?;
    }
    pass(&mut namespaces, |_| true, Refused::Fails)
}

/// Joins namespaces of one process, all in one call, in the kernel's order.
pub fn process(pidfd: u32, kinds: u32, entrant: Entrant) -> Result<()> {
    let pidfd = sys::file::named(pidfd).during(Op::Setns)?;
    sys::process::setns(pidfd, kinds).during(Op::Setns)?;
    if kinds & NEWUSER != 0 {
        namespaces::become_root(entrant)?;
    }
    Ok(())
}

/// What EPERM means.
#[derive(PartialEq, Eq)]
enum Refused {
    Later,
    Fails,
}

fn open_all(list: &CStr) -> Result<[Option<Namespace>; MAX_NAMESPACES]> {
    let mut namespaces = [const { None }; MAX_NAMESPACES];
    let mut slots = namespaces.iter_mut();
    for (position, (kind, path)) in (0u32..).zip(entries(list.to_bytes())) {
        let failed = |errno| Fault::new(Op::Open, errno).with(position);
        let slot = slots.next().ok_or(failed(Errno::INVAL))?;
        let kind = kind_of(kind).ok_or(failed(Errno::INVAL))?;
        let path = Path::of(path).map_err(failed)?;
        // It may be anything: a FIFO would have this process wait for a writer.
        let flags = Open::RDONLY | Open::NONBLOCK | Open::NOCTTY;
        let fd = sys::file::openat(sys::CWD, path.as_c_str(), flags, 0).map_err(failed)?;
        *slot = Some(Namespace { kind, fd, joined: false });
    }
    Ok(namespaces)
}

fn pass(
    namespaces: &mut [Option<Namespace>; MAX_NAMESPACES],
    wanted: impl Fn(u32) -> bool,
    refused: Refused,
) -> Result<()> {
    for (position, namespace) in (0u32..).zip(namespaces.iter_mut().flatten()) {
        if namespace.joined || !wanted(namespace.kind) {
            continue;
        }
        // With the type: a path that leads to a namespace of another type is EINVAL.
        match sys::process::setns(&namespace.fd, namespace.kind) {
            Ok(()) => namespace.joined = true,
            Err(Errno::PERM) if refused == Refused::Later => {}
            Err(errno) => return Err(Fault::new(Op::Setns, errno).with(position)),
        }
    }
    Ok(())
}

/// The entries of NS_PATHS as type and path. One without a colon has an empty path, which can't be opened.
fn entries(list: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    list.split(|byte| *byte == b',').filter(|entry| !entry.is_empty()).map(|entry| {
        let colon = entry.iter().position(|byte| *byte == b':').unwrap_or(entry.len());
        let (kind, path) = entry.split_at_checked(colon).unwrap_or((entry, &[]));
        (kind, path.get(1..).unwrap_or(&[]))
    })
}

/// The CLONE_NEW* flag of a namespace's name in /proc/PID/ns.
fn kind_of(name: &[u8]) -> Option<u32> {
    Some(match name {
        b"user" => NEWUSER,
        b"ipc" => NEWIPC,
        b"uts" => NEWUTS,
        b"net" => NEWNET,
        b"pid" => NEWPID,
        b"mnt" => NEWNS,
        b"cgroup" => NEWCGROUP,
        b"time" => NEWTIME,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_split_at_commas_and_the_first_colon() {
        let mut entries = entries(b"user:/proc/1/ns/user,net:/run/netns/a:b");
        assert_eq!(entries.next(), Some((&b"user"[..], &b"/proc/1/ns/user"[..])));
        assert_eq!(entries.next(), Some((&b"net"[..], &b"/run/netns/a:b"[..])));
        assert_eq!(entries.next(), None);
    }

    #[test]
    fn an_entry_without_a_colon_has_no_path() {
        assert_eq!(entries(b"user").next(), Some((&b"user"[..], &b""[..])));
    }

    #[test]
    fn unknown_types_have_no_flag() {
        assert_eq!(kind_of(b"mnt"), Some(NEWNS));
        assert_eq!(kind_of(b"mount"), None);
    }

    #[test]
    fn a_path_that_is_missing_is_reported_with_its_position() {
        let fault = open_all(c"net:/proc/self/ns/net,ipc:/nonexistent").err().unwrap();
        assert_eq!((fault.op, fault.errno, fault.detail), (Op::Open, 2, 1));
    }
}

//! Creating namespaces, and becoming root in a user namespace.

use crate::fault::{During, Fault, Result};
use crate::sync::Sync;
use crate::sys::file::{self, Open};
use crate::sys::process::Memory;
use crate::sys::process::{NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWTIME, NEWUSER, NEWUTS};
use crate::sys::{self, BorrowedFd, Errno, OwnedFd};
use skeg_proto::sync::{ToNsexec, ToRuntime};
use skeg_proto::{Init, Op, Step, Stream};

/// The CLONE_NEW* flags of all types of namespaces.
pub const ALL: u32 = NEWTIME | NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET;

/// Whether the caller's supplementary groups are dropped when the process becomes root in a user namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Setgroups {
    /// INIT says that setgroups(2) stays allowed.
    Must,
    /// The runtime is privileged, so nothing has denied it but perhaps whoever made the namespace.
    May,
    /// An unprivileged user can only make a namespace that denies it (user_namespaces(7)).
    Denied,
}

impl Setgroups {
    /// As INIT has it.
    fn of(init: &Init<'_>) -> Self {
        match (init.setgroups, init.rootless_euid) {
            (true, _) => Self::Must,
            (false, false) => Self::May,
            (false, true) => Self::Denied,
        }
    }
}

/// Who a process becomes in a user namespace that it has entered.
#[derive(Clone, Copy)]
pub struct Entrant {
    setgroups: Setgroups,
    /// Where the namespace has no root.
    uid: u32,
    gid: u32,
}

impl Entrant {
    /// As INIT and the container's credentials have it.
    pub fn of(stream: &Stream<'_>) -> Self {
        let user = stream.steps().find_map(|(_, step)| match step {
            Step::Credentials { uid, gid, .. } => Some((uid, gid)),
            _ => None,
        });
        let (uid, gid) = user.unwrap_or((0, 0));
        Self { setgroups: Setgroups::of(&stream.init), uid, gid }
    }
}

/// A new time namespace's clocks, to be set before the first process enters it.
pub struct TimeOffsets<'a> {
    file: OwnedFd,
    lines: &'a [u8],
}

impl<'a> TimeOffsets<'a> {
    /// Opens /proc/self/timens_offsets, if INIT asks for offsets: after a mount namespace is joined, and once this
    /// process is no longer dumpable, it could not be opened any more.
    pub fn open(init: &Init<'a>) -> Result<Option<Self>> {
        match init.time_offsets.map(|text| text.to_bytes()) {
            Some(lines) if init.clone_flags & NEWTIME != 0 && !lines.is_empty() => {
                let file = file::openat(sys::CWD, c"/proc/self/timens_offsets", Open::WRONLY, 0);
                Ok(Some(Self { file: file.during(Op::Open)?, lines }))
            }
            _ => Ok(None),
        }
    }

    /// Makes the time namespace, which this process's children will be in, and sets its clocks.
    pub fn create(self) -> Result<()> {
        sys::process::unshare(NEWTIME).map_err(|errno| Fault::new(Op::Unshare, errno).with(NEWTIME))?;
        write_all_at_once(&self.file, self.lines)
    }
}

/// A file of procfs takes what it is given in one write(2).
fn write_all_at_once(file: &OwnedFd, bytes: &[u8]) -> Result<()> {
    match file::write(file, bytes).during(Op::Write)? {
        count if count == bytes.len() => Ok(()),
        _ => Err(Fault::new(Op::Write, Errno::IO)),
    }
}

/// Makes the user namespace in this process: only where a time namespace has to be set up inside it before the clone.
pub fn create_user() -> Result<()> {
    sys::process::unshare(NEWUSER).map_err(|errno| Fault::new(Op::Unshare, errno).with(NEWUSER))
}

/// The one clone3(2): comes back in the new process, with its pid in the PID namespace of the old one, which ends.
/// `all`: every new namespace, also those that have been made before.
pub fn clone(namespaces: u32, cgroup: Option<BorrowedFd<'_>>, all: u32) -> Result<u32> {
    // A process that shares memory with its parent stays in its parent's time namespace (time_namespaces(7)).
    let memory = if all & NEWTIME == 0 { Memory::Inherited } else { Memory::Copied };
    sys::process::replace_by_sibling(namespaces & (NEWUSER | NEWPID | NEWTIME), cgroup, memory)
        .during(Op::Clone)
}

/// Has the runtime write the mappings of the new user namespace that this process is in, and becomes root in it.
/// `hidden`: others in namespaces that the process has joined must not reach it afterwards (CVE-2016-9962).
pub fn map_users(sync: &Sync, stream: &Stream<'_>, hidden: bool) -> Result<()> {
    let unprivileged = stream.init.rootless_euid;
    // /proc/PID/uid_map of a process that is not dumpable belongs to root: only an unprivileged runtime could not write
    // it. For root the process is never shown.
    if unprivileged {
        sys::process::set_dumpable(true).during(Op::Prctl)?;
    }
    sync.send(&ToRuntime::MapWanted)?;
    sync.expect(ToNsexec::MapWritten)?;
    if unprivileged && hidden {
        sys::process::set_dumpable(false).during(Op::Prctl)?;
    }
    become_root(Entrant::of(stream))
}

/// Becomes root in the user namespace that this process has just entered. Where that maps no id 0, the container's user:
/// whose id is not mapped can make no file. Its capabilities are those of the namespace anyway, and stay, as there is no
/// root to change from.
pub fn become_root(Entrant { setgroups, uid, gid }: Entrant) -> Result<()> {
    if setgroups != Setgroups::Denied {
        match sys::cred::setgroups(&[]) {
            Err(Errno::PERM) if setgroups == Setgroups::May => {}
            done => done.during(Op::Setgroups)?,
        }
    }
    first_mapped([0, gid], sys::cred::setgid).during(Op::Setgid)?;
    first_mapped([0, uid], sys::cred::setuid).during(Op::Setuid)
}

/// Where none of them is mapped, the id stays what it is: Credentials will say so.
fn first_mapped(ids: [u32; 2], set: impl Fn(u32) -> sys::Result<()>) -> sys::Result<()> {
    for id in ids {
        match set(id) {
            Err(Errno::INVAL) => {}
            done => return done,
        }
    }
    Ok(())
}

/// Makes the other namespaces, after the mapping: what they create (mqueue, sysfs, proc) shall belong to a mapped user.
/// The cgroup namespace last, from inside the cgroup, which becomes its root.
pub fn unshare_rest(namespaces: u32) -> Result<()> {
    for group in [namespaces & (NEWNS | NEWIPC | NEWUTS | NEWNET), namespaces & NEWCGROUP] {
        if group != 0 {
            sys::process::unshare(group).map_err(|errno| Fault::new(Op::Unshare, errno).with(group))?;
        }
    }
    Ok(())
}

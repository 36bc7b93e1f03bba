//! Makes the mounts that nsexec only attaches.

use crate::errno::words;
use crate::plan::{IdMapNamespace, Tree};
use crate::sys::{self, MountChange};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Why a mount could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: {what}: {}", words(*errno))]
pub struct Error {
    origin: String,
    what: String,
    errno: Errno,
}

/// User namespaces with the mappings of mounts: most mounts of a container have the same.
#[derive(Debug, Default)]
pub struct Mappings(Vec<(IdMapNamespace, OwnedFd)>);

/// Makes the mount, detached.
pub fn make(tree: &Tree, mappings: &mut Mappings) -> Result<OwnedFd, Error> {
    let source = tree.source.display();
    let error = |what: String| move |errno| Error { origin: tree.origin.clone(), what, errno };
    let path = CString::new(tree.source.as_os_str().as_bytes()).unwrap_or_default();
    let mount = sys::clone_tree(&path, tree.recursive, tree.nofollow)
        .map_err(error(format!("open source {source}")))?;
    let attributes = || error("set mount attributes".to_owned());
    let propagation = u64::from(tree.propagation) & !nix::libc::MS_REC;
    // Before anything else: it must not be a peer of the host's mounts for a moment longer than it has to be.
    sys::change_mount(mount.as_fd(), true, MountChange { propagation, ..MountChange::default() })
        .map_err(attributes())?;
    change_top(mount.as_fd(), tree.top).map_err(attributes())?;
    // After the mount itself: it is one of them.
    change(mount.as_fd(), true, tree.all).map_err(attributes())?;
    if let Some(map) = &tree.id_map {
        let namespace = mappings.of(&map.namespace).map_err(error("map ids".to_owned()))?;
        let change = MountChange { id_map: Some(namespace), ..MountChange::default() };
        sys::change_mount(mount.as_fd(), map.recursive, change).map_err(|errno| {
            let fs = file_system(&tree.source).unwrap_or_else(|| "its file system".to_owned());
            error(format!("map ids of {source}, which is on {fs}"))(errno)
        })?;
    }
    Ok(mount)
}

/// In a user namespace the kernel locks what the host has set: as nsexec's `change_top`.
fn change_top(mount: BorrowedFd<'_>, (set, clear): (u64, u64)) -> Result<(), Errno> {
    let times = clear & nix::libc::MOUNT_ATTR__ATIME;
    match change(mount, false, (set, clear)) {
        Err(Errno::EPERM) if clear != times => change(mount, false, (set, times)),
        done => done,
    }
}

fn change(mount: BorrowedFd<'_>, recursive: bool, (set, clear): (u64, u64)) -> Result<(), Errno> {
    if set | clear == 0 {
        return Ok(());
    }
    sys::change_mount(mount, recursive, MountChange { set, clear, ..MountChange::default() })
}

impl Mappings {
    fn of(&mut self, wanted: &IdMapNamespace) -> Result<BorrowedFd<'_>, Errno> {
        let position = match self.0.iter().position(|(known, _)| known == wanted) {
            Some(position) => position,
            None => {
                self.0.push((wanted.clone(), user_namespace(wanted)?));
                self.0.len() - 1
            }
        };
        self.0.get(position).map(|(_, namespace)| namespace.as_fd()).ok_or(Errno::EBADF)
    }
}

/// The one that is there, or one that nobody is in: only its mappings are of use.
fn user_namespace(wanted: &IdMapNamespace) -> Result<OwnedFd, Errno> {
    let (uids, gids) = match wanted {
        IdMapNamespace::At(path) => return open(path),
        IdMapNamespace::New(uids, gids) => (uids, gids),
    };
    let holder = sys::waiting_in_new_user_namespace()?;
    let namespace = map_and_open(holder, uids, gids);
    // It is our child and not yet reaped: nobody else has this pid.
    let _ = kill(holder, Signal::SIGKILL);
    let _ = waitpid(holder, None);
    namespace
}

fn map_and_open(holder: Pid, uids: &str, gids: &str) -> Result<OwnedFd, Errno> {
    fs::write(format!("/proc/{holder}/uid_map"), uids).map_err(|error| crate::errno::of(&error))?;
    fs::write(format!("/proc/{holder}/gid_map"), gids).map_err(|error| crate::errno::of(&error))?;
    open(format!("/proc/{holder}/ns/user").as_ref())
}

fn open(namespace: &Path) -> Result<OwnedFd, Errno> {
    fs::File::open(namespace).map(OwnedFd::from).map_err(|error| crate::errno::of(&error))
}

/// The type of the file system that a path is on, for a message: the one time that the mount table is read.
fn file_system(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let device = fs::metadata(path).ok()?.dev();
    let number = format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = table.lines().find(|line| line.split(' ').nth(2) == Some(&number))?;
    line.split_once(" - ")?.1.split(' ').next().map(str::to_owned)
}

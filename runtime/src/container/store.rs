//! The state directories below `--root`: one for each container, made at create and removed at delete.
//!
//! Beside them are compiled seccomp filters, under names that no container can have: see `lifecycle::filter`.
//!
//! Making the directory is what claims a name. Files in it are reached through its descriptor, never by a path that
//! another user of a shared root may have bent in the meantime.

use super::{Id, Lock, State, Status, process};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The state itself.
const STATE: &str = "state.json";
/// The compiled seccomp filter beside it.
pub const FILTER: &str = "seccomp.bpf";
/// The state while it is being written. Always the same name, so that a killed writer leaves at most one.
const NEW_STATE: &str = ".state.json.new";
/// The state of a container that is not ready yet, beside a state.json that knows of no process.
const CREATING: &str = "creating.json";
/// What init waits on until `start`; its presence means `created`.
pub const EXEC_FIFO: &str = "exec.fifo";
/// No state file is longer: argv and env, the bulk of it, are bounded by execve(2) to 6 MiB.
const MAX_STATE: u64 = 64 << 20;
/// How long a command waits for another one that changes the same container.
const PATIENCE: Duration = Duration::from_secs(10);

/// What can go wrong with the state on disk.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is taken.
    #[error("container with given ID already exists")]
    Exists,
    /// No such container, or one that is still being made.
    #[error("container does not exist")]
    DoesNotExist,
    /// Another process has been changing the container for too long.
    #[error("container {0} is locked by another process")]
    Locked(Id),
    /// A system call failed.
    #[error("{call} {}: {}", .path.display(), crate::errno::words(*errno))]
    Syscall {
        /// Its name.
        call: &'static str,
        /// What it was called on.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// state.json is not what `save` wrote.
    #[error("{}: not a state of this runtime: {reason}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The state can't be written as JSON: a path that is no UTF-8.
    #[error("write {}: {cause}", .path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: serde_json::Error,
    },
    /// The container's process can't be looked at.
    #[error(transparent)]
    Process(#[from] process::Error),
}

/// The directory of all state directories.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    is_sticky: bool,
}

/// One container's state directory, open.
#[derive(Debug)]
pub struct Directory {
    id: Id,
    path: PathBuf,
    fd: OwnedFd,
}

impl Store {
    /// The store below `root`, an absolute path. Touches nothing yet. `is_sticky`: give the root the sticky bit when
    /// it is made, which keeps the XDG base directory clean-up away from it.
    pub fn new(root: PathBuf, is_sticky: bool) -> Self {
        Self { root, is_sticky }
    }

    /// The directory of all state directories.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Claims a name: makes its state directory, and locks it. [`Error::Exists`] if the name is taken.
    pub fn create(&self, id: &Id) -> Result<(Directory, Lock), Error> {
        loop {
            self.make(id)?;
            match self.lock_new(id) {
                // A `delete --force` came in between. It was there before us.
                Err(Error::DoesNotExist) => {}
                outcome => return outcome,
            }
        }
    }

    fn make(&self, id: &Id) -> Result<(), Error> {
        let path = self.root.join(id.as_str());
        // 0711: root of a user namespace must get through to the exec fifo.
        let mode = Mode::from_bits_truncate(0o711);
        let make = || nix::unistd::mkdir(&path, mode);
        let made = match make() {
            Err(Errno::ENOENT) => {
                self.make_root()?;
                make()
            }
            other => other,
        };
        match made {
            Ok(()) => Ok(()),
            Err(Errno::EEXIST) => Err(Error::Exists),
            Err(errno) => Err(Error::Syscall { call: "mkdir", path, errno }),
        }
    }

    /// Locks a directory that was just made, which is ours if nobody was faster: it may be another one, if ours was deleted
    /// and the name claimed again.
    fn lock_new(&self, id: &Id) -> Result<(Directory, Lock), Error> {
        let directory = self.open(id)?;
        let lock = directory.lock()?;
        if directory.has_state() {
            return Err(Error::Exists);
        }
        Ok((directory, lock))
    }

    /// Opens a container's state directory. [`Error::DoesNotExist`] if there is none.
    pub fn open(&self, id: &Id) -> Result<Directory, Error> {
        let path = self.root.join(id.as_str());
        match open(&path, OPEN_DIRECTORY, Mode::empty()) {
            Ok(fd) => Ok(Directory { id: id.clone(), path, fd }),
            Err(Errno::ENOENT) => Err(Error::DoesNotExist),
            Err(errno) => Err(Error::Syscall { call: "open", path, errno }),
        }
    }

    /// The names of all containers, sorted; also of those that are just being made. What isn't a directory with a
    /// container's name is left out.
    pub fn list(&self) -> Result<Vec<Id>, Error> {
        let error = |call| move |errno| Error::Syscall { call, path: self.root.clone(), errno };
        let mut directory = match Dir::open(&self.root, OPEN_ROOT, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::ENOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(error("open")(errno)),
        };
        let mut ids = Vec::new();
        for entry in directory.iter() {
            let entry = entry.map_err(error("read"))?;
            let is_directory = matches!(entry.file_type(), Some(nix::dir::Type::Directory) | None);
            if let (true, Ok(name)) = (is_directory, entry.file_name().to_str()) {
                ids.extend(name.parse::<Id>().ok());
            }
        }
        ids.sort();
        Ok(ids)
    }

    fn make_root(&self) -> Result<(), Error> {
        let error = |call| move |error: io::Error| syscall(call, &self.root, &error);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.root).map_err(error("mkdir"))?;
        if self.is_sticky {
            fs::set_permissions(&self.root, Permissions::from_mode(0o1700)).map_err(error("chmod"))?;
        }
        Ok(())
    }
}

/// A link in place of a state directory is somebody else's doing: never followed.
const OPEN_DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
const OPEN_ROOT: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

impl Directory {
    /// The container's name.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Where it is, for messages and for what must be told a path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for other commands that change this container, up to ten seconds, and locks them out.
    /// [`Error::DoesNotExist`] if the one waited for deleted it.
    pub fn lock(&self) -> Result<Lock, Error> {
        self.lock_within(PATIENCE)?.ok_or_else(|| Error::Locked(self.id.clone()))
    }

    /// Whether another command is changing this container now.
    pub fn is_locked(&self) -> Result<bool, Error> {
        Ok(self.lock_within(Duration::ZERO)?.is_none())
    }

    fn lock_within(&self, patience: Duration) -> Result<Option<Lock>, Error> {
        // A lock belongs to the open file description: a second one, so that it ends with the lock, not with `self`.
        let own = openat(&self.fd, ".", OPEN_DIRECTORY, Mode::empty()).map_err(|errno| match errno {
            Errno::ENOENT => Error::DoesNotExist,
            errno => self.syscall("open", errno),
        })?;
        let Some(lock) = Lock::take(own, patience).map_err(|errno| self.syscall("flock", errno))? else {
            return Ok(None);
        };
        self.is_current()?.then_some(Some(lock)).ok_or(Error::DoesNotExist)
    }

    /// Whether this directory is still the one of that name, and not removed, or even made anew.
    fn is_current(&self) -> Result<bool, Error> {
        let ours = fstat(&self.fd).map_err(|errno| self.syscall("fstat", errno))?;
        match nix::sys::stat::lstat(&self.path) {
            Ok(there) => Ok((there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(self.syscall("stat", errno)),
        }
    }

    /// Reads state.json. [`Error::DoesNotExist`] if there is none: the container is being made, or its maker was
    /// killed.
    pub fn load(&self) -> Result<State, Error> {
        self.load_from(STATE)?.ok_or(Error::DoesNotExist)
    }

    /// Reads what [`Self::prepare`] has written. None where nothing is prepared: there is no process yet, or the
    /// container is ready.
    pub fn load_unfinished(&self) -> Result<Option<State>, Error> {
        self.load_from(CREATING)
    }

    fn load_from(&self, name: &'static str) -> Result<Option<State>, Error> {
        // O_NONBLOCK: a FIFO of that name must not make us wait.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(self.file_syscall("open", name, errno)),
        };
        let path = self.path.join(name);
        let format = |reason: &str| Error::Format { path: path.clone(), reason: reason.to_owned() };
        let metadata = file.metadata().map_err(|error| syscall("fstat", &path, &error))?;
        if !metadata.is_file() || metadata.len() > MAX_STATE {
            return Err(format("not a regular file of at most 64 MiB"));
        }
        let mut text = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
        file.take(MAX_STATE).read_to_end(&mut text).map_err(|error| syscall("read", &path, &error))?;
        let text = str::from_utf8(&text).map_err(|cause| format(&cause.to_string()))?;
        let state: State = serde_json::from_str(text).map_err(|cause| format(&cause.to_string()))?;
        if state.id != self.id.as_str() {
            return Err(format(&format!("it is of container {:?}", state.id)));
        }
        Ok(Some(state))
    }

    /// Writes state.json, in one step for every reader. Takes the lock as proof that nobody else is writing.
    pub fn save(&self, _held: &Lock, state: &State) -> Result<(), Error> {
        self.write(NEW_STATE, state).and_then(|()| self.rename_to_state(NEW_STATE)).inspect_err(|_| {
            // Best effort: the error to report is why the new state could not be written.
            let _ = unlinkat(&self.fd, NEW_STATE, UnlinkatFlags::NoRemoveDir);
        })
    }

    /// Writes the state of a container that has a process but is not ready: what [`Self::load`] returns stays.
    pub fn prepare(&self, _held: &Lock, state: &State) -> Result<(), Error> {
        self.write(CREATING, state)
    }

    /// The container is ready: what was prepared is its state.
    pub fn finish(&self, _held: &Lock) -> Result<(), Error> {
        self.rename_to_state(CREATING)
    }

    /// Errors name state.json, whichever file it is at first.
    fn write(&self, name: &str, state: &State) -> Result<(), Error> {
        let path = self.path.join(STATE);
        let unwritable = |cause| Error::Encode { path: path.clone(), cause };
        let text = serde_json::to_vec(state).map_err(unwritable)?;
        // A container whose state could not be read again would be out of everybody's reach.
        if text.len() as u64 > MAX_STATE {
            return Err(unwritable(serde::ser::Error::custom("the state is larger than 64 MiB")));
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(&self.fd, name, flags, Mode::from_bits_truncate(0o600))
            .map_err(|errno| self.file_syscall("create", STATE, errno))?;
        File::from(fd).write_all(&text).map_err(|error| syscall("write", &path, &error))
    }

    fn rename_to_state(&self, name: &str) -> Result<(), Error> {
        renameat(&self.fd, name, &self.fd, STATE).map_err(|errno| self.file_syscall("rename", STATE, errno))
    }

    /// The container's status. `is_frozen` tells whether its cgroup is frozen; asked only while init is alive.
    pub fn status(&self, state: &State, is_frozen: impl FnOnce() -> bool) -> Result<Status, Error> {
        Ok(Status::find(state.init(), || self.has_exec_fifo(), is_frozen)?)
    }

    /// Makes the FIFO that init waits on, which belongs to `owner`: the container's root on the host.
    pub fn make_exec_fifo(&self, owner: (nix::unistd::Uid, nix::unistd::Gid)) -> Result<(), Error> {
        let error = |call| move |errno| self.file_syscall(call, EXEC_FIFO, errno);
        // Whoever may write to it may start the container. init needs no right to it: it is handed over open.
        nix::unistd::mkfifoat(&self.fd, EXEC_FIFO, Mode::from_bits_truncate(0o600))
            .map_err(error("mkfifo"))?;
        let (uid, gid) = (Some(owner.0), Some(owner.1));
        nix::unistd::fchownat(&self.fd, EXEC_FIFO, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)
            .map_err(error("chown"))
    }

    /// Opens the exec fifo with the given flags; it is never followed if a link, and closed on exec.
    pub fn open_exec_fifo(&self, flags: OFlag) -> Result<OwnedFd, Error> {
        openat(&self.fd, EXEC_FIFO, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|errno| self.file_syscall("open", EXEC_FIFO, errno))
    }

    /// Removes the exec fifo: the container is no longer merely created.
    pub fn remove_exec_fifo(&self) -> Result<(), Error> {
        match unlinkat(&self.fd, EXEC_FIFO, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(self.file_syscall("unlink", EXEC_FIFO, errno)),
        }
    }

    fn has_state(&self) -> bool {
        fstatat(&self.fd, STATE, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
    }

    fn has_exec_fifo(&self) -> bool {
        let is_fifo = |stat: FileStat| SFlag::from_bits_truncate(stat.st_mode).contains(SFlag::S_IFIFO);
        fstatat(&self.fd, EXEC_FIFO, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok_and(is_fifo)
    }

    /// The user ID of who made the container.
    pub fn owner(&self) -> Result<u32, Error> {
        Ok(fstat(&self.fd).map_err(|errno| self.syscall("fstat", errno))?.st_uid)
    }

    /// Removes the directory and all in it; the name is free again. Takes the lock as proof that nobody else is at
    /// work here. One that is gone already is fine.
    pub fn remove(&self, _held: &Lock) -> Result<(), Error> {
        // Most directories hold nothing else, and need not be read.
        let unlinked = [STATE, FILTER].map(|file| unlinkat(&self.fd, file, UnlinkatFlags::NoRemoveDir));
        if unlinked.iter().any(Result::is_ok) && fs::remove_dir(&self.path).is_ok() {
            return Ok(());
        }
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(syscall("remove", &self.path, &error))
            }
            _ => Ok(()),
        }
    }

    fn syscall(&self, call: &'static str, errno: Errno) -> Error {
        Error::Syscall { call, path: self.path.clone(), errno }
    }

    fn file_syscall(&self, call: &'static str, name: &str, errno: Errno) -> Error {
        Error::Syscall { call, path: self.path.join(name), errno }
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn syscall(call: &'static str, path: &Path, error: &io::Error) -> Error {
    Error::Syscall { call, path: path.to_owned(), errno: Errno::from_raw(error.raw_os_error().unwrap_or(0)) }
}

#[cfg(test)]
mod tests;

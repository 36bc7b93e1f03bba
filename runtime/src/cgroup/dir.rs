//! One cgroup directory, held open: every file is opened below its descriptor, and nothing outside can be reached.

use super::error::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::cell::OnceCell;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A cgroup directory. It is opened when it is first used.
#[derive(Debug)]
pub(super) struct Dir {
    path: PathBuf,
    fd: OnceCell<OwnedFd>,
}

impl Dir {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), fd: OnceCell::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The O_PATH descriptor of the directory.
    pub(super) fn fd(&self) -> Result<BorrowedFd<'_>, Errno> {
        if let Some(fd) = self.fd.get() {
            return Ok(fd.as_fd());
        }
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
        let fd = openat2(AT_FDCWD, &self.path, how)?;
        Ok(self.fd.get_or_init(|| fd).as_fd())
    }

    fn open(&self, file: &str, flags: OFlag) -> Result<OwnedFd, Errno> {
        let beneath = ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_XDEV
            | ResolveFlag::RESOLVE_NO_MAGICLINKS
            | ResolveFlag::RESOLVE_NO_SYMLINKS;
        openat2(self.fd()?, file, OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(beneath))
    }

    /// Opens a file for one or more writes; each write(2) is one command to the kernel.
    pub(super) fn open_for_writing(&self, file: &str) -> Result<OwnedFd, Errno> {
        self.open(file, OFlag::O_WRONLY)
    }

    /// Writes `value` in one write(2).
    pub(super) fn write(&self, file: &str, value: &str) -> Result<(), Errno> {
        write_command(&self.open_for_writing(file)?, value)
    }

    /// The whole of a file.
    pub(super) fn read(&self, file: &str) -> Result<String, Errno> {
        read_all(&self.open(file, OFlag::O_RDONLY)?)
    }

    /// As [`Self::read`], with an error that names the file.
    pub(super) fn read_named(&self, file: &str) -> Result<String> {
        self.read(file).map_err(|errno| Error::io("read", self.path.join(file), errno))
    }

    /// As [`Self::write`], with an error that names value and file.
    pub(super) fn write_named(&self, file: &str, value: &str) -> Result<()> {
        self.write(file, value)
            .map_err(|errno| Error::io(format!("write {value} to"), self.path.join(file), errno))
    }

    /// A number of a flat keyed file (`populated 1`), such as cgroup.events and memory.events.
    pub(super) fn keyed(&self, file: &str, key: &str) -> Result<Option<u64>, Errno> {
        Ok(keyed(&self.read(file)?, key))
    }

    /// Waits until `key` of cgroup.events is `value`: the kernel wakes whoever polls the file. False after `limit`.
    pub(super) fn wait_event(&self, key: &str, value: u64, limit: Duration) -> Result<bool, Errno> {
        let deadline = Instant::now() + limit;
        let file = self.open("cgroup.events", OFlag::O_RDONLY)?;
        loop {
            if keyed(&read_all(&file)?, key) == Some(value) {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let millis = u16::try_from(left.as_millis()).unwrap_or(u16::MAX).max(1);
            let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLPRI)];
            match poll(&mut fds, PollTimeout::from(millis)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Visits every directory below, parents first. Paths are not used: what a container has nested in its own cgroup
    /// may be deeper than a path can say, or than a stack or a table of descriptors can hold.
    pub(super) fn for_each_below(&self, visit: impl FnMut(&Dir) -> Result<()>) -> Result<()> {
        self.walk(visit, |_, _| {})
    }

    /// Removes every directory below that is empty, children first; what is in use stays.
    pub(super) fn remove_below(&self) -> Result<()> {
        let remove = |parent: &Dir, name: &CStr| {
            // EBUSY: it has processes, or what is below it has.
            let _ = parent.fd().and_then(|fd| unlinkat(fd, name, UnlinkatFlags::RemoveDir));
        };
        self.walk(|_| Ok(()), remove)
    }

    /// Enters every directory below, and leaves it when all below it has been left. What vanishes meanwhile is none.
    fn walk(
        &self,
        mut enter: impl FnMut(&Dir) -> Result<()>,
        mut leave: impl FnMut(&Dir, &CStr),
    ) -> Result<()> {
        let Some((mut here, mut names)) = self.names_below(c".")? else { return Ok(()) };
        // The way down: what is still to be visited at each level, and the name of the level below.
        let mut way = Vec::new();
        loop {
            if let Some(name) = names.pop() {
                if let Some((below, its_names)) = here.names_below(&name)? {
                    enter(&below)?;
                    way.push((std::mem::replace(&mut names, its_names), name));
                    here = below;
                }
            } else if let Some((above_names, name)) = way.pop() {
                let Ok(above) = here.open_below(c"..") else { return Ok(()) };
                leave(&above, &name);
                (here, names) = (above, above_names);
            } else {
                return Ok(());
            }
        }
    }

    /// Opens a directory, and has the names of those directly below it; none if it is gone.
    fn names_below(&self, name: &CStr) -> Result<Option<(Dir, Vec<CString>)>> {
        match self.try_names_below(name) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::ENOENT | Errno::ENODEV) => Ok(None),
            Err(errno) => Err(Error::io("read", &self.path, errno)),
        }
    }

    fn try_names_below(&self, name: &CStr) -> Result<(Dir, Vec<CString>), Errno> {
        let below = self.open_below(name)?;
        let mut names = Vec::new();
        for entry in nix::dir::Dir::openat(below.fd()?, c".", READ_DIRECTORY, Mode::empty())?.iter().flatten()
        {
            let is_directory = entry.file_type() == Some(nix::dir::Type::Directory);
            if is_directory && entry.file_name() != c"." && entry.file_name() != c".." {
                names.push(entry.file_name().to_owned());
            }
        }
        Ok((below, names))
    }

    fn open_below(&self, name: &CStr) -> Result<Dir, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(self.fd()?, name, flags, Mode::empty())?;
        // In messages it goes by the name of the container's.
        Ok(Dir { path: self.path.clone(), fd: OnceCell::from(fd) })
    }
}

const READ_DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// One write(2): a cgroup file takes a command whole or not at all.
pub(super) fn write_command(file: &OwnedFd, value: &str) -> Result<(), Errno> {
    loop {
        match nix::unistd::write(file, value.as_bytes()) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn read_all(file: &OwnedFd) -> Result<String, Errno> {
    let mut bytes = vec![0_u8; 4096];
    let mut len = 0;
    loop {
        let Some(free) = bytes.get_mut(len..).filter(|free| !free.is_empty()) else {
            bytes.resize(bytes.len().saturating_mul(2), 0);
            continue;
        };
        match nix::sys::uio::pread(file, free, i64::try_from(len).unwrap_or(i64::MAX)) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    bytes.truncate(len);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn keyed(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    value.trim().parse().ok()
}

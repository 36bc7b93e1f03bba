//! What can go wrong with a cgroup, in sentences that carry the place in config.json, the file and the errno.

use crate::errno::words;
use nix::errno::Errno;
use std::path::PathBuf;

/// The result of everything in [`crate::cgroup`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of a cgroup operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call on a cgroup directory or file failed.
    #[error("{op} {}: {}", path.display(), words(*errno))]
    Io {
        /// What was tried, in the kernel's words (`mkdir`, `read`, `write 17 to`).
        op: String,
        /// The file or directory.
        path: PathBuf,
        /// Why the kernel refused.
        errno: Errno,
    },
    /// The kernel refused the value of a setting.
    #[error("{setting}: write {} to {}: {}", value.escape_debug(), path.display(), words(*errno))]
    Write {
        /// The JSON path of the property in config.json.
        setting: String,
        /// The cgroup file.
        path: PathBuf,
        /// What was written.
        value: String,
        /// Why the kernel refused.
        errno: Errno,
    },
    /// A setting that no kernel would take.
    #[error("{setting}: {reason}")]
    Setting {
        /// The JSON path of the property in config.json.
        setting: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A limit asks for a controller that this host doesn't offer here.
    #[error("{setting}: the {controller} cgroup controller is not available")]
    NoController {
        /// The JSON path of the property in config.json.
        setting: String,
        /// The controller's name, as in cgroup.controllers or /proc/self/cgroup.
        controller: String,
    },
    /// A limit asks for a controller whose cgroup an unprivileged caller could not make.
    #[error("{setting}: cannot set {controller} limit: container could not join or create cgroup")]
    NotJoined {
        /// The JSON path of the property in config.json.
        setting: String,
        /// The controller's name.
        controller: String,
    },
    /// An unprivileged caller may not make the cgroup that a limit or a cgroupsPath asks for.
    #[error("rootless needs no limits + no cgrouppath when no permission is granted for cgroups: {0}")]
    Rootless(Box<Error>),
    /// Another container, or anybody else, lives in the cgroup.
    #[error("container's cgroup is not empty: {0} process(es) found")]
    NotEmpty(usize),
    /// A process that entered the cgroup would never run.
    #[error("container's cgroup unexpectedly frozen")]
    Frozen,
    /// There is no cgroup that could be frozen.
    #[error("cannot toggle freezer: cgroups not configured for container")]
    NoFreezer,
    /// The processes did not stop in time.
    #[error("unable to freeze {}", .0.display())]
    FreezeTimeout(PathBuf),
    /// The processes did not leave in time.
    #[error("unable to remove {}: still busy", .0.display())]
    Busy(PathBuf),
    /// `exec --cgroup` names a place that isn't below the container's cgroup.
    #[error("bad sub cgroup path: {0}")]
    BadSub(String),
    /// `exec --cgroup` can't be read.
    #[error("invalid --cgroup argument: {0}")]
    SubArgument(String),
    /// A file of the kernel holds something unexpected.
    #[error("{}: unexpected content {content:?}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it holds, shortened.
        content: String,
    },
}

impl Error {
    /// The errno behind the error, where there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Io { errno, .. } | Self::Write { errno, .. } => Some(*errno),
            Self::Rootless(inner) => inner.errno(),
            _ => None,
        }
    }

    /// Whether the caller lacked the permission, in any of the kernel's ways to say so. A cgroup file system
    /// that is mounted read-only is one of them.
    pub fn is_permission(&self) -> bool {
        matches!(self.errno(), Some(Errno::EPERM | Errno::EACCES | Errno::EROFS))
    }

    pub(super) fn io(op: impl Into<String>, path: impl Into<PathBuf>, errno: Errno) -> Self {
        Self::Io { op: op.into(), path: path.into(), errno }
    }

    pub(super) fn setting(setting: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Setting { setting: setting.into(), reason: reason.into() }
    }
}

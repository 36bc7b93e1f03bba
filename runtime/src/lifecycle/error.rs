//! Why an operation on a container failed.

use crate::errno::{io_words, words};
use nix::errno::Errno;
use std::path::PathBuf;

/// Why an operation on a container failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// config.json can't be read or is not valid.
    #[error(transparent)]
    Config(#[from] crate::config::Error),
    /// The config has mistakes.
    #[error(transparent)]
    Check(#[from] crate::config::Errors),
    /// The config can't be compiled.
    #[error(transparent)]
    Plan(#[from] crate::plan::Error),
    /// The seccomp profile can't be compiled.
    #[error(transparent)]
    Seccomp(#[from] crate::seccomp::Error),
    /// The state on disk.
    #[error(transparent)]
    Store(#[from] crate::container::store::Error),
    /// The container's id.
    #[error(transparent)]
    Id(#[from] crate::container::id::IdError),
    /// The operation does not go with the container's status.
    #[error(transparent)]
    Status(#[from] crate::container::status::NotAllowed),
    /// The container's process can't be looked at.
    #[error(transparent)]
    Process(#[from] crate::container::process::Error),
    /// The cgroup.
    #[error(transparent)]
    Cgroup(#[from] crate::cgroup::Error),
    /// The resctrl file system.
    #[error(transparent)]
    Resctrl(#[from] crate::resctrl::Error),
    /// A network device could not be moved.
    #[error(transparent)]
    Network(#[from] crate::network::Error),
    /// The process could not be started.
    #[error("unable to start container process: {0}")]
    Launch(crate::launch::Error),
    /// A hook of the runtime's namespaces.
    #[error(transparent)]
    Hook(#[from] crate::hooks::Error),
    /// The terminal.
    #[error(transparent)]
    Console(#[from] crate::console::Error),
    /// The notify socket.
    #[error(transparent)]
    Notify(#[from] crate::notify::Error),
    /// A file of the caller's.
    #[error("{what} {}: {}", path.display(), io_words(reason))]
    File {
        /// What was attempted.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        reason: std::io::Error,
    },
    /// A syscall.
    #[error("{what}: {}", words(*errno))]
    Syscall {
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        errno: Errno,
    },
    /// Flags or a request that don't go together.
    #[error("{0}")]
    Usage(String),
    /// What was waited for did not come in time.
    #[error("{0}")]
    Timeout(String),
}

/// Not a `source`: its words are part of the sentence already.
impl From<crate::launch::Error> for Error {
    fn from(error: crate::launch::Error) -> Self {
        Self::Launch(error)
    }
}

pub(super) fn syscall(what: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::Syscall { what, errno }
}

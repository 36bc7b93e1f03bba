//! Namespaces of a container: which are new, which are joined, and their names in each of the four vocabularies
//! (kernel, /proc, OCI, state.json). Opens and enters nothing.

use nix::sched::CloneFlags;
use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why namespaces can't be used as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A type stands twice in the config.
    #[error("linux.namespaces[{index}]: a second namespace of type {kind}")]
    Duplicate {
        /// Position of the second one.
        index: usize,
        /// Its OCI name.
        kind: &'static str,
    },
    /// A path holds a character that the bootstrap message uses as a separator.
    #[error("{place}: {} contains {character}", path.to_string_lossy().escape_debug())]
    BadPath {
        /// Where it stands: the place in config.json, or the type of namespace.
        place: String,
        /// The path.
        path: PathBuf,
        /// What it must not contain, in words.
        character: &'static str,
    },
}

/// A type of namespace (namespaces(7)), in the order in which runc joins them.
///
/// The user namespace stands first because its owner may enter the others (user_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamespaceType {
    /// user_namespaces(7).
    User,
    /// ipc_namespaces(7).
    Ipc,
    /// uts_namespaces(7).
    Uts,
    /// network_namespaces(7).
    Net,
    /// pid_namespaces(7).
    Pid,
    /// mount_namespaces(7).
    Mount,
    /// cgroup_namespaces(7).
    Cgroup,
    /// time_namespaces(7).
    Time,
}

impl NamespaceType {
    /// All types, in join order.
    pub const ALL: [Self; 8] =
        [Self::User, Self::Ipc, Self::Uts, Self::Net, Self::Pid, Self::Mount, Self::Cgroup, Self::Time];

    /// The CLONE_NEW* flag of clone(2), unshare(2) and setns(2).
    pub fn clone_flag(self) -> CloneFlags {
        match self {
            Self::User => CloneFlags::CLONE_NEWUSER,
            Self::Ipc => CloneFlags::CLONE_NEWIPC,
            Self::Uts => CloneFlags::CLONE_NEWUTS,
            Self::Net => CloneFlags::CLONE_NEWNET,
            Self::Pid => CloneFlags::CLONE_NEWPID,
            Self::Mount => CloneFlags::CLONE_NEWNS,
            Self::Cgroup => CloneFlags::CLONE_NEWCGROUP,
            Self::Time => CloneFlags::from_bits_retain(nix::libc::CLONE_NEWTIME),
        }
    }

    /// The name of its file below /proc/PID/ns, and in the bootstrap message.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Net => "net",
            Self::Pid => "pid",
            Self::Mount => "mnt",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }

    /// The name in config.json (`linux.namespaces[].type`).
    pub fn oci_name(self) -> &'static str {
        match self {
            Self::Net => "network",
            Self::Mount => "mount",
            _ => self.file_name(),
        }
    }

    /// The key in state.json (`namespace_paths`).
    pub fn state_key(self) -> &'static str {
        match self {
            Self::User => "NEWUSER",
            Self::Ipc => "NEWIPC",
            Self::Uts => "NEWUTS",
            Self::Net => "NEWNET",
            Self::Pid => "NEWPID",
            Self::Mount => "NEWNS",
            Self::Cgroup => "NEWCGROUP",
            Self::Time => "NEWTIME",
        }
    }

    /// The type of a key in state.json.
    pub fn from_state_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.state_key() == key)
    }

    /// The file of a process's namespace: /proc/PID/ns/NAME (proc_pid_ns(5)).
    pub fn path_of_process(self, pid: i32) -> PathBuf {
        PathBuf::from(format!("/proc/{pid}/ns/{}", self.file_name()))
    }

    /// Whether the running kernel has this type: looks for its file in /proc/self/ns.
    pub fn is_supported(self) -> bool {
        // Not `exists`, which follows the link: what it points to is no path.
        Path::new("/proc/self/ns").join(self.file_name()).symlink_metadata().is_ok()
    }
}

impl std::fmt::Display for NamespaceType {
    /// The OCI name.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.oci_name())
    }
}

impl From<LinuxNamespaceType> for NamespaceType {
    fn from(kind: LinuxNamespaceType) -> Self {
        match kind {
            LinuxNamespaceType::User => Self::User,
            LinuxNamespaceType::Ipc => Self::Ipc,
            LinuxNamespaceType::Uts => Self::Uts,
            LinuxNamespaceType::Network => Self::Net,
            LinuxNamespaceType::Pid => Self::Pid,
            LinuxNamespaceType::Mount => Self::Mount,
            LinuxNamespaceType::Cgroup => Self::Cgroup,
            LinuxNamespaceType::Time => Self::Time,
        }
    }
}

impl From<NamespaceType> for LinuxNamespaceType {
    fn from(kind: NamespaceType) -> Self {
        match kind {
            NamespaceType::User => Self::User,
            NamespaceType::Ipc => Self::Ipc,
            NamespaceType::Uts => Self::Uts,
            NamespaceType::Net => Self::Network,
            NamespaceType::Pid => Self::Pid,
            NamespaceType::Mount => Self::Mount,
            NamespaceType::Cgroup => Self::Cgroup,
            NamespaceType::Time => Self::Time,
        }
    }
}

/// A container's namespaces: each type at most once, new or joined by path. Kept in join order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    list: std::collections::BTreeMap<NamespaceType, Option<PathBuf>>,
}

impl Namespaces {
    /// No namespaces: everything is shared with the caller.
    pub fn new() -> Self {
        Self::default()
    }

    /// The namespaces of config.json's `linux.namespaces`. An empty path means a new one, as it does to runc.
    ///
    /// # Errors
    /// `Duplicate`, which the runtime-spec requires (config-linux.md, Namespaces); `BadPath`.
    pub fn from_config(config: &[LinuxNamespace]) -> Result<Self, Error> {
        let mut namespaces = Self::new();
        for (index, entry) in config.iter().enumerate() {
            let kind = NamespaceType::from(entry.typ());
            if namespaces.contains(kind) {
                return Err(Error::Duplicate { index, kind: kind.oci_name() });
            }
            let path = entry.path().clone().filter(|path| !path.as_os_str().is_empty());
            if let Some(path) = &path {
                check_path(path, || format!("linux.namespaces[{index}].path"))?;
            }
            namespaces.add(kind, path);
        }
        Ok(namespaces)
    }

    /// Adds a namespace, or replaces the one of this type. Without a path it is a new one.
    pub fn add(&mut self, kind: NamespaceType, path: Option<PathBuf>) {
        self.list.insert(kind, path);
    }

    /// Removes the namespace of this type; returns whether there was one.
    pub fn remove(&mut self, kind: NamespaceType) -> bool {
        self.list.remove(&kind).is_some()
    }

    /// Whether there is a namespace of this type, new or joined.
    pub fn contains(&self, kind: NamespaceType) -> bool {
        self.list.contains_key(&kind)
    }

    /// Whether a namespace of this type is to be created.
    pub fn is_new(&self, kind: NamespaceType) -> bool {
        matches!(self.list.get(&kind), Some(None))
    }

    /// The path of the namespace to join; None where it is new or where there is none.
    pub fn path_of(&self, kind: NamespaceType) -> Option<&Path> {
        self.list.get(&kind)?.as_deref()
    }

    /// The namespaces in join order.
    pub fn iter(&self) -> impl Iterator<Item = (NamespaceType, Option<&Path>)> {
        self.list.iter().map(|(kind, path)| (*kind, path.as_deref()))
    }

    /// The CLONE_NEW* flags of the new ones. Those with a path are joined, not created.
    pub fn clone_flags(&self) -> CloneFlags {
        self.iter()
            .filter(|(_, path)| path.is_none())
            .fold(CloneFlags::empty(), |flags, (kind, _)| flags | kind.clone_flag())
    }

    /// The namespaces that the running kernel does not have, in join order.
    pub fn unsupported(&self) -> impl Iterator<Item = NamespaceType> {
        self.iter().map(|(kind, _)| kind).filter(|kind| !kind.is_supported())
    }

    /// NS_PATHS of the bootstrap message: `type:path,type:path` in join order; None where nothing is joined.
    ///
    /// # Errors
    /// `BadPath`: a comma in a path would read as two namespaces, a NUL would end the string.
    pub fn ns_paths(&self) -> Result<Option<CString>, Error> {
        let mut text = Vec::new();
        for (kind, path) in self.iter() {
            let Some(path) = path else { continue };
            check_path(path, || format!("{kind} namespace path"))?;
            if !text.is_empty() {
                text.push(b',');
            }
            text.extend_from_slice(kind.file_name().as_bytes());
            text.push(b':');
            text.extend_from_slice(path.as_os_str().as_bytes());
        }
        // No path holds a NUL, so this is None only when there is nothing to join.
        Ok(CString::new(text).ok().filter(|text| !text.is_empty()))
    }
}

/// Refuses a path that the bootstrap message can't carry; `place` is said in the error.
fn check_path(path: &Path, place: impl Fn() -> String) -> Result<(), Error> {
    let character = match path.as_os_str().as_bytes().iter().find(|byte| matches!(byte, b',' | 0)) {
        None => return Ok(()),
        Some(b',') => "a comma",
        Some(_) => "a NUL",
    };
    Err(Error::BadPath { place: place(), path: path.into(), character })
}

/// Whether this process is in a user namespace that is not the host's. The initial one has the one inode number that the
/// kernel never gives to another (PROC_USER_INIT_INO).
pub fn is_in_user_namespace() -> bool {
    const INITIAL: u64 = 0xefff_fffd;
    nix::sys::stat::stat("/proc/self/ns/user").is_ok_and(|namespace| namespace.st_ino != INITIAL)
}

#[cfg(test)]
mod tests;

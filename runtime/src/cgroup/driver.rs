//! What a cgroup driver is: who makes the cgroup, puts processes into it and tells it its limits.

use super::error::Result;
use super::paths::Paths;
use super::tree::Tree;
use nix::unistd::Pid;
use oci_spec::runtime::LinuxResources;

/// The part of a cgroup's life that differs between cgroupfs and a service manager that owns the hierarchy. A
/// manager makes a cgroup out of a process, not out of nothing: it may leave `create` empty and act in `join`.
pub(super) trait Driver {
    /// Makes the cgroup. On failure the caller removes what `tree` says was made.
    fn create(&self, tree: &mut Tree, paths: &Paths, needed: &LinuxResources) -> Result<()>;

    /// Moves a process into the cgroup.
    fn join(&self, tree: &Tree, pid: Pid) -> Result<()>;

    /// Sets limits, all but the device rules.
    fn apply(&self, tree: &Tree, resources: &LinuxResources) -> Result<()>;

    /// Waits for the last process and removes the cgroup.
    fn remove(&self, tree: &Tree, paths: &Paths) -> Result<()>;
}

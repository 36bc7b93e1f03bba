//! Undoing a create that failed: nothing of it stays.

use crate::cgroup::{self, Cgroup, Paths};
use crate::container::{Directory, Lock, State, store};
use crate::hooks;
use crate::resctrl::Group;
use oci_spec::runtime::{Hook, LinuxResources};

/// What a create has made so far. Dropped before `keep`, it removes all of it, last made first. Its processes have ended
/// by then: a cgroup goes only when it is empty.
pub(super) struct Rollback {
    directory: Directory,
    lock: Option<Lock>,
    cgroup: Cgroup,
    resctrl: Option<Group>,
    poststop: Option<(Vec<Hook>, String)>,
}

impl Rollback {
    /// Takes the cgroup as it is to be made.
    pub fn new(directory: Directory, lock: Lock, cgroup: Cgroup) -> Self {
        Self { directory, lock: Some(lock), cgroup, resctrl: None, poststop: None }
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Writes the state down.
    pub fn save(&self, state: &State) -> Result<(), store::Error> {
        self.lock.as_ref().map_or(Ok(()), |lock| self.directory.save(lock, state))
    }

    /// Writes down what the state will be, with the container's process.
    pub fn prepare(&self, state: &State) -> Result<(), store::Error> {
        self.lock.as_ref().map_or(Ok(()), |lock| self.directory.prepare(lock, state))
    }

    /// The container is ready, for others too.
    pub fn finish(&self) -> Result<(), store::Error> {
        self.lock.as_ref().map_or(Ok(()), |lock| self.directory.finish(lock))
    }

    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Makes the cgroup.
    pub fn create_cgroup(&mut self, needed: &LinuxResources) -> Result<&Paths, cgroup::Error> {
        self.cgroup.create(needed)?;
        Ok(self.cgroup.paths())
    }

    pub fn resctrl(&mut self, group: Group) -> &Group {
        self.resctrl.insert(group)
    }

    /// From here on a failure also runs the poststop hooks (runtime.md, "Lifecycle", 12 and 13).
    pub fn poststop(&mut self, hooks: Vec<Hook>, state: String) {
        self.poststop = Some((hooks, state));
    }

    /// It has worked: nothing is removed, and others may change the container.
    pub fn keep(&mut self) {
        self.lock = None;
    }
}

impl Drop for Rollback {
    fn drop(&mut self) {
        let Some(lock) = self.lock.take() else { return };
        if let Some(Err(error)) = self.resctrl.take().map(|group| group.remove()) {
            log::warn!("{error}");
        }
        self.cgroup.undo_create();
        if let Err(error) = self.directory.remove(&lock) {
            log::warn!("{error}");
        }
        if let Some((list, state)) = self.poststop.take() {
            hooks::run_all(&list, "poststop", &state);
        }
    }
}

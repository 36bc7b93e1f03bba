//! Undoing a create that failed: nothing of it stays.

use crate::cgroup::Cgroup;
use crate::container::{Directory, Lock, State, store};
use crate::hooks;
use crate::resctrl::Group;
use oci_spec::runtime::Hook;

/// What a create has made so far. Dropped before `keep`, it removes all of it, last made first. Its processes have ended
/// by then: a cgroup goes only when it is empty.
pub(super) struct Rollback {
    directory: Directory,
    lock: Option<Lock>,
    cgroup: Option<Cgroup>,
    resctrl: Option<Group>,
    poststop: Option<(Vec<Hook>, String)>,
}

impl Rollback {
    pub fn new(directory: Directory, lock: Lock) -> Self {
        Self { directory, lock: Some(lock), cgroup: None, resctrl: None, poststop: None }
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Writes the state down.
    pub fn save(&self, state: &State) -> Result<(), store::Error> {
        self.lock.as_ref().map_or(Ok(()), |lock| self.directory.save(lock, state))
    }

    pub fn cgroup(&mut self, cgroup: Cgroup) -> &mut Cgroup {
        self.cgroup.insert(cgroup)
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
        if let Some(mut cgroup) = self.cgroup.take() {
            cgroup.undo_create();
        }
        if let Err(error) = self.directory.remove(&lock) {
            log::warn!("{error}");
        }
        if let Some((list, state)) = self.poststop.take() {
            hooks::run_all(&list, "poststop", &state);
        }
    }
}

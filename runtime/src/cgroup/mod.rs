//! The container's cgroup: made, entered, limited, frozen, emptied and removed, on cgroup v2, v1 and hybrid hosts.
//!
//! ```text
//! create:  locate_here -> Paths -> Cgroup -> create -> dir_fd | join -> apply
//! later:   state.json  -> Paths -> Cgroup -> freeze, pids, kill_all, update, remove
//! ```
//!
//! [`Paths`] is all that state.json keeps. A [`Cgroup`] made of it does no I/O until it is asked for something, and
//! then opens each directory once and everything else below that descriptor. What depends on who makes the cgroup is
//! behind [`Driver`]; freezing, killing and listing are the same for all drivers.

mod create;
mod devices;
mod dir;
mod driver;
mod error;
mod freeze;
mod fs;
mod kill;
mod layout;
pub mod offer;
mod paths;
mod remove;
mod settings;
mod sys;
mod tree;
mod update;

#[cfg(test)]
mod tests;

use driver::Driver;
pub use error::{Error, Result};
pub use layout::{Layout, OwnCgroup, ROOT};
pub use paths::{DriverKind, Paths, locate, locate_here};
pub use settings::{Otherwise, Settings, Version, Write, settings};
pub use update::merge;

use nix::errno::Errno;
use nix::unistd::Pid;
use oci_spec::runtime::LinuxResources;
use std::os::fd::OwnedFd;
use tree::Tree;

/// Whether the limits of a controller are set where the host has it.
pub fn knows(controller: &str) -> bool {
    layout::V1.contains(&controller)
}

/// A container's cgroup.
pub struct Cgroup {
    paths: Paths,
    tree: Tree,
    driver: Box<dyn Driver>,
}

impl Cgroup {
    /// The cgroup at `paths`. Nothing is looked at or made yet.
    pub fn new(paths: Paths) -> Self {
        let driver: Box<dyn Driver> = match paths.driver {
            DriverKind::Cgroupfs => Box::new(fs::Cgroupfs),
        };
        Self { tree: Tree::new(&paths), paths, driver }
    }

    /// What state.json has to keep. After [`Self::create`] it also tells what existed before, and no longer has the
    /// hierarchies that an unprivileged caller may not use.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Makes the cgroup, so that a process can enter it and the limits of `needed` can be set; sets none of them.
    /// Refuses a cgroup that is frozen or has processes in it. A failure removes what was made.
    ///
    /// An unprivileged caller who may not make a directory goes without it if config.json has neither a cgroupsPath
    /// nor, for cgroup v2, limits.
    pub fn create(&mut self, needed: &LinuxResources) -> Result<()> {
        let created = self.driver.create(&mut self.tree, &self.paths, needed);
        if created.is_err() {
            self.undo_create();
        }
        let tree = &self.tree;
        self.paths.dirs.retain(|_, dir| tree.hierarchies.iter().any(|h| h.dir.path() == dir));
        let found = tree.hierarchies.iter().filter(|h| !h.fresh).map(|h| h.dir.path().to_path_buf());
        self.paths.found = found.collect();
        created
    }

    /// Takes back [`Self::create`]: removes the cgroup and the parents that it made. For a create that fails later,
    /// after its processes are gone. Never fails: what can't be removed has been there before or is in use again.
    pub fn undo_create(&mut self) {
        for hierarchy in self.tree.hierarchies.iter().filter(|hierarchy| hierarchy.fresh) {
            if let Err(e) = remove::remove(&hierarchy.dir, hierarchy.is_v2()) {
                log::warn!("{e}");
            }
        }
        for parent in self.tree.parents.drain(..).rev() {
            // EBUSY: another container has begun to use it.
            if let Err(e) = std::fs::remove_dir(&parent) {
                log::debug!("rmdir {}: {e}", parent.display());
            }
        }
    }

    /// The directory that clone3(CLONE_INTO_CGROUP) takes, on a pure cgroup v2 host. Elsewhere use [`Self::join`].
    pub fn dir_fd(&self) -> Option<OwnedFd> {
        let unified = self.tree.unified().filter(|_| self.tree.is_v2_only())?;
        unified.dir.fd().ok()?.try_clone_to_owned().ok()
    }

    /// Moves the process `pid` into the cgroup, in every hierarchy.
    pub fn join(&self, pid: Pid) -> Result<()> {
        self.driver.join(&self.tree, pid)
    }

    /// Sets all limits of `resources`, and the device rules, which every container has.
    pub fn apply(&self, resources: &LinuxResources) -> Result<()> {
        self.apply_limits(resources)?;
        self.apply_devices(resources)
    }

    /// The first half of [`Self::apply`].
    pub fn apply_limits(&self, resources: &LinuxResources) -> Result<()> {
        self.driver.apply(&self.tree, resources)
    }

    /// The second half of [`Self::apply`].
    pub fn apply_devices(&self, resources: &LinuxResources) -> Result<()> {
        let rules = devices::rules(resources.devices().as_deref().unwrap_or_default())?;
        fs::devices(&self.tree, resources, &rules)
    }

    /// `update`: sets what `new` gives, and returns `stored` with it merged in. What `new` doesn't name is not
    /// touched, devices never. After a failure the limits of `stored` are set again.
    pub fn update(&self, stored: &LinuxResources, new: &LinuxResources) -> Result<LinuxResources> {
        let mut merged = stored.clone();
        let changes = merge(&mut merged, new);
        let applied =
            fs::check_usage(&self.tree, &changes).and_then(|()| self.driver.apply(&self.tree, &changes));
        if let Err(e) = applied {
            if let Err(revert) = self.driver.apply(&self.tree, stored) {
                log::warn!("the former limits could not be set again: {revert}");
            }
            return Err(e);
        }
        Ok(merged)
    }

    /// Stops every process in the cgroup, and returns when all have stopped.
    pub fn freeze(&self) -> Result<()> {
        freeze::freeze(&self.tree)
    }

    /// Lets them go on.
    pub fn thaw(&self) -> Result<()> {
        freeze::thaw(&self.tree)
    }

    /// Whether the cgroup itself is frozen; one that is only below a frozen cgroup is not.
    pub fn is_frozen(&self) -> Result<bool> {
        freeze::is_frozen(&self.tree)
    }

    /// The processes in the cgroup and all cgroups below it, ascending. None if it is gone.
    pub fn pids(&self) -> Result<Vec<Pid>> {
        let mut pids = self.tree.primary().map_or_else(|| Ok(Vec::new()), |hierarchy| hierarchy.pids())?;
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// Sends SIGKILL to every process in the cgroup and below it, frozen ones included. They are dying when it
    /// returns; [`Self::remove`] waits for them.
    pub fn kill_all(&self) -> Result<()> {
        kill::kill_all(&self.tree)
    }

    /// Removes the cgroup with everything below it, once its processes are gone, for which it waits a bounded time.
    /// A cgroup that is already gone is fine; one that existed before create stays.
    pub fn remove(&self) -> Result<()> {
        self.driver.remove(&self.tree, &self.paths)
    }

    /// How many processes of the cgroup the kernel has killed for lack of memory.
    pub fn oom_kills(&self) -> u64 {
        let count = match (self.tree.get("memory"), self.tree.unified()) {
            (Some(v1), _) => v1.dir.keyed("memory.oom_control", "oom_kill"),
            (None, Some(v2)) => v2.dir.keyed("memory.events", "oom_kill"),
            (None, None) => Ok(None),
        };
        // No memory controller, or the cgroup is gone: nothing to tell.
        count.ok().flatten().unwrap_or(0)
    }

    /// The cgroup below this one that `exec --cgroup` names: `[controller[,controller]:]path`. With v1 controllers
    /// given, the others stay where they are.
    pub fn sub(&self, args: &[String]) -> Result<Cgroup> {
        let wanted = paths::parse_sub(args)?;
        let known =
            |name: &str| name.is_empty() || (!self.tree.is_v2_only() && self.paths.dirs.contains_key(name));
        if let Some(unknown) = wanted.keys().find(|name| !known(name)) {
            return Err(Error::SubArgument(format!("unknown controller {unknown}")));
        }
        let mut below = self.paths.clone();
        for (controller, dir) in &mut below.dirs {
            if let Some(path) = wanted.get(controller).or_else(|| wanted.get("")) {
                *dir = paths::sub_dir(dir, path)?;
            }
        }
        Ok(Cgroup::new(below))
    }

    /// The cgroup that a process beside `init` can enter: this one, or on cgroup v2 the one that `init` is in now, if
    /// this one is gone or has controllers on for those below it. The kernel then takes no process into it (EBUSY):
    /// systemd inside has moved its processes to leaves.
    pub fn beside(self, init: Pid) -> Result<Cgroup> {
        let has_room = match self.tree.unified().map(|unified| unified.dir.read("cgroup.subtree_control")) {
            Some(Ok(controllers)) => controllers.trim_ascii().is_empty(),
            Some(Err(Errno::ENOENT)) => false,
            // The join tells what is wrong with it.
            Some(Err(_)) | None => true,
        };
        if has_room { Ok(self) } else { self.of_init(init) }
    }

    fn of_init(&self, init: Pid) -> Result<Cgroup> {
        let mut paths = self.paths.clone();
        if let Some(dir) = paths.dirs.get_mut("") {
            let own = OwnCgroup::of(init)?;
            let mount = self.tree.unified().map(|unified| unified.mount.clone()).unwrap_or_default();
            if let Some(path) = own.path("") {
                *dir = mount.join(path.strip_prefix("/").unwrap_or(path));
            }
        }
        Ok(Cgroup::new(paths))
    }
}

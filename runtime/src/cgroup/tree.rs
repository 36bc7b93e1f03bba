//! The directories of one container's cgroup, one for each hierarchy.

use super::dir::Dir;
use super::error::{Error, Result};
use super::paths::Paths;
use super::settings::Version;
use nix::errno::Errno;
use nix::unistd::Pid;
use std::cell::OnceCell;
use std::path::PathBuf;

/// The container's cgroup in one hierarchy.
#[derive(Debug)]
pub(super) struct Hierarchy {
    /// The v1 controllers that are mounted together here; `[""]` is cgroup2.
    pub(super) controllers: Vec<String>,
    pub(super) mount: PathBuf,
    pub(super) dir: Dir,
    /// We have made the directory, in this very process.
    pub(super) fresh: bool,
}

impl Hierarchy {
    pub(super) fn is_v2(&self) -> bool {
        self.has("")
    }

    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }

    /// Whether nothing above it can stop its processes or make it threaded: the root can't be frozen, nor threaded.
    pub(super) fn is_new_below_the_root(&self) -> bool {
        self.fresh && self.dir.path().parent() == Some(&self.mount)
    }

    /// The processes in this cgroup and below, unsorted.
    pub(super) fn pids(&self) -> Result<Vec<Pid>> {
        let mut pids = Vec::new();
        collect_pids(&self.dir, &mut pids)?;
        self.dir.for_each_below(|dir| collect_pids(dir, &mut pids))?;
        Ok(pids)
    }
}

/// The processes of one cgroup alone.
fn collect_pids(dir: &Dir, pids: &mut Vec<Pid>) -> Result<()> {
    let text = match dir.read("cgroup.procs") {
        // A threaded cgroup lists threads only.
        Err(Errno::EOPNOTSUPP) => dir.read_named("cgroup.threads")?,
        // Removed meanwhile: ENODEV when the directory was still open.
        Err(Errno::ENOENT | Errno::ENODEV) => return Ok(()),
        Err(errno) => return Err(Error::io("read", dir.path().join("cgroup.procs"), errno)),
        Ok(text) => text,
    };
    // 0 is a process of another PID namespace, which has no number here.
    pids.extend(text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).map(Pid::from_raw));
    Ok(())
}

/// All hierarchies; none when the container runs without cgroups.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) hierarchies: Vec<Hierarchy>,
    /// Controllers whose directory an unprivileged caller could not make.
    pub(super) dropped: Vec<String>,
    /// Parents that create has made, outermost first.
    pub(super) parents: Vec<PathBuf>,
    v2_only: bool,
    unified_controllers: OnceCell<String>,
}

impl Tree {
    pub(super) fn new(paths: &Paths) -> Self {
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        for (controller, path) in &paths.dirs {
            match hierarchies.iter_mut().find(|hierarchy| hierarchy.dir.path() == path) {
                // Mounted together, as cpu and cpuacct are on most v1 hosts.
                Some(hierarchy) => hierarchy.controllers.push(controller.clone()),
                None => hierarchies.push(Hierarchy {
                    controllers: vec![controller.clone()],
                    mount: paths.mount_of(path),
                    dir: Dir::new(path),
                    fresh: false,
                }),
            }
        }
        Self {
            hierarchies,
            dropped: Vec::new(),
            parents: Vec::new(),
            v2_only: paths.is_v2(),
            unified_controllers: OnceCell::new(),
        }
    }

    pub(super) fn is_v2_only(&self) -> bool {
        self.v2_only
    }

    pub(super) fn get(&self, controller: &str) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|hierarchy| hierarchy.has(controller))
    }

    pub(super) fn unified(&self) -> Option<&Hierarchy> {
        self.get("")
    }

    /// Who offers a controller, named as in v1 ("" is `unified`, for which a hybrid host doesn't count).
    pub(super) fn version(&self, controller: &str) -> Option<Version> {
        if self.v2_only {
            return self.unified().map(|_| Version::V2);
        }
        if controller.is_empty() {
            return None;
        }
        if self.get(controller).is_some() {
            return Some(Version::V1);
        }
        // A hybrid host: v1 may have left some controllers to cgroup2.
        let unified = self.unified()?;
        let offered = self
            .unified_controllers
            .get_or_init(|| Dir::new(&unified.mount).read("cgroup.controllers").unwrap_or_default());
        offered.split_whitespace().any(|name| name == v2_name(controller)).then_some(Version::V2)
    }

    /// The hierarchy that a write goes to.
    pub(super) fn target(&self, controller: &str, version: Version) -> Option<&Hierarchy> {
        match version {
            Version::V1 => self.get(controller),
            Version::V2 => self.unified(),
        }
    }

    /// The hierarchy whose process list stands for all of them. A process is in every hierarchy; which one is read
    /// matters only where somebody has moved processes about, and devices is where nobody does.
    pub(super) fn primary(&self) -> Option<&Hierarchy> {
        if self.v2_only {
            return self.unified();
        }
        self.get("devices").or_else(|| self.get("freezer")).or_else(|| self.hierarchies.first())
    }
}

/// What cgroup v2 calls a v1 controller.
pub(super) fn v2_name(controller: &str) -> &str {
    if controller == "blkio" { "io" } else { controller }
}

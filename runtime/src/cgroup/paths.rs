//! Where a container's cgroup is: what state.json keeps, so that no later command has to look for it.

use super::error::{Error, Result};
use super::layout::{Layout, OwnCgroup, ROOT};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// Who makes the cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverKind {
    /// mkdir(2) in the cgroup file system.
    #[default]
    Cgroupfs,
}

/// The directories of a container's cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Paths {
    /// Who made it, and removes it.
    pub driver: DriverKind,
    /// Controller name to absolute directory; "" is cgroup2. Empty when the container runs without cgroups.
    pub dirs: BTreeMap<String, PathBuf>,
    /// Whether config.json has a cgroupsPath: then a directory that can't be made is an error for everybody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explicit: bool,
    /// The directories that existed before create, which delete leaves.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub found: BTreeSet<PathBuf>,
}

impl Paths {
    /// Whether the container runs without cgroups.
    pub fn is_empty(&self) -> bool {
        self.dirs.is_empty()
    }

    /// Whether cgroup2 is all there is.
    pub fn is_v2(&self) -> bool {
        self.dirs.len() == 1 && self.dirs.contains_key("")
    }

    /// The directories that exist now.
    pub fn existing(&self) -> BTreeSet<PathBuf> {
        self.dirs.values().filter(|dir| dir.exists()).cloned().collect()
    }

    /// The mount point that `dir` is below: nothing is made or removed there or above.
    pub(super) fn mount_of(&self, dir: &Path) -> PathBuf {
        let root = Path::new(ROOT);
        let below = dir.strip_prefix(root).ok().and_then(|rest| rest.components().next());
        match below {
            Some(first) if !self.is_v2() => root.join(first),
            _ => root.to_path_buf(),
        }
    }
}

/// Decides where the cgroup of container `id` is. Pure. An absolute `cgroups_path` (`linux.cgroupsPath`) is below
/// each mount; a relative one, or the id when there is none, is below the caller's own cgroup, or for cgroup2 beside
/// it, because a cgroup with processes can't have children with controllers.
pub fn locate(layout: &Layout, cgroups_path: Option<&Path>, id: &str, own: &OwnCgroup) -> Result<Paths> {
    let given = cgroups_path.filter(|path| !path.as_os_str().is_empty());
    let inner = given.unwrap_or(Path::new(id));
    let names = clean(inner)?;
    let below = |mount: &Path, own: Option<&Path>| match own {
        Some(own) if !inner.is_absolute() => mount.join(own.strip_prefix("/").unwrap_or(own)).join(&names),
        _ => mount.join(&names),
    };
    let v1_dirs = |v1: &BTreeMap<String, PathBuf>| -> BTreeMap<String, PathBuf> {
        v1.iter().map(|(name, mount)| (name.clone(), below(mount, own.path(name)))).collect()
    };
    let dirs = match layout {
        Layout::None => BTreeMap::new(),
        Layout::V2 => {
            let beside = own.path("").map(|own| own.parent().unwrap_or(own));
            BTreeMap::from([(String::new(), below(Path::new(ROOT), beside))])
        }
        Layout::V1(v1) => v1_dirs(v1),
        Layout::Hybrid { v1, unified } => {
            let mut dirs = v1_dirs(v1);
            dirs.insert(String::new(), below(unified, own.path("")));
            dirs
        }
    };
    Ok(Paths { dirs, explicit: given.is_some(), ..Paths::default() })
}

/// As [`locate`], for this host: where the mounts don't begin where /proc/self/cgroup counts from, that is allowed for.
pub fn locate_here(
    layout: &Layout,
    cgroups_path: Option<&Path>,
    id: &str,
    mut own: OwnCgroup,
) -> Result<Paths> {
    let paths = locate(layout, cgroups_path, id, &own)?;
    if cgroups_path.is_some_and(Path::is_absolute) || paths.dirs.values().all(|dir| parent_exists(dir)) {
        return Ok(paths);
    }
    let mountinfo = Path::new("/proc/self/mountinfo");
    let text =
        std::fs::read_to_string(mountinfo).map_err(|e| Error::io("read", mountinfo, crate::errno::of(&e)))?;
    own.rebase(&text);
    locate(layout, cgroups_path, id, &own)
}

fn parent_exists(dir: &Path) -> bool {
    dir.parent().is_some_and(Path::is_dir)
}

/// The names of a cgroupsPath, in order, as a relative path.
fn clean(path: &Path) -> Result<PathBuf> {
    let refuse =
        |reason: &str| Err(Error::setting("linux.cgroupsPath", format!("{reason}: {:?}", path.display())));
    // /proc/PID/cgroup and the mount table are line based: a name with a line break would forge a line there.
    if path.as_os_str().as_encoded_bytes().iter().any(u8::is_ascii_control) {
        return refuse("control characters are not allowed");
    }
    let mut names = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return refuse("\"..\" is not allowed"),
        }
    }
    Ok(names)
}

/// The place below `dir` that `exec --cgroup` names. A leading slash is the container's cgroup itself.
pub(super) fn sub_dir(dir: &Path, sub: &str) -> Result<PathBuf> {
    let mut depth = 0_usize;
    let mut below = PathBuf::new();
    for component in Path::new(sub).components() {
        match component {
            Component::Normal(name) => {
                below.push(name);
                depth += 1;
            }
            Component::ParentDir => {
                depth = depth.checked_sub(1).ok_or_else(|| Error::BadSub(sub.to_owned()))?;
                below.pop();
            }
            _ => {}
        }
    }
    Ok(if below.as_os_str().is_empty() { dir.to_path_buf() } else { dir.join(below) })
}

/// Parses the `--cgroup` values of exec, `[controller[,controller]:]path`, into controller to path. The key "" is
/// every hierarchy.
pub(super) fn parse_sub(args: &[String]) -> Result<BTreeMap<String, String>> {
    let mut paths = BTreeMap::new();
    for arg in args {
        let Some((controllers, path)) = arg.split_once(':') else {
            if args.len() != 1 {
                return Err(Error::SubArgument(format!("{arg} (missing <controller>: prefix)")));
            }
            paths.insert(String::new(), arg.clone());
            continue;
        };
        for controller in controllers.split(',') {
            if controller.is_empty() {
                return Err(Error::SubArgument(format!("{arg} (empty <controller> prefix)")));
            }
            if paths.insert(controller.to_owned(), path.to_owned()).is_some() {
                return Err(Error::SubArgument(format!("controller {controller} specified multiple times")));
            }
        }
    }
    Ok(paths)
}

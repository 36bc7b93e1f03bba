//! Makes the directories of a cgroup, and what has to be there before a process can enter.

use super::dir::Dir;
use super::error::{Error, Result};
use super::freeze;
use super::fs::{is_unprivileged, write_all};
use super::paths::Paths;
use super::settings::{Version, realtime, settings};
use super::tree::{Hierarchy, Tree, v2_name};
use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::mkdir;
use oci_spec::runtime::LinuxResources;
use std::path::{Path, PathBuf};

pub(super) fn create(tree: &mut Tree, paths: &Paths, needed: &LinuxResources) -> Result<()> {
    let mut dropped = Vec::new();
    let mut parents = std::mem::take(&mut tree.parents);
    let mut made = Ok(());
    for hierarchy in &mut tree.hierarchies {
        match make(hierarchy, &mut parents) {
            Ok(()) => {}
            Err(e) if e.is_permission() && !paths.explicit && is_unprivileged() => {
                log::debug!("{e}: running without it");
                dropped.extend(hierarchy.controllers.iter().cloned());
                made = made.and(Err(e));
            }
            Err(e) => {
                tree.parents = parents;
                return Err(e);
            }
        }
    }
    tree.parents = parents;
    if let Err(e) = made {
        // v1 hierarchies are missed one by one, when a limit asks for one.
        let limited = tree.is_v2_only() && !settings(needed, &|_| Some(Version::V2))?.writes.is_empty();
        if limited {
            return Err(Error::Rootless(Box::new(e)));
        }
        tree.hierarchies.retain(|hierarchy| !hierarchy.controllers.iter().any(|name| dropped.contains(name)));
        tree.dropped = dropped;
    }
    check(tree)?;
    if tree.is_v2_only() { tree.unified().map_or(Ok(()), v2_controllers) } else { v1_prepare(tree, needed) }
}

/// Refuses a cgroup in which a process would share limits with strangers, or would never run.
fn check(tree: &Tree) -> Result<()> {
    for hierarchy in tree.hierarchies.iter().filter(|hierarchy| !hierarchy.fresh) {
        let pids = hierarchy.pids()?;
        if !pids.is_empty() {
            return Err(Error::NotEmpty(pids.len()));
        }
    }
    if tree.hierarchies.iter().all(Hierarchy::is_new_below_the_root) {
        return Ok(());
    }
    // A frozen parent stops what is below, so even a fresh one is looked at.
    if freeze::is_stopped(tree)? { Err(Error::Frozen) } else { Ok(()) }
}

/// Makes one directory, and its parents if need be.
fn make(hierarchy: &mut Hierarchy, parents: &mut Vec<PathBuf>) -> Result<()> {
    let (path, mount) = (hierarchy.dir.path().to_path_buf(), hierarchy.mount.clone());
    // A parent may be removed by somebody else between its mkdir and ours.
    for _ in 0..10 {
        match mkdir(&path, Mode::from_bits_truncate(0o755)) {
            Ok(()) => {
                hierarchy.fresh = true;
                return Ok(());
            }
            Err(Errno::EEXIST) => return Ok(()),
            Err(Errno::ENOENT) => make_parents(&path, &mount, parents)?,
            // Read-only: mkdir says so even where the directory is there.
            Err(Errno::EROFS | Errno::EACCES | Errno::EPERM) if path.is_dir() => return Ok(()),
            Err(errno) => return Err(Error::io("mkdir", path, errno)),
        }
    }
    Err(Error::io("mkdir", path, Errno::ENOENT))
}

/// Makes what is missing between `mount` and `path`, both excluded.
fn make_parents(path: &Path, mount: &Path, parents: &mut Vec<PathBuf>) -> Result<()> {
    let missing: Vec<_> =
        path.ancestors().skip(1).take_while(|dir| dir.starts_with(mount) && *dir != mount).collect();
    if missing.is_empty() {
        return Err(Error::io("mkdir", path, Errno::ENOENT));
    }
    for dir in missing.into_iter().rev() {
        match mkdir(dir, Mode::from_bits_truncate(0o755)) {
            Ok(()) => parents.push(dir.to_path_buf()),
            Err(Errno::EEXIST) => {}
            // Gone again: the caller tries once more.
            Err(Errno::ENOENT) if dir.parent() != Some(mount) => return Ok(()),
            Err(errno) => return Err(Error::io("mkdir", dir, errno)),
        }
    }
    Ok(())
}

/// Enables every controller of the host in the parents, as runc does: limits may come with a later update, and
/// statistics are read by others.
fn v2_controllers(hierarchy: &Hierarchy) -> Result<()> {
    let top = Dir::new(&hierarchy.mount);
    let offered = top.read_named("cgroup.controllers")?;
    enable(hierarchy, &top, &offered.split_whitespace().collect::<Vec<_>>())?;
    if hierarchy.is_new_below_the_root() { Ok(()) } else { threaded(hierarchy) }
}

/// Enables `wanted` in all parents. What can't be enabled (a parent has processes, or isn't ours) is missed when a
/// limit asks for it. `top` is where the hierarchy is mounted.
fn enable(hierarchy: &Hierarchy, top: &Dir, wanted: &[&str]) -> Result<()> {
    let missing = |dir: &Dir| -> Vec<String> {
        let enabled = dir.read("cgroup.subtree_control").unwrap_or_default();
        let is_missing = |name: &&&str| !enabled.split_whitespace().any(|other| other == **name);
        wanted.iter().filter(is_missing).map(|name| format!("+{name}")).collect()
    };
    let Some(parent) = hierarchy.dir.path().parent().filter(|parent| parent.starts_with(&hierarchy.mount))
    else {
        return Ok(());
    };
    // A controller that is enabled here is enabled in all ancestors.
    let below_top;
    let nearest = if parent == top.path() {
        top
    } else {
        below_top = Dir::new(parent);
        &below_top
    };
    if wanted.is_empty() || missing(nearest).is_empty() {
        return Ok(());
    }
    let parents: Vec<_> = parent.ancestors().take_while(|dir| dir.starts_with(&hierarchy.mount)).collect();
    for dir in parents.into_iter().rev().map(Dir::new) {
        let missing = missing(&dir);
        if !missing.is_empty() && dir.write("cgroup.subtree_control", &missing.join(" ")).is_err() {
            for controller in &missing {
                if let Err(errno) = dir.write("cgroup.subtree_control", controller) {
                    log::debug!(
                        "write {controller} to {}/cgroup.subtree_control: {errno}",
                        dir.path().display()
                    );
                }
            }
        }
    }
    Ok(())
}

/// Below a threaded cgroup a new one is "domain invalid", and takes processes only once it is threaded too
/// (cgroups(7)).
fn threaded(hierarchy: &Hierarchy) -> Result<()> {
    let kind = |dir: &Dir| dir.read("cgroup.type").unwrap_or_default();
    if kind(&hierarchy.dir).trim() != "domain invalid" {
        return Ok(());
    }
    let path = hierarchy.dir.path();
    let chain: Vec<_> = path.ancestors().take_while(|dir| dir.starts_with(&hierarchy.mount)).collect();
    for dir in chain.into_iter().rev().map(Dir::new) {
        if kind(&dir).trim() == "domain invalid" {
            dir.write_named("cgroup.type", "threaded")?;
        }
    }
    Ok(())
}

/// What v1 hierarchies, and the unified one beside them, need before a process enters.
fn v1_prepare(tree: &Tree, needed: &LinuxResources) -> Result<()> {
    if let Some(cpuset) = tree.get("cpuset") {
        inherit_cpuset(&cpuset.dir, &cpuset.mount)?;
    }
    let version = |controller: &'static str| tree.version(controller);
    // A missing controller is reported by apply, which has the better sentence.
    if let (Some(unified), Ok(settings)) = (tree.unified(), settings(needed, &version)) {
        let on_v2 = settings.writes.iter().filter(|write| write.version == Version::V2);
        let mut wanted: Vec<_> = on_v2.map(|write| v2_name(write.controller)).collect();
        wanted.dedup();
        enable(unified, &Dir::new(&unified.mount), &wanted)?;
    }
    match realtime(needed, &version) {
        Ok(settings) => write_all(tree, &settings),
        Err(_) => Ok(()),
    }
}

/// A new v1 cpuset has no CPUs and no memory nodes, and takes no process before it has (cpuset(7)). It gets those of
/// its parent, which may have to get them first.
fn inherit_cpuset(dir: &Dir, mount: &Path) -> Result<()> {
    if dir.path() == mount {
        return Ok(());
    }
    let Some(parent) = dir.path().parent().map(Dir::new) else { return Ok(()) };
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if !dir.read_named(file)?.trim().is_empty() {
            continue;
        }
        let mut value = parent.read_named(file)?;
        if value.trim().is_empty() {
            inherit_cpuset(&parent, mount)?;
            value = parent.read_named(file)?;
        }
        dir.write_named(file, value.trim())?;
    }
    Ok(())
}

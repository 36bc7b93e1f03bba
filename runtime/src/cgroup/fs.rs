//! The cgroupfs driver: plain files.

use super::create;
use super::devices::{self, Rule};
use super::dir::Dir;
use super::driver::Driver;
use super::error::{Error, Result};
use super::paths::Paths;
use super::remove;
use super::settings::{Otherwise, Settings, Version, Write, settings};
use super::tree::{Tree, v2_name};
use nix::errno::Errno;
use nix::unistd::Pid;
use oci_spec::runtime::LinuxResources;

/// Makes cgroups with mkdir(2).
pub(super) struct Cgroupfs;

impl Driver for Cgroupfs {
    fn create(&self, tree: &mut Tree, paths: &Paths, needed: &LinuxResources) -> Result<()> {
        create::create(tree, paths, needed)
    }

    fn join(&self, tree: &Tree, pid: Pid) -> Result<()> {
        let pid = pid.to_string();
        tree.hierarchies.iter().try_for_each(|hierarchy| hierarchy.dir.write_named("cgroup.procs", &pid))
    }

    fn apply(&self, tree: &Tree, resources: &LinuxResources) -> Result<()> {
        let settings = settings(resources, &|controller| tree.version(controller));
        write_all(tree, &settings.map_err(|e| explain(tree, e))?)
    }

    fn remove(&self, tree: &Tree, paths: &Paths) -> Result<()> {
        remove::remove_all(tree, paths)
    }
}

/// Sets the device rules where there is a hierarchy for them.
pub(super) fn devices(tree: &Tree, resources: &LinuxResources, rules: &[Rule]) -> Result<()> {
    let result = match (tree.get("devices"), tree.unified()) {
        (Some(v1), _) => devices::apply_v1(&v1.dir, rules),
        (None, Some(v2)) => devices::apply_v2(&v2.dir, rules, v2.fresh),
        (None, None) if devices::allows_all(rules) || resources.devices().is_none() => Ok(()),
        (None, None) => Err(Error::NoController {
            setting: "linux.resources.devices".to_owned(),
            controller: "devices".to_owned(),
        }),
    };
    match result {
        // In a user namespace neither interface may be used, and no device node there gives any access.
        Err(e) if is_unprivileged() && (e.is_permission() || matches!(e, Error::NoController { .. })) => {
            log::debug!("{e}: ignored in a user namespace");
            Ok(())
        }
        result => result,
    }
}

/// Whether the caller isn't the host's root: its id isn't 0, or it is the root of a user namespace only.
pub(super) fn is_unprivileged() -> bool {
    !nix::unistd::geteuid().is_root() || crate::namespaces::is_in_user_namespace()
}

/// Writes the settings in order; a write that has to wait for others is tried again at the end.
pub(super) fn write_all(tree: &Tree, settings: &Settings) -> Result<()> {
    for setting in &settings.ignored {
        log::warn!("{setting}: this host's cgroups have no such setting; ignored");
    }
    let mut later = Vec::new();
    for write in &settings.writes {
        let missing = || Error::NoController {
            setting: write.setting.clone(),
            controller: write.controller.to_owned(),
        };
        let dir = &tree.target(write.controller, write.version).ok_or_else(missing)?.dir;
        match (dir.write(&write.file, &write.value), &write.otherwise) {
            (Ok(()), _) | (Err(Errno::ENOENT), Otherwise::Skip) => {}
            (Err(Errno::EINVAL), Otherwise::Later) => later.push((dir, write)),
            (Err(Errno::ENOENT), Otherwise::Use(file, value)) => {
                let write = Write { file: (*file).to_owned(), value: value.clone(), ..write.clone() };
                dir.write(&write.file, &write.value).map_err(|errno| refused(dir, &write, errno))?;
            }
            (Err(errno), _) => return Err(refused(dir, write, errno)),
        }
    }
    later.into_iter().try_for_each(|(dir, write)| {
        dir.write(&write.file, &write.value).map_err(|errno| refused(dir, write, errno))
    })
}

/// Says why the kernel refused a write.
fn refused(dir: &Dir, write: &Write, errno: Errno) -> Error {
    let number =
        |file: &str| dir.read(file).ok().and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    if errno == Errno::EBUSY && write.file == "memory.limit_in_bytes" {
        let reason = format!(
            "unable to set memory limit to {} (current usage: {}, peak usage: {})",
            write.value,
            number("memory.usage_in_bytes"),
            number("memory.max_usage_in_bytes")
        );
        return Error::setting(&write.setting, reason);
    }
    // cgroup v2 shows a controller's files only where its parent has enabled it.
    let absent = matches!(errno, Errno::ENOENT | Errno::EPERM | Errno::EACCES);
    if absent && write.version == Version::V2 {
        let controller = match write.controller {
            "" => write.file.split('.').next().unwrap_or_default(),
            name => v2_name(name),
        };
        let offered = dir.read("cgroup.controllers").unwrap_or_default();
        if controller != "cgroup" && !offered.split_whitespace().any(|name| name == controller) {
            return Error::NoController { setting: write.setting.clone(), controller: controller.to_owned() };
        }
    }
    let (setting, value) = (write.setting.clone(), write.value.clone());
    Error::Write { setting, path: dir.path().join(&write.file), value, errno }
}

/// A controller may be missing because its directory was not ours to make.
fn explain(tree: &Tree, error: Error) -> Error {
    match error {
        Error::NoController { setting, controller } if tree.dropped.contains(&controller) => {
            Error::NotJoined { setting, controller }
        }
        error => error,
    }
}

/// `checkBeforeUpdate`: v2 would kill processes to get below a lower limit, where v1 refuses it.
pub(super) fn check_usage(tree: &Tree, resources: &LinuxResources) -> Result<()> {
    let Some(memory) = resources.memory().filter(|memory| memory.check_before_update() == Some(true)) else {
        return Ok(());
    };
    let Some(unified) = tree.unified().filter(|_| tree.version("memory") == Some(Version::V2)) else {
        return Ok(());
    };
    // Without the file there is no limit to set, which is reported when it is.
    let Ok(usage) = unified.dir.read("memory.current") else { return Ok(()) };
    let Some(usage) = usage.trim().parse::<i64>().ok() else { return Ok(()) };
    let checks = [("swap", "memory+swap", memory.swap()), ("limit", "memory", memory.limit())];
    for (property, what, limit) in checks {
        if let Some(limit) = limit.filter(|limit| (1..=usage).contains(limit)) {
            let reason = format!("rejecting {what} limit {limit} <= usage {usage}");
            return Err(Error::setting(format!("linux.resources.memory.{property}"), reason));
        }
    }
    Ok(())
}

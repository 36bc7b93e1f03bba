//! `mounts`: each mount by itself; what lies below it is only known once it is mounted.

use std::path::Path;

use log::Level;
use oci_spec::runtime::{LinuxIdMapping, LinuxNamespaceType, Mount, Spec};

use super::{Context, namespaces, text};
use crate::config;
use crate::config::error::Report;
use crate::config::mount_options::{self, MountOptions};
use crate::config::path::{At, ROOT, quote};

/// Checks all mounts.
pub(super) fn check(report: &mut Report, spec: &Spec, context: Context) {
    let at = ROOT.key("mounts");
    let linux = spec.linux().as_ref();
    let uids = linux.and_then(|linux| linux.uid_mappings().as_deref()).unwrap_or_default();
    let gids = linux.and_then(|linux| linux.gid_mappings().as_deref()).unwrap_or_default();
    let namespaces = linux.and_then(|linux| linux.namespaces().as_deref()).unwrap_or_default();
    let joins_user =
        namespaces.iter().any(|it| it.typ() == LinuxNamespaceType::User && namespaces::joined(it).is_some());
    let container_has = joins_user || !uids.is_empty() && !gids.is_empty();
    for (index, mount) in spec.mounts().as_deref().unwrap_or_default().iter().enumerate() {
        let at = at.index(index);
        let options = mount_options::of(mount);
        destination(report, &at.key("destination"), mount, &options);
        kind(report, &at, mount, &options);
        for (index, option) in mount.options().as_deref().unwrap_or_default().iter().enumerate() {
            text::check(report, &at.key("options").index(index), option);
            if context.rootless {
                let at = at.key("options");
                owner(report, &at.index(index), option, "uid=", uids);
                owner(report, &at.index(index), option, "gid=", gids);
            }
        }
        id_mappings(report, &at, mount, &options, container_has);
    }
}

fn destination(report: &mut Report, at: &At<'_>, mount: &Mount, options: &MountOptions) {
    let destination = mount.destination();
    text::path(report, at, destination);
    if destination.as_os_str().is_empty() {
        report.add(at, "must not be empty");
        return;
    }
    // "Relative to /", and deprecated (config.md, mounts).
    if !destination.is_absolute() && log::log_enabled!(Level::Debug) {
        log::warn!("{at}: {} isn't absolute, taken as relative to /", quote(&destination.to_string_lossy()));
    }
    let clean = config::destination(mount);
    if clean == Path::new("/") {
        report.add(at, "the container's root itself can't be mounted over");
    } else if clean.starts_with("/proc") {
        proc_mount(report, at, mount, options, &clean);
    }
}

fn proc_mount(report: &mut Report, at: &At<'_>, mount: &Mount, options: &MountOptions, clean: &Path) {
    let destination = quote(&mount.destination().to_string_lossy()).to_string();
    if clean == Path::new("/proc") {
        // Whether the source of a bind is a procfs is for the host to say.
        if options.bind.is_none() && mount.typ().as_deref() != Some("proc") {
            report.add(at, format!("{destination} cannot be mounted because it is not of type proc"));
        } else if options.bind.is_some() && mount_options::is_mapped(mount, options) {
            report.add(at, format!("{destination} cannot have id mappings: a procfs takes none"));
        }
    } else if !config::is_proc_file(clean) {
        report.add(at, format!("{destination} cannot be mounted because it is inside /proc"));
    }
}

/// What is there already keeps its source, its type, its ids and its peers.
fn remount(report: &mut Report, at: &At<'_>, mount: &Mount, options: &MountOptions) {
    let text = "a remount changes no propagation and no ids, and copies nothing up";
    if !options.propagation.is_empty() || options.tmpcopyup || options.idmap.is_some() {
        report.add(&at.key("options"), text);
    } else if mount_options::is_mapped(mount, options) {
        report.add(at, text);
    }
}

/// crun's words for binds of symlinks.
fn symlinks(report: &mut Report, at: &At<'_>, options: &MountOptions) {
    let nofollow = options.source_nofollow || options.target_nofollow;
    if options.copy_symlink && nofollow {
        report.add(at, "\"copy-symlink\" goes with neither \"src-nofollow\" nor \"dest-nofollow\"");
    }
    if (options.copy_symlink || nofollow) && options.bind.is_none() {
        report.add(at, "only a bind mount can be of a symlink");
    }
}

fn kind(report: &mut Report, at: &At<'_>, mount: &Mount, options: &MountOptions) {
    let kind = mount.typ().as_deref().unwrap_or_default();
    let source = mount.source().as_deref().unwrap_or(Path::new(""));
    text::check(report, &at.key("type"), kind);
    text::path(report, &at.key("source"), source);
    if options.remount {
        return remount(report, at, mount, options);
    }
    symlinks(report, &at.key("options"), options);
    if options.bind.is_some() {
        if source.as_os_str().is_empty() {
            report.add(&at.key("source"), "a bind mount needs a source");
        }
    } else if kind.is_empty() {
        report.add(&at.key("type"), "required, unless the options hold \"bind\" or \"rbind\"");
    }
}

/// Ids that don't exist in the user namespace can't own a file system.
fn owner(report: &mut Report, at: &At<'_>, option: &str, key: &str, mappings: &[LinuxIdMapping]) {
    let Some(id) = option.strip_prefix(key) else { return };
    match id.parse() {
        Ok(id) if namespaces::is_mapped(id, mappings) || mappings.is_empty() => {}
        Ok(id) => {
            report.add(at, format!("cannot specify {key}{id} for an unmapped id in a rootless container"))
        }
        Err(_) => report.add(at, format!("not an id: {}", quote(option))),
    }
}

fn id_mappings(report: &mut Report, at: &At<'_>, mount: &Mount, options: &MountOptions, container_has: bool) {
    let uids = mount.uid_mappings().as_deref().unwrap_or_default();
    let gids = mount.gid_mappings().as_deref().unwrap_or_default();
    namespaces::ranges(report, &at.key("uidMappings"), uids);
    namespaces::ranges(report, &at.key("gidMappings"), gids);
    for (missing, key) in [(uids.is_empty(), "uidMappings"), (gids.is_empty(), "gidMappings")] {
        if missing && uids.len() + gids.len() > 0 {
            report.add(&at.key(key), "must be given too: a mount has both mappings or none");
        }
    }
    if options.idmap.is_some() && uids.len() + gids.len() == 0 && !container_has {
        let place = mount.options().iter().flatten().position(|option| option.ends_with("idmap"));
        let text = "id mappings are missing: give the mount uidMappings and gidMappings, or the container";
        report.add(&at.key("options").index(place.unwrap_or_default()), text);
    }
    if mount_options::is_mapped(mount, options) && options.bind.is_none() && !options.remount {
        report.add(at, "only a bind mount can have id mappings");
    }
}

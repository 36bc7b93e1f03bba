//! What the config asks of this host.

use super::{Kind, Problem};
use crate::cgroup::{Layout, ROOT};
use crate::config::{HOOK_POINTS, mount_options};
use crate::errno::io_words;
use crate::facts::find_tool;
use crate::namespaces::NamespaceType;
use nix::unistd::geteuid;
use oci_spec::runtime::{Hook, LinuxResources, Spec};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

/// The oldest kernel that skeg runs on.
const OLDEST: (u32, u32) = (5, 14);

/// What is missing.
pub(super) fn problems(bundle: &Path, spec: &Spec) -> Vec<Problem> {
    let mut found = Found(Vec::new());
    kernel(&mut found);
    root(&mut found, bundle, spec);
    namespaces(&mut found, spec);
    id_mappings(&mut found, spec);
    mounts(&mut found, bundle, spec);
    limits(&mut found, spec);
    hooks(&mut found, spec);
    listener(&mut found, spec);
    resctrl(&mut found, spec);
    found.0
}

/// Problems, as they are found.
struct Found(Vec<Problem>);

impl Found {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { kind: Kind::Host, path: path.into(), message: message.into() });
    }

    /// A path that has to be there. One that we may not look at may be there for whoever starts the container.
    fn needs(
        &mut self,
        place: impl Into<String>,
        path: &Path,
        what: impl FnOnce(&fs::Metadata) -> Option<&'static str>,
    ) {
        match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            Err(error) => self.add(place, format!("{}: {}", path.display(), io_words(&error))),
            Ok(metadata) => {
                if let Some(mistake) = what(&metadata) {
                    self.add(place, format!("{}: {mistake}", path.display()));
                }
            }
        }
    }
}

fn kernel(found: &mut Found) {
    let Ok(uname) = nix::sys::utsname::uname() else { return };
    let release = uname.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < OLDEST {
        let (major, minor) = OLDEST;
        found.add("", format!("Linux {release} is older than {major}.{minor}"));
    }
}

fn root(found: &mut Found, bundle: &Path, spec: &Spec) {
    if let Some(root) = spec.root() {
        let is_directory = |metadata: &fs::Metadata| (!metadata.is_dir()).then_some("not a directory");
        found.needs("root.path", &bundle.join(root.path()), is_directory);
    }
}

fn namespaces(found: &mut Found, spec: &Spec) {
    let list = spec.linux().as_ref().and_then(|linux| linux.namespaces().as_deref()).unwrap_or_default();
    for (index, namespace) in list.iter().enumerate() {
        let kind = NamespaceType::from(namespace.typ());
        if !kind.is_supported() {
            found.add(
                format!("linux.namespaces[{index}].type"),
                format!("the kernel has no {kind} namespaces"),
            );
        }
        if let Some(path) = namespace.path() {
            found.needs(format!("linux.namespaces[{index}].path"), path, |_| None);
        }
    }
}

/// More than the own id takes helpers, unless root writes the mapping.
fn id_mappings(found: &mut Found, spec: &Spec) {
    if geteuid().is_root() {
        return;
    }
    let Some(linux) = spec.linux() else { return };
    let lists = [
        ("uidMappings", linux.uid_mappings(), "newuidmap"),
        ("gidMappings", linux.gid_mappings(), "newgidmap"),
    ];
    for (key, list, tool) in lists {
        let takes_help =
            list.as_ref().is_some_and(|list| list.iter().any(|m| m.size() > 1) || list.len() > 1);
        if takes_help && find_tool(tool).is_none() {
            found.add(format!("linux.{key}"), format!("{tool} is not installed"));
        }
    }
}

fn mounts(found: &mut Found, bundle: &Path, spec: &Spec) {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let is_known = |kind: &str| known.lines().any(|line| line.split_whitespace().last() == Some(kind));
    for (index, mount) in spec.mounts().iter().flatten().enumerate() {
        let options = mount_options::of(mount);
        if options.remount {
            continue;
        }
        if options.bind.is_some() {
            if let Some(source) = mount.source() {
                found.needs(format!("mounts[{index}].source"), &bundle.join(source), |_| None);
            }
            continue;
        }
        // A cgroup mount is whatever this host has.
        let kind = mount.typ().as_deref().unwrap_or("bind");
        if !["bind", "cgroup", "cgroup2"].contains(&kind) && !known.is_empty() && !is_known(kind) {
            // A module may be loaded when it is first used, but not in a container.
            found.add(format!("mounts[{index}].type"), format!("the kernel knows no file system {kind:?}"));
        }
    }
}

/// The controllers that limits take, by the names of version 1 and of version 2.
fn limits(found: &mut Found, spec: &Spec) {
    let Some(resources) = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref()) else { return };
    let Ok((layout, _)) = Layout::detect(None) else { return };
    let unified = match &layout {
        Layout::V2 => Path::new(ROOT),
        Layout::Hybrid { unified, .. } => unified,
        Layout::V1(_) | Layout::None => Path::new("/nonexistent"),
    };
    let on_v2 = fs::read_to_string(unified.join("cgroup.controllers")).unwrap_or_default();
    for (property, v1, v2) in controllers(resources) {
        let has_v1 = match &layout {
            Layout::V1(v1_mounts) | Layout::Hybrid { v1: v1_mounts, .. } => v1_mounts.contains_key(v1),
            Layout::V2 | Layout::None => false,
        };
        if !has_v1 && !on_v2.split_whitespace().any(|name| name == v2) {
            found.add(format!("linux.resources.{property}"), format!("there is no {v1} controller"));
        }
    }
}

fn controllers(resources: &LinuxResources) -> Vec<(&'static str, &'static str, &'static str)> {
    let cpu = resources.cpu().as_ref();
    let cpuset = cpu.is_some_and(|cpu| cpu.cpus().is_some() || cpu.mems().is_some());
    let time =
        cpu.is_some_and(|cpu| cpu.shares().is_some() || cpu.quota().is_some() || cpu.period().is_some());
    let memory = resources.memory().as_ref().is_some_and(|memory| memory.limit().is_some());
    let huge = resources.hugepage_limits().as_ref().is_some_and(|limits| !limits.is_empty());
    let rdma = resources.rdma().as_ref().is_some_and(|limits| !limits.is_empty());
    [
        (memory, ("memory", "memory", "memory")),
        (time, ("cpu", "cpu", "cpu")),
        (cpuset, ("cpu", "cpuset", "cpuset")),
        (resources.pids().is_some(), ("pids", "pids", "pids")),
        (resources.block_io().is_some(), ("blockIO", "blkio", "io")),
        (huge, ("hugepageLimits", "hugetlb", "hugetlb")),
        (rdma, ("rdma", "rdma", "rdma")),
    ]
    .into_iter()
    .filter_map(|(wanted, controller)| wanted.then_some(controller))
    .collect()
}

fn hooks(found: &mut Found, spec: &Spec) {
    let Some(hooks) = spec.hooks() else { return };
    // Those of startContainer are looked up in the container.
    for (name, list) in HOOK_POINTS.into_iter().filter(|(name, _)| *name != "startContainer") {
        for (index, hook) in list(hooks).iter().flatten().enumerate() {
            found.needs(format!("hooks.{name}[{index}].path"), Hook::path(hook), |metadata| {
                let runs = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
                (!runs).then_some("not an executable file")
            });
        }
    }
}

fn resctrl(found: &mut Found, spec: &Spec) {
    let rdt = spec.linux().as_ref().and_then(|linux| linux.intel_rdt().as_ref());
    if rdt.is_some() && crate::resctrl::mount_point().is_err() {
        found.add("linux.intelRdt", "no resctrl file system is mounted");
    }
}

fn listener(found: &mut Found, spec: &Spec) {
    let seccomp = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    let path = seccomp.and_then(|seccomp| seccomp.listener_path().as_deref());
    if let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) {
        found.needs("linux.seccomp.listenerPath", path, |metadata| {
            (!metadata.file_type().is_socket()).then_some("not a socket")
        });
    }
}

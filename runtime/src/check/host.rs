//! What the config asks of this host. Whatever depends on the config alone is for `config` to say.

use super::{Kind, Problem, Report};
use crate::cgroup::{Layout, offer};
use crate::config::list::ranges;
use crate::config::{HOOK_POINTS, LAST_SECOND, mount_options, sysctl_path};
use crate::errno::io_words;
use crate::facts::find_tool;
use crate::namespaces::NamespaceType;
use nix::sys::statfs::{FsType, statfs};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::geteuid;
use oci_spec::runtime::{Hook, LinuxBlockIo, LinuxResources, LinuxSeccompAction, LinuxSyscall, Spec};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

/// The oldest kernel that skeg runs on.
const OLDEST: (u32, u32) = (5, 14);

/// What is missing.
pub(super) fn look(report: &mut Report, bundle: &Path, spec: &Spec) {
    let found = &mut Found(report);
    kernel(found);
    root(found, bundle, spec);
    namespaces(found, spec);
    time_offsets(found, spec);
    id_mappings(found, spec);
    mounts(found, bundle, spec);
    sysctls(found, spec);
    limits(found, spec);
    net_devices(found, spec);
    hooks(found, spec);
    listener(found, spec);
    resctrl(found, spec);
}

/// Problems, as they are found.
struct Found<'r>(&'r mut Report);

impl Found<'_> {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.problems.push(Problem { kind: Kind::Host, path: path.into(), message: message.into() });
    }

    fn note(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.notes.push(Problem { kind: Kind::Ignored, path: path.into(), message: message.into() });
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

fn kernel(found: &mut Found<'_>) {
    let Ok(uname) = nix::sys::utsname::uname() else { return };
    let release = uname.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < OLDEST {
        let (major, minor) = OLDEST;
        found.add("", format!("Linux {release} is older than {major}.{minor}"));
    }
}

fn root(found: &mut Found<'_>, bundle: &Path, spec: &Spec) {
    if let Some(root) = spec.root() {
        let is_directory = |metadata: &fs::Metadata| (!metadata.is_dir()).then_some("not a directory");
        found.needs("root.path", &bundle.join(root.path()), is_directory);
    }
}

fn namespaces(found: &mut Found<'_>, spec: &Spec) {
    let list = spec.linux().as_ref().and_then(|linux| linux.namespaces().as_deref()).unwrap_or_default();
    for (index, namespace) in list.iter().enumerate() {
        let kind = NamespaceType::from(namespace.typ());
        if !kind.is_supported() {
            found.add(
                format!("linux.namespaces[{index}].type"),
                format!("the kernel has no {kind} namespaces"),
            );
        }
        if let Some(path) = namespace.path().as_ref().filter(|path| !path.as_os_str().is_empty()) {
            let is_other = || statfs(path).is_ok_and(|found| found.filesystem_type() != NSFS);
            let place = format!("linux.namespaces[{index}].path");
            found.needs(place, path, |_| is_other().then_some("not a namespace"));
        }
    }
}

/// NSFS_MAGIC (linux/magic.h).
const NSFS: FsType = FsType(0x6e73_6673);

/// No clock may be before its start, or more than half of its range after it (kernel/time/namespace.c).
fn time_offsets(found: &mut Found<'_>, spec: &Spec) {
    let offsets = spec.linux().as_ref().and_then(|linux| linux.time_offsets().as_ref());
    for (clock, offset) in offsets.into_iter().flatten() {
        let id = if clock == "monotonic" { ClockId::CLOCK_MONOTONIC } else { ClockId::CLOCK_BOOTTIME };
        let Ok(now) = clock_gettime(id) else { continue };
        let inside = now.tv_sec().saturating_add(offset.secs().unwrap_or_default());
        if !(0..=LAST_SECOND).contains(&inside) {
            let text = format!("the clock would be at {inside} s: expected 0 to {LAST_SECOND}");
            found.add(format!("linux.timeOffsets.{clock}.secs"), text);
        }
    }
}

/// Settings that no kernel of this build has. Those of network devices are there with the devices.
fn sysctls(found: &mut Found<'_>, spec: &Spec) {
    let settings = spec.linux().as_ref().and_then(|linux| linux.sysctl().as_ref());
    let mut names: Vec<_> = settings.iter().flat_map(|settings| settings.keys()).collect();
    names.sort_unstable();
    for name in names {
        let Some(path) = sysctl_path(name) else { continue };
        let is_of_device = path.split('/').any(|part| ["conf", "neigh"].contains(&part));
        if !is_of_device && !Path::new("/proc/sys").join(path).exists() {
            found.add(format!("linux.sysctl[{name:?}]"), "the kernel has no such setting");
        }
    }
}

fn net_devices(found: &mut Found<'_>, spec: &Spec) {
    let devices = spec.linux().as_ref().and_then(|linux| linux.net_devices().as_ref());
    let mut names: Vec<_> = devices.iter().flat_map(|devices| devices.keys()).collect();
    names.sort_unstable();
    for name in names.into_iter().filter(|name| !Path::new("/sys/class/net").join(name).exists()) {
        found.add(format!("linux.netDevices[{name:?}]"), "there is no such network device");
    }
}

/// More than the own id takes helpers, unless root writes the mapping.
fn id_mappings(found: &mut Found<'_>, spec: &Spec) {
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

fn mounts(found: &mut Found<'_>, bundle: &Path, spec: &Spec) {
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

/// What the host's cgroups can't do, and what they lack.
fn limits(found: &mut Found<'_>, spec: &Spec) {
    let Some(resources) = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref()) else { return };
    let Ok((layout, _)) = Layout::detect(None) else { return };
    let answer = offer::ask(&layout, resources);
    for error in answer.refused {
        let text = error.to_string();
        let (path, message) = text.split_once(": ").unwrap_or(("", &text));
        found.add(path, message);
    }
    for path in answer.ignored {
        found.note(path, "this host's cgroups have no such setting, ignored");
    }
    if let Some(cpu) = resources.cpu() {
        let cpus = if layout == Layout::V2 { "cpu/possible" } else { "cpu/online" };
        units(found, "linux.resources.cpu.cpus", cpu.cpus().as_deref(), cpus);
        units(found, "linux.resources.cpu.mems", cpu.mems().as_deref(), "node/has_memory");
    }
    huge_pages(found, resources);
    if let Some(io) = resources.block_io() {
        block_devices(found, io);
    }
}

/// CPUs or memory nodes that aren't in the list of that name in sysfs.
fn units(found: &mut Found<'_>, property: &str, wanted: Option<&str>, list: &str) {
    let list = fs::read_to_string(Path::new("/sys/devices/system").join(list));
    let Some(there) = list.ok().and_then(|list| ranges(&list)) else { return };
    let is_there = |(first, last): &(u32, u32)| there.iter().any(|(low, high)| low <= first && last <= high);
    if let Some((first, last)) =
        wanted.and_then(ranges).unwrap_or_default().iter().find(|range| !is_there(range))
    {
        let what = if first == last {
            format!("{first} is not there")
        } else {
            format!("{first}-{last} are not all there")
        };
        let last_there = there.last().map_or(0, |(_, last)| *last);
        found.add(property, format!("{what}: the last one is {last_there}"));
    }
}

/// The kernel's names of page sizes have the largest unit that fits.
fn huge_pages(found: &mut Found<'_>, resources: &LinuxResources) {
    let name = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let kilobytes: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        Some(match kilobytes {
            0..1024 => format!("{kilobytes}KB"),
            1024..0x10_0000 => format!("{}MB", kilobytes >> 10),
            _ => format!("{}GB", kilobytes >> 20),
        })
    };
    let Ok(sizes) = fs::read_dir("/sys/kernel/mm/hugepages") else { return };
    let sizes: Vec<String> = sizes.flatten().filter_map(name).collect();
    for (index, limit) in resources.hugepage_limits().iter().flatten().enumerate() {
        if !sizes.contains(limit.page_size()) {
            let text = format!("no huge pages of {:?}: there are {}", limit.page_size(), sizes.join(", "));
            found.add(format!("linux.resources.hugepageLimits[{index}].pageSize"), text);
        }
    }
}

fn block_devices(found: &mut Found<'_>, io: &LinuxBlockIo) {
    let throttles = [
        ("throttleReadBpsDevice", io.throttle_read_bps_device()),
        ("throttleWriteBpsDevice", io.throttle_write_bps_device()),
        ("throttleReadIOPSDevice", io.throttle_read_iops_device()),
        ("throttleWriteIOPSDevice", io.throttle_write_iops_device()),
    ];
    let weights = io.weight_device().iter().flatten().map(|device| (device.major(), device.minor()));
    let throttles = throttles.into_iter().flat_map(|(property, list)| {
        let numbers = list.iter().flatten().map(|device| (device.major(), device.minor()));
        numbers.enumerate().map(move |(index, numbers)| (property, index, numbers))
    });
    let weights = weights.enumerate().map(|(index, numbers)| ("weightDevice", index, numbers));
    for (property, index, (major, minor)) in weights.chain(throttles) {
        if !Path::new("/sys/dev/block").join(format!("{major}:{minor}")).exists() {
            let place = format!("linux.resources.blockIO.{property}[{index}]");
            found.add(place, format!("there is no block device {major}:{minor}"));
        }
    }
}

fn hooks(found: &mut Found<'_>, spec: &Spec) {
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

fn resctrl(found: &mut Found<'_>, spec: &Spec) {
    let rdt = spec.linux().as_ref().and_then(|linux| linux.intel_rdt().as_ref());
    if rdt.is_some() && crate::resctrl::mount_point().is_err() {
        found.add("linux.intelRdt", "no resctrl file system is mounted");
    }
}

fn listener(found: &mut Found<'_>, spec: &Spec) {
    let seccomp = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    // Without a rule that notifies there is nothing to send.
    let notifies = |rule: &LinuxSyscall| rule.action() == LinuxSeccompAction::ScmpActNotify;
    let seccomp = seccomp.filter(|seccomp| seccomp.syscalls().iter().flatten().any(notifies));
    let path = seccomp.and_then(|seccomp| seccomp.listener_path().as_deref());
    if let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) {
        found.needs("linux.seccomp.listenerPath", path, |metadata| {
            (!metadata.file_type().is_socket()).then_some("not a socket")
        });
    }
}

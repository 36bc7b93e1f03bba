//! The rest of `linux`: paths to hide, propagation, labels, and what has a section of its own elsewhere.

use oci_spec::runtime::{Linux, LinuxIntelRdt, LinuxMemoryPolicy, MemoryPolicyModeType};

use super::namespaces::Namespaces;
use super::{devices, resources, seccomp, sysctl, text};
use crate::config::error::Report;
use crate::config::path::{At, quote, suggestion};

/// Checks everything of `linux` but its namespaces.
pub(super) fn check(report: &mut Report, at: &At<'_>, linux: &Linux, namespaces: &Namespaces<'_>) {
    for (key, paths) in [("maskedPaths", linux.masked_paths()), ("readonlyPaths", linux.readonly_paths())] {
        restricted(report, &at.key(key), paths.as_deref().unwrap_or_default(), namespaces);
    }
    propagation(
        report,
        &at.key("rootfsPropagation"),
        linux.rootfs_propagation().as_deref().unwrap_or_default(),
    );
    if let Some(settings) = linux.sysctl() {
        sysctl::check(report, &at.key("sysctl"), settings, namespaces);
    }
    devices::check(report, &at.key("devices"), linux.devices().as_deref().unwrap_or_default());
    if let Some(path) = linux.cgroups_path() {
        text::contained(report, &at.key("cgroupsPath"), path);
    }
    if let Some(limits) = linux.resources() {
        resources::check(report, &at.key("resources"), limits);
    }
    if let Some(filter) = linux.seccomp() {
        seccomp::check(report, &at.key("seccomp"), filter);
    }
    text::check(report, &at.key("mountLabel"), linux.mount_label().as_deref().unwrap_or_default());
    if let Some(policy) = linux.memory_policy() {
        memory_policy(report, &at.key("memoryPolicy"), policy);
    }
    if let Some(rdt) = linux.intel_rdt() {
        intel_rdt(report, &at.key("intelRdt"), rdt);
    }
    let flags = linux.personality().as_ref().and_then(|personality| personality.flags().as_deref());
    if flags.is_some_and(|flags| !flags.is_empty()) {
        // "Additional flags; currently no flag values are supported" (config-linux.md).
        report.add(&at.key("personality").key("flags"), "there are no flags that could be set");
    }
    net_devices(report, &at.key("netDevices"), linux, namespaces);
}

fn restricted(report: &mut Report, at: &At<'_>, paths: &[String], namespaces: &Namespaces<'_>) {
    if !paths.is_empty() && namespaces.mount.is_none() {
        report.add(at, "unable to restrict sys entries without a private MNT namespace");
    }
    for (index, path) in paths.iter().enumerate() {
        text::absolute(report, &at.index(index), path.as_ref());
    }
}

const PROPAGATIONS: [&str; 8] =
    ["private", "rprivate", "rshared", "rslave", "runbindable", "shared", "slave", "unbindable"];

fn propagation(report: &mut Report, at: &At<'_>, wanted: &str) {
    if !wanted.is_empty() && !PROPAGATIONS.contains(&wanted) {
        let (near, names) = (suggestion(wanted, PROPAGATIONS.into_iter()), PROPAGATIONS.join(", "));
        report.add(at, format!("unknown value {}: expected one of {names}{near}", quote(wanted)));
    }
}

/// set_mempolicy(2): which modes take nodes.
fn memory_policy(report: &mut Report, at: &At<'_>, policy: &LinuxMemoryPolicy) {
    use MemoryPolicyModeType::{MpolDefault, MpolLocal, MpolPreferred};
    let (mode, nodes) = (policy.mode(), policy.nodes().as_deref().unwrap_or_default());
    text::mask(report, &at.key("nodes"), nodes);
    if nodes.is_empty() && !matches!(mode, MpolDefault | MpolLocal | MpolPreferred) {
        report.add(&at.key("nodes"), format!("{mode} needs nodes"));
    } else if !nodes.is_empty() && matches!(mode, MpolDefault | MpolLocal) {
        report.add(&at.key("nodes"), format!("{mode} takes no nodes"));
    }
}

fn intel_rdt(report: &mut Report, at: &At<'_>, rdt: &LinuxIntelRdt) {
    // It names a directory in resctrl; "/" is the root group itself (config-linux.md).
    if let Some(clos) = rdt.clos_id().as_deref().filter(|clos| *clos != "/") {
        text::file_name(report, &at.key("closID"), clos);
    }
    if rdt.mem_bw_schema().as_deref().is_some_and(|line| !line.is_empty() && !line.starts_with("MB:")) {
        report.add(&at.key("memBwSchema"), "must start with \"MB:\"");
    }
    one_line(report, &at.key("l3CacheSchema"), rdt.l3_cache_schema().as_deref());
    one_line(report, &at.key("memBwSchema"), rdt.mem_bw_schema().as_deref());
    for (index, line) in rdt.schemata().iter().flatten().enumerate() {
        one_line(report, &at.key("schemata").index(index), Some(line));
    }
}

fn one_line(report: &mut Report, at: &At<'_>, line: Option<&str>) {
    if let Some(line) = line.filter(|line| line.contains('\n')) {
        report.add(at, format!("must be one line: {}", quote(line)));
    }
}

/// IFNAMSIZ without its NUL (netdevice(7)).
pub(super) const LONGEST_INTERFACE: usize = 15;

/// Whether the kernel would take it as the name of a network interface (dev_valid_name).
pub(super) fn is_interface(name: &str) -> bool {
    let bad = |byte: u8| byte == b'/' || byte == b':' || byte == 0 || byte.is_ascii_whitespace();
    (1..=LONGEST_INTERFACE).contains(&name.len()) && name != "." && name != ".." && !name.bytes().any(bad)
}

fn net_devices(report: &mut Report, at: &At<'_>, linux: &Linux, namespaces: &Namespaces<'_>) {
    let Some(devices) = linux.net_devices().as_ref().filter(|devices| !devices.is_empty()) else { return };
    if namespaces.network.is_none() {
        report.add(at, "unable to move network devices without a private NET namespace");
    }
    let mut devices: Vec<_> = devices.iter().collect();
    devices.sort_unstable_by_key(|(name, _)| *name);
    for (host, device) in devices {
        let inside = device.name().as_deref().filter(|name| !name.is_empty());
        for name in [Some(host.as_str()), inside].into_iter().flatten().filter(|name| !is_interface(name)) {
            report.add(&at.key(host), format!("not a name for a network interface: {}", quote(name)));
        }
    }
}

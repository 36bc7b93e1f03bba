//! `skeg features`: what this build supports, as JSON (runtime-spec, features.md).

use super::output;
use crate::cgroup::{self, DriverKind};
use crate::config::{HOOK_POINTS, OCI_VERSION_MIN, mount_options, words};
use crate::container::OCI_VERSION;
use crate::namespaces::NamespaceType;
use crate::plan::CAPABILITIES;
use crate::{cli, seccomp, sys};
use anyhow::Result;
use oci_spec::runtime::{
    Arch, Linux, LinuxIntelRdt, LinuxSeccompAction, LinuxSeccompFilterFlag, LinuxSeccompOperator,
    MemoryPolicyFlagType, MemoryPolicyModeType, Process,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Prints the features, whatever the host can do of them and without any privilege.
pub fn run() -> Result<()> {
    let mut json = output::pretty(&features(), "    ")?;
    json.push(b'\n');
    output::print(&json)
}

/// Callers act on this, so every list is the one by which a config is read or compiled, and can't promise more. containerd
/// refuses `hostUsers: false` unless it finds both the `user` namespace and idmap here, Docker needs `rro` in the mount
/// options, and CRI-O both versions. No annotation changes what skeg does, so none is unsafe.
fn features() -> Value {
    json!({
        "ociVersionMin": OCI_VERSION_MIN,
        "ociVersionMax": OCI_VERSION,
        "hooks": HOOK_POINTS.map(|(name, _)| name),
        "mountOptions": mount_options::names().collect::<Vec<_>>(),
        "linux": linux(),
        "annotations": { "org.opencontainers.runc.checkpoint.enabled": has_command("checkpoint").to_string() },
        "potentiallyUnsafeConfigAnnotations": [],
    })
}

fn linux() -> Value {
    json!({
        "namespaces": sorted(NamespaceType::ALL.map(NamespaceType::oci_name)),
        "capabilities": CAPABILITIES,
        "cgroup": cgroup(),
        "seccomp": seccomp(),
        "apparmor": { "enabled": knows::<Process>("apparmorProfile") },
        "selinux": { "enabled": knows::<Process>("selinuxLabel") && knows::<Linux>("mountLabel") },
        "intelRdt": {
            "enabled": knows::<Linux>("intelRdt"),
            "schemata": knows::<LinuxIntelRdt>("schemata"),
            "monitoring": knows::<LinuxIntelRdt>("enableMonitoring"),
        },
        "memoryPolicy": {
            "modes": sorted(words::of::<MemoryPolicyModeType>().iter().copied()),
            "flags": sorted(words::of::<MemoryPolicyFlagType>().iter().copied()),
        },
        "mountExtensions": { "idmap": { "enabled": mount_options::has_idmap() } },
        "netDevices": { "enabled": knows::<Linux>("netDevices") },
    })
}

fn cgroup() -> Value {
    let drivers = words::of::<DriverKind>();
    json!({
        "v1": true,
        "v2": true,
        "systemd": drivers.contains(&"Systemd"),
        "systemdUser": drivers.contains(&"SystemdUser"),
        "rdma": cgroup::knows("rdma"),
    })
}

/// The architectures are those that have a table of system calls, whatever this host's is; the flags that are supported are up to its
/// kernel.
fn seccomp() -> Value {
    let archs = words::values::<Arch>().filter(|(_, arch)| seccomp::calls(*arch).is_some());
    let supported = words::values::<LinuxSeccompFilterFlag>()
        .filter(|(_, flag)| sys::seccomp_flag_is_known(seccomp::flag(*flag)));
    json!({
        "enabled": knows::<Linux>("seccomp"),
        "actions": sorted(words::of::<LinuxSeccompAction>().iter().copied()),
        "operators": sorted(words::of::<LinuxSeccompOperator>().iter().copied()),
        "archs": sorted(archs.map(|(word, _)| word)),
        "knownFlags": sorted(words::of::<LinuxSeccompFilterFlag>().iter().copied()),
        "supportedFlags": sorted(supported.map(|(word, _)| word)),
    })
}

fn sorted(words: impl IntoIterator<Item = &'static str>) -> Vec<&'static str> {
    let mut words: Vec<_> = words.into_iter().collect();
    words.sort_unstable();
    words
}

/// Whether the parser has a property; what it has is done, or refused by `config::unsupported`.
fn knows<T: DeserializeOwned>(property: &str) -> bool {
    words::of::<T>().contains(&property)
}

fn has_command(name: &str) -> bool {
    cli::commands().any(|command| command == name)
}

#[cfg(test)]
mod tests;

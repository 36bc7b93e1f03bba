//! `linux.sysctl`: only what belongs to a namespace of the container may be set.

use std::collections::HashMap;

use super::namespaces::Namespaces;
use crate::config::error::Report;
use crate::config::path::{At, quote};

/// Settings of the IPC namespace that have no prefix of their own (ipc_namespaces(7)).
const IPC: [&str; 8] = ["msgmax", "msgmnb", "msgmni", "sem", "shm_rmid_forced", "shmall", "shmmax", "shmmni"];

/// The path below /proc/sys of a setting, as sysctl(8) reads names: the first of `.` and `/` in it separates, and the
/// other one stands for a literal dot (`net.ipv4.conf.eth0/100.forwarding`, `net/ipv4/conf/eth0.100/forwarding`).
/// None: it would not stay below /proc/sys.
pub fn proc_path(name: &str) -> Option<String> {
    let path = if name.chars().find(|character| matches!(character, '.' | '/')) == Some('.') {
        let swapped = |character| match character {
            '.' => '/',
            '/' => '.',
            other => other,
        };
        name.chars().map(swapped).collect()
    } else {
        name.to_owned()
    };
    let is_name = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.bytes().any(|byte| byte <= b' ')
    };
    path.split('/').all(is_name).then_some(path)
}

/// Checks all settings, in the order of their names.
pub(super) fn check(
    report: &mut Report,
    at: &At<'_>,
    settings: &HashMap<String, String>,
    namespaces: &Namespaces<'_>,
) {
    let mut settings: Vec<_> = settings.iter().collect();
    settings.sort_unstable();
    for (name, value) in settings {
        let at = at.key(name);
        match proc_path(name) {
            None => report.add(&at, "not the name of a sysctl"),
            Some(path) => owner(report, &at, &path, namespaces),
        }
        // A line break would make two writes of one.
        if value.trim_end().bytes().any(|byte| byte == 0 || byte == b'\n') {
            report.add(&at, format!("the value must be one line without NUL bytes, not {}", quote(value)));
        }
    }
}

/// A setting must belong to a namespace that the container doesn't share with the host.
fn owner(report: &mut Report, at: &At<'_>, path: &str, namespaces: &Namespaces<'_>) {
    let host = namespaces.joins_host;
    let network = namespaces.network.filter(|_| !host.network);
    let ipc = namespaces.ipc.filter(|_| !host.ipc);
    let (owner, name) = match path.split_once('/') {
        Some(("net", _)) => (network, "network"),
        Some(("fs", rest)) if rest.starts_with("mqueue/") => (ipc, "ipc"),
        Some(("kernel", rest)) if IPC.contains(&rest) => (ipc, "ipc"),
        Some(("kernel", "domainname")) => (namespaces.uts.filter(|_| !host.uts), "UTS"),
        Some(("user", _)) => (namespaces.user, "user"),
        Some(("kernel", "hostname")) => {
            report.add(at, "not allowed as it conflicts with the OCI \"hostname\" field");
            return;
        }
        _ => {
            report.add(at, "not allowed: it is not in a separate kernel namespace");
            return;
        }
    };
    if owner.is_none() {
        report.add(at, format!("not allowed in the host's {name} namespace"));
    }
}

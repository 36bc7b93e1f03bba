//! The small controllers: pids, hugetlb, net_cls, net_prio, rdma, and `unified`, which is any file of cgroup v2.

use super::{Otherwise, Sink};
use crate::cgroup::error::{Error, Result};
use oci_spec::runtime::{LinuxHugepageLimit, LinuxNetwork, LinuxPids, LinuxRdma};
use std::collections::{BTreeMap, HashMap};

pub(super) fn pids(pids: &LinuxPids, out: &mut Sink<'_>) -> Result<()> {
    const LIMIT: &str = "linux.resources.pids.limit";
    let value = match pids.limit() {
        // systemd takes no 0, and 1 means the same to a container: its first process and nothing else.
        0 => "1".to_owned(),
        limit if limit < 0 => "max".to_owned(),
        limit => limit.to_string(),
    };
    out.controller("pids", LIMIT)?.write("pids.max", value, LIMIT);
    Ok(())
}

pub(super) fn hugetlb(limits: &[LinuxHugepageLimit], out: &mut Sink<'_>) -> Result<()> {
    for (index, limit) in limits.iter().enumerate() {
        let setting = format!("linux.resources.hugepageLimits[{index}]");
        let size = limit.page_size();
        // The size becomes part of a file's name.
        if !is_page_size(size) {
            return Err(Error::setting(format!("{setting}.pageSize"), format!("invalid page size {size:?}")));
        }
        let mut out = out.controller("hugetlb", &setting)?;
        let (suffix, none) = if out.is_v2() { ("max", "max") } else { ("limit_in_bytes", "-1") };
        let value = if limit.limit() < 0 { none.to_owned() } else { limit.limit().to_string() };
        out.write(format!("hugetlb.{size}.{suffix}"), &value, setting.clone());
        // Reservations are counted since Linux 5.7.
        out.write_or(Otherwise::Skip, format!("hugetlb.{size}.rsvd.{suffix}"), value, setting);
    }
    Ok(())
}

/// `64KB`, `2MB`, `1GB`: the kernel's names.
fn is_page_size(size: &str) -> bool {
    let digits = ["KB", "MB", "GB"].iter().find_map(|unit| size.strip_suffix(unit));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

pub(super) fn network(network: &LinuxNetwork, out: &mut Sink<'_>) -> Result<()> {
    const CLASS: &str = "linux.resources.network.classID";
    if let Some(class) = network.class_id().filter(|class| *class != 0) {
        // cgroup v2 has no such controller: packets are matched by the cgroup itself there.
        match (out.version)("net_cls") {
            Some(super::Version::V2) => out.settings.ignored.push(CLASS),
            _ => out.controller("net_cls", CLASS)?.write("net_cls.classid", class, CLASS),
        }
    }
    for (index, priority) in network.priorities().as_deref().unwrap_or_default().iter().enumerate() {
        let setting = format!("linux.resources.network.priorities[{index}]");
        let name = priority.name();
        if name.is_empty()
            || name.bytes().any(|b| b == b'/' || b.is_ascii_whitespace() || b.is_ascii_control())
        {
            return Err(Error::setting(
                format!("{setting}.name"),
                format!("invalid interface name {name:?}"),
            ));
        }
        match (out.version)("net_prio") {
            Some(super::Version::V2) => out.settings.ignored.push("linux.resources.network.priorities"),
            _ => {
                let value = format!("{name} {}", priority.priority());
                out.controller("net_prio", &setting)?.write("net_prio.ifpriomap", value, setting.clone());
            }
        }
    }
    Ok(())
}

pub(super) fn rdma(devices: &HashMap<String, LinuxRdma>, out: &mut Sink<'_>) -> Result<()> {
    // Sorted, so that the same config gives the same writes.
    for (name, limit) in devices.iter().collect::<BTreeMap<_, _>>() {
        let setting = format!("linux.resources.rdma.{name}");
        if name.is_empty() || name.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control()) {
            return Err(Error::setting("linux.resources.rdma", format!("invalid device name {name:?}")));
        }
        let mut value = name.clone();
        if let Some(handles) = limit.hca_handles() {
            value.push_str(&format!(" hca_handle={handles}"));
        }
        if let Some(objects) = limit.hca_objects() {
            value.push_str(&format!(" hca_object={objects}"));
        }
        out.controller("rdma", &setting)?.write("rdma.max", value, setting.clone());
    }
    Ok(())
}

pub(super) fn unified(files: &HashMap<String, String>, out: &mut Sink<'_>) -> Result<()> {
    for (key, value) in files.iter().collect::<BTreeMap<_, _>>() {
        let setting = format!("linux.resources.unified.{}", key.escape_debug());
        if key.contains('/') {
            return Err(Error::setting(setting, "must be a file name (no slashes)"));
        }
        let form =
            key.split_once('.').is_some_and(|(controller, file)| !controller.is_empty() && !file.is_empty());
        if !form || key.contains("..") || key.bytes().any(|b| b.is_ascii_control()) {
            return Err(Error::setting(setting, "must be in the form CONTROLLER.PARAMETER"));
        }
        let Some(super::Version::V2) = (out.version)("") else {
            return Err(Error::setting(setting, "invalid configuration: cannot use unified on cgroup v1"));
        };
        let mut out = out.controller("", &setting)?;
        // Files such as io.max take one line at a time.
        for line in value.lines() {
            out.write(key.clone(), line, setting.clone());
        }
    }
    Ok(())
}

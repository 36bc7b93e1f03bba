//! `linux.resources`: numbers that no cgroup file takes, and keys that would name files elsewhere.

use std::collections::HashMap;

use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxDeviceCgroup, LinuxDeviceType, LinuxHugepageLimit, LinuxMemory,
    LinuxNetwork, LinuxResources, LinuxThrottleDevice,
};

use super::linux::is_interface;
use super::{out_of_range, text};
use crate::config::error::Report;
use crate::config::path::{At, quote};

/// Checks limits: of config.json, or of `update --resources`.
pub(super) fn check(report: &mut Report, at: &At<'_>, resources: &LinuxResources) {
    for (index, rule) in resources.devices().as_deref().unwrap_or_default().iter().enumerate() {
        device(report, &at.key("devices").index(index), rule);
    }
    if let Some(limits) = resources.memory() {
        memory(report, &at.key("memory"), limits);
    }
    if let Some(limits) = resources.cpu() {
        cpu(report, &at.key("cpu"), limits);
    }
    if let Some(limits) = resources.block_io() {
        block_io(report, &at.key("blockIO"), limits);
    }
    for (index, limit) in resources.hugepage_limits().as_deref().unwrap_or_default().iter().enumerate() {
        hugepages(report, &at.key("hugepageLimits").index(index), limit);
    }
    if let Some(limits) = resources.network() {
        network(report, &at.key("network"), limits);
    }
    for device in resources.rdma().iter().flat_map(HashMap::keys).filter(|device| !is_word(device)) {
        report.add(&at.key("rdma").key(device), "not the name of a device");
    }
    if let Some(files) = resources.unified() {
        unified(report, &at.key("unified"), files);
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn device(report: &mut Report, at: &At<'_>, rule: &LinuxDeviceCgroup) {
    let access = rule.access().as_deref().unwrap_or_default();
    if access.is_empty() {
        report.add(&at.key("access"), "device access cannot be empty");
    } else if !access.bytes().all(|byte| b"rwm".contains(&byte)) {
        report.add(&at.key("access"), format!("{} must be made of r, w and m", quote(access)));
    }
    if matches!(rule.typ(), Some(LinuxDeviceType::P | LinuxDeviceType::U)) {
        report.add(&at.key("type"), "expected one of a, b, c");
    }
    for (key, number) in [("major", rule.major()), ("minor", rule.minor())] {
        if let Some(number) = number.filter(|number| !(-1..=i64::from(u32::MAX)).contains(number)) {
            out_of_range(report, &at.key(key), number, "-1 (any) to 4294967295");
        }
    }
}

fn memory(report: &mut Report, at: &At<'_>, memory: &LinuxMemory) {
    let limits = [("limit", memory.limit()), ("reservation", memory.reservation()), ("swap", memory.swap())];
    for (key, value) in limits.into_iter().filter_map(|(key, value)| Some((key, value.filter(|v| *v < -1)?)))
    {
        out_of_range(report, &at.key(key), value, "-1 (no limit) or more");
    }
    if let (Some(limit @ 1..), Some(swap @ 1..)) = (memory.limit(), memory.swap())
        && swap < limit
    {
        report.add(&at.key("swap"), format!("{swap} is below the memory limit {limit}, which it includes"));
    }
    // Go's -1 in an unsigned number: not set.
    if let Some(swappiness) = memory.swappiness().filter(|value| *value > 100 && *value != u64::MAX) {
        out_of_range(report, &at.key("swappiness"), swappiness, "0 to 100");
    }
}

/// What the kernel takes for cpu.cfs_period_us and the time in it (Documentation/scheduler/sched-bwc.rst).
const SHORTEST: u64 = 1000;
const LONGEST: u64 = 1_000_000;

fn cpu(report: &mut Report, at: &At<'_>, cpu: &LinuxCpu) {
    if let Some(period) = cpu.period().filter(|period| *period != 0 && !(SHORTEST..=LONGEST).contains(period))
    {
        out_of_range(report, &at.key("period"), period, "1000 to 1000000 microseconds");
    }
    if let Some(quota) = cpu.quota().filter(|quota| (1..SHORTEST.cast_signed()).contains(quota)) {
        out_of_range(report, &at.key("quota"), quota, "-1 (no limit), or at least 1000 microseconds");
    }
    if let (Some(burst), Some(quota @ 1..)) = (cpu.burst(), cpu.quota())
        && burst > quota.unsigned_abs()
    {
        report.add(&at.key("burst"), format!("{burst} is above the quota {quota}"));
    }
    if let Some(idle) = cpu.idle().filter(|idle| !(0..=1).contains(idle)) {
        out_of_range(report, &at.key("idle"), idle, "0 or 1");
    }
    text::list(report, &at.key("cpus"), cpu.cpus().as_deref().unwrap_or_default());
    text::list(report, &at.key("mems"), cpu.mems().as_deref().unwrap_or_default());
}

fn block_io(report: &mut Report, at: &At<'_>, io: &LinuxBlockIo) {
    weight(report, &at.key("weight"), io.weight());
    weight(report, &at.key("leafWeight"), io.leaf_weight());
    for (index, device) in io.weight_device().as_deref().unwrap_or_default().iter().enumerate() {
        let at = at.key("weightDevice");
        let at = at.index(index);
        weight(report, &at.key("weight"), device.weight());
        weight(report, &at.key("leafWeight"), device.leaf_weight());
        numbers(report, &at, device.major(), device.minor());
    }
    for (key, limits) in [
        ("throttleReadBpsDevice", io.throttle_read_bps_device()),
        ("throttleWriteBpsDevice", io.throttle_write_bps_device()),
        ("throttleReadIOPSDevice", io.throttle_read_iops_device()),
        ("throttleWriteIOPSDevice", io.throttle_write_iops_device()),
    ] {
        let limits: &[LinuxThrottleDevice] = limits.as_deref().unwrap_or_default();
        for (index, device) in limits.iter().enumerate() {
            numbers(report, &at.key(key).index(index), device.major(), device.minor());
        }
    }
}

/// "Range is from 10 to 1000" (config-linux.md); 0 is Go's "not set".
fn weight(report: &mut Report, at: &At<'_>, weight: Option<u16>) {
    if let Some(weight) = weight.filter(|weight| *weight != 0 && !(10..=1000).contains(weight)) {
        out_of_range(report, at, weight, "10 to 1000");
    }
}

fn numbers(report: &mut Report, at: &At<'_>, major: i64, minor: i64) {
    for (key, number) in [("major", major), ("minor", minor)] {
        if !(0..=i64::from(u32::MAX)).contains(&number) {
            out_of_range(report, &at.key(key), number, "0 to 4294967295");
        }
    }
}

/// `2MB`: it becomes part of a file's name (runc#4103).
fn hugepages(report: &mut Report, at: &At<'_>, limit: &LinuxHugepageLimit) {
    let size = limit.page_size();
    let digits = size.trim_end_matches(|unit: char| unit.is_ascii_uppercase());
    let unit = size.strip_prefix(digits).unwrap_or_default();
    let is_number =
        !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || !["KB", "MB", "GB"].contains(&unit) {
        report.add(
            &at.key("pageSize"),
            format!("not a page size: {} (expected for example \"2MB\")", quote(size)),
        );
    }
    if limit.limit() < 0 {
        out_of_range(report, &at.key("limit"), limit.limit(), "0 or more");
    }
}

fn network(report: &mut Report, at: &At<'_>, network: &LinuxNetwork) {
    for (index, priority) in network.priorities().as_deref().unwrap_or_default().iter().enumerate() {
        if !is_interface(priority.name()) {
            let name = quote(priority.name()).to_string();
            let at = at.key("priorities");
            report.add(&at.index(index).key("name"), format!("not a name for a network interface: {name}"));
        }
    }
}

fn unified(report: &mut Report, at: &At<'_>, files: &HashMap<String, String>) {
    let mut files: Vec<_> = files.iter().collect();
    files.sort_unstable();
    for (file, value) in files {
        text::file_name(report, &at.key(file), file);
        if !file.contains('.') {
            report.add(&at.key(file), "must be in the form CONTROLLER.PARAMETER");
        }
        // Several lines are several writes: io.max has one per device.
        text::check(report, &at.key(file), value);
    }
}

//! `linux.resources.cpu`: the controllers cpu and cpuset.

use super::{Controller, Otherwise, Sink, first_set};
use crate::cgroup::error::{Error, Result};
use oci_spec::runtime::LinuxCpu;

const SHARES: &str = "linux.resources.cpu.shares";
const QUOTA: &str = "linux.resources.cpu.quota";
const PERIOD: &str = "linux.resources.cpu.period";
const BURST: &str = "linux.resources.cpu.burst";
const IDLE: &str = "linux.resources.cpu.idle";
const RT_RUNTIME: &str = "linux.resources.cpu.realtimeRuntime";
const RT_PERIOD: &str = "linux.resources.cpu.realtimePeriod";
const CPUS: &str = "linux.resources.cpu.cpus";
const MEMS: &str = "linux.resources.cpu.mems";

/// The kernel's default of cpu.max, in microseconds (cgroup-v2.rst).
const DEFAULT_PERIOD: u64 = 100_000;
/// The kernel's bounds of cpu.shares (`MIN_SHARES`, `MAX_SHARES` in kernel/sched/sched.h).
const SHARES_RANGE: std::ops::RangeInclusive<u64> = 2..=262_144;

/// cpu.shares as cpu.weight: runc's curve through (2, 1), (1024, 100) and (262144, 10000). 0 ("not set") has none.
pub fn weight(shares: u64) -> Option<u64> {
    match shares {
        0 => None,
        1..=2 => Some(1),
        262_144.. => Some(10_000),
        _ => {
            // Fits into f64 and u64: between 2 and 2^18, and between 1 and 10^4.
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            Some(10_f64.powf(exponent).ceil() as u64)
        }
    }
}

pub(super) fn cpuset(cpu: &LinuxCpu, out: &mut Sink<'_>) -> Result<()> {
    let cpus = cpu.cpus().as_deref().filter(|list| !list.is_empty());
    let mems = cpu.mems().as_deref().filter(|list| !list.is_empty());
    let Some(set) = first_set(&[(CPUS, cpus.is_some()), (MEMS, mems.is_some())]) else { return Ok(()) };
    let mut out = out.controller("cpuset", set)?;
    if let Some(cpus) = cpus {
        out.write("cpuset.cpus", cpus, CPUS);
    }
    if let Some(mems) = mems {
        out.write("cpuset.mems", mems, MEMS);
    }
    Ok(())
}

pub(super) fn cpu(cpu: &LinuxCpu, out: &mut Sink<'_>) -> Result<()> {
    let set = first_set(&[
        (SHARES, shares(cpu) != 0),
        (QUOTA, quota(cpu) != 0),
        (PERIOD, period(cpu) != 0),
        (BURST, cpu.burst().is_some()),
        (IDLE, cpu.idle().is_some()),
    ]);
    if let Some(set) = set {
        let mut controller = out.controller("cpu", set)?;
        if controller.is_v2() { v2(cpu, &mut controller) } else { v1(cpu, &mut controller)? }
    }
    realtime(cpu, out)
}

fn shares(cpu: &LinuxCpu) -> u64 {
    cpu.shares().unwrap_or(0)
}

fn quota(cpu: &LinuxCpu) -> i64 {
    cpu.quota().unwrap_or(0)
}

fn period(cpu: &LinuxCpu) -> u64 {
    cpu.period().unwrap_or(0)
}

fn v1(cpu: &LinuxCpu, out: &mut Controller<'_>) -> Result<()> {
    let shares = shares(cpu);
    // The kernel would take the nearest bound without a word.
    if shares != 0 && shares < *SHARES_RANGE.start() {
        return Err(Error::setting(
            SHARES,
            format!("the minimum allowed cpu-shares is {}", SHARES_RANGE.start()),
        ));
    }
    if shares > *SHARES_RANGE.end() {
        return Err(Error::setting(
            SHARES,
            format!("the maximum allowed cpu-shares is {}", SHARES_RANGE.end()),
        ));
    }
    idle_then_weight(cpu, out, (shares != 0).then_some(("cpu.shares", shares)));
    // A shorter period may exceed the parent's share until the new quota is there, and so may a larger burst.
    let later = if quota(cpu) == 0 { Otherwise::Fail } else { Otherwise::Later };
    if period(cpu) != 0 {
        out.write_or(later.clone(), "cpu.cfs_period_us", period(cpu), PERIOD);
    }
    if let Some(burst) = cpu.burst() {
        out.write_or(later, "cpu.cfs_burst_us", burst, BURST);
    }
    if quota(cpu) != 0 {
        out.write("cpu.cfs_quota_us", quota(cpu), QUOTA);
    }
    Ok(())
}

fn v2(cpu: &LinuxCpu, out: &mut Controller<'_>) {
    idle_then_weight(cpu, out, weight(shares(cpu)).map(|weight| ("cpu.weight", weight)));
    let bandwidth = quota(cpu) != 0 || period(cpu) != 0;
    if let Some(burst) = cpu.burst() {
        let otherwise = if bandwidth { Otherwise::Later } else { Otherwise::Fail };
        out.write_or(otherwise, "cpu.max.burst", burst, BURST);
    }
    if bandwidth {
        let quota = if quota(cpu) > 0 { quota(cpu).to_string() } else { "max".to_owned() };
        let length = if period(cpu) == 0 { DEFAULT_PERIOD } else { period(cpu) };
        let setting = if cpu.quota().is_some() { QUOTA } else { PERIOD };
        out.write("cpu.max", format!("{quota} {length}"), setting);
    }
}

/// Idle goes first, because leaving idle resets the weight; an idle cgroup has no weight, and refuses one (EINVAL).
fn idle_then_weight(cpu: &LinuxCpu, out: &mut Controller<'_>, weight: Option<(&str, u64)>) {
    if let Some(idle) = cpu.idle() {
        out.write("cpu.idle", idle, IDLE);
    }
    if let Some((file, weight)) = weight.filter(|_| cpu.idle() != Some(1)) {
        out.write(file, weight, SHARES);
    }
}

/// Real-time bandwidth, which cgroup v2 doesn't have.
pub(super) fn realtime(cpu: &LinuxCpu, out: &mut Sink<'_>) -> Result<()> {
    let runtime = cpu.realtime_runtime().unwrap_or(0);
    let period = cpu.realtime_period().unwrap_or(0);
    let Some(set) = first_set(&[(RT_RUNTIME, runtime != 0), (RT_PERIOD, period != 0)]) else { return Ok(()) };
    let mut out = out.controller("cpu", set)?;
    if out.is_v2() {
        out.ignore(if runtime != 0 { RT_RUNTIME } else { RT_PERIOD });
        return Ok(());
    }
    if period != 0 {
        let otherwise = if runtime == 0 { Otherwise::Fail } else { Otherwise::Later };
        out.write_or(otherwise, "cpu.rt_period_us", period, RT_PERIOD);
    }
    if runtime != 0 {
        out.write("cpu.rt_runtime_us", runtime, RT_RUNTIME);
    }
    Ok(())
}

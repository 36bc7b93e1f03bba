//! `update`: what the new resources change in the stored ones.

use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources, LinuxThrottleDevice, LinuxWeightDevice,
};

/// Merges `new` into `stored`, and returns what has to be written: what `new` gives, and of `stored` what the kernel
/// takes only together with it (quota and period, memory and swap). Devices and what only create uses are left out.
#[must_use]
pub fn merge(stored: &mut LinuxResources, new: &LinuxResources) -> LinuxResources {
    let mut changes = LinuxResources::default();
    if let Some(new) = new.cpu() {
        let mut cpu = stored.cpu().clone().unwrap_or_default();
        changes.set_cpu(Some(merge_cpu(&mut cpu, new)));
        stored.set_cpu(Some(cpu));
    }
    if let Some(new) = new.memory() {
        let mut memory = (*stored.memory()).unwrap_or_default();
        changes.set_memory(Some(merge_memory(&mut memory, new)));
        stored.set_memory(Some(memory));
    }
    if let Some(new) = new.block_io() {
        let mut blkio = stored.block_io().clone().unwrap_or_default();
        merge_blkio(&mut blkio, new);
        stored.set_block_io(Some(blkio));
        changes.set_block_io(Some(new.clone()));
    }
    if new.pids().is_some() {
        stored.set_pids(*new.pids());
        changes.set_pids(*new.pids());
    }
    if let Some(new) = new.unified() {
        stored.unified_mut().get_or_insert_default().extend(new.clone());
        changes.set_unified(Some(new.clone()));
    }
    changes
}

fn merge_cpu(stored: &mut LinuxCpu, new: &LinuxCpu) -> LinuxCpu {
    let mut changes = new.clone();
    // 0 is "not given", as in runc. cpu.max takes both; the one that isn't given stays as it was.
    let quota = new.quota().filter(|quota| *quota != 0);
    let period = new.period().filter(|period| *period != 0);
    if quota.is_some() || period.is_some() {
        stored.set_quota(quota.or(stored.quota()));
        stored.set_period(period.or(stored.period()));
        changes.set_quota(stored.quota());
        changes.set_period(stored.period());
    }
    // An idle cgroup has no shares.
    if new.idle().is_some() && new.shares().is_none() {
        stored.set_shares(None);
    }
    stored.set_shares(new.shares().or(stored.shares()));
    stored.set_idle(new.idle().or(stored.idle()));
    stored.set_burst(new.burst().or(stored.burst()));
    stored.set_realtime_runtime(new.realtime_runtime().or(stored.realtime_runtime()));
    stored.set_realtime_period(new.realtime_period().or(stored.realtime_period()));
    let given = |list: &Option<String>| list.clone().filter(|list| !list.is_empty());
    stored.set_cpus(given(new.cpus()).or_else(|| stored.cpus().clone()));
    stored.set_mems(given(new.mems()).or_else(|| stored.mems().clone()));
    changes
}

fn merge_memory(stored: &mut LinuxMemory, new: &LinuxMemory) -> LinuxMemory {
    let mut changes = *new;
    stored.set_limit(new.limit().or(stored.limit()));
    stored.set_reservation(new.reservation().or(stored.reservation()));
    // Lifting the memory limit lifts the swap limit.
    let swap = match (new.limit(), new.swap()) {
        (Some(-1), None) => Some(0),
        (_, swap) => swap.or(stored.swap()),
    };
    stored.set_swap(swap);
    stored.set_swappiness(new.swappiness().or(stored.swappiness()));
    stored.set_check_before_update(new.check_before_update().or(stored.check_before_update()));
    if new.limit().is_some() || new.swap().is_some() {
        changes.set_limit(stored.limit());
        changes.set_swap(stored.swap());
    }
    changes.set_check_before_update(stored.check_before_update());
    // runc's update doesn't have these.
    changes.set_swappiness(None);
    changes.set_disable_oom_killer(None);
    changes
}

fn merge_blkio(stored: &mut LinuxBlockIo, new: &LinuxBlockIo) {
    stored.set_weight(new.weight().or(stored.weight()));
    stored.set_leaf_weight(new.leaf_weight().or(stored.leaf_weight()));
    stored.set_weight_device(upsert(stored.weight_device(), new.weight_device(), same_weight));
    stored.set_throttle_read_bps_device(upsert(
        stored.throttle_read_bps_device(),
        new.throttle_read_bps_device(),
        same_throttle,
    ));
    stored.set_throttle_write_bps_device(upsert(
        stored.throttle_write_bps_device(),
        new.throttle_write_bps_device(),
        same_throttle,
    ));
    stored.set_throttle_read_iops_device(upsert(
        stored.throttle_read_iops_device(),
        new.throttle_read_iops_device(),
        same_throttle,
    ));
    stored.set_throttle_write_iops_device(upsert(
        stored.throttle_write_iops_device(),
        new.throttle_write_iops_device(),
        same_throttle,
    ));
}

/// `stored` with each device of `new` in the place of the same device, or behind all others.
fn upsert<T: Clone>(
    stored: &Option<Vec<T>>,
    new: &Option<Vec<T>>,
    same: fn(&T, &T) -> bool,
) -> Option<Vec<T>> {
    let mut merged = stored.clone();
    for device in new.iter().flatten() {
        let merged = merged.get_or_insert_default();
        match merged.iter_mut().find(|old| same(old, device)) {
            Some(old) => *old = device.clone(),
            None => merged.push(device.clone()),
        }
    }
    merged
}

fn same_weight(a: &LinuxWeightDevice, b: &LinuxWeightDevice) -> bool {
    (a.major(), a.minor()) == (b.major(), b.minor())
}

fn same_throttle(a: &LinuxThrottleDevice, b: &LinuxThrottleDevice) -> bool {
    (a.major(), a.minor()) == (b.major(), b.minor())
}

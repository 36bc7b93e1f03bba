//! `linux.resources.memory`.

use super::{Otherwise, Sink, first_set};
use crate::cgroup::error::{Error, Result};
use oci_spec::runtime::LinuxMemory;

const LIMIT: &str = "linux.resources.memory.limit";
const RESERVATION: &str = "linux.resources.memory.reservation";
const SWAP: &str = "linux.resources.memory.swap";
const SWAPPINESS: &str = "linux.resources.memory.swappiness";
const HIERARCHY: &str = "linux.resources.memory.useHierarchy";
const NO_OOM: &str = "linux.resources.memory.disableOOMKiller";

/// What `memory` asks for, as runc reads it: 0 is "not set", -1 "no limit", and a swappiness of -1 "not set".
struct Asked {
    limit: i64,
    reservation: i64,
    swap: i64,
    swappiness: Option<u64>,
    no_oom: bool,
    hierarchy: Option<bool>,
}

impl Asked {
    fn new(memory: &LinuxMemory) -> Result<Self> {
        let number = |value: Option<i64>, setting| match value.unwrap_or(0) {
            value if value < -1 => Err(Error::setting(setting, format!("invalid memory value: {value}"))),
            value => Ok(value),
        };
        let swappiness = memory.swappiness().filter(|value| *value != u64::MAX);
        if let Some(value) = swappiness.filter(|value| *value > 100) {
            let reason = format!("invalid memory swappiness value: {value} (valid range is 0-100)");
            return Err(Error::setting(SWAPPINESS, reason));
        }
        Ok(Self {
            limit: number(memory.limit(), LIMIT)?,
            reservation: number(memory.reservation(), RESERVATION)?,
            swap: number(memory.swap(), SWAP)?,
            swappiness,
            no_oom: memory.disable_oom_killer().unwrap_or(false),
            hierarchy: memory.use_hierarchy(),
        })
    }
}

pub(super) fn memory(memory: &LinuxMemory, out: &mut Sink<'_>) -> Result<()> {
    if memory.kernel().is_some() {
        out.settings.ignored.push("linux.resources.memory.kernel");
    }
    if memory.kernel_tcp().is_some() {
        out.settings.ignored.push("linux.resources.memory.kernelTCP");
    }
    let asked = Asked::new(memory)?;
    let set = first_set(&[
        (LIMIT, asked.limit != 0),
        (RESERVATION, asked.reservation != 0),
        (SWAP, asked.swap != 0),
        (SWAPPINESS, asked.swappiness.is_some()),
        (NO_OOM, asked.no_oom),
        (HIERARCHY, asked.hierarchy.is_some()),
    ]);
    let Some(set) = set else { return Ok(()) };
    let controller = out.controller("memory", set)?;
    if controller.is_v2() { v2(&asked, controller) } else { v1(&asked, controller) }
}

fn v1(asked: &Asked, mut out: super::Controller<'_>) -> Result<()> {
    // Memory is part of it: an unlimited amount doesn't fit (EINVAL).
    if asked.swap > 0 && asked.limit <= 0 {
        return Err(Error::setting(SWAP, "unable to set swap limit without memory limit"));
    }
    // The kernel holds limit <= memsw at every moment, so which one goes first depends on the current values.
    // Limit first, and once more after memsw if it didn't fit, is right for raising and for lowering.
    if asked.limit != 0 {
        out.write_or(Otherwise::Later, "memory.limit_in_bytes", asked.limit, LIMIT);
    }
    if asked.swap != 0 {
        out.write("memory.memsw.limit_in_bytes", asked.swap, SWAP);
    } else if asked.limit == -1 {
        // No limit on memory means none on memory + swap. A kernel without swap accounting lacks the file.
        out.write_or(Otherwise::Skip, "memory.memsw.limit_in_bytes", -1, LIMIT);
    }
    if asked.reservation != 0 {
        out.write("memory.soft_limit_in_bytes", asked.reservation, RESERVATION);
    }
    if asked.no_oom {
        out.write("memory.oom_control", 1, NO_OOM);
    }
    if let Some(hierarchy) = asked.hierarchy {
        out.write("memory.use_hierarchy", u8::from(hierarchy), HIERARCHY);
    }
    if let Some(swappiness) = asked.swappiness {
        out.write("memory.swappiness", swappiness, SWAPPINESS);
    }
    Ok(())
}

fn v2(asked: &Asked, mut out: super::Controller<'_>) -> Result<()> {
    if let Some(swap) = swap_alone(asked)? {
        // A kernel without swap accounting lacks the file, and has neither swap to forbid nor a limit to lift.
        let otherwise = if swap <= 0 { Otherwise::Skip } else { Otherwise::Fail };
        let setting = if asked.swap == 0 { LIMIT } else { SWAP };
        out.write_or(otherwise, "memory.swap.max", bytes(swap), setting);
    }
    if asked.limit != 0 {
        out.write("memory.max", bytes(asked.limit), LIMIT);
    }
    if asked.reservation != 0 {
        out.write("memory.low", bytes(asked.reservation), RESERVATION);
    }
    if asked.swappiness.is_some() {
        out.ignore(SWAPPINESS);
    }
    if asked.no_oom {
        out.ignore(NO_OOM);
    }
    // v2 knows nothing else.
    if asked.hierarchy == Some(false) {
        out.ignore(HIERARCHY);
    }
    Ok(())
}

fn bytes(value: i64) -> String {
    if value < 0 { "max".to_owned() } else { value.to_string() }
}

/// config.json's `swap` is memory + swap; cgroup v2's memory.swap.max is swap alone.
fn swap_alone(asked: &Asked) -> Result<Option<i64>> {
    let refuse = |reason: &str| Err(Error::setting(SWAP, reason));
    match (asked.limit, asked.swap) {
        (-1, 0) | (_, -1) => Ok(Some(-1)),
        (_, 0) => Ok(None),
        (-1, swap) => Ok(Some(swap)),
        (0, _) => refuse("unable to set swap limit without memory limit"),
        (limit, swap) if swap < limit => refuse("memory+swap limit should be >= memory limit"),
        (limit, swap) => Ok(Some(swap - limit)),
    }
}

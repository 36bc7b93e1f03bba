//! `linux.resources.blockIO`: blkio in v1, io in v2.

use super::{Controller, Otherwise, Sink};
use crate::cgroup::error::{Error, Result};
use oci_spec::runtime::{LinuxBlockIo, LinuxThrottleDevice, LinuxWeightDevice};

const WEIGHT: &str = "linux.resources.blockIO.weight";
const LEAF_WEIGHT: &str = "linux.resources.blockIO.leafWeight";
const WEIGHT_DEVICE: &str = "linux.resources.blockIO.weightDevice";
/// The kernel's bounds of a blkio weight, and what config.json counts in, also for v2.
const WEIGHT_RANGE: std::ops::RangeInclusive<u16> = 10..=1000;

/// A throttle list: property, v1 file, key of v2's io.max.
type Throttle<'a> = (&'static str, &'static str, &'static str, &'a [LinuxThrottleDevice]);

fn throttles(blkio: &LinuxBlockIo) -> [Throttle<'_>; 4] {
    fn list(devices: &Option<Vec<LinuxThrottleDevice>>) -> &[LinuxThrottleDevice] {
        devices.as_deref().unwrap_or_default()
    }
    [
        (
            "throttleReadBpsDevice",
            "blkio.throttle.read_bps_device",
            "rbps",
            list(blkio.throttle_read_bps_device()),
        ),
        (
            "throttleWriteBpsDevice",
            "blkio.throttle.write_bps_device",
            "wbps",
            list(blkio.throttle_write_bps_device()),
        ),
        (
            "throttleReadIOPSDevice",
            "blkio.throttle.read_iops_device",
            "riops",
            list(blkio.throttle_read_iops_device()),
        ),
        (
            "throttleWriteIOPSDevice",
            "blkio.throttle.write_iops_device",
            "wiops",
            list(blkio.throttle_write_iops_device()),
        ),
    ]
}

pub(super) fn blkio(blkio: &LinuxBlockIo, out: &mut Sink<'_>) -> Result<()> {
    let devices = blkio.weight_device().as_deref().unwrap_or_default();
    let Some(set) = first(blkio, devices) else { return Ok(()) };
    let mut out = out.controller("blkio", &set)?;
    if let Some(weight) = blkio.weight().filter(|weight| *weight != 0) {
        self::weight(&mut out, None, weight, WEIGHT.to_owned())?;
    }
    if let Some(weight) = blkio.leaf_weight().filter(|weight| *weight != 0) {
        if out.is_v2() {
            out.ignore(LEAF_WEIGHT)
        } else {
            out.write("blkio.leaf_weight", weight, LEAF_WEIGHT)
        }
    }
    for (index, device) in devices.iter().enumerate() {
        weight_device(&mut out, device, &format!("{WEIGHT_DEVICE}[{index}]"))?;
    }
    for (property, v1, key, devices) in throttles(blkio) {
        for (index, device) in devices.iter().enumerate() {
            let setting = format!("linux.resources.blockIO.{property}[{index}]");
            let number = number(device.major(), device.minor(), &setting)?;
            match (out.is_v2(), device.rate()) {
                (false, rate) => out.write(v1, format!("{number} {rate}"), setting),
                (true, 0) => out.write("io.max", format!("{number} {key}=max"), setting),
                (true, rate) => out.write("io.max", format!("{number} {key}={rate}"), setting),
            }
        }
    }
    Ok(())
}

/// The property to name when the controller is missing.
fn first(blkio: &LinuxBlockIo, devices: &[LinuxWeightDevice]) -> Option<String> {
    if blkio.weight().is_some_and(|weight| weight != 0) {
        return Some(WEIGHT.to_owned());
    }
    if blkio.leaf_weight().is_some_and(|weight| weight != 0) {
        return Some(LEAF_WEIGHT.to_owned());
    }
    if !devices.is_empty() {
        return Some(format!("{WEIGHT_DEVICE}[0]"));
    }
    let throttle = throttles(blkio).into_iter().find(|(_, _, _, devices)| !devices.is_empty());
    throttle.map(|(property, ..)| format!("linux.resources.blockIO.{property}[0]"))
}

fn weight_device(out: &mut Controller<'_>, device: &LinuxWeightDevice, setting: &str) -> Result<()> {
    let number = number(device.major(), device.minor(), setting)?;
    if let Some(value) = device.weight().filter(|weight| *weight != 0) {
        weight(out, Some(&number), value, format!("{setting}.weight"))?;
    }
    if let Some(value) = device.leaf_weight().filter(|weight| *weight != 0) {
        if out.is_v2() {
            out.ignore("linux.resources.blockIO.weightDevice[].leafWeight");
        } else {
            out.write(
                "blkio.leaf_weight_device",
                format!("{number} {value}"),
                format!("{setting}.leafWeight"),
            );
        }
    }
    Ok(())
}

/// A weight, of all devices or of one. Who reads it depends on the I/O scheduler: CFQ once, BFQ today, and in v2
/// the cost model, which counts from 1 to 10000.
fn weight(out: &mut Controller<'_>, device: Option<&str>, weight: u16, setting: String) -> Result<()> {
    if !WEIGHT_RANGE.contains(&weight) {
        let (low, high) = WEIGHT_RANGE.into_inner();
        return Err(Error::setting(
            setting,
            format!("invalid weight {weight} (valid range is {low}-{high})"),
        ));
    }
    let line = |weight: u64| device.map_or_else(|| weight.to_string(), |device| format!("{device} {weight}"));
    let plain = line(u64::from(weight));
    if out.is_v2() {
        let scaled = line(1 + (u64::from(weight) - 10) * 9999 / 990);
        out.write_or(Otherwise::Use("io.weight", scaled), "io.bfq.weight", plain, setting);
    } else if device.is_some() {
        let otherwise = Otherwise::Use("blkio.bfq.weight_device", plain.clone());
        out.write_or(otherwise, "blkio.weight_device", plain, setting);
    } else {
        out.write_or(Otherwise::Use("blkio.bfq.weight", plain.clone()), "blkio.weight", plain, setting);
    }
    Ok(())
}

fn number(major: i64, minor: i64, setting: &str) -> Result<String> {
    if major < 0 || minor < 0 {
        return Err(Error::setting(setting, format!("invalid device {major}:{minor}")));
    }
    Ok(format!("{major}:{minor}"))
}

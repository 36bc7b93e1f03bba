//! `linux.devices`: what is handed to mknod(2).

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType};

use super::process::NO_ID;
use super::{out_of_range, text};
use crate::config::error::Report;
use crate::config::path::At;

/// MINORBITS of the kernel is 20, which leaves 12 for the major number.
const LARGEST_MAJOR: i64 = (1 << 12) - 1;
const LARGEST_MINOR: i64 = (1 << 20) - 1;

/// Checks all devices.
pub(super) fn check(report: &mut Report, at: &At<'_>, devices: &[LinuxDevice]) {
    for (index, device) in devices.iter().enumerate() {
        let at = at.index(index);
        text::absolute(report, &at.key("path"), device.path());
        let is_node = match device.typ() {
            LinuxDeviceType::A => {
                report.add(&at.key("type"), "unknown value \"a\": expected one of b, c, u, p");
                false
            }
            LinuxDeviceType::P => false,
            LinuxDeviceType::B | LinuxDeviceType::C | LinuxDeviceType::U => true,
        };
        if is_node {
            number(report, &at.key("major"), device.major(), LARGEST_MAJOR);
            number(report, &at.key("minor"), device.minor(), LARGEST_MINOR);
        }
        // st_mode: some callers leave the type of the file in it.
        if let Some(mode) = device.file_mode().filter(|mode| *mode > 0o177_777) {
            out_of_range(report, &at.key("fileMode"), mode, "the permissions of a file");
        }
        for (key, _) in
            [("uid", device.uid()), ("gid", device.gid())].into_iter().filter(|(_, id)| *id == Some(NO_ID))
        {
            report.add(&at.key(key), format!("{NO_ID} is no id"));
        }
    }
}

fn number(report: &mut Report, at: &At<'_>, number: i64, largest: i64) {
    if !(0..=largest).contains(&number) {
        out_of_range(report, at, number, &format!("0 to {largest}"));
    }
}

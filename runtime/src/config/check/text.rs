//! Strings that become C strings, paths, lists of numbers: what every topic checks.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use crate::config::error::Report;
use crate::config::list::{HIGHEST, is_for_the_kernel, ranges};
use crate::config::path::{At, quote};

/// A string that is handed to the kernel.
pub(super) fn check(report: &mut Report, at: &At<'_>, text: &str) {
    nul(report, at, text.as_bytes());
}

/// A path that is handed to the kernel.
pub(super) fn path(report: &mut Report, at: &At<'_>, path: &Path) {
    nul(report, at, path.as_os_str().as_bytes());
}

/// A path that must not depend on anybody's working directory.
pub(super) fn absolute(report: &mut Report, at: &At<'_>, path: &Path) {
    if path.as_os_str().is_empty() {
        report.add(at, "must not be empty");
    } else if !path.is_absolute() {
        report.add(at, format!("must be an absolute path, not {}", quote(&path.to_string_lossy())));
    }
    self::path(report, at, path);
}

/// `KEY=value`. Values may be secrets: no message repeats one.
pub(super) fn environment(report: &mut Report, at: &At<'_>, variables: &[String]) {
    for (index, variable) in variables.iter().enumerate() {
        match variable.find('=') {
            None => report.add(&at.index(index), "invalid environment variable: missing '='"),
            Some(0) => report.add(&at.index(index), "invalid environment variable: name cannot be empty"),
            Some(_) => {}
        }
        check(report, &at.index(index), variable);
    }
}

fn nul(report: &mut Report, at: &At<'_>, bytes: &[u8]) {
    if bytes.contains(&0) {
        report.add(at, "must not contain a NUL byte");
    }
}

/// A name that becomes one component of a path below a directory of the kernel's.
pub(super) fn file_name(report: &mut Report, at: &At<'_>, name: &str) {
    if name.is_empty() || name == "." || name == ".." || name.bytes().any(|byte| byte == b'/' || byte < b' ')
    {
        report.add(at, format!("{} must be a file name (no slashes)", quote(name)));
    }
}

/// A path below a directory that it must not leave.
pub(super) fn contained(report: &mut Report, at: &At<'_>, path: &Path) {
    if path.components().any(|component| component == Component::ParentDir) {
        report.add(at, format!("must not contain \"..\": {}", quote(&path.to_string_lossy())));
    }
    if path.as_os_str().as_bytes().iter().any(|byte| *byte < b' ') {
        report.add(at, "must not contain control characters");
    }
}

/// A list that becomes a mask: `0-3,7`, the format of cpuset(7), which config.md names.
pub(super) fn mask(report: &mut Report, at: &At<'_>, text: &str) {
    match ranges(text) {
        None => not_a_list(report, at, text),
        Some(ranges) if ranges.iter().any(|(_, last)| *last > HIGHEST) => {
            report.add(at, format!("no number may be above {HIGHEST}: {}", quote(text)));
        }
        Some(_) => {}
    }
}

/// A list that the kernel reads itself.
pub(super) fn list(report: &mut Report, at: &At<'_>, list: &str) {
    if !is_for_the_kernel(list) {
        not_a_list(report, at, list);
    }
}

fn not_a_list(report: &mut Report, at: &At<'_>, text: &str) {
    let text = quote(text);
    report.add(at, format!("not a list of numbers and ranges: {text} (expected for example \"0-3,7\")"));
}

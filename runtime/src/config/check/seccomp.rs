//! `linux.seccomp`: the shape of the filter; its compiler knows the syscalls.

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSyscall};

use super::{out_of_range, text};
use crate::config::error::Report;
use crate::config::path::At;

/// Checks a filter.
pub(super) fn check(report: &mut Report, at: &At<'_>, filter: &LinuxSeccomp) {
    let listener = filter.listener_path().as_deref().filter(|path| !path.as_os_str().is_empty());
    let metadata = filter.listener_metadata().as_deref().unwrap_or_default();
    if listener.is_none() && !metadata.is_empty() {
        report.add(&at.key("listenerMetadata"), "there is no listenerPath to send it to");
    }
    if let Some(path) = listener {
        text::path(report, &at.key("listenerPath"), path);
    }
    if filter.default_action() == LinuxSeccompAction::ScmpActNotify {
        report.add(
            &at.key("defaultAction"),
            "SCMP_ACT_NOTIFY can't be the default: init would wait for itself",
        );
    }
    errno(report, &at.key("defaultErrnoRet"), filter.default_errno_ret());
    for (index, rule) in filter.syscalls().as_deref().unwrap_or_default().iter().enumerate() {
        let at = at.key("syscalls");
        one(report, &at.index(index), rule, listener.is_some());
    }
}

fn one(report: &mut Report, at: &At<'_>, rule: &LinuxSyscall, has_listener: bool) {
    if rule.names().is_empty() {
        report.add(&at.key("names"), "must not be empty");
    }
    if rule.action() == LinuxSeccompAction::ScmpActNotify {
        if !has_listener {
            report.add(&at.key("action"), "SCMP_ACT_NOTIFY needs a listenerPath");
        }
        for name in rule.names().iter().filter(|name| ["write", "sendmsg"].contains(&name.as_str())) {
            let text = format!("SCMP_ACT_NOTIFY can't be used for {name}: init would wait for itself");
            report.add(&at.key("names"), text);
        }
    }
    errno(report, &at.key("errnoRet"), rule.errno_ret());
    for (index, arg) in
        rule.args().as_deref().unwrap_or_default().iter().enumerate().filter(|(_, arg)| arg.index() > 5)
    {
        out_of_range(report, &at.key("args").index(index).key("index"), arg.index(), "0 to 5");
    }
}

/// SECCOMP_RET_DATA has 16 bits (seccomp(2)).
fn errno(report: &mut Report, at: &At<'_>, errno: Option<u32>) {
    if let Some(errno) = errno.filter(|errno| *errno > u32::from(u16::MAX)) {
        out_of_range(report, at, errno, "0 to 65535");
    }
}

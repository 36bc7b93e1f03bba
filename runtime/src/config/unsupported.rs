//! What skeg can't do yet, and therefore refuses: nothing in config.json is read and then ignored.
//!
//! Whoever implements a thing deletes its row.

use oci_spec::runtime::{Process, Spec};

use super::check::Context;
use super::error::Report;
use super::path::{At, ROOT};

fn linux(spec: &Spec) -> Option<&oci_spec::runtime::Linux> {
    spec.linux().as_ref()
}

fn is_set(text: Option<&str>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

/// Adds a mistake for each thing that the configuration asks for in vain.
pub(super) fn check(report: &mut Report, spec: &Spec, context: Context) {
    if let Some(process) = spec.process() {
        check_process(report, &ROOT.key("process"), process, context);
    }
    let label = linux(spec).and_then(|linux| linux.mount_label().as_deref());
    if is_set(label) && !context.selinux {
        report.add(&ROOT.key("linux").key("mountLabel"), "the host has no SELinux");
    }
}

/// The same for a process alone.
pub(super) fn check_process(report: &mut Report, at: &At<'_>, process: &Process, context: Context) {
    // A label that nothing enforces would only look like protection.
    if is_set(process.apparmor_profile().as_deref()) && !context.apparmor {
        report.add(&at.key("apparmorProfile"), "apparmor is not enabled on the host");
    }
    if is_set(process.selinux_label().as_deref()) && !context.selinux {
        report.add(&at.key("selinuxLabel"), "selinux is not enabled on the host");
    }
}

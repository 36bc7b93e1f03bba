//! `hooks`: programs of the host and of the container.

use oci_spec::runtime::{Hook, Hooks};

use super::{out_of_range, text};
use crate::config::error::Report;
use crate::config::path::At;

/// The hooks of one point.
pub type List = fn(&Hooks) -> &Option<Vec<Hook>>;

/// The points at which hooks run, in that order.
#[allow(deprecated)] // Deprecated is not gone: Docker and the NVIDIA runtime use prestart.
pub const POINTS: [(&str, List); 6] = [
    ("prestart", Hooks::prestart),
    ("createRuntime", Hooks::create_runtime),
    ("createContainer", Hooks::create_container),
    ("startContainer", Hooks::start_container),
    ("poststart", Hooks::poststart),
    ("poststop", Hooks::poststop),
];

/// Checks the hooks of every point.
pub(super) fn check(report: &mut Report, at: &At<'_>, hooks: &Hooks) {
    for (point, list) in POINTS {
        for (index, hook) in list(hooks).as_deref().unwrap_or_default().iter().enumerate() {
            one(report, &at.key(point).index(index), hook);
        }
    }
}

fn one(report: &mut Report, at: &At<'_>, hook: &Hook) {
    text::absolute(report, &at.key("path"), hook.path());
    for (index, arg) in hook.args().as_deref().unwrap_or_default().iter().enumerate() {
        text::check(report, &at.key("args").index(index), arg);
    }
    text::environment(report, &at.key("env"), hook.env().as_deref().unwrap_or_default());
    if let Some(timeout) = hook.timeout().filter(|timeout| *timeout <= 0) {
        out_of_range(report, &at.key("timeout"), timeout, "a number of seconds greater than 0");
    }
}

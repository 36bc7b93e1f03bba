//! Every mistake in a configuration that shows without touching the host, all of them at once.
//!
//! Pure. Each file below checks one topic of the spec; a check adds what it finds to the report and goes on.

mod devices;
pub(crate) mod hooks;
mod linux;
mod mounts;
pub(crate) mod namespaces;
mod process;
mod resources;
mod seccomp;
pub(crate) mod sysctl;
mod text;

use oci_spec::runtime::{LinuxResources, Process, Spec};

use super::error::{Errors, Report, Source};
use super::path::{At, ROOT, quote};
use super::unsupported;
use namespaces::Namespaces;

/// What a check has to know beyond the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// The runtime isn't root, so that everything happens in a user namespace.
    pub rootless: bool,
    /// The host has AppArmor.
    pub apparmor: bool,
    /// The host has SELinux.
    pub selinux: bool,
    /// The namespaces that are joined by a path, and are the runtime's own.
    pub joins_host: HostNamespaces,
}

/// Which namespaces are the host's although they are listed with a path.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostNamespaces {
    /// network_namespaces(7).
    pub network: bool,
    /// ipc_namespaces(7).
    pub ipc: bool,
    /// uts_namespaces(7).
    pub uts: bool,
}

impl Context {
    /// Of a host that has everything.
    pub(super) const GENEROUS: Self = Self {
        rootless: false,
        apparmor: true,
        selinux: true,
        joins_host: HostNamespaces { network: false, ipc: false, uts: false },
    };
}

/// Checks a config.json.
pub fn check(spec: &Spec, context: Context) -> Result<(), Errors> {
    let mut report = Report::default();
    whole(&mut report, spec, context);
    report.finish(&Source::File("config.json".into()))
}

/// Checks the process of `exec`.
pub fn check_process(process: &Process, source: &Source, context: Context) -> Result<(), Errors> {
    let mut report = Report::default();
    process_alone(&mut report, process, context);
    report.finish(source)
}

/// Checks the limits of `update`.
pub fn check_resources(resources: &LinuxResources, source: &Source) -> Result<(), Errors> {
    let mut report = Report::default();
    resources_alone(&mut report, resources);
    report.finish(source)
}

pub(super) fn whole(report: &mut Report, spec: &Spec, context: Context) {
    version(report, spec.version());
    root(report, spec);
    let namespaces = Namespaces { joins_host: context.joins_host, ..Namespaces::of(spec) };
    match spec.process() {
        Some(process) => process::check(report, &ROOT.key("process"), process),
        None => report.add(&ROOT.key("process"), "process property must not be empty"),
    }
    namespaces::check(report, spec, &namespaces, context);
    host_name(report, "hostname", spec.hostname().as_deref(), &namespaces);
    host_name(report, "domainname", spec.domainname().as_deref(), &namespaces);
    mounts::check(report, spec, context);
    if let Some(linux) = spec.linux() {
        linux::check(report, &ROOT.key("linux"), linux, &namespaces);
    }
    if let Some(hooks) = spec.hooks() {
        hooks::check(report, &ROOT.key("hooks"), hooks);
    }
    annotations(report, spec);
    unsupported::check(report, spec, context);
}

pub(super) fn process_alone(report: &mut Report, process: &Process, context: Context) {
    process::check(report, &ROOT, process);
    unsupported::check_process(report, &ROOT, process, context);
}

pub(super) fn resources_alone(report: &mut Report, resources: &LinuxResources) {
    resources::check(report, &ROOT, resources);
}

/// The oldest version of the specification that a config may be of; its major version is ours.
pub const OCI_VERSION_MIN: &str = "1.0.0";

/// "MUST be in SemVer v2.0.0 format" (config.md); we know major version 1.
fn version(report: &mut Report, version: &str) {
    let at = ROOT.key("ociVersion");
    if version.is_empty() {
        report.add(&at, "required property is missing");
    } else if !is_semantic(version) {
        report.add(&at, format!("not a version: {} (expected for example \"1.3.0\")", quote(version)));
    } else if !version.starts_with("1.") {
        report.add(&at, format!("unsupported version {}: expected 1.x", quote(version)));
    }
}

/// SemVer 2.0.0: `1.2.3-pre.1+build.7`.
fn is_semantic(version: &str) -> bool {
    let (version, build) = version.split_once('+').map_or((version, None), |(head, tail)| (head, Some(tail)));
    let (core, pre) = version.split_once('-').map_or((version, None), |(head, tail)| (head, Some(tail)));
    let is_word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let has_zeros = |part: &str| part.len() > 1 && part.starts_with('0') && is_digits(part);
    core.split('.').count() == 3
        && core.split('.').all(|part| !part.is_empty() && is_digits(part) && !has_zeros(part))
        && pre.is_none_or(|pre| pre.split('.').all(|part| is_word(part) && !has_zeros(part)))
        && build.is_none_or(|build| build.split('.').all(is_word))
}

fn root(report: &mut Report, spec: &Spec) {
    let at = ROOT.key("root");
    match spec.root() {
        None => report.add(&at, "required property is missing"),
        Some(root) if root.path().as_os_str().is_empty() => report.add(&at.key("path"), "must not be empty"),
        Some(root) => text::path(report, &at.key("path"), root.path()),
    }
}

/// __NEW_UTS_LEN (uname(2)).
const LONGEST_NAME: usize = 64;

/// The host's own name is not ours to change.
fn host_name(report: &mut Report, key: &str, name: Option<&str>, namespaces: &Namespaces<'_>) {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return };
    let at = ROOT.key(key);
    if namespaces.uts.is_none() {
        report.add(&at, format!("unable to set {key} without a private UTS namespace"));
    }
    if name.len() > LONGEST_NAME {
        report.add(&at, format!("{} bytes are too long: at most {LONGEST_NAME}", name.len()));
    }
    text::check(report, &at, name);
}

fn annotations(report: &mut Report, spec: &Spec) {
    if spec.annotations().as_ref().is_some_and(|annotations| annotations.contains_key("")) {
        report.add(&ROOT.key("annotations"), "a key must not be empty");
    }
}

/// One sentence for every number that is not what it may be.
fn out_of_range(report: &mut Report, at: &At<'_>, value: impl std::fmt::Display, wanted: &str) {
    report.add(at, format!("{value} is out of range: expected {wanted}"));
}

#[cfg(test)]
mod tests;

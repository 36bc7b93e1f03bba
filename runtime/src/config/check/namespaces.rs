//! `linux.namespaces`, the id mappings and time offsets, and who may have them.

use oci_spec::runtime::{Linux, LinuxIdMapping, LinuxNamespace, LinuxNamespaceType, Spec};

use super::process::NO_ID;
use super::{Context, HostNamespaces, out_of_range, text};
use crate::config::error::Report;
use crate::config::path::{At, ROOT, suggestion};
use crate::namespaces::NamespaceType;

/// The namespaces that the container doesn't share with the runtime: new ones and joined ones.
#[derive(Default)]
pub(super) struct Namespaces<'s> {
    pub(super) cgroup: Option<&'s LinuxNamespace>,
    pub(super) ipc: Option<&'s LinuxNamespace>,
    pub(super) mount: Option<&'s LinuxNamespace>,
    pub(super) network: Option<&'s LinuxNamespace>,
    pub(super) pid: Option<&'s LinuxNamespace>,
    pub(super) time: Option<&'s LinuxNamespace>,
    pub(super) user: Option<&'s LinuxNamespace>,
    pub(super) uts: Option<&'s LinuxNamespace>,
    /// Those that are the runtime's own all the same.
    pub(super) joins_host: HostNamespaces,
}

impl<'s> Namespaces<'s> {
    /// The first of each type; a second one is an error that [`check`] reports.
    pub(super) fn of(spec: &'s Spec) -> Self {
        let mut namespaces = Self::default();
        let listed =
            spec.linux().as_ref().and_then(|linux| linux.namespaces().as_deref()).unwrap_or_default();
        for namespace in listed {
            namespaces.slot(namespace.typ()).get_or_insert(namespace);
        }
        namespaces
    }

    fn slot(&mut self, kind: LinuxNamespaceType) -> &mut Option<&'s LinuxNamespace> {
        match kind {
            LinuxNamespaceType::Cgroup => &mut self.cgroup,
            LinuxNamespaceType::Ipc => &mut self.ipc,
            LinuxNamespaceType::Mount => &mut self.mount,
            LinuxNamespaceType::Network => &mut self.network,
            LinuxNamespaceType::Pid => &mut self.pid,
            LinuxNamespaceType::Time => &mut self.time,
            LinuxNamespaceType::User => &mut self.user,
            LinuxNamespaceType::Uts => &mut self.uts,
        }
    }
}

/// The path of a namespace that is joined; None: it is new. Go's empty string counts as none.
pub(super) fn joined(namespace: &LinuxNamespace) -> Option<&std::path::Path> {
    namespace.path().as_deref().filter(|path| !path.as_os_str().is_empty())
}

fn is_new(namespace: Option<&LinuxNamespace>) -> bool {
    namespace.is_some_and(|namespace| joined(namespace).is_none())
}

/// Checks the namespaces of a whole configuration.
pub(super) fn check(report: &mut Report, spec: &Spec, namespaces: &Namespaces<'_>, context: Context) {
    let at = ROOT.key("linux");
    let linux = spec.linux().as_ref();
    let listed = linux.and_then(|linux| linux.namespaces().as_deref()).unwrap_or_default();
    list(report, &at.key("namespaces"), listed);
    if context.rootless && namespaces.user.is_none() {
        report.add(&at.key("namespaces"), "rootless container requires user namespaces");
    }
    let Some(linux) = linux else { return };
    let uids = linux.uid_mappings().as_deref().unwrap_or_default();
    let gids = linux.gid_mappings().as_deref().unwrap_or_default();
    mappings(report, &at.key("uidMappings"), uids, namespaces);
    mappings(report, &at.key("gidMappings"), gids, namespaces);
    if is_new(namespaces.user) && !uids.is_empty() && !gids.is_empty() {
        mapped_user(report, spec, uids, gids);
    }
    if context.rootless {
        additional_groups(report, spec, gids);
    }
    time_offsets(report, &at.key("timeOffsets"), linux, namespaces);
}

fn list(report: &mut Report, at: &At<'_>, namespaces: &[LinuxNamespace]) {
    for (index, namespace) in namespaces.iter().enumerate() {
        let kind = NamespaceType::from(namespace.typ());
        if namespaces.iter().take(index).any(|other| other.typ() == namespace.typ()) {
            report.add(&at.index(index).key("type"), format!("{kind} is there twice"));
        }
        if let Some(path) = joined(namespace) {
            text::absolute(report, &at.index(index).key("path"), path);
        }
    }
}

/// The kernel's limit on the lines of uid_map (user_namespaces(7)).
const MOST_MAPPINGS: usize = 340;

fn mappings(report: &mut Report, at: &At<'_>, mappings: &[LinuxIdMapping], namespaces: &Namespaces<'_>) {
    match namespaces.user {
        None if !mappings.is_empty() => {
            report.add(
                at,
                "user namespace mappings specified, but there is no user namespace in linux.namespaces",
            );
        }
        Some(user) if mappings.is_empty() && joined(user).is_none() => {
            report.add(at, "must not be empty: the new user namespace needs at least one mapping");
        }
        _ => {}
    }
    ranges(report, at, mappings);
}

/// Checks the ranges alone: of a user namespace, or of a mount.
pub(super) fn ranges(report: &mut Report, at: &At<'_>, mappings: &[LinuxIdMapping]) {
    if mappings.len() > MOST_MAPPINGS {
        report.add(at, format!("{} mappings are too many: at most {MOST_MAPPINGS}", mappings.len()));
        return;
    }
    for (index, mapping) in mappings.iter().enumerate() {
        let at = at.index(index);
        if mapping.size() == 0 {
            report.add(&at.key("size"), "must not be 0");
        }
        for (key, first) in [("containerID", mapping.container_id()), ("hostID", mapping.host_id())] {
            if first.checked_add(mapping.size()).is_none() {
                report.add(
                    &at.key("size"),
                    format!("{key} {first} + {} is beyond the last id", mapping.size()),
                );
            }
        }
        for (earlier, other) in mappings.iter().take(index).enumerate() {
            if overlap(mapping.container_id(), mapping.size(), other.container_id(), other.size()) {
                report.add(&at.key("containerID"), format!("the range overlaps that of mapping {earlier}"));
            }
            if overlap(mapping.host_id(), mapping.size(), other.host_id(), other.size()) {
                report.add(&at.key("hostID"), format!("the range overlaps that of mapping {earlier}"));
            }
        }
    }
}

fn overlap(first: u32, size: u32, other: u32, other_size: u32) -> bool {
    let (first, other) = (u64::from(first), u64::from(other));
    first < other + u64::from(other_size) && other < first + u64::from(size)
}

/// Whether an id of the container exists in a mapping.
pub(super) fn is_mapped(id: u32, mappings: &[LinuxIdMapping]) -> bool {
    mappings
        .iter()
        .any(|mapping| id.checked_sub(mapping.container_id()).is_some_and(|at| at < mapping.size()))
}

fn mapped_user(report: &mut Report, spec: &Spec, uids: &[LinuxIdMapping], gids: &[LinuxIdMapping]) {
    let Some(process) = spec.process() else { return };
    let (at, user) = (ROOT.key("process"), process.user());
    let at = at.key("user");
    let mut demand = |at: &At<'_>, id: u32, mappings: &[LinuxIdMapping], list: &str| {
        if id != NO_ID && !is_mapped(id, mappings) {
            report.add(at, format!("{id} is not in linux.{list}"));
        }
    };
    demand(&at.key("uid"), user.uid(), uids, "uidMappings");
    demand(&at.key("gid"), user.gid(), gids, "gidMappings");
    for (index, gid) in user.additional_gids().as_deref().unwrap_or_default().iter().enumerate() {
        demand(&at.key("additionalGids").index(index), *gid, gids, "gidMappings");
    }
}

/// Only a helper (newgidmap) may map groups beyond one's own without giving setgroups(2) up (user_namespaces(7)).
fn additional_groups(report: &mut Report, spec: &Spec, gids: &[LinuxIdMapping]) {
    let groups = spec.process().as_ref().and_then(|process| process.user().additional_gids().as_deref());
    if groups.is_some_and(|groups| !groups.is_empty()) && matches!(gids, [only] if only.size() == 1) {
        let at = ROOT.key("process");
        report.add(
            &at.key("user").key("additionalGids"),
            "cannot set any additional groups in a rootless container that maps a single group",
        );
    }
}

/// The last second of a clock that the kernel takes an offset to: half of KTIME_SEC_MAX (kernel/time/namespace.c).
pub const LAST_SECOND: i64 = i64::MAX / 1_000_000_000 / 2;

/// The clocks of a time namespace (time_namespaces(7)).
const CLOCKS: [&str; 2] = ["boottime", "monotonic"];

fn time_offsets(report: &mut Report, at: &At<'_>, linux: &Linux, namespaces: &Namespaces<'_>) {
    let Some(offsets) = linux.time_offsets().as_ref().filter(|offsets| !offsets.is_empty()) else { return };
    if namespaces.time.is_none() {
        report.add(at, "there is no time namespace in linux.namespaces");
    } else if !is_new(namespaces.time) {
        report.add(at, "a time namespace that is joined keeps its own offsets");
    }
    let mut offsets: Vec<_> = offsets.iter().collect();
    offsets.sort_unstable_by_key(|(clock, _)| *clock);
    for (clock, offset) in offsets {
        if !CLOCKS.contains(&clock.as_str()) {
            let near = suggestion(clock, CLOCKS.into_iter());
            report.add(&at.key(clock), format!("unknown clock: expected one of {}{near}", CLOCKS.join(", ")));
        }
        // Further back than this host has been up is for the host to say.
        if let Some(secs) = offset.secs().filter(|secs| !(-LAST_SECOND..=LAST_SECOND).contains(secs)) {
            let wanted = format!("-{LAST_SECOND} to {LAST_SECOND}");
            out_of_range(report, &at.key(clock).key("secs"), secs, &wanted);
        }
        if let Some(nanosecs) = offset.nanosecs().filter(|nanosecs| *nanosecs >= 1_000_000_000) {
            out_of_range(report, &at.key(clock).key("nanosecs"), nanosecs, "0 to 999999999");
        }
    }
}

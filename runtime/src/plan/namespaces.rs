//! Which namespaces are new, joined or the host's, and the bootstrap message that says so.

use super::text::c_string;
use super::{Birth, Builder, Error};
use crate::facts::Facts;
use crate::namespaces::{NamespaceType, Namespaces};
use oci_spec::runtime::{LinuxIdMapping, LinuxTimeOffset, Spec};
use skeg_proto::step::StepBuf;
use skeg_proto::write::InitBuf;
use std::collections::HashMap;
use std::ffi::CString;
use std::fmt::Write;
use std::path::Path;

/// The namespaces of a new container.
#[derive(Clone, Debug)]
pub struct Creation {
    namespaces: Namespaces,
}

impl Creation {
    /// Reads `linux.namespaces`.
    pub fn new(spec: &Spec, _facts: &Facts) -> Result<Self, Error> {
        let list = spec.linux().as_ref().and_then(|l| l.namespaces().as_deref()).unwrap_or_default();
        Ok(Self { namespaces: Namespaces::from_config(list)? })
    }

    /// Whether the container gets a new namespace of this type.
    pub fn is_new(&self, kind: NamespaceType) -> bool {
        self.namespaces.is_new(kind)
    }

    /// Whether the container does not share the host's namespace of this type.
    pub fn is_own(&self, kind: NamespaceType) -> bool {
        self.namespaces.contains(kind)
    }

    /// The path of the namespace of this type that is joined.
    pub fn joined(&self, kind: NamespaceType) -> Option<&Path> {
        self.namespaces.path_of(kind)
    }

    /// CLONE_NEW* flags of all namespaces that are not the host's.
    pub fn own_flags(&self) -> u32 {
        flags(NamespaceType::ALL.iter().filter(|k| self.is_own(**k)).map(|k| k.clone_flag()).collect())
    }

    /// Who makes the container's process. What is joined, and a user namespace (also for its clocks), comes before the
    /// clone or before the other namespaces, in a process that is small enough to be let in.
    pub(super) fn birth(&self) -> Birth {
        let before = [NamespaceType::User, NamespaceType::Time];
        let joins = self.namespaces.iter().any(|(_, path)| path.is_some());
        if joins || before.iter().any(|kind| self.is_own(*kind)) {
            return Birth::Stage;
        }
        Birth::Runtime { namespaces: flags(self.namespaces.clone_flags() & NamespaceType::Pid.clone_flag()) }
    }

    /// Whether the first process loses the host's privileges before the clone, so that it may no longer write to, or
    /// be cloned into, a cgroup of the host's.
    pub fn loses_privileges_before_clone(&self, spec: &Spec) -> bool {
        let joined = self.is_own(NamespaceType::User) && !self.is_new(NamespaceType::User);
        let offsets = spec.linux().as_ref().is_some_and(|l| l.time_offsets().is_some());
        joined || (self.is_new(NamespaceType::User) && self.is_new(NamespaceType::Time) && offsets)
    }

    /// Whether setgroups(2) works: a user namespace that an unprivileged caller has made for its own group alone can't
    /// have it (user_namespaces(7)).
    pub fn groups_allowed(&self, spec: &Spec, facts: &Facts) -> bool {
        let list = spec.linux().as_ref().and_then(|l| l.gid_mappings().as_deref()).unwrap_or_default();
        let only_own = matches!(list, [only] if only.host_id() == facts.gid && only.size() == 1);
        !facts.groups_denied && (!facts.rootless || !self.is_new(NamespaceType::User) || !only_own)
    }

    /// The places in config.json of those that are joined, in join order.
    pub(super) fn places(&self, spec: &Spec) -> Vec<String> {
        let list = spec.linux().as_ref().and_then(|l| l.namespaces().as_deref()).unwrap_or_default();
        let joined = self.namespaces.iter().filter(|(_, path)| path.is_some());
        joined
            .filter_map(|(kind, _)| list.iter().position(|entry| NamespaceType::from(entry.typ()) == kind))
            .map(|index| format!("linux.namespaces[{index}].path"))
            .collect()
    }

    /// libcontainer's bootstrap message.
    pub(super) fn init(&self, spec: &Spec, facts: &Facts) -> Result<InitBuf, Error> {
        let linux = spec.linux().as_ref();
        let mappings = |list: Option<&Vec<LinuxIdMapping>>, place: &str| {
            list.filter(|l| !l.is_empty() && self.is_new(NamespaceType::User))
                .map(|l| c_string(map_lines(l), place))
                .transpose()
        };
        let uid_map = mappings(linux.and_then(|l| l.uid_mappings().as_ref()), "linux.uidMappings")?;
        let gid_map = mappings(linux.and_then(|l| l.gid_mappings().as_ref()), "linux.gidMappings")?;
        let tool = |path: &Option<std::path::PathBuf>, needed: bool| match path {
            Some(path) if needed => c_string(path, "newuidmap").map(Some),
            _ => Ok(None),
        };
        let setgroups = gid_map.is_some() && self.groups_allowed(spec, facts);
        Ok(InitBuf {
            clone_flags: flags(self.namespaces.clone_flags()),
            ns_paths: self.namespaces.ns_paths()?,
            uidmap_path: tool(&facts.newuidmap, uid_map.is_some())?,
            gidmap_path: tool(&facts.newgidmap, gid_map.is_some())?,
            uid_map,
            gid_map,
            setgroups: setgroups.then_some(true),
            oom_score_adj: oom_score_adj(spec),
            rootless_euid: facts.rootless,
            time_offsets: linux
                .and_then(|l| l.time_offsets().as_ref())
                .filter(|_| self.is_new(NamespaceType::Time))
                .map(|offsets| c_string(offset_lines(offsets), "linux.timeOffsets"))
                .transpose()?,
        })
    }
}

impl Builder {
    /// A new network namespace starts with its loopback interface down.
    pub(super) fn network(&mut self, creation: &Creation) {
        if creation.is_new(NamespaceType::Net) {
            self.push(StepBuf::Loopback {}, "linux.namespaces (network)");
        }
    }
}

/// CLONE_NEW* as they go over the wire.
fn flags(flags: nix::sched::CloneFlags) -> u32 {
    flags.bits() as u32
}

fn oom_score_adj(spec: &Spec) -> Option<CString> {
    let value = spec.process().as_ref()?.oom_score_adj()?;
    CString::new(value.to_string()).ok()
}

pub(super) fn map_lines(list: &[LinuxIdMapping]) -> String {
    list.iter().fold(String::new(), |mut lines, m| {
        let _ = writeln!(lines, "{} {} {}", m.container_id(), m.host_id(), m.size());
        lines
    })
}

fn offset_lines(offsets: &HashMap<String, LinuxTimeOffset>) -> String {
    // In a fixed order: a plan is compared and printed.
    let mut clocks: Vec<_> = offsets.iter().collect();
    clocks.sort_by_key(|(clock, _)| *clock);
    clocks.into_iter().fold(String::new(), |mut lines, (clock, offset)| {
        let (secs, nanos) = (offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0));
        let _ = writeln!(lines, "{clock} {secs} {nanos}");
        lines
    })
}

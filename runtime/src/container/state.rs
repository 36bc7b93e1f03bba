//! What is remembered of a container: state.json, and the OCI state made from it.

use super::{Id, Identity, Status};
use crate::logging::one_line;
use crate::namespaces::NamespaceType;
use oci_spec::runtime::{Hook, LinuxMemoryPolicy, LinuxPersonality, LinuxResources};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The version of the runtime-spec that skeg implements.
pub const OCI_VERSION: &str = "1.3.0";

/// Where a container's cgroups are, as the cgroup drivers write it down.
pub type CgroupPaths = crate::cgroup::Paths;

/// A moment as `created` has it: RFC 3339 with nanoseconds, UTC.
pub fn timestamp(at: SystemTime) -> String {
    humantime::format_rfc3339_nanos(at).to_string()
}

/// state.json. Keys that other tools read in runc's file have runc's names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// The version of the runtime-spec at create.
    pub oci_version: String,
    /// The container's name.
    pub id: String,
    /// The container's first process in skeg's PID namespace; 0 before there is one.
    #[serde(rename = "init_process_pid")]
    pub pid: i32,
    /// Its start time, see [`Identity`].
    #[serde(rename = "init_process_start")]
    pub start_time: u64,
    /// When the container was created, see [`timestamp`].
    pub created: String,
    /// The bundle, absolute.
    pub bundle: PathBuf,
    /// The root filesystem, absolute.
    pub rootfs: PathBuf,
    /// `annotations` of config.json.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Created without the privilege to change cgroups.
    pub rootless: bool,
    /// systemd made the cgroup.
    pub systemd: bool,
    /// `NEWNET` and the like, to the namespace's path in /proc.
    pub namespace_paths: BTreeMap<String, String>,
    /// The namespaces that aren't skeg's own: CLONE_NEW* flags.
    pub namespaces: u32,
    /// The PID namespace is the container's alone, so that the end of its first process is the end of all in it
    /// (pid_namespaces(7)).
    #[serde(default)]
    pub ends_with_init: bool,
    /// Where the cgroups are.
    #[serde(rename = "cgroup_paths")]
    pub cgroup: CgroupPaths,
    /// `linux.resources` of config.json, as changed by updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<LinuxResources>,
    /// Its group of the resctrl file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intel_rdt: Option<crate::resctrl::Group>,
    /// `hooks.poststart` of config.json, which `start` runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks_poststart: Vec<Hook>,
    /// `hooks.poststop` of config.json, which `delete` runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks_poststop: Vec<Hook>,
    /// Where hooks have `start` wait for the exec: its steps' places in config.json, for a message.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub start_origins: BTreeMap<u32, String>,
    /// `process` of config.json, what `exec` starts from; unparsed, since no other command needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Box<RawValue>>,
    /// `linux.personality` of config.json, which is that of what `exec` runs, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personality: Option<LinuxPersonality>,
    /// `linux.memoryPolicy` of config.json, as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<LinuxMemoryPolicy>,
    /// Who answers what the seccomp filter hands over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seccomp_agent: Option<SeccompAgent>,
    /// The container has the caller's session keyring.
    #[serde(default)]
    pub no_new_keyring: bool,
    /// setgroups(2) works in the container's user namespace.
    #[serde(default)]
    pub groups_allowed: bool,
}

/// `linux.seccomp.listenerPath` and `listenerMetadata`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeccompAgent {
    /// The agent's socket.
    pub path: PathBuf,
    /// What it is told beside the state.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metadata: String,
}

/// What `state` and `list` print.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OciState<'a> {
    oci_version: &'a str,
    id: &'a str,
    pid: i32,
    status: Status,
    bundle: &'a Path,
    rootfs: &'a Path,
    created: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
    owner: &'a str,
}

impl State {
    /// The container's first process.
    pub fn init(&self) -> Identity {
        Identity { pid: self.pid, start_time: self.start_time }
    }

    /// Whether the container's namespace of this type isn't skeg's own.
    pub fn is_own(&self, kind: NamespaceType) -> bool {
        self.namespaces & kind.clone_flag().bits() as u32 != 0
    }

    /// The state as `state` and `list` print it. A stopped container has no pid, whatever is remembered: the kernel
    /// may have given it away. `owner` is the name of the state directory's owner, which only `list` tells.
    pub fn to_oci<'a>(&'a self, status: Status, owner: &'a str) -> OciState<'a> {
        let pid = if status == Status::Stopped { 0 } else { self.pid };
        // podman takes any status but runc's for an internal error.
        let status = if status == Status::Creating { Status::Created } else { status };
        let Self { oci_version, id, bundle, rootfs, created, annotations, .. } = self;
        OciState { oci_version, id, pid, status, bundle, rootfs, created, annotations, owner }
    }

    /// The name as a checked one; none if the file was tampered with.
    pub fn id(&self) -> Option<Id> {
        self.id.parse().ok()
    }
}

impl OciState<'_> {
    /// The cells of a row of `list`. A bundle's name may hold what would break the row.
    pub fn columns(&self) -> [String; 6] {
        let bundle = one_line(&self.bundle.to_string_lossy());
        let [created, owner] = [self.created, self.owner].map(one_line);
        [self.id.to_owned(), self.pid.to_string(), self.status.to_string(), bundle, created, owner]
    }
}

/// A state as tests need one.
#[cfg(test)]
pub(crate) fn sample(id: &str) -> State {
    State {
        oci_version: OCI_VERSION.to_owned(),
        id: id.to_owned(),
        pid: 0,
        start_time: 0,
        created: "2026-01-02T03:04:05.000000006Z".to_owned(),
        bundle: PathBuf::from("/b"),
        rootfs: PathBuf::from("/b/rootfs"),
        annotations: BTreeMap::new(),
        rootless: false,
        systemd: false,
        namespace_paths: BTreeMap::new(),
        namespaces: 0,
        ends_with_init: true,
        cgroup: CgroupPaths::default(),
        resources: None,
        intel_rdt: None,
        hooks_poststart: Vec::new(),
        hooks_poststop: Vec::new(),
        start_origins: BTreeMap::new(),
        process: None,
        personality: None,
        memory_policy: None,
        seccomp_agent: None,
        no_new_keyring: false,
        groups_allowed: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_printed_with_the_keys_that_callers_read() {
        let state = State {
            pid: 42,
            annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            ..sample("web")
        };
        let json = serde_json::to_string(&state.to_oci(Status::Running, "root")).unwrap();
        assert_eq!(
            json,
            r#"{"ociVersion":"1.3.0","id":"web","pid":42,"status":"running","bundle":"/b","rootfs":"/b/rootfs","created":"2026-01-02T03:04:05.000000006Z","annotations":{"a":"b"},"owner":"root"}"#
        );
    }

    #[test]
    fn stopped_container_has_pid_0_and_empty_annotations_are_left_out() {
        let state = State { pid: 42, ..sample("web") };
        let json = serde_json::to_value(state.to_oci(Status::Stopped, "")).unwrap();
        assert_eq!(json["pid"], 0);
        assert_eq!(json["status"], "stopped");
        assert_eq!(json["owner"], "");
        assert_eq!(json.get("annotations"), None);
    }

    #[test]
    fn timestamp_is_rfc_3339() {
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::new(1_795_305_215, 42);
        assert_eq!(timestamp(at), "2026-11-21T23:53:35.000000042Z");
    }

    #[test]
    fn state_survives_the_disk() {
        let process = RawValue::from_string(r#"{"args": ["sh"],  "cwd":"/"}"#.to_owned()).unwrap();
        let state = State {
            resources: Some(LinuxResources::default()),
            process: Some(process),
            namespace_paths: BTreeMap::from([("NEWNET".to_owned(), "/proc/7/ns/net".to_owned())]),
            ..sample("web")
        };
        let text = serde_json::to_string(&state).unwrap();
        let back: State = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
        assert_eq!(back.process.unwrap().get(), r#"{"args": ["sh"],  "cwd":"/"}"#);
    }
}

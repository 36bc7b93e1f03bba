//! `skeg spec`: a config.json to start from, the same as runc's.

use super::output;
use crate::cli::command;
use crate::container::OCI_VERSION;
use crate::errno::io_words;
use anyhow::{Result, anyhow, bail};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use nix::unistd::{getegid, geteuid};
use serde::Serialize;
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

const FILE: &str = "config.json";

/// Writes config.json into the bundle, or the current directory; never over one that is there.
pub fn run(args: &command::Spec) -> Result<()> {
    let host = Host {
        is_cgroup_v2: statfs("/sys/fs/cgroup").is_ok_and(|fs| fs.filesystem_type() == CGROUP2_SUPER_MAGIC),
        uid: geteuid().as_raw(),
        gid: getegid().as_raw(),
    };
    let json = output::pretty(&config(&host, args.rootless), "\t")?;
    let path = args.bundle.as_deref().unwrap_or(Path::new("")).join(FILE);
    let failed = |call, error: &io::Error| anyhow!("{call} {}: {}", path.display(), io_words(error));
    let mut file = match File::create_new(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("File {FILE} exists. Remove it first")
        }
        Err(error) => return Err(failed("create", &error)),
    };
    file.write_all(&json).map_err(|error| failed("write", &error))
}

/// What the configuration depends on.
struct Host {
    is_cgroup_v2: bool,
    uid: u32,
    gid: u32,
}

/// The order of the fields is that of the file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    oci_version: &'static str,
    process: Process,
    root: Root,
    hostname: &'static str,
    mounts: Vec<Mount>,
    linux: Linux,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    terminal: bool,
    user: User,
    args: [&'static str; 1],
    env: [&'static str; 2],
    cwd: &'static str,
    capabilities: Capabilities,
    rlimits: [Rlimit; 1],
    no_new_privileges: bool,
}

#[derive(Serialize)]
struct User {
    uid: u32,
    gid: u32,
}

/// Neither inheritable nor ambient: these would outlive an exec by another user (CVE-2022-29162).
#[derive(Serialize)]
struct Capabilities {
    bounding: [&'static str; 3],
    effective: [&'static str; 3],
    permitted: [&'static str; 3],
}

#[derive(Serialize)]
struct Rlimit {
    #[serde(rename = "type")]
    kind: &'static str,
    hard: u64,
    soft: u64,
}

#[derive(Serialize)]
struct Root {
    path: &'static str,
    readonly: bool,
}

#[derive(Serialize)]
struct Mount {
    destination: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    source: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    options: &'static [&'static str],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    #[serde(skip_serializing_if = "Option::is_none")]
    uid_mappings: Option<[Mapping; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid_mappings: Option<[Mapping; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Resources>,
    namespaces: Vec<Namespace>,
    masked_paths: &'static [&'static str],
    readonly_paths: &'static [&'static str],
}

#[derive(Serialize)]
struct Mapping {
    #[serde(rename = "containerID")]
    container: u32,
    #[serde(rename = "hostID")]
    host: u32,
    size: u32,
}

#[derive(Serialize)]
struct Resources {
    devices: [DeviceRule; 1],
}

#[derive(Serialize)]
struct DeviceRule {
    allow: bool,
    access: &'static str,
}

#[derive(Serialize)]
struct Namespace {
    #[serde(rename = "type")]
    kind: &'static str,
}

const CAPABILITIES: [&str; 3] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

const MASKED_PATHS: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
    "/sys/devices/virtual/tpm",
];

const READONLY_PATHS: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The configuration: a shell with a terminal, few capabilities, and namespaces of its own.
fn config(host: &Host, is_rootless: bool) -> Config {
    let map = |id| Some([Mapping { container: 0, host: id, size: 1 }]);
    let mappings = if is_rootless { (map(host.uid), map(host.gid)) } else { (None, None) };
    Config {
        oci_version: OCI_VERSION,
        process: Process {
            terminal: true,
            user: User { uid: 0, gid: 0 },
            args: ["sh"],
            env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            cwd: "/",
            capabilities: Capabilities {
                bounding: CAPABILITIES,
                effective: CAPABILITIES,
                permitted: CAPABILITIES,
            },
            rlimits: [Rlimit { kind: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
            no_new_privileges: true,
        },
        root: Root { path: "rootfs", readonly: true },
        hostname: "skeg",
        mounts: mounts(is_rootless),
        linux: Linux {
            uid_mappings: mappings.0,
            gid_mappings: mappings.1,
            // Whoever isn't root may make no cgroup to limit anything with.
            resources: (!is_rootless)
                .then_some(Resources { devices: [DeviceRule { allow: false, access: "rwm" }] }),
            namespaces: namespaces(host, is_rootless),
            masked_paths: MASKED_PATHS,
            readonly_paths: READONLY_PATHS,
        },
    }
}

/// Rootless, the network stays the host's: a new one would have nothing but lo.
fn namespaces(host: &Host, is_rootless: bool) -> Vec<Namespace> {
    let network = (!is_rootless).then_some("network");
    let cgroup = host.is_cgroup_v2.then_some("cgroup");
    let user = is_rootless.then_some("user");
    let kinds = [Some("pid"), network, Some("ipc"), Some("uts"), Some("mount"), cgroup, user];
    kinds.into_iter().flatten().map(|kind| Namespace { kind }).collect()
}

fn mounts(is_rootless: bool) -> Vec<Mount> {
    let mount = |destination, kind, source, options| Mount { destination, kind, source, options };
    // A user without a mapping of group 5 (tty) can't give it to a terminal.
    let pts: &[&str] = match is_rootless {
        false => &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        true => &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
    };
    // sysfs belongs to a network namespace, and can only be mounted by who owns that.
    let sys = match is_rootless {
        false => mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        true => mount("/sys", "none", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]),
    };
    vec![
        mount("/proc", "proc", "proc", &[]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", "devpts", pts),
        mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        sys,
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json, to_value};

    const HOST: Host = Host { is_cgroup_v2: true, uid: 1000, gid: 100 };

    fn kinds(config: &Value) -> Vec<&str> {
        config["linux"]["namespaces"]
            .as_array()
            .unwrap()
            .iter()
            .map(|ns| ns["type"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn oci_spec_reads_it_back() {
        for is_rootless in [false, true] {
            let json = output::pretty(&config(&HOST, is_rootless), "\t").unwrap();
            let spec: oci_spec::runtime::Spec = serde_json::from_slice(&json).unwrap();
            assert_eq!(spec.version(), OCI_VERSION);
            assert_eq!(spec.process().as_ref().unwrap().terminal(), Some(true));
        }
    }

    #[test]
    fn cgroup_namespace_only_with_v2() {
        let v2 = to_value(config(&HOST, false)).unwrap();
        let v1 = to_value(config(&Host { is_cgroup_v2: false, ..HOST }, false)).unwrap();
        assert_eq!(kinds(&v2), ["pid", "network", "ipc", "uts", "mount", "cgroup"]);
        assert_eq!(kinds(&v1), ["pid", "network", "ipc", "uts", "mount"]);
    }

    #[test]
    fn rootless_maps_the_caller_and_needs_no_privilege() {
        let config = to_value(config(&HOST, true)).unwrap();
        assert_eq!(kinds(&config), ["pid", "ipc", "uts", "mount", "cgroup", "user"]);
        assert_eq!(config["linux"]["uidMappings"], json!([{"containerID": 0, "hostID": 1000, "size": 1}]));
        assert_eq!(config["linux"]["gidMappings"][0]["hostID"], 100);
        assert_eq!(config["linux"].get("resources"), None);
        assert_eq!(config["mounts"][5]["source"], "/sys");
        assert!(!config["mounts"][2]["options"].as_array().unwrap().contains(&json!("gid=5")));
    }

    #[test]
    fn existing_file_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let args = command::Spec { bundle: Some(directory.path().to_owned()), rootless: false };
        run(&args).unwrap();
        let first = std::fs::read(directory.path().join(FILE)).unwrap();

        let error = run(&args).unwrap_err();

        assert_eq!(error.to_string(), "File config.json exists. Remove it first");
        assert_eq!(std::fs::read(directory.path().join(FILE)).unwrap(), first);
    }
}

//! `try`: a container at once, with no image. Its root is the host's own, seen through a copy-on-write view.
//!
//! All of it (the view, the bundle, the container's state) lives on a tmpfs in a mount namespace of our own, and is
//! gone with us.

use crate::cli::Global;
use crate::cli::command::Try;
use crate::container::Store;
use crate::errno::{io_words, words};
use crate::lifecycle::create::Request;
use crate::lifecycle::run::{Options, run as run_container};
use anyhow::{Context, anyhow};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid, isatty};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Where the tmpfs is mounted, out of everybody else's sight. It only has to exist on every system.
const SCRATCH: &str = "/tmp";

/// Runs a shell or a command; its exit code is ours.
pub fn run(_global: &Global, args: &Try) -> anyhow::Result<i32> {
    let cwd = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let privileged = enter_namespaces()?;
    let scratch = Path::new(SCRATCH);
    attach(Some("skeg"), scratch, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))
        .context("mount a tmpfs for the throw-away root")?;
    let bundle = scratch.join("bundle");
    let writable = make_root(scratch, &bundle.join("rootfs"), privileged)?;
    let command = command(args);
    let config = config(&command, &cwd, privileged, writable);
    fs::write(bundle.join("config.json"), serde_json::to_vec_pretty(&config)?)
        .map_err(|error| anyhow!("write config.json: {}", io_words(&error)))?;
    let request = Request {
        id: format!("try-{}", std::process::id()).parse()?,
        bundle,
        console_socket: None,
        pidfd_socket: None,
        pid_file: None,
        no_pivot: false,
        no_new_keyring: false,
        preserve_fds: 0,
        rootless: Some(!privileged),
        detach: false,
        wait_for_start: false,
    };
    let store = Store::new(scratch.join("state"), false);
    Ok(run_container(&store, &request, Options { keep: false, subreaper: true })?)
}

/// A mount namespace of our own; without root's rights, a user namespace around it. Whether we had them.
fn enter_namespaces() -> anyhow::Result<bool> {
    let (uid, gid) = (geteuid(), getegid());
    let privileged = match unshare(CloneFlags::CLONE_NEWNS) {
        Ok(()) => true,
        Err(Errno::EPERM) => {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(|errno| {
                anyhow!(
                    "create a user namespace: {} (unprivileged user namespaces may be switched off: see \
                         /proc/sys/user/max_user_namespaces)",
                    words(errno)
                )
            })?;
            map_to_root("setgroups", "deny")?;
            map_to_root("uid_map", &format!("0 {uid} 1"))?;
            map_to_root("gid_map", &format!("0 {gid} 1"))?;
            false
        }
        Err(errno) => return Err(anyhow!("create a mount namespace: {}", words(errno))),
    };
    // Nothing that is mounted from here on reaches the host.
    attach(None, Path::new("/"), None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None)
        .context("make the mounts private")?;
    Ok(privileged)
}

fn map_to_root(file: &str, text: &str) -> anyhow::Result<()> {
    let path = format!("/proc/self/{file}");
    fs::write(&path, text).map_err(|error| anyhow!("write {path}: {}", io_words(&error)))
}

/// Makes the view of the host's root; false if it is read-only, because the kernel refuses an overlay on this root.
fn make_root(scratch: &Path, rootfs: &Path, privileged: bool) -> anyhow::Result<bool> {
    let (upper, work) = (scratch.join("upper"), scratch.join("work"));
    for dir in [&upper, &work, rootfs] {
        fs::create_dir_all(dir).map_err(|error| anyhow!("mkdir {}: {}", dir.display(), io_words(&error)))?;
    }
    let user = if privileged { "" } else { ",userxattr" };
    let data = format!("lowerdir=/,upperdir={},workdir={}{user}", upper.display(), work.display());
    match attach(Some("overlay"), rootfs, Some("overlay"), MsFlags::empty(), Some(&data)) {
        Ok(()) => Ok(true),
        Err(error) => {
            log::debug!("overlay: {error}");
            attach(Some("/"), rootfs, None, MsFlags::MS_BIND | MsFlags::MS_REC, None)
                .context("bind the host's root")?;
            Ok(false)
        }
    }
}

fn attach(
    source: Option<&str>,
    target: &Path,
    fstype: Option<&str>,
    flags: MsFlags,
    data: Option<&str>,
) -> anyhow::Result<()> {
    mount(source, target, fstype, flags, data)
        .map_err(|errno| anyhow!("{}: {}", target.display(), words(errno)))
}

fn command(args: &Try) -> Vec<String> {
    if !args.command.is_empty() {
        return args.command.clone();
    }
    let shell = std::env::var("SHELL").ok().filter(|shell| Path::new(shell).is_file());
    vec![shell.unwrap_or_else(|| "/bin/sh".to_owned())]
}

/// The config of the container: as `spec` makes it, without limits.
fn config(command: &[String], cwd: &Path, privileged: bool, writable: bool) -> Value {
    let terminal = isatty(std::io::stdin()).unwrap_or(false) && isatty(std::io::stdout()).unwrap_or(false);
    // Group 5, tty, exists only where it is mapped.
    let pts = if privileged { "gid=5" } else { "newinstance" };
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
    let term = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
    let caps = [
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_RAW",
        "CAP_SETFCAP",
        "CAP_SETGID",
        "CAP_SETPCAP",
        "CAP_SETUID",
        "CAP_SYS_CHROOT",
    ];
    json!({
        "ociVersion": crate::container::OCI_VERSION,
        "process": {
            "terminal": terminal, "user": {"uid": 0, "gid": 0}, "args": command, "cwd": cwd,
            "env": [format!("PATH={path}"), format!("TERM={term}"), "HOME=/root".to_owned()],
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs", "readonly": !writable},
        "hostname": "skeg",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "ptmxmode=0666", "mode=0620", pts]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
             "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
             "options": ["nosuid", "noexec", "nodev", "ro"]},
        ],
        "linux": {
            "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}],
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                            "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}

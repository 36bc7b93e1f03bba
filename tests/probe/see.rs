//! What the probe can see, one JSON value a section. A section that needs an operand carries it after a colon:
//! `stat:/dev/null`. What cannot be seen is `{"error": "ENOENT"}`, so that a test can assert on it.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::{env, fs};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use serde_json::{Value, json};

use crate::sys;

/// Descriptors looked at; the tests preserve and leak only small numbers.
const FDS: i32 = 4096;

/// Number and target of each open descriptor, found without opening one.
pub fn open_fds() -> Value {
    let mut fds = serde_json::Map::new();
    for fd in (0..FDS).filter(|&fd| sys::is_open(fd)) {
        let target = fs::read_link(format!("/proc/self/fd/{fd}")).map(|target| target.display().to_string());
        fds.insert(fd.to_string(), target.unwrap_or_default().into());
    }
    Value::Object(fds)
}

/// The section called `name`.
pub fn section(name: &str) -> Value {
    let value = match name.split_once(':') {
        Some((kind, operand)) => with_operand(kind, operand),
        None => plain(name),
    };
    value.unwrap_or_else(|error| match error.raw_os_error() {
        Some(errno) => json!({"error": format!("{:?}", Errno::from_raw(errno))}),
        None => json!({"error": error.to_string()}),
    })
}

fn plain(name: &str) -> io::Result<Value> {
    match name {
        "args" => Ok(env::args().collect()),
        "counts" => Ok(json!([env::args().count(), env::vars().count()])),
        "env" => Ok(env::vars().map(|(name, value)| format!("{name}={value}")).collect()),
        "cwd" => Ok(env::current_dir()?.display().to_string().into()),
        "pid" => Ok(sys::process_ids()),
        "ids" => sys::ids(),
        "umask" => Ok(format!("{:04o}", sys::umask()).into()),
        "caps" => status_fields(&["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]),
        "seccomp" => status_fields(&["Seccomp", "NoNewPrivs"]),
        "signals" => status_fields(&["SigBlk", "SigIgn", "SigCgt"]),
        "cpus" => status_fields(&["Cpus_allowed_list"]),
        "namespaces" => namespaces(),
        "mounts" => Ok(fs::read_to_string("/proc/self/mountinfo")?.lines().filter_map(mount).collect()),
        "rlimits" => sys::rlimits(),
        "hostname" => Ok(nix::unistd::gethostname()?.to_string_lossy().into()),
        "domainname" => Ok(fs::read_to_string("/proc/sys/kernel/domainname")?.trim_end().into()),
        "oom_score_adj" => Ok(fs::read_to_string("/proc/self/oom_score_adj")?.trim_end().into()),
        "cgroup" => Ok(fs::read_to_string("/proc/self/cgroup")?.lines().collect()),
        "interfaces" => sys::interfaces(),
        "addresses" => sys::addresses(),
        "personality" => Ok(sys::personality().into()),
        "scheduler" => sys::scheduler(),
        "io-priority" => sys::io_priority(),
        "memory-policy" => sys::memory_policy(),
        "dumpable" => Ok(sys::dumpable().into()),
        "securebits" => Ok(sys::securebits().into()),
        "session-keyring" => Ok(sys::session_keyring()?.into()),
        "tty" => Ok(sys::tty()),
        _ => Err(io::Error::other(format!("unknown section {name}"))),
    }
}

fn with_operand(kind: &str, operand: &str) -> io::Result<Value> {
    match kind {
        "stat" => Ok(stat(&fs::symlink_metadata(operand)?)),
        "link" => Ok(fs::read_link(operand)?.display().to_string().into()),
        "read" => Ok(String::from_utf8_lossy(&fs::read(operand)?).into()),
        "list" => list(operand),
        // Through the wrapper and not std::fs: O_CLOEXEC aside, exactly the flags a test means.
        "open" => open(operand, OFlag::O_RDONLY, Mode::empty()).map(|_| "ok".into()).map_err(Into::into),
        "open-rw" => open(operand, OFlag::O_RDWR, Mode::empty()).map(|_| "ok".into()).map_err(Into::into),
        "create" => fs::File::create(operand).map(|_| "ok".into()),
        "mkdir" => fs::create_dir(operand).map(|()| "ok".into()),
        "chmod" => fs::set_permissions(operand, std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .map(|()| "ok".into()),
        "statfs" => Ok(format!("{:#x}", nix::sys::statfs::statfs(operand)?.filesystem_type().0).into()),
        "mknod" => sys::make_device(&CString::new(operand)?).map(|()| "ok".into()),
        "sethostname" => nix::unistd::sethostname(operand).map(|()| "ok".into()).map_err(Into::into),
        "syscall" => sys::bare_syscall(operand.parse().map_err(io::Error::other)?).map(Value::from),
        "writefd" => sys::write_to(operand.parse().map_err(io::Error::other)?).map(|()| "ok".into()),
        _ => Err(io::Error::other(format!("unknown section {kind}"))),
    }
}

fn status_fields(names: &[&str]) -> io::Result<Value> {
    let status = fs::read_to_string("/proc/self/status")?;
    let fields: BTreeMap<&str, &str> = status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| names.contains(name))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    Ok(json!(fields))
}

fn namespaces() -> io::Result<Value> {
    let mut links = serde_json::Map::new();
    for name in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
        let link = fs::read_link(format!("/proc/self/ns/{name}"))?;
        links.insert(name.to_owned(), link.display().to_string().into());
    }
    Ok(Value::Object(links))
}

/// One line of mountinfo: see proc_pid_mountinfo(5).
fn mount(line: &str) -> Option<Value> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let right: Vec<&str> = right.split(' ').collect();
    Some(json!({
        "root": left.get(3)?,
        "target": left.get(4)?,
        "options": left.get(5)?.split(',').collect::<Vec<_>>(),
        "propagation": left.get(6..)?,
        "type": right.first()?,
        "source": right.get(1)?,
        "super": right.get(2)?.split(',').collect::<Vec<_>>(),
    }))
}

fn stat(meta: &fs::Metadata) -> Value {
    let kind = meta.file_type();
    let name = match () {
        () if kind.is_dir() => "directory",
        () if kind.is_symlink() => "symlink",
        () if kind.is_char_device() => "char",
        () if kind.is_block_device() => "block",
        () if kind.is_fifo() => "fifo",
        () if kind.is_socket() => "socket",
        () => "file",
    };
    json!({
        "type": name,
        "mode": format!("{:04o}", meta.mode() & 0o7777),
        "uid": meta.uid(),
        "gid": meta.gid(),
        "size": meta.size(),
        "rdev": format!("{}:{}", libc::major(meta.rdev()), libc::minor(meta.rdev())),
    })
}

fn list(path: &str) -> io::Result<Value> {
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(json!(names))
}

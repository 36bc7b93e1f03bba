//! A step in words that a person understands.

use nix::libc;
use skeg_proto::NO_FD;
use skeg_proto::step::StepBuf;
use std::ffi::CString;

/// What the step does, on what.
#[allow(clippy::too_many_lines)] // A table.
pub(super) fn words(step: &StepBuf) -> String {
    match step {
        StepBuf::Version { version } => format!("protocol version {version}"),
        StepBuf::Fds { count, .. } => format!("receive {count} file descriptors"),
        StepBuf::Join { namespaces, .. } => {
            format!("setns into the container's {}", namespace_names(*namespaces))
        }
        StepBuf::Cgroup { .. } => "clone into the container's cgroup".to_owned(),
        StepBuf::RaiseLimit { resource, hard } => format!("raise hard limit {resource} to {}", limit(*hard)),
        StepBuf::Clone {} => "clone3: the container's process starts here".to_owned(),
        StepBuf::Born {} => "skeg's clone3 has made the container's process, which starts here".to_owned(),
        StepBuf::Propagation { flags } => format!("make \"/\" {}", propagation(*flags)),
        StepBuf::PrivateParent { path } => format!("make the mount that holds {} private", text(path)),
        StepBuf::Root { path } => format!("attach the rootfs {}", text(path)),
        StepBuf::Chroot { path } => format!("chroot into {}", text(path)),
        StepBuf::Filesystem { target, fstype, options, attr_set, propagation, .. } => {
            let options =
                options.iter().map(text).chain(attributes(*attr_set)).chain(propagations(propagation));
            format!("mount {} on {}{}", text(fstype), text(target), list(options))
        }
        StepBuf::Bind { target, source, recursive, attr_set, tree_set, propagation, .. } => {
            let tree = attributes(*tree_set).map(|word| format!("r{word}"));
            let options = attributes(*attr_set).chain(tree).chain(propagations(propagation));
            let bind = if *recursive { "rbind" } else { "bind" };
            format!("{bind} {} on {}{}", text(source), text(target), list(options))
        }
        StepBuf::Attach { target, .. } => format!("attach a mount that skeg has made on {}", text(target)),
        StepBuf::Reconfigure { target, options } => {
            format!("remount {}{}", text(target), list(options.iter().map(text)))
        }
        StepBuf::FileLabel { path, value } => format!("label {} {}", text(path), text(value)),
        StepBuf::CopyUp {} => "the next mount starts as a copy of what it covers".to_owned(),
        StepBuf::Device { path, mode, major, minor, uid, gid } => {
            let (kind, mode) = (device_type(*mode), mode & 0o7777);
            format!("mknod {} {kind} {major}:{minor} mode {mode:o} owner {uid}:{gid}", text(path))
        }
        StepBuf::HostDevice { path, mode, major, minor } => {
            format!("bind the host's {}, {} {major}:{minor}", text(path), device_type(*mode))
        }
        StepBuf::Symlink { path, target, .. } => format!("symlink {} -> {}", text(path), text(target)),
        StepBuf::Directory { path, mode } => format!("mkdir -p {} mode {mode:o}", text(path)),
        StepBuf::Console { socket, mount, .. } => {
            let to = if *socket == NO_FD { "skeg" } else { "the console socket" };
            let place = if *mount { ", bound on /dev/console" } else { "" };
            format!("open a pty as the console{place}; its master goes to {to}")
        }
        StepBuf::HookPoint {} => "wait until skeg has moved network devices and run its hooks".to_owned(),
        StepBuf::Hook { path, timeout: 0, .. } => format!("run the hook {}", text(path)),
        StepBuf::Hook { path, timeout, .. } => format!("run the hook {}, at most {timeout} ms", text(path)),
        StepBuf::Pivot {} => "pivot_root into the rootfs, detach the old root".to_owned(),
        StepBuf::MoveRoot {} => "move the rootfs over \"/\" and chroot into it".to_owned(),
        StepBuf::SetAttributes { path, set, .. } => {
            format!("remount {}{}", text(path), list(attributes(*set)))
        }
        StepBuf::Sysctl { path, value } => format!("write {} to /proc/sys/{}", text(value), text(path)),
        StepBuf::Mask { path } => format!("mask {}", text(path)),
        StepBuf::Readonly { path } => format!("make {} read-only", text(path)),
        StepBuf::Hostname { name } => format!("sethostname {}", text(name)),
        StepBuf::Domainname { name } => format!("setdomainname {}", text(name)),
        StepBuf::Loopback {} => "bring lo up".to_owned(),
        StepBuf::Keyring { name, .. } => format!("join the session keyring {}", text(name)),
        StepBuf::Umask { mask } => format!("umask {mask:04o}"),
        StepBuf::ReopenNull {} => "reopen standard streams that are the host's /dev/null".to_owned(),
        StepBuf::Program { uid, gid, .. } => format!("find the program, as user {uid}:{gid}"),
        StepBuf::Home { uid } => format!("HOME of user {uid} from /etc/passwd"),
        StepBuf::Ready { fifo: NO_FD } => "ready: wait for skeg".to_owned(),
        StepBuf::Ready { .. } => "ready: wait for `start`".to_owned(),
        StepBuf::Limit { resource, soft, hard } => {
            format!("limit {resource}: soft {}, hard {}", limit(*soft), limit(*hard))
        }
        StepBuf::Workdir { path } => format!("chdir {}", text(path)),
        StepBuf::ChownStdio { uid } => format!("give the standard streams to user {uid}"),
        StepBuf::Label { path, value } => format!("write {} to /proc/self/attr/{}", text(value), text(path)),
        StepBuf::NoNewPrivs {} => "no new privileges".to_owned(),
        StepBuf::Credentials { uid, gid, bounding, effective, .. } => {
            format!("become user {uid}:{gid}, capabilities {effective:#x}, bounding set {bounding:#x}")
        }
        StepBuf::Exec { keep_fds } => format!("close all fds from {keep_fds} up, exec the program"),
        StepBuf::Argv { args, .. } => format!("arguments: {}", joined(args)),
        StepBuf::Env { vars, .. } => format!("environment: {} variables", vars.len()),
        StepBuf::Groups { gids, .. } => format!("supplementary groups: {gids:?}"),
        StepBuf::Candidates { paths, .. } => format!("look for the program at {}", joined(paths)),
        StepBuf::HookArgs { args, .. } => format!("hook's arguments: {}", joined(args)),
        StepBuf::HookEnv { vars, .. } => format!("hook's environment: {} variables", vars.len()),
        StepBuf::HookStdin { text, .. } => format!("hook's standard input: the state, {} bytes", text.len()),
        StepBuf::Seccomp { filter, .. } => {
            format!("load a seccomp filter of {} instructions", filter.len() / 8)
        }
        StepBuf::Affinity { mask, .. } if mask.iter().all(|byte| *byte == 0xff) => {
            "run on all CPUs".to_owned()
        }
        StepBuf::Affinity { mask, .. } => format!("run on CPUs {}", bits(mask)),
        StepBuf::MemoryPolicy { nodes, flags } => {
            format!("set_mempolicy {flags:#x}, nodes {}", bits(nodes))
        }
        StepBuf::Scheduler { policy, nice, priority, .. } => {
            format!("scheduling policy {policy}, nice {}, priority {priority}", *nice as i32)
        }
        StepBuf::IoPriority { value } => format!("I/O priority class {}, level {}", value >> 13, value & 7),
        StepBuf::Personality { domain } => format!("personality {domain:#x}"),
    }
}

fn text(value: impl AsRef<std::ffi::CStr>) -> String {
    value.as_ref().to_string_lossy().into_owned()
}

fn device_type(mode: u32) -> &'static str {
    match mode & libc::S_IFMT {
        libc::S_IFBLK => "b",
        libc::S_IFIFO => "p",
        _ => "c",
    }
}

/// The numbers of the bits that are set.
fn bits(mask: &[u8]) -> String {
    let is_set = |bit: &usize| mask.get(bit / 8).is_some_and(|byte| byte & 1 << (bit % 8) != 0);
    let numbers: Vec<_> = (0..mask.len() * 8).filter(is_set).map(|bit| bit.to_string()).collect();
    numbers.join(",")
}

fn joined(values: &[CString]) -> String {
    values.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// ` (nosuid,mode=755)`, or nothing.
fn list(words: impl Iterator<Item = String>) -> String {
    let words: Vec<_> = words.collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(",")) }
}

fn limit(value: u64) -> String {
    if value == u64::MAX { "unlimited".to_owned() } else { value.to_string() }
}

fn attributes(bits: u64) -> impl Iterator<Item = String> {
    const NAMES: [(u64, &str); 8] = [
        (libc::MOUNT_ATTR_RDONLY, "ro"),
        (libc::MOUNT_ATTR_NOSUID, "nosuid"),
        (libc::MOUNT_ATTR_NODEV, "nodev"),
        (libc::MOUNT_ATTR_NOEXEC, "noexec"),
        (libc::MOUNT_ATTR_NOATIME, "noatime"),
        (libc::MOUNT_ATTR_STRICTATIME, "strictatime"),
        (libc::MOUNT_ATTR_NODIRATIME, "nodiratime"),
        (libc::MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow"),
    ];
    NAMES.into_iter().filter(move |(bit, _)| bits & bit != 0).map(|(_, name)| name.to_owned())
}

fn propagations(flags: &[u32]) -> impl Iterator<Item = String> {
    flags.iter().map(|flags| propagation(*flags))
}

fn propagation(flags: u32) -> String {
    let recursive = if u64::from(flags) & libc::MS_REC != 0 { "r" } else { "" };
    let kinds = [
        (libc::MS_SHARED, "shared"),
        (libc::MS_SLAVE, "slave"),
        (libc::MS_PRIVATE, "private"),
        (libc::MS_UNBINDABLE, "unbindable"),
    ];
    let kind = kinds.iter().find(|(bit, _)| u64::from(flags) & bit != 0).map_or("", |(_, name)| name);
    format!("{recursive}{kind}")
}

fn namespace_names(flags: u32) -> String {
    let own = crate::namespaces::NamespaceType::ALL
        .iter()
        .filter(|kind| flags & kind.clone_flag().bits() as u32 != 0)
        .map(|kind| kind.oci_name());
    format!("{} namespaces", own.collect::<Vec<_>>().join(", "))
}

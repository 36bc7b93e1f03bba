//! What a runtime may have forgotten: processes, cgroups, mounts and state of one container.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::LIMIT;
use crate::{host, sys};

/// Everything on this machine that still carries the container's id, in words.
pub fn of(id: &str, state: &Path) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(processes(id));
    found.extend(cgroups(id));
    found.extend(mounts(id));
    if let Ok(entries) = fs::read_dir(state) {
        let entries = entries.flatten().filter(|entry| !is_cache(&entry.file_name()));
        found.extend(entries.map(|entry| format!("state {}", entry.path().display())));
    }
    found
}

/// Whether this name in a state root is that of a compiled filter, which skeg keeps for other containers.
pub fn is_cache(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"@seccomp-")
}

/// Processes in a cgroup named after the container, or with the id in their command line or environment.
///
/// A memfd needs a process that holds it, so a forgotten one shows here too.
pub fn processes(id: &str) -> Vec<String> {
    having(id, &["cgroup", "cmdline", "environ"])
}

/// Processes with `text` in one of these files of theirs.
fn having(text: &str, files: &[&str]) -> Vec<String> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").expect("/proc");
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let pids = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own);
    let pids = pids.filter(|pid| !is_zombie(pid));
    pids.filter(|pid| {
        files.iter().any(|file| {
            // A process that has ended meanwhile is not left over.
            let content = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&content).contains(text)
        })
    })
    .map(|pid| {
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        format!("process {pid}: {}", command.replace('\0', " "))
    })
    .collect()
}

/// A process that has ended and whose parent has not asked yet: a runtime leaves those to the caller's reaper.
fn is_zombie(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.starts_with(" Z") || rest.starts_with(" X"))
}

/// Cgroup directories whose name contains `id`.
pub fn cgroups(id: &str) -> Vec<String> {
    let mut found = Vec::new();
    for hierarchy in host::cgroup_hierarchies() {
        find_named(&hierarchy, id, &mut found);
    }
    found.into_iter().map(|path| format!("cgroup {path}")).collect()
}

fn find_named(directory: &Path, id: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        if entry.file_name().to_string_lossy().contains(id) {
            found.push(entry.path().display().to_string());
        }
        find_named(&entry.path(), id, found);
    }
}

fn mounts(id: &str) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("/proc");
    table.lines().filter(|line| line.contains(id)).map(|line| format!("mount {line}")).collect()
}

/// Removes cgroups that a failed test left, so that the next is not disturbed; and those that a caller keeps.
///
/// What still runs in them was started by a test, and a runtime that has lost its state no longer ends it.
pub fn remove_cgroups(id: &str) {
    end_all_in(id);
    for line in cgroups(id).iter().rev() {
        if let Some(path) = line.strip_prefix("cgroup ") {
            remove_cgroup(Path::new(path));
        }
    }
}

fn end_all_in(id: &str) {
    let found = having(id, &["cgroup"]);
    let pids = found.iter().filter_map(|line| line.strip_prefix("process ")?.split(':').next()?.parse().ok());
    for pid in pids {
        // It may end by itself meanwhile.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        wait_reaping_others(pid);
    }
    reap_all_ended();
}

fn remove_cgroup(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroup(&entry.path());
        }
    }
    // Best effort: whoever must know what is left looks again.
    let _ = fs::remove_dir(path);
}

/// Waits until `pid` has ended, reaping every other orphan that was given to us meanwhile: the init of a pid namespace
/// does not end before the last process in it was waited for. False if that takes longer than any wait may.
pub fn wait_reaping_others(pid: i32) -> bool {
    let deadline = Instant::now() + LIMIT;
    loop {
        // ESRCH: it has ended and has been waited for.
        let Ok(init) = sys::pidfd_open(pid) else { return true };
        let children = fs::read_to_string(format!("/proc/self/task/{}/children", std::process::id()));
        let mut pidfds = vec![init];
        for child in children.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()) {
            if child != pid && !matches!(sys::reap(child), Ok(Some(_))) {
                pidfds.extend(sys::pidfd_open(child));
            }
        }
        if sys::readable(pidfds[0].as_fd(), Instant::now()).unwrap_or(false) {
            return true;
        }
        if !sys::any_readable(&pidfds, deadline).unwrap_or(false) {
            return false;
        }
    }
}

/// Waits until every child of this process has ended, and reaps it.
pub fn wait_for_all_children() {
    let deadline = Instant::now() + LIMIT;
    loop {
        reap_all_ended();
        let children = fs::read_to_string(format!("/proc/self/task/{}/children", std::process::id()));
        let children = children.unwrap_or_default();
        let pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        let pidfds: Vec<_> = pids.filter_map(|pid| sys::pidfd_open(pid).ok()).collect();
        if pidfds.is_empty() || !sys::any_readable(&pidfds, deadline).unwrap_or(false) {
            return;
        }
    }
}

/// Reaps all orphans that have ended and were given to us: needed where a test has several processes in a container.
pub fn reap_all_ended() {
    while matches!(sys::reap(-1), Ok(Some(_))) {}
}

/// Cgroups below the one called `parent`.
pub fn cgroups_below(parent: &str) -> Vec<String> {
    let mut found = Vec::new();
    for hierarchy in host::cgroup_hierarchies() {
        let below = fs::read_dir(hierarchy.join(parent)).into_iter().flatten().flatten();
        let directories = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        found.extend(directories.map(|entry| format!("cgroup {}", entry.path().display())));
    }
    found
}

/// Processes in a cgroup whose path contains `name`.
pub fn processes_in(name: &str) -> Vec<String> {
    having(&format!("/{name}/"), &["cgroup"])
}

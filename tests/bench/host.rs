//! The machine as the contestants see it: a private mount namespace, the peers' own libraries in it, and one of two
//! cgroup layouts. Everything made here is gone when the benchmark ends.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::sys;

/// Where every cgroup layout begins.
const TOP: &str = "/sys/fs/cgroup";
/// What the name of every cgroup of the benchmark begins with: nothing else is ever removed.
pub const PREFIX: &str = "skeg-bench-";

/// The cgroup hierarchies in sight.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// Where version 2 is mounted.
    pub v2: Option<PathBuf>,
    /// Where version 1 hierarchies are mounted.
    pub v1: Vec<PathBuf>,
    /// What version 2 hands down from its root: crun adds to it, and the benchmark puts it back.
    handed_down: String,
}

impl Layout {
    /// Reads the layout from this process's mounts.
    pub fn read() -> io::Result<Self> {
        let mut layout = Self::default();
        for line in fs::read_to_string("/proc/self/mountinfo")?.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let (Some(path), Some(kind)) = (left.split(' ').nth(4), right.split(' ').next()) else {
                continue;
            };
            if !path.starts_with(TOP) {
                continue;
            }
            match kind {
                "cgroup" => layout.v1.push(path.into()),
                "cgroup2" => layout.v2 = Some(path.into()),
                _ => {}
            }
        }
        if let Some(v2) = &layout.v2 {
            layout.handed_down = fs::read_to_string(v2.join("cgroup.subtree_control"))?;
        }
        Ok(layout)
    }

    /// Whether version 2 is all there is.
    pub fn is_pure_v2(&self) -> bool {
        self.v1.is_empty() && self.v2.is_some()
    }

    /// The floor's second argument: the same cgroup in every hierarchy.
    pub fn list(&self, cgroup: &str) -> String {
        let mut list = self.v2.as_ref().map_or("-".to_owned(), |top| format!("{}/{cgroup}", top.display()));
        for top in &self.v1 {
            list += &format!(":{}/{cgroup}", top.display());
        }
        list
    }

    /// Removes the benchmark's cgroups that a failed container left. Returns their paths.
    pub fn sweep(&self) -> Vec<PathBuf> {
        let mut left = Vec::new();
        for top in self.v2.iter().chain(&self.v1) {
            for entry in fs::read_dir(top).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                    empty_cgroup(&entry.path());
                    left.push(entry.path());
                }
            }
        }
        left
    }

    /// Ends the handing down of controllers that were not handed down before.
    pub fn restore(&self) {
        let Some(v2) = &self.v2 else { return };
        let control = v2.join("cgroup.subtree_control");
        let before: Vec<&str> = self.handed_down.split_whitespace().collect();
        for name in fs::read_to_string(&control).unwrap_or_default().split_whitespace() {
            if !before.contains(&name)
                && let Err(error) = fs::write(&control, format!("-{name}"))
            {
                eprintln!("bench: {}: -{name}: {error}", control.display());
            }
        }
    }
}

/// Kills what is left in one of our cgroups and removes it.
fn empty_cgroup(path: &Path) {
    for pid in fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default().lines() {
        if let Ok(pid) = pid.parse() {
            sys::kill(pid);
            // Not our child if its runtime still waits for it; then the wait says so at once.
            let _ = sys::wait(pid);
        }
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            empty_cgroup(&entry.path());
        }
    }
    if let Err(error) = fs::remove_dir(path) {
        eprintln!("bench: {}: {error}", path.display());
    }
}

/// Shows the peers the Debian they were built for: its libraries, its ELF interpreter, its linker cache. The kernel
/// then executes them directly, at their natural speed; a wrapper or LD_LIBRARY_PATH would cost them time.
pub fn bind_peer_libraries(peers: &Path) -> io::Result<()> {
    let root = peers.join("root");
    let parts = ["usr/lib64", "usr/lib/x86_64-linux-gnu", "etc/ld.so.cache"];
    for part in parts {
        sys::bind(&root.join(part), &Path::new("/").join(part))?;
    }
    Ok(())
}

/// Replaces the cgroup mounts by version 2 alone, at the place where a machine without version 1 has it.
pub fn mount_pure_v2() -> io::Result<()> {
    let top = Path::new(TOP);
    sys::detach(top)?;
    sys::mount("cgroup2", top, Some("cgroup2"), libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC)
}

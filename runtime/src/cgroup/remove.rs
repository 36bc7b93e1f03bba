//! Removes a cgroup. Its processes may still be dying: rmdir(2) says EBUSY until the last one is gone.

use super::dir::Dir;
use super::error::{Error, Result};
use super::freeze;
use super::paths::Paths;
use super::tree::Tree;
use nix::errno::Errno;
use std::time::{Duration, Instant};

/// How long a killed process may take to go, as in runc (100 times 100 ms).
const LIMIT: Duration = Duration::from_secs(10);
/// The longest pause between two attempts where the kernel tells nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// Removes every directory that create made. The unified hierarchy goes first: it can be waited for, and a process
/// leaves all hierarchies at once.
pub(super) fn remove_all(tree: &Tree, paths: &Paths) -> Result<()> {
    let ours = || tree.hierarchies.iter().filter(|hierarchy| !paths.found.contains(hierarchy.dir.path()));
    let unified = ours().filter(|hierarchy| hierarchy.is_v2());
    let deadline = Instant::now() + LIMIT;
    let mut result = Ok(());
    for hierarchy in unified.chain(ours().filter(|hierarchy| !hierarchy.is_v2())) {
        match rmdir(&hierarchy.dir) {
            Ok(()) => continue,
            Err(Errno::EBUSY) => let_go(tree),
            Err(_) => {}
        }
        // One that fails is no reason to leave the others.
        result = result.and(remove_until(&hierarchy.dir, hierarchy.is_v2(), deadline));
    }
    result
}

/// Lets what is left in the cgroup run, as only then it leaves: init has ended, but what `exec` had just put there is in
/// no PID namespace that ends with it, and `pause` may have stopped it. The container's lock keeps the next `pause` out.
fn let_go(tree: &Tree) {
    if let Err(e) = freeze::thaw(tree) {
        log::debug!("{e}");
    }
}

/// Removes one directory with everything below it. It may be gone already.
pub(super) fn remove(dir: &Dir, v2: bool) -> Result<()> {
    remove_until(dir, v2, Instant::now() + LIMIT)
}

fn remove_until(dir: &Dir, v2: bool, deadline: Instant) -> Result<()> {
    let mut pause = Duration::from_millis(1);
    loop {
        let errno = match rmdir(dir) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            // A read-only file system says so even where there is nothing to remove.
            Err(_) if !dir.path().exists() => return Ok(()),
            Err(errno) => errno,
        };
        if errno != Errno::EBUSY {
            return Err(Error::io("rmdir", dir.path(), errno));
        }
        dir.remove_below()?;
        if rmdir(dir).is_ok() {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::Busy(dir.path().to_path_buf()));
        }
        // The kernel wakes us when the last process has gone; if that is not what it is waiting for, so do we.
        let emptied = v2 && matches!(dir.wait_event("populated", 0, left), Ok(true));
        if !emptied || pause > Duration::from_millis(1) {
            std::thread::sleep(pause.min(left));
        }
        pause = (pause * 2).min(PAUSE);
    }
}

fn rmdir(dir: &Dir) -> Result<(), Errno> {
    std::fs::remove_dir(dir.path()).map_err(|e| crate::errno::of(&e))
}

//! Kills all processes of a cgroup so that none escapes by forking.

use super::error::{Error, Result};
use super::freeze;
use super::tree::{Hierarchy, Tree};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};

pub(super) fn kill_all(tree: &Tree) -> Result<()> {
    // On a hybrid host processes may never have been put into the unified hierarchy.
    if let Some(unified) = tree.unified().filter(|unified| tree.is_v2_only() || is_populated(unified)) {
        match unified.dir.write("cgroup.kill", "1") {
            Ok(()) => {
                // cgroup.kill reaches frozen processes of v2, but v1's freezer holds them until it lets go.
                return if tree.get("freezer").is_some() { thaw_if_there(tree) } else { Ok(()) };
            }
            // Gone is what was wanted; a threaded cgroup is killed one by one.
            Err(Errno::ENOENT | Errno::ENODEV) if tree.is_v2_only() => return Ok(()),
            Err(Errno::EOPNOTSUPP | Errno::ENOENT | Errno::ENODEV) => {}
            Err(errno) => return Err(Error::io("write 1 to", unified.dir.path().join("cgroup.kill"), errno)),
        }
    }
    one_by_one(tree)
}

fn is_populated(hierarchy: &Hierarchy) -> bool {
    matches!(hierarchy.dir.keyed("cgroup.events", "populated"), Ok(Some(1)))
}

/// Freezes, so that no process is born meanwhile and no number is used again; signals; and thaws, because only a
/// running process dies.
fn one_by_one(tree: &Tree) -> Result<()> {
    let Some(primary) = tree.primary() else { return Ok(()) };
    if primary.pids()?.is_empty() {
        return Ok(());
    }
    // A cgroup that can't be frozen is killed as well as can be.
    if let Err(e) = freeze::freeze(tree) {
        log::debug!("{e}");
    }
    let killed = primary.pids().map(|pids| {
        pids.into_iter().try_for_each(|pid| match kill(pid, Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(Error::io(format!("kill {pid} in"), primary.dir.path(), errno)),
        })
    });
    let thawed = thaw_if_there(tree);
    killed??;
    thawed
}

fn thaw_if_there(tree: &Tree) -> Result<()> {
    match freeze::thaw(tree) {
        Err(Error::NoFreezer) => Ok(()),
        Err(e) if matches!(e.errno(), Some(Errno::ENOENT | Errno::ENODEV)) => Ok(()),
        result => result,
    }
}

//! Device rules for cgroup v2: a BPF program that the kernel asks at every open and mknod.

use super::{Rule, allows_all, program};
use crate::cgroup::dir::Dir;
use crate::cgroup::error::{Error, Result};
use crate::cgroup::sys;
use nix::errno::Errno;
use std::os::fd::OwnedFd;

/// Makes `rules` hold in the cgroup and nothing else. `fresh` says that we have just made the cgroup, so that no
/// program can be there.
pub(crate) fn apply(dir: &Dir, rules: &[Rule], fresh: bool) -> Result<()> {
    match replace(dir, rules, fresh) {
        // Who may not use bpf(2) has not been able to forbid anything either.
        Err(e) if e.is_permission() && allows_all(rules) => Ok(()),
        result => result,
    }
}

fn replace(dir: &Dir, rules: &[Rule], fresh: bool) -> Result<()> {
    let refused = |op: &str, errno: Errno| {
        Error::io(format!("linux.resources.devices: {op} (BPF_CGROUP_DEVICE)"), dir.path(), errno)
    };
    let allow_all = allows_all(rules);
    if fresh && allow_all {
        return Ok(());
    }
    let cgroup = dir.fd().map_err(|errno| refused("open", errno))?;
    let old = if fresh {
        Vec::new()
    } else {
        attached(&cgroup).map_err(|errno| refused("BPF_PROG_QUERY", errno))?
    };
    if old.is_empty() && allow_all {
        return Ok(());
    }
    let code = program(rules).ok_or_else(|| Error::setting("linux.resources.devices", "too many rules"))?;
    let program = sys::prog_load(&code).map_err(|errno| refused("BPF_PROG_LOAD", errno))?;
    // One program is replaced in one step, so that there is no moment without rules.
    let replaced = match old.as_slice() {
        [one] => Some(one),
        _ => None,
    };
    sys::prog_attach(&cgroup, &program, replaced).map_err(|errno| refused("BPF_PROG_ATTACH", errno))?;
    if replaced.is_none() {
        for program in &old {
            sys::prog_detach(&cgroup, program).map_err(|errno| refused("BPF_PROG_DETACH", errno))?;
        }
    }
    Ok(())
}

/// The programs of this cgroup. One that we may not touch (an LSM's label) stays: it can only forbid more.
fn attached(cgroup: &impl std::os::fd::AsFd) -> Result<Vec<OwnedFd>, Errno> {
    let mut programs = Vec::new();
    for id in sys::prog_query(cgroup)? {
        match sys::prog_by_id(id) {
            Ok(program) => programs.push(program),
            // ENOENT: it went away between the two calls.
            Err(Errno::EPERM | Errno::EACCES | Errno::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(programs)
}

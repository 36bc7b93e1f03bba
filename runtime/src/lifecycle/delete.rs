//! `delete`: ends what is left of a container and removes it.

use super::Error;
use super::inspect::{hook_state, load, look_locked, unfinished};
use crate::cgroup::Cgroup;
use crate::container::status::allowed;
use crate::container::{Directory, Id, Lock, Operation, Signal, State, Status, Store, store};
use crate::hooks;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long a killed process may take to end, as runc waits.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// Deletes a container. `force`: kills it first if it runs, and is content if there is none.
pub fn delete(store: &Store, id: &Id, force: bool) -> Result<(), Error> {
    let directory = match store.open(id) {
        Err(store::Error::DoesNotExist) if force => return Ok(()),
        other => other?,
    };
    if force {
        end_create(&directory)?;
    }
    let lock = match directory.lock() {
        // Somebody else has just deleted it.
        Err(store::Error::DoesNotExist) if force => return Ok(()),
        other => other?,
    };
    if !force {
        let (state, status) = look_locked(&directory, &lock)?;
        allowed(Operation::Delete, id, status)?;
        return destroy(&directory, &lock, &state);
    }
    match load(&directory) {
        Ok((state, _)) => destroy(&directory, &lock, &state),
        // Of a create that was killed before it made anything: there is nothing but the directory. One that can't be read
        // may be of a container that runs, which nobody could find without it.
        Err(Error::Store(store::Error::DoesNotExist)) => Ok(directory.remove(&lock)?),
        Err(error) => Err(error),
    }
}

/// Kills the process of a container that is being created, maybe for as long as a hook likes: its create fails then, and
/// lets go of the lock.
fn end_create(directory: &Directory) -> Result<(), Error> {
    let Some(state) = unfinished(directory) else { return Ok(()) };
    if let Some(process) = state.init().open()? {
        process.signal(Signal::KILL)?;
    }
    Ok(())
}

/// Removes a container whose process has ended, or is to end.
pub(super) fn delete_ended(directory: &Directory, state: &State) -> Result<(), Error> {
    match directory.lock() {
        // Somebody else was faster.
        Err(store::Error::DoesNotExist) => Ok(()),
        lock => destroy(directory, &lock?, state),
    }
}

/// Kills the container's process, if it is alive, and removes everything. The poststop hooks run last.
pub(super) fn destroy(directory: &Directory, lock: &Lock, state: &State) -> Result<(), Error> {
    let cgroup = Cgroup::new(state.cgroup.clone());
    end_process(state, &cgroup)?;
    cgroup.remove()?;
    if let Some(group) = &state.intel_rdt {
        group.remove()?;
    }
    directory.remove(lock)?;
    if !state.hooks_poststop.is_empty() {
        hooks::run_all(&state.hooks_poststop, "poststop", &hook_state(state, Status::Stopped));
    }
    Ok(())
}

fn end_process(state: &State, cgroup: &Cgroup) -> Result<(), Error> {
    if let Some(process) = state.init().open()? {
        process.signal(Signal::KILL)?;
        // A frozen process dies only when it is thawed (cgroup v1).
        if !state.cgroup.is_empty() {
            cgroup.thaw()?;
        }
        wait(&process, &state.id)?;
    }
    // What init has left in a PID namespace that others share; or a create that was killed before it knew init, in a
    // cgroup that it has made.
    let is_unknown = state.pid == 0 && state.cgroup.found.is_empty();
    if (!state.ends_with_init || is_unknown) && !cgroup.pids()?.is_empty() {
        cgroup.kill_all()?;
    }
    Ok(())
}

/// A pidfd becomes readable at the end of its process.
fn wait(process: &impl AsFd, id: &str) -> Result<(), Error> {
    let deadline = Instant::now() + KILL_LIMIT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::Syscall { what: "wait for the container's end", errno }),
            Ok(0) => return Err(Error::Timeout(format!("container {id} is still running after SIGKILL"))),
            Ok(_) => return Ok(()),
        }
    }
}

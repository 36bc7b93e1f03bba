//! `start`: lets the process of a created container go on.

use super::Error;
use super::inspect::hook_state;
use super::inspect::status;
use crate::container::status::allowed;
use crate::container::{Directory, Id, Lock, Operation, State, Status, Store, store};
use crate::hooks;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, OwnedFd};

/// Starts a created container. The program's own end is not waited for.
pub fn start(store: &Store, id: &Id) -> Result<(), Error> {
    let directory = store.open(id)?;
    let lock = directory.lock()?;
    let state = directory.load()?;
    allowed(Operation::Start, id, status(&directory, &state)?)?;
    let fifo = open_fifo(&directory)?;
    let stopped = || allowed(Operation::Start, id, Status::Stopped);
    let Some(fifo) = fifo else { return Ok(stopped()?) };
    if nix::unistd::write(&fifo, b"0").is_err() {
        return Ok(stopped()?);
    }
    // It marks the container as not started yet.
    directory.remove_exec_fifo()?;
    if !state.hooks_poststart.is_empty() {
        wait_for_exec(&fifo)?;
    }
    poststart(&directory, &lock, &state)
}

/// The poststart hooks of `run`, which holds no lock.
pub(super) fn poststart_of(directory: &Directory, state: &State) -> Result<(), Error> {
    match state.hooks_poststart.is_empty() {
        true => Ok(()),
        false => poststart(directory, &directory.lock()?, state),
    }
}

/// Runs the poststart hooks; one that fails ends the container (runtime.md, "Lifecycle", 10).
fn poststart(directory: &Directory, lock: &Lock, state: &State) -> Result<(), Error> {
    if state.hooks_poststart.is_empty() {
        return Ok(());
    }
    let text = hook_state(state, Status::Running);
    hooks::run(&state.hooks_poststart, "poststart", &text).map_err(|error| {
        if let Err(more) = super::delete::destroy(directory, lock, state) {
            log::warn!("{more}");
        }
        error.into()
    })
}

/// None where nobody reads any more: the process has ended.
fn open_fifo(directory: &Directory) -> Result<Option<OwnedFd>, Error> {
    match directory.open_exec_fifo(OFlag::O_WRONLY | OFlag::O_NONBLOCK) {
        Ok(fd) => Ok(Some(fd)),
        Err(store::Error::Syscall { errno: Errno::ENXIO, .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// nsexec closes its end right before the exec; a pipe without readers reports an error.
fn wait_for_exec(fifo: &OwnedFd) -> Result<(), Error> {
    loop {
        let mut fds = [PollFd::new(fifo.as_fd(), PollFlags::empty())];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::Syscall { what: "wait for the exec", errno }),
            Ok(_) => return Ok(()),
        }
    }
}

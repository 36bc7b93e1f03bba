//! `start`: lets the process of a created container go on.

use super::Error;
use super::error::syscall;
use super::inspect::{hook_state, look_locked};
use crate::container::status::allowed;
use crate::container::{Directory, Id, Operation, State, Status, Store, store};
use crate::hooks;
use crate::launch;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use skeg_proto::sync::{FRAME_LEN, ToRuntime};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

/// Starts a created container. The program's own end is not waited for.
pub fn start(store: &Store, id: &Id) -> Result<(), Error> {
    let directory = store.open(id)?;
    let (state, listening) = {
        let lock = directory.lock()?;
        let (state, status) = look_locked(&directory, &lock)?;
        allowed(Operation::Start, id, status)?;
        let listening = let_go(&directory, &state)?;
        (state, listening)
    };
    // From here on it may take as long as a hook likes: others may change the container meanwhile.
    if let Some(fifo) = listening {
        wait_for_exec(fifo, &state.start_origins).map_err(|error| end(&directory, &state, error))?;
        still_there(&directory)?;
    }
    poststart(&directory, &state)
}

/// Lets the process go on. Returns the FIFO where it will say why it could not, if that is to be waited for.
fn let_go(directory: &Directory, state: &State) -> Result<Option<OwnedFd>, Error> {
    let Some(fifo) = open_fifo(directory)?.filter(|fifo| nix::unistd::write(fifo, b"0").is_ok()) else {
        allowed(Operation::Start, directory.id(), Status::Stopped)?;
        return Ok(None);
    };
    let listening = match state.start_origins.is_empty() {
        true => None,
        false => Some(directory.open_exec_fifo(OFlag::O_RDONLY | OFlag::O_NONBLOCK)?),
    };
    // It marks the container as not started yet.
    directory.remove_exec_fifo()?;
    // What `listening` hears of the end of must be the process's.
    drop(fifo);
    Ok(listening)
}

/// Runs the poststart hooks; one that fails ends the container (runtime.md, "Lifecycle", 10).
pub(super) fn poststart(directory: &Directory, state: &State) -> Result<(), Error> {
    if state.hooks_poststart.is_empty() {
        return Ok(());
    }
    still_there(directory)?;
    let text = hook_state(state, Status::Running);
    hooks::run(&state.hooks_poststart, "poststart", &text, &state.bundle, None)
        .map_err(|error| end(directory, state, error.into()))
}

/// A container that is deleted meanwhile has not been started: who deletes it has the lock until it is gone.
fn still_there(directory: &Directory) -> Result<(), Error> {
    match directory.lock() {
        Err(store::Error::DoesNotExist) => Ok(allowed(Operation::Start, directory.id(), Status::Stopped)?),
        lock => Ok(lock.map(drop)?),
    }
}

/// Ends a container that could not be started (runtime.md, "Lifecycle", 7 and 9); returns why.
fn end(directory: &Directory, state: &State, why: Error) -> Error {
    if let Err(more) = super::delete::delete_ended(directory, state) {
        log::warn!("{more}");
    }
    why
}

/// None where nobody reads any more: the process has ended.
fn open_fifo(directory: &Directory) -> Result<Option<OwnedFd>, Error> {
    match directory.open_exec_fifo(OFlag::O_WRONLY | OFlag::O_NONBLOCK) {
        Ok(fd) => Ok(Some(fd)),
        Err(store::Error::Syscall { errno: Errno::ENXIO, .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Waits until nsexec has closed the FIFO, as it does right before the exec, and says why it did so without one.
fn wait_for_exec(fifo: OwnedFd, origins: &BTreeMap<u32, String>) -> Result<(), Error> {
    let mut fds = [PollFd::new(fifo.as_fd(), PollFlags::empty())];
    while let Err(errno) = poll(&mut fds, PollTimeout::NONE) {
        if errno != Errno::EINTR {
            return Err(syscall("wait for the exec")(errno));
        }
    }
    let mut frame = [0; FRAME_LEN];
    let length = nix::unistd::read(&fifo, &mut frame).map_err(syscall("read the exec FIFO"))?;
    match ToRuntime::read(frame.get(..length).unwrap_or_default()) {
        Ok(ToRuntime::Failed(failure)) => {
            Err(launch::Error::Step(launch::explain_start(&failure, origins)).into())
        }
        _ => Ok(()),
    }
}

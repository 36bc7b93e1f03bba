//! What a container's status is, and what hooks are told of it.

use super::Error;
use crate::cgroup::Cgroup;
use crate::container::{Directory, Lock, State, Status};
use crate::hooks::HookState;
use crate::launch;
use std::time::{Duration, Instant};

/// How long a `run` may take to finish the state of a container whose program runs.
const PATIENCE: Duration = Duration::from_secs(10);

/// The state of a container, and its status now.
pub fn look(directory: &Directory) -> Result<(State, Status), Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (state, is_ready) = load(directory)?;
        if is_ready {
            return with_status(directory, state);
        }
        // A create may have been killed after it had let its process go.
        if !directory.is_locked()? || !state.init().is_alive()? {
            return with_status(directory, load(directory)?.0);
        }
        if is_stage(state.pid) || Instant::now() >= deadline {
            return Ok((state, Status::Creating));
        }
        // `run` finishes the state once the program has begun: whoever has heard from that must not be refused.
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether this is nsexec still. What can't be told is taken for it.
fn is_stage(pid: i32) -> bool {
    let exe = std::fs::read_link(format!("/proc/{pid}/exe"));
    exe.map_or(true, |exe| exe.as_os_str().as_encoded_bytes().starts_with(launch::MEMFD.as_bytes()))
}

/// As [`look`], for who holds the lock: no create is at work.
pub(super) fn look_locked(directory: &Directory, _held: &Lock) -> Result<(State, Status), Error> {
    let (state, _) = load(directory)?;
    with_status(directory, state)
}

fn with_status(directory: &Directory, state: State) -> Result<(State, Status), Error> {
    let frozen = || Cgroup::new(state.cgroup.clone()).is_frozen().unwrap_or(false);
    let status = match state.pid {
        // Its create is under way, or was killed.
        0 => Status::Stopped,
        _ => directory.status(&state, frozen)?,
    };
    Ok((state, status))
}

/// The state of a container, and whether it is ready: until then it is the one that it will have.
pub(super) fn load(directory: &Directory) -> Result<(State, bool), Error> {
    let state = directory.load()?;
    if state.pid != 0 {
        return Ok((state, true));
    }
    match unfinished(directory) {
        Some(state) => Ok((state, false)),
        // There is no process yet, or it was ready just now.
        None => Ok((directory.load()?, true)),
    }
}

/// The state of a container that has a process and is not ready.
pub(super) fn unfinished(directory: &Directory) -> Option<State> {
    // Half written, its writer was killed: the process had no word from it, and has ended.
    directory.load_unfinished().unwrap_or_else(|error| {
        log::debug!("{error}");
        None
    })
}

/// The state for a hook in the runtime's namespaces.
pub(super) fn hook_state(state: &State, status: Status) -> String {
    HookState {
        oci_version: &state.oci_version,
        id: &state.id,
        status: &status.to_string(),
        pid: (status != Status::Stopped).then_some(state.pid),
        bundle: &state.bundle,
        annotations: &state.annotations,
    }
    .json()
}

//! What a container's status is, and what hooks are told of it.

use super::Error;
use crate::cgroup::Cgroup;
use crate::container::{Directory, State, Status};
use crate::hooks::HookState;
use crate::namespaces::NamespaceType;

/// The status of a container now.
pub fn status(directory: &Directory, state: &State) -> Result<Status, Error> {
    let frozen = || Cgroup::new(state.cgroup.clone()).is_frozen().unwrap_or(false);
    match state.pid {
        // Its create is under way, or was killed.
        0 => Ok(Status::Stopped),
        _ => Ok(directory.status(state, frozen)?),
    }
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

/// Whether the end of the container's first process is the end of all of them (pid_namespaces(7)).
pub(super) fn has_own_pid_namespace(state: &State) -> bool {
    state.is_own(NamespaceType::Pid)
}

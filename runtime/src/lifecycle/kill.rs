//! `kill`: a signal for the container's process, or for all of them.

use super::Error;
use super::inspect::look;
use crate::cgroup::Cgroup;
use crate::container::status::allowed;
use crate::container::{Id, Operation, Signal, Status, Store};

/// Sends a signal. `all`: a container that has stopped is no error.
pub fn kill(store: &Store, id: &Id, signal: Signal, all: bool) -> Result<(), Error> {
    let directory = store.open(id)?;
    let (state, status) = look(&directory)?;
    if status == Status::Stopped && all {
        return Ok(());
    }
    allowed(Operation::Kill, id, status)?;
    let cgroup = Cgroup::new(state.cgroup.clone());
    if signal == Signal::KILL && !state.ends_with_init && !state.cgroup.is_empty() {
        return Ok(cgroup.kill_all()?);
    }
    let sent = match state.init().open()? {
        Some(process) => process.signal(signal)?,
        None => false,
    };
    if !sent {
        allowed(Operation::Kill, id, Status::Stopped)?;
    }
    // A frozen process dies only when it is thawed (cgroup v1).
    if signal == Signal::KILL && status == Status::Paused {
        cgroup.thaw()?;
    }
    Ok(())
}

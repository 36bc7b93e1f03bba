//! `update`: changes the limits of a container.

use super::Error;
use super::inspect::look_locked;
use crate::cgroup::Cgroup;
use crate::container::status::allowed;
use crate::container::{Id, Operation, State, Store};
use crate::resctrl::Group;
use nix::unistd::Pid;
use oci_spec::runtime::{LinuxIntelRdt, LinuxResources};

/// Applies the limits that are given; the others stay. `rdt` holds new lines for the file schemata.
pub fn update(
    store: &Store,
    id: &Id,
    new: &LinuxResources,
    rdt: Option<&LinuxIntelRdt>,
) -> Result<(), Error> {
    let directory = store.open(id)?;
    let lock = directory.lock()?;
    let (mut state, status) = look_locked(&directory, &lock)?;
    allowed(Operation::Update, id, status)?;
    let before = state.resources.clone().unwrap_or_default();
    state.resources = Some(Cgroup::new(state.cgroup.clone()).update(&before, new)?);
    if let Some(rdt) = rdt {
        update_intel_rdt(&mut state, rdt)?;
    }
    Ok(directory.save(&lock, &state)?)
}

/// A container without a group gets one of its own, as with runc.
fn update_intel_rdt(state: &mut State, rdt: &LinuxIntelRdt) -> Result<(), Error> {
    if let Some(group) = &state.intel_rdt {
        return Ok(group.set(rdt)?);
    }
    let group = state.intel_rdt.insert(Group::of_container(&state.id)?);
    group.create(rdt)?;
    Ok(group.join(Pid::from_raw(state.pid))?)
}

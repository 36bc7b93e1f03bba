//! `update`: changes the limits of a container.

use super::Error;
use super::inspect::status;
use crate::cgroup::Cgroup;
use crate::container::status::allowed;
use crate::container::{Id, Operation, Store};
use oci_spec::runtime::LinuxResources;

/// Applies the limits that are given; the others stay.
pub fn update(store: &Store, id: &Id, new: &LinuxResources) -> Result<(), Error> {
    let directory = store.open(id)?;
    let lock = directory.lock()?;
    let mut state = directory.load()?;
    allowed(Operation::Update, id, status(&directory, &state)?)?;
    let before = state.resources.clone().unwrap_or_default();
    state.resources = Some(Cgroup::new(state.cgroup.clone()).update(&before, new)?);
    Ok(directory.save(&lock, &state)?)
}

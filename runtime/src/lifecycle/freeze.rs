//! `pause` and `resume`: the cgroup's freezer.

use super::Error;
use super::inspect::look_locked;
use crate::cgroup::Cgroup;
use crate::container::status::allowed;
use crate::container::{Id, Operation, Store};

/// Suspends all processes of a container.
pub fn pause(store: &Store, id: &Id) -> Result<(), Error> {
    change(store, id, Operation::Pause, |cgroup| cgroup.freeze())
}

/// Lets them go on.
pub fn resume(store: &Store, id: &Id) -> Result<(), Error> {
    change(store, id, Operation::Resume, |cgroup| cgroup.thaw())
}

fn change(
    store: &Store,
    id: &Id,
    operation: Operation,
    apply: impl Fn(&Cgroup) -> Result<(), crate::cgroup::Error>,
) -> Result<(), Error> {
    let directory = store.open(id)?;
    let lock = directory.lock()?;
    let (state, status) = look_locked(&directory, &lock)?;
    allowed(operation, id, status)?;
    Ok(apply(&Cgroup::new(state.cgroup))?)
}

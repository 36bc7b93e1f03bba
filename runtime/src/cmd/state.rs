//! `skeg state`: the state of one container, as JSON.

use super::output;
use crate::cli::{Global, command};
use crate::container::{State, Store};
use anyhow::Result;

/// Prints the state. `is_frozen` tells whether a container's cgroup is.
pub fn run(global: &Global, args: &command::State, is_frozen: impl FnOnce(&State) -> bool) -> Result<()> {
    let directory = Store::new(global.root.clone(), global.root_is_in_xdg).open(&args.id)?;
    let state = directory.load()?;
    let status = directory.status(&state, || is_frozen(&state))?;
    output::print(&output::pretty(&state.to_oci(status, ""), "  ")?)
}

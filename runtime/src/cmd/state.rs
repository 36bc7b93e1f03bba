//! `skeg state`: the state of one container, as JSON.

use super::{output, store};
use crate::cli::{Global, command};
use crate::lifecycle::inspect::look;
use anyhow::Result;

/// Prints the state.
pub fn run(global: &Global, args: &command::State) -> Result<()> {
    let directory = store(global).open(&args.id)?;
    let (state, status) = look(&directory)?;
    output::print(&output::pretty(&state.to_oci(status, ""), "  ")?)
}

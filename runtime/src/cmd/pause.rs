//! `pause`.

use super::store;
use crate::cli::Global;
use crate::cli::command::Pause;
use crate::lifecycle::freeze::pause;

/// Runs the command.
pub fn run(global: &Global, args: &Pause) -> anyhow::Result<i32> {
    pause(&store(global), &args.id)?;
    Ok(0)
}

//! `start`.

use super::store;
use crate::cli::Global;
use crate::cli::command::Start;
use crate::lifecycle::start::start;

/// Runs the command.
pub fn run(global: &Global, args: &Start) -> anyhow::Result<i32> {
    start(&store(global), &args.id)?;
    Ok(0)
}

//! `kill`.

use super::store;
use crate::cli::Global;
use crate::cli::command::Kill;
use crate::container::Signal;
use crate::lifecycle::kill::kill;

/// Runs the command.
pub fn run(global: &Global, args: &Kill) -> anyhow::Result<i32> {
    kill(&store(global), &args.id, args.signal.unwrap_or(Signal::TERM), args.all)?;
    Ok(0)
}

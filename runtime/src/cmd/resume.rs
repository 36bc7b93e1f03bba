//! `resume`.

use super::store;
use crate::cli::Global;
use crate::cli::command::Resume;
use crate::lifecycle::freeze::resume;

/// Runs the command.
pub fn run(global: &Global, args: &Resume) -> anyhow::Result<i32> {
    resume(&store(global), &args.id)?;
    Ok(0)
}

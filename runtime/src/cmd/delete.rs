//! `delete`.

use super::store;
use crate::cli::Global;
use crate::cli::command::Delete;
use crate::lifecycle::delete::delete;

/// Runs the command.
pub fn run(global: &Global, args: &Delete) -> anyhow::Result<i32> {
    delete(&store(global), &args.id, args.force)?;
    Ok(0)
}

//! `run`: create, start and, in the foreground, delete.

use super::{create::request, store};
use crate::cli::Global;
use crate::cli::command::Run;
use crate::lifecycle::run::{Options, run as run_container};

/// Runs a container; in the foreground its exit code is ours.
pub fn run(global: &Global, args: &Run) -> anyhow::Result<i32> {
    let request = request(global, &args.create, args.detach, false)?;
    let options = Options { keep: args.keep, subreaper: !args.no_subreaper };
    Ok(run_container(&store(global), &request, options)?)
}

//! The commands, one file each.

pub mod check;
pub mod create;
pub mod delete;
pub mod exec;
pub mod features;
pub mod kill;
pub mod list;
mod output;
pub mod pause;
pub mod plan;
pub mod ps;
pub mod resume;
pub mod run;
pub mod spec;
pub mod start;
pub mod state;
pub mod throw_away;
pub mod update;

use crate::cli::Global;
use crate::container::Store;
use std::path::{Path, PathBuf};

/// The state directories that the global options name.
fn store(global: &Global) -> Store {
    Store::new(global.root.clone(), global.root_is_in_xdg)
}

/// A path of the caller's, made independent of the working directory.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| anyhow::anyhow!("{}: {}", path.display(), crate::errno::io_words(&error)))
}

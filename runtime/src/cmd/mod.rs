//! The commands, one file each.

pub mod features;
pub mod list;
mod output;
pub mod ps;
pub mod spec;
pub mod state;

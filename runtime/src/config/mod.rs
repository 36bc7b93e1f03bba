//! config.json: read it, and say everything that is wrong with it.
//!
//! [`load`] turns the bundle's text into `oci_spec`'s types; [`check`] finds every mistake that shows without
//! touching the host. What comes out of both can be compiled into a plan. This module decides nothing.
//!
//! - `load`: bytes -> types; `repair` smooths over where `oci_spec` and runc read JSON differently
//! - `strict`: what serde takes for an object must be one
//! - `second`: the second try, where the first did not succeed; `known` reads for it, `wording` is its language
//! - `twice`: names that an object has twice
//! - `destination`: where a mount or a device goes
//! - `check`: types -> mistakes, each with its JSON path
//! - `unsupported`: the one table of what skeg refuses for now
//! - `list`: lists of numbers and ranges
//! - `mount_options`: the one table of mount options
//! - `profile`: where the text has the seccomp profile
//! - `words`: what the parser knows, for `features`

mod check;
mod destination;
mod error;
mod known;
pub mod list;
mod load;
pub mod mount_options;
mod path;
mod profile;
mod repair;
mod second;
mod strict;
mod twice;
mod unsupported;
mod wording;
pub mod words;

pub use check::hooks::POINTS as HOOK_POINTS;
pub use check::namespaces::LAST_SECOND;
pub use check::sysctl::proc_path as sysctl_path;
pub use check::{Context, HostNamespaces, OCI_VERSION_MIN, check, check_process, check_resources};
pub use destination::{destination, inside, is_proc_file};
pub use error::{Error, Errors, Problem, Source};
pub use load::{load, parse, parse_process, parse_resources, read};
pub use mount_options::{Bind, MountOptions};
pub use profile::profile_place;
pub use second::notes;

//! A container as skeg remembers it between two calls: name, state on disk, status, process.

pub mod id;
pub mod lock;
pub mod process;
pub mod signal;
pub mod state;
pub mod status;
pub mod store;

pub use id::Id;
pub use lock::Lock;
pub use process::{Identity, Process};
pub use signal::Signal;
pub use state::{CgroupPaths, OCI_VERSION, OciState, State};
pub use status::{Operation, Status};
pub use store::{Directory, Store};

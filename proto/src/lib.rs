//! The wire between skeg and nsexec: a stream of netlink messages (netlink(7)), in both directions.
//!
//! ```text
//! skeg -> nsexec, one pipe, written once, then closed
//!   INIT     libcontainer's bootstrap message: flags, paths, mappings     type 62000
//!   VERSION  the protocol's number: mismatched builds fail with a sentence
//!   Join / Cgroup / RaiseLimit ...      what needs the host's privileges
//!   Clone                               the new process starts here
//!   Root, Filesystem, Bind, Mask ...    the container is built
//!   Ready                               `create` may return; wait for `start`
//!   Limit, Credentials, Seccomp ...     the process becomes the container's
//!   Exec
//!   NLMSG_DONE
//!
//! nsexec <-> skeg, one socket pair, small fixed-size frames: see `sync`
//! ```
//!
//! This crate does no I/O and knows no policy. The reader is total: any bytes give a value or an error, in
//! linear time, without allocation. The writer (feature `std`) builds on netlink-packet-core.

#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
pub mod dump;
pub mod failure;
pub mod field;
pub mod frame;
pub mod init;
pub mod step;
pub mod stream;
pub mod sync;
#[cfg(feature = "std")]
pub mod write;

pub use failure::{Failure, Op, Stage};
pub use frame::{DecodeError, Message};
pub use init::Init;
pub use step::Step;
pub use stream::Stream;

/// The protocol's number. Both sides are built together; a mismatch is a broken installation.
pub const VERSION: u32 = 1;

/// The longest stream that nsexec accepts, in bytes: argv and env are bounded by execve(2) to 6 MiB, and 5,000
/// mounts take about 1 MiB.
pub const MAX_STREAM: usize = 16 * 1024 * 1024;

/// In a field that names a file descriptor: there is none.
pub const NO_FD: u32 = u32::MAX;

//! The harness of skeg's integration tests: bundles, containers, terminals, and the check that nothing is left behind.
//!
//! The tests drive any runtime with runc's command line: `SKEG_TEST_RUNTIME=/usr/sbin/runc` holds them against runc,
//! so that the tests are checked and not only the runtime.

#[path = "harness/bpf.rs"]
pub mod bpf;
#[path = "harness/bundle.rs"]
pub mod bundle;
#[path = "harness/config.rs"]
pub mod config;
#[path = "harness/host.rs"]
pub mod host;
#[path = "harness/leftovers.rs"]
pub mod leftovers;
#[path = "harness/peers.rs"]
pub mod peers;
#[path = "harness/process.rs"]
pub mod process;
#[path = "harness/pty.rs"]
pub mod pty;
#[path = "harness/rootfs.rs"]
mod rootfs;
#[path = "harness/sys.rs"]
pub mod sys;

pub use bundle::Bundle;
pub use process::{Invocation, Output, Running};
pub use serde_json::{Value, json};

//! skeg, an OCI container runtime for Linux, as a library.
//!
//! Data flows one way: config.json -> `config` -> `plan` -> bytes -> nsexec -> the container's process.

pub mod cgroup;
pub mod check;
pub mod cli;
pub mod cmd;
pub mod config;
pub mod console;
pub mod container;
pub mod errno;
pub mod facts;
pub mod hooks;
pub mod launch;
pub mod lifecycle;
pub mod logging;
pub mod namespaces;
pub mod network;
pub mod notify;
pub mod plan;
pub mod resctrl;
pub mod seccomp;
pub mod signals;
pub mod streams;
mod sys;

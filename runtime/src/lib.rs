//! skeg, an OCI container runtime for Linux, as a library.
//!
//! Data flows one way: config.json -> `config` -> `plan` -> bytes -> nsexec -> the container's process.

pub mod cgroup;
pub mod cli;
pub mod cmd;
pub mod config;
pub mod container;
pub mod logging;
pub mod namespaces;
pub mod seccomp;

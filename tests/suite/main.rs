//! One behaviour of a container at a time, grouped by OCI topic. A test's name is a situation and its outcome.

mod devices;
mod exec;
mod lifecycle;
mod mounts;
mod namespaces;
mod process;
mod rootfs;
mod run;
mod security;
mod state;
mod userns;

//! One behaviour of a container at a time, grouped by OCI topic. A test's name is a situation and its outcome.

mod bad_input;
mod cgroups;
mod cli;
mod crash;
mod devices;
mod exec;
mod fds;
mod hooks;
mod idmap;
mod lifecycle;
mod logs;
mod malformed;
mod mounts;
mod namespaces;
mod net_devices;
mod process;
mod races;
mod rootfs;
mod run;
mod scheduling;
mod seccomp;
mod security;
mod soak;
mod state;
mod terminal;
mod userns;

//! One behaviour of a container at a time, grouped by OCI topic. A test's name is a situation and its outcome.

mod exec;
mod lifecycle;
mod namespaces;
mod run;
mod state;
mod userns;

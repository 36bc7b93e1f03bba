//! nsexec executes a plan: it reads the messages, joins and creates namespaces, performs the steps and execs the
//! container's program. It knows no JSON, no OCI and no policy; the plan decides everything.
//!
//! Start reading in [`boot`]: it shows the whole order. There is no allocator and no C library; every system call, and
//! every `unsafe`, is in [`sys`].

#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

pub mod boot;
mod exec;
mod fault;
pub mod input;
mod inside;
mod join;
mod namespaces;
mod report;
mod steps;
mod sync;
mod sys;
mod text;

//! Runs the real program: what it refuses, and the containers that it builds.

mod container;
mod harness;
mod input;
mod plan;

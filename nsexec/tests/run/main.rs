//! Runs the real program: what it refuses, and the containers that it builds.

mod confine;
mod console;
mod container;
mod files;
mod harness;
mod hook;
mod input;
mod join;
mod plan;
mod program;

//! create, start, state, kill, delete, run.

use std::fs;

use skeg_tests::{Bundle, need_root};

#[test]
fn run_prints_what_the_program_prints() {
    need_root!();
    let output = Bundle::probe(&["say", "hello"]).run().ok();
    assert_eq!(output.stdout, "hello\n");
    assert_eq!(output.stderr, "");
}

#[test]
fn run_passes_the_exit_code_on() {
    need_root!();
    Bundle::probe(&["exit", "42"]).run().exits(42);
}

#[test]
fn full_life_goes_through_the_states_of_the_specification() {
    need_root!();
    let container = Bundle::pausing();
    container.create().ok();
    assert_eq!(container.status(), "created");
    container.start().ok();
    assert_eq!(container.line(), "ready");
    assert_eq!(container.status(), "running");
    container.kill("TERM").ok();
    assert_eq!(container.line(), "signal 15");
    assert_eq!(container.wait(), 0);
    assert_eq!(container.status(), "stopped");
    container.delete().ok();
    container.nothing_left();
    assert!(fs::exists(container.rootfs()).unwrap());
}

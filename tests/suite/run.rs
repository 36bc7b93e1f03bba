//! run: a whole life in one command; and how commands are called.

use std::fs;

use skeg_tests::leftovers::reap_all_ended;
use skeg_tests::process::wait_for_end;
use skeg_tests::{Bundle, Invocation, host, need_root};

#[test]
fn run_prints_what_the_program_prints() {
    need_root!();
    let output = Bundle::probe(&["say", "hello", "then", "complain", "oh"]).run().ok();
    assert_eq!(output.stdout, "hello\n");
    assert_eq!(output.stderr, "oh\n");
}

#[test]
fn run_hands_stdin_to_the_program() {
    need_root!();
    let container = Bundle::probe(&["cat"]);
    let output = container.command("run", &[]).input("some text\n").finish().ok();
    assert_eq!(output.stdout, "some text\n");
}

#[test]
fn run_leaves_nothing() {
    need_root!();
    let container = Bundle::probe(&["say", "hello"]);
    container.run().ok();
    container.nothing_left();
}

#[test]
fn exit_code_of_the_program_is_passed_on() {
    need_root!();
    Bundle::probe(&["exit", "42"]).run().exits(42);
}

#[test]
fn death_by_signal_is_128_plus_its_number() {
    need_root!();
    // Not pid 1 of a namespace: that one does not die of its own signals.
    Bundle::probe(&["die", "9"]).without_namespace("pid").run().exits(137);
}

#[test]
fn pid_1_killed_from_outside_is_128_plus_the_signal() {
    need_root!();
    let container = Bundle::pausing();
    let mut running = container.command("run", &[]).spawn();
    assert_eq!(running.line(), "ready");
    container.kill("KILL").ok();
    assert_eq!(running.wait(), 137);
    container.nothing_left();
}

#[test]
fn signals_to_run_reach_the_program() {
    need_root!();
    let container = Bundle::pausing();
    let mut running = container.command("run", &[]).spawn();
    assert_eq!(running.line(), "ready");
    for signal in [libc::SIGUSR1, libc::SIGUSR2, libc::SIGHUP, libc::SIGQUIT] {
        running.signal(signal);
        assert_eq!(running.line(), format!("signal {signal}"));
    }
    running.signal(libc::SIGTERM);
    assert_eq!(running.wait(), 0);
}

#[test]
fn init_of_a_foreground_run_is_a_child_of_the_runtime() {
    need_root!();
    let container = Bundle::pausing();
    let mut running = container.command("run", &[]).spawn();
    assert_eq!(running.line(), "ready");
    let status = fs::read_to_string(format!("/proc/{}/status", container.pid())).unwrap();
    assert!(status.contains(&format!("PPid:\t{}\n", running.pid())), "{status}");
    container.kill("TERM").ok();
    assert_eq!(running.wait(), 0);
}

#[test]
fn killed_run_can_be_cleaned_up() {
    need_root!();
    let container = Bundle::pausing();
    let mut running = container.command("run", &[]).spawn();
    assert_eq!(running.line(), "ready");
    let init = container.pid();
    running.signal(libc::SIGKILL);
    running.wait();
    container.command("delete", &["--force"]).finish().ok();
    wait_for_end(init, "init");
    reap_all_ended();
    container.nothing_left();
}

#[test]
fn detached_run_returns_while_the_program_runs() {
    need_root!();
    let container = Bundle::pausing();
    container.detached(container.command("run", &["--detach"])).ok();
    assert_eq!(container.line(), "ready");
    assert_eq!(container.status(), "running");
}

#[test]
fn kept_container_is_there_after_run() {
    need_root!();
    let container = Bundle::probe(&["exit", "3"]);
    container.command("run", &["--keep"]).finish().exits(3);
    assert_eq!(container.status(), "stopped");
    container.delete().ok();
    container.nothing_left();
}

#[test]
fn pid_file_holds_the_pid_of_init_and_nothing_else() {
    need_root!();
    let container = Bundle::pausing();
    container.create_with(&["--pid-file", "pid"]).ok();
    let pid = fs::read_to_string(container.file("pid")).unwrap();
    assert_eq!(pid, container.pid().to_string());
}

#[test]
fn relative_pid_file_is_where_the_caller_is() {
    need_root!();
    let container = Bundle::pausing();
    let elsewhere = container.file("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let bundle = container.path().to_str().unwrap().to_owned();
    let create = container.command("create", &["--bundle", &bundle, "--pid-file", "pid"]);
    container.detached(create.cwd(&elsewhere)).ok();
    assert!(elsewhere.join("pid").exists());
    assert_eq!(container.state()["bundle"], bundle);
}

#[test]
fn flags_are_read_as_go_reads_them() {
    need_root!();
    let container = Bundle::probe(&["exit", "5"]);
    let bundle = format!("-bundle={}", container.path().display());
    let root = format!("-root={}", container.state_root().display());
    let run = Invocation::new(host::runtime()).arg(root);
    run.args(["run", &bundle, "-no-pivot=false", "-keep=true", &container.id]).finish().exits(5);
    assert_eq!(container.status(), "stopped");
}

#[test]
fn last_of_two_roots_is_used() {
    need_root!();
    let container = Bundle::pausing();
    let root = container.state_root().display().to_string();
    let first = container.file("first").display().to_string();
    let create = Invocation::new(host::runtime()).args(["--root", &first, "--root", &root]);
    container.detached(create.args(["create", &container.id]).cwd(container.path())).ok();
    assert_eq!(container.status(), "created");
}

#[test]
fn state_root_of_missing_parents_is_made() {
    need_root!();
    let container = Bundle::probe(&["exit", "0"]);
    let deep = container.file("a/b/c").display().to_string();
    let run = Invocation::new(host::runtime()).args(["--root", &deep, "run", &container.id]);
    run.cwd(container.path()).finish().ok();
}

#[test]
fn nearly_empty_environment_of_the_caller_is_enough() {
    need_root!();
    let container = Bundle::pausing();
    let bare = |words: &[&str]| container.runtime(words).env_clear().env("XDG_RUNTIME_DIR", "");
    container.detached(bare(&["create", &container.id])).ok();
    bare(&["start", &container.id]).finish().ok();
    assert_eq!(container.line(), "ready");
    bare(&["kill", &container.id, "TERM"]).finish().ok();
    container.wait();
    bare(&["delete", &container.id]).finish().ok();
    container.nothing_left();
}

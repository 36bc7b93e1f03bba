//! Many containers: none may hang, fail, or leave anything.

use std::fs;
use std::os::fd::AsFd;
use std::thread;
use std::time::Instant;

use skeg_tests::process::LIMIT;
use skeg_tests::{Bundle, Running, host, need_root, not_runc, sys};

const IN_A_ROW: usize = 500;
const AT_ONCE: usize = 4;
const EACH: usize = 200;

/// Keeps a core busy until it is dropped.
fn busy() -> Running {
    skeg_tests::Invocation::new("/bin/busybox").args(["sh", "-c", "while :; do :; done"]).spawn()
}

fn run_many(container: &Bundle, count: usize) {
    for number in 0..count {
        let id = format!("{}-{number}", container.id);
        let output = container.runtime(&["run", &id]).finish();
        assert!(output.code == 0 && output.stderr.is_empty(), "run {number} of {count}: {output}");
    }
}

/// Descriptors of memfds held by processes that are not ours to know.
fn memfds() -> usize {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let fds =
        processes.filter_map(|process| fs::read_dir(process.path().join("fd")).ok()).flatten().flatten();
    fds.filter_map(|fd| fs::read_link(fd.path()).ok())
        .filter(|target| {
            target.to_string_lossy().starts_with("/memfd:skeg")
                || target.to_string_lossy().contains("memfd:nsexec")
        })
        .count()
}

#[test]
fn many_runs_in_a_row_leave_nothing() {
    need_root!();
    let container = Bundle::new().args(&["true"]);
    run_many(&container, IN_A_ROW);
    container.nothing_left();
}

#[test]
fn many_runs_at_once_on_a_busy_machine_leave_nothing() {
    need_root!();
    let _busy = [busy(), busy()];
    let containers: Vec<Bundle> = (0..AT_ONCE).map(|_| Bundle::new().args(&["true"])).collect();
    let threads = containers.into_iter().map(|container| {
        thread::spawn(move || {
            run_many(&container, EACH);
            container.nothing_left();
            container
        })
    });
    let threads: Vec<_> = threads.collect();
    // Not dropped before all are done: that reaps every child of this process that has ended.
    let containers: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
    assert!(containers.iter().all(Result::is_ok), "a thread has failed");
    if host::maker() == host::Maker::Skeg {
        assert_eq!(memfds(), 0);
    }
}

#[test]
fn many_execs_leave_nothing() {
    need_root!();
    let container = Bundle::pausing().running();
    for _ in 0..100 {
        container.exec(&["true"]).ok();
    }
    let pids = container.command("ps", &["-f", "json"]).finish().ok().json();
    assert_eq!(pids.as_array().map(Vec::len), Some(1), "{pids}");
}

#[test]
fn one_of_two_creates_of_an_id_wins() {
    need_root!();
    not_runc!();
    for _ in 0..20 {
        let container = Bundle::pausing();
        let create = || container.command("create", &[]).spawn();
        let (first, second) = (create(), create());
        let codes = [first.detach().0.code, second.detach().0.code];
        assert_eq!(codes.iter().filter(|&&code| code == 0).count(), 1, "{codes:?}");
        assert_eq!(container.status(), "created");
    }
}

#[test]
fn create_killed_at_any_moment_can_be_deleted() {
    need_root!();
    not_runc!();
    // Later and later moments: the time that a create takes, in twenty parts.
    let whole = {
        let container = Bundle::pausing();
        let start = Instant::now();
        container.create().ok();
        start.elapsed()
    };
    for part in 0..20 {
        let container = Bundle::pausing();
        let create = container.command("create", &[]).spawn();
        let moment = Instant::now() + whole * part / 20;
        let pidfd = sys::pidfd_open(create.pid()).expect("pidfd_open");
        // Waits for whichever comes first: the moment, or the end.
        let _ = sys::readable(pidfd.as_fd(), moment.min(Instant::now() + LIMIT));
        drop(create);
        let mut delete = container.command("delete", &["--force"]).spawn();
        skeg_tests::leftovers::wait_reaping_others(delete.pid());
        assert_eq!(delete.wait(), 0, "{}", delete.errors());
        skeg_tests::leftovers::wait_for_all_children();
        container.nothing_left();
    }
}

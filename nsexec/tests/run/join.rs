//! Entering a container that runs.

use crate::harness::{self, Outcome, Running};
use crate::plan::{NAMESPACES, NEWUSER, Plan, c, program};
use nix::unistd::Pid;
use skeg_proto::step::StepBuf;
use skeg_proto::sync::ToNsexec;
use skeg_proto::{Op, Stage};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A container that waits for START: the runtime's part is done when it is joined.
fn waiting(flags: u32) -> (Running, Pid, Plan) {
    let plan = Plan::new(&["true"]).in_new(flags).pivot().with(StepBuf::Hostname { name: c("joined") });
    let mut running = harness::start(&[], &plan.bytes(), &[]);
    running.until_ready();
    let pid = running.created().expect("it was created");
    (running, pid, plan)
}

fn end(running: Running) {
    running.say(ToNsexec::Start);
    assert_eq!(running.finish().code(), Some(0));
}

/// A plan that runs a command where it joins.
fn command(args: &[&str]) -> Plan {
    let mut plan = Plan::new(args);
    plan.init.clone_flags = 0;
    plan.setup.remove(6);
    plan.setup.drain(..3);
    plan.with(program(0))
}

fn run_with_pidfd(mut plan: Plan, pid: Pid, namespaces: u32) -> Outcome {
    plan.host.push(StepBuf::Join { pidfd: 9, namespaces });
    // SAFETY: the call returns a new descriptor or -1.
    let pidfd = unsafe { nix::libc::syscall(nix::libc::SYS_pidfd_open, pid.as_raw(), 0) };
    assert!(pidfd >= 0);
    // SAFETY: new, and nobody else's.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
    harness::run(&plan.bytes(), &[(pidfd.as_raw_fd(), 9)])
}

#[test]
fn a_container_is_joined_by_pidfd() {
    let (running, pid, _root) = waiting(0);
    let outcome = run_with_pidfd(command(&["sh", "-c", "hostname; ls /"]), pid, NAMESPACES);
    end(running);
    assert_eq!(outcome.failure(), None);
    assert_eq!(outcome.stdout, "joined\nbin\ndev\netc\nproc\ntmp\n");
}

#[test]
fn a_container_with_a_user_namespace_is_joined_by_pidfd() {
    let (running, pid, _root) = waiting(NEWUSER);
    let script = "hostname; cat /proc/self/uid_map; id";
    let outcome = run_with_pidfd(command(&["sh", "-c", script]), pid, NAMESPACES | NEWUSER);
    end(running);
    assert_eq!(outcome.failure(), None);
    assert!(
        outcome.stdout.starts_with("joined\n         0     100000      65536\nuid=0 gid=0\n"),
        "{outcome:?}"
    );
}

#[test]
fn a_container_is_joined_by_paths() {
    let (running, pid, _root) = waiting(NEWUSER);
    let mut plan = command(&["sh", "-c", "hostname; id -u; ls /"]);
    let paths: Vec<String> = ["ipc", "uts", "net", "pid", "mnt", "user"]
        .iter()
        .map(|kind| format!("{kind}:/proc/{pid}/ns/{kind}"))
        .collect();
    plan.init.ns_paths = Some(c(paths.join(",")));
    let outcome = plan.run();
    end(running);
    assert_eq!(outcome.failure(), None);
    assert_eq!(outcome.stdout, "joined\n0\nbin\ndev\netc\nproc\ntmp\n");
}

#[test]
fn a_path_of_another_type_is_refused_with_its_position() {
    let mut plan = command(&["true"]);
    plan.init.ns_paths = Some(c("uts:/proc/self/ns/uts,net:/proc/self/ns/ipc"));
    let failure = plan.run().failure().unwrap();
    assert_eq!((failure.stage, failure.op), (Stage::Join, Op::Setns));
    assert_eq!((failure.errno, failure.detail), (22, 1));
}

#[test]
fn a_path_that_is_missing_is_refused_with_its_position() {
    let mut plan = command(&["true"]);
    plan.init.ns_paths = Some(c("uts:/proc/self/ns/uts,net:/nonexistent"));
    let failure = plan.run().failure().unwrap();
    assert_eq!((failure.stage, failure.op, failure.errno, failure.detail), (Stage::Join, Op::Open, 2, 1));
}

/// Seen failing with `set_dumpable(false)` taken out of nsexec's `join`.
#[test]
fn a_process_that_joins_is_not_dumpable_before_it_does() {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let output = trace.path().to_str().unwrap();
    let mut plan = command(&["true"]);
    plan.init.ns_paths = Some(c("net:/proc/self/ns/ipc"));
    let strace = ["/usr/bin/strace", "-qq", "-e", "trace=prctl,setns", "-o", output];
    harness::start(&strace, &plan.bytes(), &[]).finish();
    let trace = std::fs::read_to_string(trace.path()).unwrap();
    let hidden = trace.find("prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE)").expect("it is hidden");
    assert!(hidden < trace.find("setns(").expect("it joins"), "{trace}");
}

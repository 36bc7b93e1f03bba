//! Hooks that nsexec runs.

use crate::plan::{Plan, c, list};
use skeg_proto::step::StepBuf;
use skeg_proto::sync::ToRuntime;
use skeg_proto::{NO_FD, Op, Stage};

/// A shell script as a hook of the container's root (startContainer).
fn hook(plan: Plan, script: &str, timeout: u32, stdin: &[u8], pid_at: u32) -> Plan {
    plan.before_exec(StepBuf::HookArgs { args: list(&["sh", "-c", script]), flags: 0 })
        .before_exec(StepBuf::HookEnv { vars: list(&["PATH=/bin"]), flags: 0 })
        .before_exec(StepBuf::HookStdin { text: stdin.to_vec(), flags: 0 })
        .before_exec(StepBuf::Hook { path: c("/bin/sh"), timeout, pid_at, output: NO_FD, inside: false })
}

#[test]
fn a_hook_reads_the_state_with_the_pid() {
    let plan = hook(Plan::new(&["cat", "/tmp/out"]).pivot(), "cat > /tmp/out", 0, b"{\"pid\":}\n", 7);
    assert_eq!(plan.run().stdout, "{\"pid\":1}\n");
}

#[test]
fn a_long_state_arrives() {
    let text = vec![b'x'; 300_000];
    let plan = hook(Plan::new(&["cat", "/tmp/out"]).pivot(), "wc -c > /tmp/out", 5000, &text, 300_000);
    assert_eq!(plan.run().stdout, "300001\n");
}

#[test]
fn a_hook_need_not_read_the_state() {
    let plan = hook(Plan::new(&["true"]).pivot(), "exec <&-; true", 0, &vec![b'x'; 300_000], 0);
    assert_eq!(plan.run().code(), Some(0));
}

/// Seen failing with `close_from` taken out of the hook's `exec`.
#[test]
fn a_hook_has_the_standard_streams_only() {
    let plan = hook(Plan::new(&["true"]).pivot(), "ls /proc/$$/fd; true", 0, b"", 0);
    assert_eq!(plan.run().stdout, "0\n1\n2\n");
}

#[test]
fn a_hooks_status_is_reported() {
    let failure = hook(Plan::new(&["true"]).pivot(), "exit 3", 0, b"", 0).run().failure().unwrap();
    assert_eq!((failure.stage, failure.op, failure.detail), (Stage::Start, Op::HookStatus, 3 << 8));
}

#[test]
fn a_hook_that_does_not_end_is_killed() {
    let plan =
        hook(Plan::new(&["true"]).pivot(), "read x < /proc/1/fd/0; while :; do sleep 100; done", 50, b"", 0);
    let failure = plan.run().failure().unwrap();
    assert_eq!(failure.op, Op::HookTimeout);
}

#[test]
fn a_missing_hook_is_reported_with_its_errno() {
    let mut plan = hook(Plan::new(&["true"]).pivot(), "", 0, b"", 0);
    let at = plan.start.len() - 2;
    plan.start[at] =
        StepBuf::Hook { path: c("/missing"), timeout: 0, pid_at: 0, output: NO_FD, inside: false };
    let failure = plan.run().failure().unwrap();
    assert_eq!((failure.op, failure.errno), (Op::HookExec, 2));
}

#[test]
fn the_runtimes_hooks_have_their_point() {
    let outcome = Plan::new(&["true"]).with(StepBuf::HookPoint {}).pivot().run();
    let expected = |frames: &[ToRuntime]| {
        matches!(frames, [ToRuntime::Created { .. }, ToRuntime::HookPoint, ToRuntime::Ready])
    };
    assert!(expected(&outcome.frames), "{outcome:?}");
}

//! What nsexec does with a stream that is none.

use crate::harness::{self, Outcome};
use crate::plan::{NEWPID, NEWUSER, Plan, c};
use skeg_proto::frame::DecodeError;
use skeg_proto::step::StepBuf;
use skeg_proto::{MAX_STREAM, NO_FD, Op, Stage};

fn assert_refused(outcome: &Outcome, error: DecodeError) {
    let failure = outcome.failure().expect("a failure is reported");
    assert_eq!((failure.stage, failure.op, failure.step, failure.errno), (Stage::Input, Op::Decode, 0, 0));
    assert_eq!(failure.detail, error as u32);
    assert_eq!(outcome.code(), Some(1));
    assert_eq!(outcome.frames.len(), 1);
}

#[test]
fn an_empty_stream_is_refused() {
    assert_refused(&harness::run(&[], &[]), DecodeError::Truncated);
}

#[test]
fn a_truncated_stream_is_refused() {
    let bytes = Plan::new(&["true"]).pivot().bytes();
    assert_refused(&harness::run(&bytes[..bytes.len() - 20], &[]), DecodeError::Truncated);
}

#[test]
fn a_stream_without_its_end_is_refused() {
    let bytes = Plan::new(&["true"]).pivot().bytes();
    assert_refused(&harness::run(&bytes[..bytes.len() - 16], &[]), DecodeError::Truncated);
}

#[test]
fn a_corrupt_last_message_is_refused() {
    let mut bytes = Plan::new(&["true"]).pivot().bytes();
    let last = bytes.len() - 12;
    bytes[last] ^= 0x40;
    assert_refused(&harness::run(&bytes, &[]), DecodeError::UnknownMessage);
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut bytes = Plan::new(&["true"]).pivot().bytes();
    bytes.push(0);
    assert_refused(&harness::run(&bytes, &[]), DecodeError::Trailing);
}

#[test]
fn a_stream_that_is_too_long_is_refused() {
    assert_refused(&harness::run(&vec![0; MAX_STREAM + 1], &[]), DecodeError::TooLong);
}

#[test]
fn a_program_without_arguments_is_refused() {
    let mut plan = Plan::new(&["true"]).pivot();
    plan.setup.remove(3);
    assert_refused(&plan.run(), DecodeError::Order);
}

#[test]
fn a_program_that_is_not_looked_for_is_refused() {
    let plan = Plan::new(&["true"]).with(StepBuf::Pivot {});
    assert_refused(&plan.run(), DecodeError::Order);
}

#[test]
fn a_hook_without_its_registers_is_refused() {
    let plan = Plan::new(&["true"]).pivot();
    let plan = plan.before_exec(StepBuf::Hook {
        path: c("/bin/true"),
        timeout: 0,
        pid_at: 0,
        output: NO_FD,
        inside: false,
    });
    assert_refused(&plan.run(), DecodeError::Order);
}

#[test]
fn a_pid_outside_of_the_state_is_refused() {
    let plan = Plan::new(&["true"])
        .pivot()
        .before_exec(StepBuf::HookArgs { args: Vec::new(), flags: 0 })
        .before_exec(StepBuf::HookEnv { vars: Vec::new(), flags: 0 })
        .before_exec(StepBuf::Hook {
            path: c("/bin/true"),
            timeout: 0,
            pid_at: 1,
            output: NO_FD,
            inside: false,
        });
    assert_refused(&plan.run(), DecodeError::BadValue);
}

#[test]
fn half_an_instruction_is_no_filter() {
    let plan = Plan::new(&["true"]).pivot();
    let plan = plan.before_exec(StepBuf::Seccomp { filter: vec![0; 12], flags: 0 });
    assert_refused(&plan.run(), DecodeError::BadValue);
}

#[test]
fn half_a_word_is_no_mask_of_nodes() {
    let plan = Plan::new(&["true"]).with(StepBuf::MemoryPolicy { nodes: vec![1; 4], flags: 2 }).pivot();
    assert_refused(&plan.run(), DecodeError::BadValue);
}

#[test]
fn flags_that_are_no_namespaces_are_refused() {
    assert_refused(&Plan::new(&["true"]).in_new(0x100).pivot().run(), DecodeError::BadValue);
}

#[test]
fn a_process_that_would_have_to_be_mapped_is_not_born() {
    assert_refused(&Plan::new(&["true"]).in_new(NEWUSER).born().pivot().run(), DecodeError::Order);
}

#[test]
fn a_process_that_would_have_to_join_is_not_born() {
    let mut plan = Plan::new(&["true"]).born().pivot();
    plan.host.push(StepBuf::Join { pidfd: 5, namespaces: NEWPID });
    assert_refused(&plan.run(), DecodeError::Order);
}

/// Seen failing with the process named before the stream is read.
#[test]
fn a_refused_stream_changes_nothing() {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let output = trace.path().to_str().unwrap();
    let mut bytes = Plan::new(&["true"]).pivot().bytes();
    let last = bytes.len() - 12;
    bytes[last] ^= 0x40;

    let outcome = harness::start(&["/usr/bin/strace", "-qq", "-o", output], &bytes, &[]).finish();

    assert_refused(&outcome, DecodeError::UnknownMessage);
    let trace = std::fs::read_to_string(trace.path()).unwrap();
    let calls: Vec<&str> =
        trace.lines().filter_map(|line| line.split_once('(')).map(|(name, _)| name).collect();
    assert!(calls.contains(&"sendto"), "the trace is one of nsexec: {trace}");
    let harmless = ["execve", "mmap", "madvise", "read", "close", "sendto", "exit_group"];
    let others: Vec<&&str> = calls.iter().filter(|call| !harmless.contains(call)).collect();
    assert!(others.is_empty(), "{others:?} in {trace}");
}

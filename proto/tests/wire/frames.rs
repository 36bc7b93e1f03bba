//! The conversation beside the stream: every frame both ways, and what is refused.

use crate::raw;
use proptest::prelude::*;
use skeg_proto::sync::{FRAME_LEN, Frame, ToNsexec, ToRuntime};
use skeg_proto::{DecodeError, Failure, Op, Stage};

const FAILURE: Failure =
    Failure { stage: Stage::Setup, step: u32::MAX, op: Op::MoveMount, errno: 40, detail: 0xdead_beef };

const TO_RUNTIME: [ToRuntime; 7] = [
    ToRuntime::Created { pid: 4_194_304 },
    ToRuntime::MapWanted,
    ToRuntime::HookPoint,
    ToRuntime::Console,
    ToRuntime::Ready,
    ToRuntime::SeccompFd,
    ToRuntime::Failed(FAILURE),
];

const TO_NSEXEC: [ToNsexec; 3] = [ToNsexec::MapWritten, ToNsexec::HooksDone, ToNsexec::Start];

/// A frame made by hand.
fn frame(kind: u16, words: [u32; 5]) -> Vec<u8> {
    raw::message(kind, 0, 0, &words.map(u32::to_ne_bytes).concat())
}

#[test]
fn frames_of_nsexec_read_back() {
    for message in TO_RUNTIME {
        assert_eq!(ToRuntime::read(&message.frame()), Ok(message));
    }
}

#[test]
fn frames_of_the_runtime_read_back() {
    for message in TO_NSEXEC {
        assert_eq!(ToNsexec::read(&message.frame()), Ok(message));
    }
}

#[test]
fn frame_of_nsexec_is_a_netlink_message() {
    let created: Frame = ToRuntime::Created { pid: 77 }.frame();
    assert_eq!(created.to_vec(), frame(62100, [77, 0, 0, 0, 0]));
    let failed = ToRuntime::Failed(FAILURE).frame();
    assert_eq!(failed.to_vec(), frame(62110, [7, u32::MAX, 16, 40, 0xdead_beef]));
}

#[test]
fn frame_of_one_direction_is_refused_by_the_other() {
    for message in TO_RUNTIME {
        assert_eq!(ToNsexec::read(&message.frame()), Err(DecodeError::UnknownMessage));
    }
    for message in TO_NSEXEC {
        assert_eq!(ToRuntime::read(&message.frame()), Err(DecodeError::UnknownMessage));
    }
}

#[test]
fn frame_cut_short_anywhere_is_refused() {
    let ready = ToRuntime::Ready.frame();
    for end in 0..FRAME_LEN {
        assert_eq!(ToRuntime::read(&ready[..end]), Err(DecodeError::Truncated), "{end} bytes");
        assert_eq!(ToNsexec::read(&ready[..end]), Err(DecodeError::Truncated), "{end} bytes");
    }
}

#[test]
fn frame_of_another_length_is_refused() {
    for words in [0, 4, 6] {
        let bytes = raw::message(62104, 0, 0, &vec![0; 4 * words]);
        assert_eq!(ToRuntime::read(&bytes), Err(DecodeError::BadLength), "{words} words");
    }
    let two = [ToRuntime::Ready.frame(), ToRuntime::Ready.frame()].concat();
    assert_eq!(ToRuntime::read(&two), Err(DecodeError::BadLength));
}

#[test]
fn failure_of_an_unknown_stage_is_refused() {
    assert_eq!(ToRuntime::read(&frame(62110, [0, 1, 1, 1, 0])), Err(DecodeError::BadValue));
    assert_eq!(ToRuntime::read(&frame(62110, [99, 1, 1, 1, 0])), Err(DecodeError::BadValue));
}

#[test]
fn failure_of_an_unknown_operation_is_refused() {
    assert_eq!(ToRuntime::read(&frame(62110, [1, 1, 0, 1, 0])), Err(DecodeError::BadValue));
    assert_eq!(ToRuntime::read(&frame(62110, [1, 1, 9999, 1, 0])), Err(DecodeError::BadValue));
}

#[test]
fn every_known_stage_and_operation_crosses() {
    let stages = (0..100).filter_map(Stage::from_code);
    let ops: Vec<Op> = (0..1000).filter_map(Op::from_code).collect();
    assert!(ops.contains(&Op::Outside));
    for stage in stages {
        for op in &ops {
            let failed = ToRuntime::Failed(Failure { stage, op: *op, ..FAILURE });
            assert_eq!(ToRuntime::read(&failed.frame()), Ok(failed));
        }
    }
}

#[test]
fn every_decode_error_has_a_code_and_words() {
    let errors: Vec<DecodeError> = (0..100).filter_map(DecodeError::from_code).collect();
    assert_eq!(errors.first(), Some(&DecodeError::Truncated));
    assert_eq!(errors.last(), Some(&DecodeError::Trailing));
    let mut words: Vec<&str> = errors.iter().map(|error| error.text()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 11);
    assert!(errors.iter().all(|error| DecodeError::from_code(*error as u32) == Some(*error)));
}

proptest! {
    #[test]
    fn any_bytes_of_a_frames_length_read_or_are_refused(bytes in prop::array::uniform32(any::<u8>()), kind in 62095..62130u16) {
        let mut all = frame(kind, [0; 5]);
        all[FRAME_LEN - 20..].copy_from_slice(&bytes[..20]);
        let both = (ToRuntime::read(&all).is_ok(), ToNsexec::read(&all).is_ok());
        prop_assert_ne!(both, (true, true));
    }
}

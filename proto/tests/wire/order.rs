//! Which streams are refused: parts that are missing, stand twice, stand elsewhere or follow the end.

use crate::raw::{self, attribute, message};
use skeg_proto::{DecodeError, MAX_STREAM, Stream};

#[track_caller]
fn stream_error(parts: &[Vec<u8>]) -> DecodeError {
    Stream::read(&parts.concat()).unwrap_err()
}

#[test]
fn shortest_stream_is_accepted() {
    let bytes = raw::stream_with(&[]);
    let kinds: Vec<_> = Stream::read(&bytes).unwrap().steps().map(|(_, step)| step.kind()).collect();
    assert_eq!(kinds, [62005, 62034, 62046]);
}

#[test]
fn stream_cut_short_anywhere_is_refused() {
    let bytes = raw::stream_with(&raw::umask());
    for end in 0..bytes.len() {
        let error = Stream::read(&bytes[..end]).unwrap_err();
        assert_eq!(error, DecodeError::Truncated, "{end} bytes");
    }
}

#[test]
fn stream_that_does_not_begin_with_init_is_refused() {
    assert_eq!(stream_error(&[raw::version(), raw::version()]), DecodeError::UnknownMessage);
}

#[test]
fn stream_without_version_is_refused() {
    assert_eq!(stream_error(&[raw::init(), raw::clone(), raw::done()]), DecodeError::Order);
}

#[test]
fn stream_of_another_version_is_refused() {
    for number in [0u32, 2, u32::MAX] {
        let version = message(62001, 0, 0, &attribute(1, &number.to_ne_bytes()));
        // Nothing after it is looked at: another version may mean other messages.
        assert_eq!(stream_error(&[raw::init(), version, vec![0xff; 16]]), DecodeError::Version, "{number}");
    }
}

#[test]
fn stream_with_a_second_version_is_refused() {
    assert_eq!(Stream::read(&raw::stream_with(&raw::version())).unwrap_err(), DecodeError::Order);
}

#[test]
fn stream_with_a_second_init_is_refused() {
    assert_eq!(Stream::read(&raw::stream_with(&raw::init())).unwrap_err(), DecodeError::UnknownMessage);
}

#[test]
fn stream_longer_than_the_maximum_is_refused() {
    let mut bytes = raw::stream_with(&[]);
    bytes.resize(MAX_STREAM + 1, 0);
    assert_eq!(Stream::read(&bytes).unwrap_err(), DecodeError::TooLong);
}

#[test]
fn bytes_after_the_end_are_refused() {
    for extra in [1, 4, 16] {
        let bytes = [raw::stream_with(&[]), vec![0; extra]].concat();
        assert_eq!(Stream::read(&bytes).unwrap_err(), DecodeError::Trailing, "{extra} bytes");
    }
}

#[test]
fn end_that_carries_something_is_refused() {
    let end = message(3, 0, 0, &[0; 4]);
    let parts = [raw::init(), raw::version(), raw::clone(), raw::ready(), raw::exec(), end];
    assert_eq!(stream_error(&parts), DecodeError::BadLength);
}

/// A stream of these messages between VERSION and NLMSG_DONE.
#[track_caller]
fn assert_misordered(steps: &[Vec<u8>]) {
    let parts = [&[raw::init(), raw::version()][..], steps, &[raw::done()]].concat();
    assert_eq!(stream_error(&parts), DecodeError::Order);
}

#[test]
fn stream_that_ends_before_exec_is_refused() {
    assert_misordered(&[]);
    assert_misordered(&[raw::clone()]);
    assert_misordered(&[raw::clone(), raw::ready()]);
}

#[test]
fn set_up_before_clone_is_refused() {
    assert_misordered(&[raw::umask(), raw::clone(), raw::ready(), raw::exec()]);
}

#[test]
fn second_clone_is_refused() {
    assert_misordered(&[raw::clone(), raw::clone(), raw::ready(), raw::exec()]);
}

#[test]
fn host_step_after_clone_is_refused() {
    let cgroup = message(62003, 0, 1, &attribute(1, &[0; 4]));
    assert_misordered(&[raw::clone(), cgroup, raw::ready(), raw::exec()]);
}

#[test]
fn ready_before_clone_is_refused() {
    assert_misordered(&[raw::ready(), raw::clone(), raw::exec()]);
}

#[test]
fn second_ready_is_refused() {
    assert_misordered(&[raw::clone(), raw::ready(), raw::ready(), raw::exec()]);
}

#[test]
fn exec_before_ready_is_refused() {
    assert_misordered(&[raw::clone(), raw::exec(), raw::ready()]);
}

#[test]
fn step_after_exec_is_refused() {
    assert_misordered(&[raw::clone(), raw::ready(), raw::exec(), raw::umask()]);
    assert_misordered(&[raw::clone(), raw::ready(), raw::exec(), raw::exec()]);
}

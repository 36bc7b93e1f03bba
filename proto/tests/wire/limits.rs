//! Lengths at and beyond what the wire can say. CVE-2021-43784 was an attribute whose length wrapped at 16 bits,
//! so that its tail was read as attributes of the writer's choice.

use crate::raw;
use skeg_proto::step::StepBuf;
use skeg_proto::write::{InitBuf, MAX_ATTRIBUTE, WriteError, stream, write_init, write_step};
use skeg_proto::{Init, MAX_STREAM, Message, Step, Stream};
use std::ffi::CString;

/// A string whose payload, with its NUL, is this long.
fn text(payload: usize) -> CString {
    CString::new(vec![b'x'; payload - 1]).unwrap()
}

fn hostname(payload: usize) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::new();
    write_step(&StepBuf::Hostname { name: text(payload) }, 1, &mut out)?;
    Ok(out)
}

#[test]
fn longest_attribute_reads_back() {
    assert_eq!(MAX_ATTRIBUTE, 65_531);
    let bytes = hostname(MAX_ATTRIBUTE).unwrap();
    let (message, rest) = Message::split(&bytes).unwrap();
    assert_eq!(rest, b"");
    assert_eq!(Step::read(&message), Ok(Step::Hostname { name: &text(MAX_ATTRIBUTE) }));
}

/// Seen failing with MAX_ATTRIBUTE taken out of `attributes`.
#[test]
fn attribute_one_byte_too_long_is_refused() {
    let error = hostname(MAX_ATTRIBUTE + 1).unwrap_err();
    assert_eq!(error, WriteError::AttributeTooLong { message: 62027, attribute: 1, length: 65_532 });
    assert_eq!(error.to_string(), "Hostname.name of 65532 bytes is longer than 65531 bytes");
}

/// Seen failing with MAX_ATTRIBUTE taken out of `attributes`.
#[test]
fn attribute_whose_length_would_wrap_to_a_valid_one_is_refused() {
    assert!(hostname(65_536).is_err());
    assert!(hostname(65_536 + 12).is_err());
}

#[test]
fn longest_mapping_of_init_reads_back() {
    let init = InitBuf { uid_map: Some(text(MAX_ATTRIBUTE)), ..InitBuf::default() };
    let mut bytes = Vec::new();
    write_init(&init, &mut bytes).unwrap();
    let (message, _) = Message::split(&bytes).unwrap();
    assert_eq!(Init::read(&message).unwrap().uid_map, init.uid_map.as_deref());
}

#[test]
fn mapping_of_init_too_long_is_refused_by_its_name() {
    let init = InitBuf { gid_map: Some(text(MAX_ATTRIBUTE + 1)), ..InitBuf::default() };
    let error = write_init(&init, &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "INIT.GIDMAP of 65532 bytes is longer than 65531 bytes");
}

#[test]
fn refused_attribute_leaves_nothing_half_written() {
    let mut out = vec![1, 2, 3, 4];
    let _ = write_step(&StepBuf::Hostname { name: text(70_000) }, 1, &mut out);
    assert_eq!(out, [1, 2, 3, 4]);
}

/// The shortest plan, with an environment variable that makes the stream this long.
fn plan_of(length: usize) -> Result<Vec<u8>, WriteError> {
    // The writer's INIT has ROOTLESS_EUID, 8 bytes more than the one made by hand.
    let rest = raw::stream_with(&raw::message(62061, 0, 1, &[])).len() + 8;
    let steps = [
        StepBuf::Clone {},
        StepBuf::Env { vars: vec![text(length - rest)], flags: 0 },
        StepBuf::Ready { fifo: u32::MAX },
        StepBuf::Exec { keep_fds: 3 },
    ];
    stream(&InitBuf::default(), &steps)
}

#[test]
fn bulk_payload_is_longer_than_an_attribute_may_be() {
    let bytes = plan_of(1 << 20).unwrap();
    let read = Stream::read(&bytes).unwrap();
    let longest = read.steps().find_map(|(_, step)| match step {
        Step::Env { vars, .. } => vars.iter().next().map(|var| var.count_bytes()),
        _ => None,
    });
    assert!(longest.unwrap() > usize::from(u16::MAX));
}

#[test]
fn longest_stream_reads_back() {
    let bytes = plan_of(MAX_STREAM).unwrap();
    assert_eq!(bytes.len(), MAX_STREAM);
    assert_eq!(Stream::read(&bytes).unwrap().steps().count(), 4);
}

#[test]
fn stream_one_word_too_long_is_refused() {
    let error = plan_of(MAX_STREAM + 4).unwrap_err();
    assert_eq!(error, WriteError::StreamTooLong { length: MAX_STREAM + 4 });
    assert_eq!(error.to_string(), "the plan of 16777220 bytes is longer than 16777216 bytes");
}

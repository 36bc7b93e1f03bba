//! The readers are total: any bytes give a value or an error, in linear time.

use crate::generate::{CHOICES, framed, plan};
use crate::raw;
use arbitrary::Unstructured;
use proptest::prelude::*;
use skeg_proto::sync::{ToNsexec, ToRuntime};
use skeg_proto::write::stream;
use skeg_proto::{Init, MAX_STREAM, Message, Step, Stream};
use std::time::{Duration, Instant};

/// Everything that reads bytes of a peer.
fn read_all(bytes: &[u8]) {
    let _ = ToRuntime::read(bytes);
    let _ = ToNsexec::read(bytes);
    if let Ok((message, _)) = Message::split(bytes) {
        let _ = Init::read(&message);
        let _ = Step::read(&message);
        for attribute in message.attributes() {
            let _ = attribute;
        }
    }
    if let Ok(stream) = Stream::read(bytes) {
        let _ = stream.steps().count();
    }
}

fn bytes_of_a_plan(choices: &[u8]) -> Vec<u8> {
    let (init, steps) = plan(&mut Unstructured::new(choices)).unwrap();
    stream(&init, &steps).unwrap()
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        read_all(&bytes);
    }

    #[test]
    fn any_payload_of_a_known_message_never_panics(
        kind in prop_oneof![Just(62000u16), 62001..62070u16, 62100..62123u16],
        flags in any::<u16>(),
        payload in prop::collection::vec(any::<u8>(), 0..128),
    ) {
        read_all(&raw::message(kind, flags, 1, &payload));
    }

    #[test]
    fn any_attributes_of_a_known_message_never_panic(
        kind in prop_oneof![Just(62000u16), 62001..62070u16],
        attributes in prop::collection::vec((0..12u16, prop::collection::vec(any::<u8>(), 0..12)), 0..10),
    ) {
        let base = if kind == 62000 { 27281 } else { 0 };
        let payload: Vec<u8> = attributes.iter().flat_map(|(n, value)| raw::attribute(base + n, value)).collect();
        read_all(&raw::message(kind, 0, 1, &payload));
    }

    #[test]
    fn any_changed_byte_of_a_plan_never_panics(
        choices in prop::collection::vec(any::<u8>(), CHOICES),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = bytes_of_a_plan(&choices);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        read_all(&bytes);
    }

    #[test]
    fn steps_of_a_validated_stream_are_never_cut_short(
        choices in prop::collection::vec(any::<u8>(), CHOICES),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = bytes_of_a_plan(&choices);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(stream) = Stream::read(&bytes) {
            // Exec stands last in every stream that is accepted: the iterator must come to it.
            let last = stream.steps().last().map(|(_, step)| step.kind());
            prop_assert_eq!(last, Some(62046));
        }
    }

    #[test]
    fn any_contents_in_framing_that_holds_never_panic(choices in prop::collection::vec(any::<u8>(), 0..CHOICES)) {
        read_all(&framed(&mut Unstructured::new(&choices)).unwrap());
    }
}

proptest! {
    // Each case reads the plan once for each of its bytes.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn plan_cut_short_anywhere_is_refused(choices in prop::collection::vec(any::<u8>(), CHOICES)) {
        let bytes = bytes_of_a_plan(&choices);
        for end in 0..bytes.len() {
            prop_assert!(Stream::read(&bytes[..end]).is_err(), "{end} of {} bytes", bytes.len());
        }
    }
}

/// The longest stream, of the smallest steps. A reader that goes back over what it has read would take hours here;
/// the bound is loose because the machine may be busy.
#[test]
fn longest_stream_of_small_messages_is_read_in_linear_time() {
    let frame = raw::stream_with(&[]).len();
    let clone_like = raw::umask();
    let middle = clone_like.repeat((MAX_STREAM - frame) / clone_like.len());
    let bytes = raw::stream_with(&middle);
    assert!(bytes.len() <= MAX_STREAM && bytes.len() > MAX_STREAM - 64);

    let begin = Instant::now();
    let stream = Stream::read(&bytes).unwrap();
    let count = stream.steps().count();

    assert_eq!(count, middle.len() / clone_like.len() + 3);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}

#[test]
fn longest_list_of_empty_strings_is_read_in_linear_time() {
    let frame = raw::stream_with(&raw::message(62060, 0, 1, &[])).len();
    let bytes = raw::stream_with(&raw::message(62060, 0, 1, &vec![0; MAX_STREAM - frame]));
    assert_eq!(bytes.len(), MAX_STREAM);

    let begin = Instant::now();
    let stream = Stream::read(&bytes).unwrap();
    let args = stream.steps().find_map(|(_, step)| match step {
        Step::Argv { args, .. } => Some(args),
        _ => None,
    });
    let args = args.unwrap();

    assert_eq!(args.count(), MAX_STREAM - frame);
    assert_eq!(args.iter().count(), MAX_STREAM - frame);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}

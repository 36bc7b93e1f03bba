//! What is refused, and as what: each malformation, alone in an otherwise valid message.

use crate::generate::{CHOICES, step_bytes};
use crate::raw::{self, attribute, message};
use arbitrary::Unstructured;
use skeg_proto::step::{Fields, TABLE};
use skeg_proto::{DecodeError, Init, Message, Step};

/// Reads one message as a step, and says which error it gives.
#[track_caller]
fn step_error(bytes: &[u8]) -> DecodeError {
    let (message, _) = Message::split(bytes).unwrap();
    Step::read(&message).unwrap_err()
}

#[track_caller]
fn init_error(payload: &[u8]) -> DecodeError {
    let bytes = message(62000, 1, 1, payload);
    let (message, _) = Message::split(&bytes).unwrap();
    Init::read(&message).unwrap_err()
}

/// Every message of the table that has attributes, with its attributes one by one.
fn attributes_of_the_table() -> impl Iterator<Item = (u16, Vec<Vec<u8>>)> {
    let zeros = [0; CHOICES];
    TABLE.iter().filter(|row| matches!(row.fields, Fields::Attributes(_))).map(move |row| {
        let bytes = step_bytes(&mut Unstructured::new(&zeros), row).unwrap();
        let (message, _) = Message::split(&bytes).unwrap();
        (row.kind, message.attributes().map(|a| a.map(|(n, value)| attribute(n, value)).unwrap()).collect())
    })
}

// Messages.

#[test]
fn step_without_any_one_of_its_attributes_is_refused() {
    for (kind, attributes) in attributes_of_the_table() {
        for missing in 0..attributes.len() {
            let mut rest = attributes.clone();
            rest.remove(missing);
            let bytes = message(kind, 0, 1, &rest.concat());
            assert_eq!(step_error(&bytes), DecodeError::MissingAttribute, "{kind} without {missing}");
        }
    }
}

#[test]
fn step_with_any_one_of_its_attributes_twice_is_refused() {
    for (kind, attributes) in attributes_of_the_table() {
        for twice in &attributes {
            let bytes = message(kind, 0, 1, &[attributes.concat(), twice.clone()].concat());
            assert_eq!(step_error(&bytes), DecodeError::DuplicateAttribute, "{kind}");
        }
    }
}

#[test]
fn step_with_an_attribute_more_is_refused() {
    for (kind, attributes) in attributes_of_the_table() {
        let bytes = message(kind, 0, 1, &[attributes.concat(), attribute(99, &[])].concat());
        assert_eq!(step_error(&bytes), DecodeError::UnknownAttribute, "{kind}");
    }
}

#[test]
fn step_with_flags_is_refused_where_it_has_none() {
    for (kind, attributes) in attributes_of_the_table() {
        let bytes = message(kind, 1, 1, &attributes.concat());
        assert_eq!(step_error(&bytes), DecodeError::BadValue, "{kind}");
    }
}

#[test]
fn step_with_attributes_in_another_order_is_the_same_step() {
    for (kind, mut attributes) in attributes_of_the_table() {
        let bytes = message(kind, 0, 1, &attributes.concat());
        attributes.reverse();
        let reversed = message(kind, 0, 1, &attributes.concat());
        let (straight, _) = Message::split(&bytes).unwrap();
        let (reversed, _) = Message::split(&reversed).unwrap();
        assert_eq!(Step::read(&straight), Step::read(&reversed));
    }
}

#[test]
fn message_of_an_unknown_type_is_refused() {
    assert_eq!(step_error(&message(62999, 0, 1, &[])), DecodeError::UnknownMessage);
    assert_eq!(step_error(&message(62000, 0, 1, &[])), DecodeError::UnknownMessage);
    assert_eq!(step_error(&message(0, 0, 1, &[])), DecodeError::UnknownMessage);
}

#[test]
fn number_of_the_wrong_width_is_refused() {
    for width in [0, 1, 2, 3, 5, 8] {
        let bytes = message(62031, 0, 1, &attribute(1, &vec![0; width]));
        assert_eq!(step_error(&bytes), DecodeError::BadValue, "{width} bytes");
    }
}

#[test]
fn truth_value_other_than_0_and_1_is_refused() {
    for payload in [&[2][..], &[255], &[], &[1, 0]] {
        let console =
            [attribute(1, &[0; 4]), attribute(2, &[0; 4]), attribute(3, &[0; 4]), attribute(4, payload)];
        assert_eq!(step_error(&message(62018, 0, 1, &console.concat())), DecodeError::BadValue);
    }
}

#[test]
fn string_without_its_nul_is_refused() {
    assert_eq!(step_error(&message(62027, 0, 1, &attribute(1, b"host"))), DecodeError::BadValue);
    assert_eq!(step_error(&message(62027, 0, 1, &attribute(1, b""))), DecodeError::BadValue);
}

#[test]
fn string_with_a_nul_inside_is_refused() {
    assert_eq!(step_error(&message(62027, 0, 1, &attribute(1, b"a\0b\0"))), DecodeError::BadValue);
    assert_eq!(step_error(&message(62027, 0, 1, &attribute(1, b"a\0\0"))), DecodeError::BadValue);
}

#[test]
fn empty_string_is_a_string() {
    let bytes = message(62027, 0, 1, &attribute(1, b"\0"));
    let (message, _) = Message::split(&bytes).unwrap();
    assert_eq!(Step::read(&message), Ok(Step::Hostname { name: c"" }));
}

#[test]
fn string_of_any_bytes_is_a_string() {
    let bytes = message(62027, 0, 1, &attribute(1, b"\xff\xfe\n\0"));
    let (message, _) = Message::split(&bytes).unwrap();
    assert_eq!(Step::read(&message), Ok(Step::Hostname { name: c"\xff\xfe\n" }));
}

#[track_caller]
fn argv(payload: &[u8]) -> Vec<Vec<u8>> {
    let bytes = message(62060, 0, 1, payload);
    let (message, _) = Message::split(&bytes).unwrap();
    let Ok(Step::Argv { args, .. }) = Step::read(&message) else { panic!("not a list: {payload:?}") };
    assert_eq!(args.count(), args.iter().count());
    args.iter().map(|arg| arg.to_bytes().to_vec()).collect()
}

#[test]
fn list_holds_empty_strings_in_their_places() {
    assert_eq!(argv(b""), Vec::<Vec<u8>>::new());
    assert_eq!(argv(b"\0"), [b""]);
    assert_eq!(argv(b"\0a\0\0"), [&b""[..], b"a", b""]);
}

#[test]
fn list_without_its_last_nul_is_refused() {
    assert_eq!(step_error(&message(62060, 0, 1, b"a\0b")), DecodeError::BadValue);
}

#[test]
fn words_with_a_part_of_a_word_are_refused() {
    assert_eq!(step_error(&message(62062, 0, 1, &[0; 5])), DecodeError::BadValue);
}

#[test]
fn words_keep_their_order() {
    let bytes = message(62062, 0, 1, &[1u32, u32::MAX, 3].map(u32::to_ne_bytes).concat());
    let (message, _) = Message::split(&bytes).unwrap();
    let Ok(Step::Groups { gids, .. }) = Step::read(&message) else { panic!("not words") };
    assert_eq!(gids.iter().collect::<Vec<_>>(), [1, u32::MAX, 3]);
    assert_eq!((gids.len(), gids.is_empty(), gids.as_bytes().len()), (3, false, 12));
}

// INIT.

fn clone_flags() -> Vec<u8> {
    attribute(27281, &[0; 4])
}

#[test]
fn init_without_clone_flags_is_refused() {
    assert_eq!(init_error(&[]), DecodeError::MissingAttribute);
    assert_eq!(init_error(&attribute(27286, b"0\0")), DecodeError::MissingAttribute);
}

#[test]
fn init_with_an_unknown_attribute_is_refused() {
    for number in [0, 1, 27280, 27291, 27281 + 31, 27281 + 32, 0x8000 | 27282, u16::MAX] {
        let payload = [clone_flags(), attribute(number, b"x\0")].concat();
        assert_eq!(init_error(&payload), DecodeError::UnknownAttribute, "{number}");
    }
}

#[test]
fn init_with_any_attribute_twice_is_refused() {
    let values: [(u16, &[u8]); 10] = [
        (27281, &[0; 4]),
        (27282, b"net:/x\0"),
        (27283, b"0 0 1\n\0"),
        (27284, b"0 0 1\n\0"),
        (27285, &1u32.to_ne_bytes()),
        (27286, b"0\0"),
        (27287, &1u32.to_ne_bytes()),
        (27288, b"/x\0"),
        (27289, b"/x\0"),
        (27290, b"monotonic 0 0\n\0"),
    ];
    for (number, value) in values {
        let payload = attribute(number, value).repeat(2);
        assert_eq!(init_error(&payload), DecodeError::DuplicateAttribute, "{number}");
    }
}

#[test]
fn init_with_a_truth_value_of_one_byte_is_refused() {
    let payload = [clone_flags(), attribute(27287, &[1])].concat();
    assert_eq!(init_error(&payload), DecodeError::BadValue);
}

#[test]
fn init_with_a_truth_value_of_2_is_refused() {
    let payload = [clone_flags(), attribute(27285, &2u32.to_ne_bytes())].concat();
    assert_eq!(init_error(&payload), DecodeError::BadValue);
}

#[test]
fn init_of_another_type_is_refused() {
    let bytes = message(62001, 1, 1, &clone_flags());
    let (message, _) = Message::split(&bytes).unwrap();
    assert_eq!(Init::read(&message), Err(DecodeError::UnknownMessage));
}

// Framing.

/// A message of `length` in its header and 16 bytes in truth.
fn with_length(length: u32) -> Vec<u8> {
    let mut bytes = raw::done();
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes
}

#[test]
fn message_shorter_than_its_header_is_refused() {
    for length in [0, 1, 15] {
        assert_eq!(Message::split(&with_length(length)), Err(DecodeError::BadLength), "{length}");
    }
}

#[test]
fn message_longer_than_the_bytes_is_refused() {
    for length in [17, 20, 1 << 31, u32::MAX - 3, u32::MAX] {
        assert_eq!(Message::split(&with_length(length)), Err(DecodeError::Truncated), "{length}");
    }
}

#[test]
fn attribute_shorter_than_its_header_is_refused() {
    for length in [0u16, 3] {
        let mut bytes = attribute(1, &[0; 4]);
        bytes[..2].copy_from_slice(&length.to_ne_bytes());
        assert_eq!(step_error(&message(62031, 0, 1, &bytes)), DecodeError::BadLength, "{length}");
    }
}

#[test]
fn attribute_longer_than_its_message_is_refused() {
    for length in [9u16, 12, u16::MAX] {
        let mut bytes = attribute(1, &[0; 4]);
        bytes[..2].copy_from_slice(&length.to_ne_bytes());
        // What follows the message must not be taken for the rest of the attribute.
        let stream = [message(62031, 0, 1, &bytes), vec![0; 1 << 17]].concat();
        assert_eq!(step_error(&stream), DecodeError::Truncated, "{length}");
    }
}

#[test]
fn part_of_an_attributes_header_is_refused() {
    for length in 1..4 {
        let payload = [attribute(1, &[0; 4]), vec![0; length]].concat();
        assert_eq!(step_error(&message(62031, 0, 1, &payload)), DecodeError::Truncated, "{length}");
    }
}

#[test]
fn attributes_end_after_an_error() {
    let mut bytes = attribute(1, &[0; 4]);
    bytes[..2].copy_from_slice(&3u16.to_ne_bytes());
    let bytes = message(62031, 0, 1, &bytes);
    let (message, _) = Message::split(&bytes).unwrap();
    assert_eq!(message.attributes().collect::<Vec<_>>(), [Err(DecodeError::BadLength)]);
}

#[test]
fn padding_of_the_last_attribute_may_be_absent() {
    let mut payload = attribute(1, b"ab\0");
    payload.truncate(7);
    let bytes = message(62027, 0, 1, &payload);
    let (message, rest) = Message::split(&bytes).unwrap();
    assert_eq!((message.payload.len(), rest.len()), (7, 0));
    assert_eq!(Step::read(&message), Ok(Step::Hostname { name: c"ab" }));
}

//! The dump for people: what it says of a plan, and that nothing is too broken to be shown.

use crate::generate::{CHOICES, plan};
use crate::raw::{self, attribute, message};
use arbitrary::Unstructured;
use proptest::prelude::*;
use skeg_proto::step::StepBuf;
use skeg_proto::write::{InitBuf, annotate, stream, write_step};

/// The lines of a dump without their trailing label: the bytes that it shows.
fn shown_bytes(dump: &str) -> Vec<u8> {
    dump.lines()
        .flat_map(|line| line.get(10..58.min(line.len())).unwrap().split_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

#[test]
fn dump_of_a_plan_names_everything() {
    let init = InitBuf { clone_flags: 0x0002_0000, ns_paths: Some(c"net:/n".into()), ..InitBuf::default() };
    let steps = [
        StepBuf::Clone {},
        StepBuf::Console { socket: 9, rows: 24, columns: 80, mount: true },
        StepBuf::Argv { args: vec![c"sh".into(), c"".into()], flags: 0 },
        StepBuf::Groups { gids: vec![4, 27], flags: 0 },
        StepBuf::Seccomp { filter: vec![6, 0, 0, 0, 0, 0, 0xff, 0x7f], flags: 2 },
        StepBuf::Ready { fifo: 5 },
        StepBuf::Exec { keep_fds: 3 },
    ];

    let dump = annotate(&stream(&init, &steps).unwrap());

    let expected = "\
00000000  2c 00 00 00 30 f2 01 00 01 00 00 00 00 00 00 00  INIT #1, 44 bytes, flags 0x1
00000010  08 00 91 6a 00 00 02 00                            CLONE_FLAGS = 131072 (0x20000)
00000018  0b 00 92 6a 6e 65 74 3a 2f 6e 00 00                NS_PATHS = \"net:/n\"
00000024  08 00 97 6a 00 00 00 00                            ROOTLESS_EUID = 0
0000002c  18 00 00 00 31 f2 00 00 00 00 00 00 00 00 00 00  Version #0, 24 bytes
0000003c  08 00 01 00 01 00 00 00                            version = 1
00000044  10 00 00 00 35 f2 00 00 01 00 00 00 00 00 00 00  Clone #1, 16 bytes
00000054  30 00 00 00 42 f2 00 00 02 00 00 00 00 00 00 00  Console #2, 48 bytes
00000064  08 00 01 00 09 00 00 00                            socket = 9
0000006c  08 00 02 00 18 00 00 00                            rows = 24 (0x18)
00000074  08 00 03 00 50 00 00 00                            columns = 80 (0x50)
0000007c  05 00 04 00 01 00 00 00                            mount = true
00000084  14 00 00 00 6c f2 00 00 03 00 00 00 00 00 00 00  Argv #3, 20 bytes
00000094  73 68 00 00                                        args = [\"sh\", \"\"]
00000098  18 00 00 00 6e f2 00 00 04 00 00 00 00 00 00 00  Groups #4, 24 bytes
000000a8  04 00 00 00 1b 00 00 00                            gids = [4, 27]
000000b0  18 00 00 00 73 f2 02 00 05 00 00 00 00 00 00 00  Seccomp #5, 24 bytes, flags 0x2
000000c0  06 00 00 00 00 00 ff 7f                            filter = 8 bytes
000000c8  18 00 00 00 52 f2 00 00 06 00 00 00 00 00 00 00  Ready #6, 24 bytes
000000d8  08 00 01 00 05 00 00 00                            fifo = 5
000000e0  18 00 00 00 5e f2 00 00 07 00 00 00 00 00 00 00  Exec #7, 24 bytes
000000f0  08 00 01 00 03 00 00 00                            keep_fds = 3
000000f8  10 00 00 00 03 00 00 00 00 00 00 00 00 00 00 00  NLMSG_DONE #0, 16 bytes
";
    assert_eq!(dump, expected);
}

#[test]
fn value_longer_than_a_line_runs_on_and_is_cut_in_its_label() {
    let mut bytes = Vec::new();
    write_step(
        &StepBuf::Env { vars: vec![std::ffi::CString::new([b'e'; 300]).unwrap()], flags: 0 },
        1,
        &mut bytes,
    )
    .unwrap();

    let dump = annotate(&bytes);

    let first = dump.lines().nth(1).unwrap();
    assert!(first.ends_with("eee..."), "{first}");
    assert!(first.chars().count() < 250, "{first}");
    assert_eq!(dump.lines().count(), 1 + 301usize.div_ceil(16));
}

#[test]
fn unknown_message_is_shown_by_its_number() {
    let dump = annotate(&message(63000, 0, 9, b"abcd"));
    assert!(dump.contains("unknown message 63000 #9, 20 bytes"), "{dump}");
    assert!(dump.contains("61 62 63 64"), "{dump}");
}

#[test]
fn unknown_attribute_is_shown_by_its_number() {
    assert!(annotate(&message(62031, 0, 1, &attribute(77, &[]))).contains("unknown attribute 77"));
    assert!(annotate(&message(62000, 0, 1, &attribute(27300, &[]))).contains("unknown attribute 27300"));
}

#[test]
fn malformed_value_is_shown_with_the_reason() {
    let dump = annotate(&message(62027, 0, 1, &attribute(1, b"no nul")));
    assert!(dump.contains("name = an attribute's value is malformed"), "{dump}");
}

#[test]
fn stream_that_ends_too_early_is_shown_to_its_end() {
    let bytes = raw::stream_with(&[]);
    let dump = annotate(&bytes[..bytes.len() - 3]);
    assert!(dump.ends_with("the message stream ends too early\n"), "{dump}");
}

#[test]
fn no_bytes_are_no_lines() {
    assert_eq!(annotate(&[]), "");
}

proptest! {
    #[test]
    fn dump_shows_every_byte_of_anything(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(shown_bytes(&annotate(&bytes)), bytes);
    }

    #[test]
    fn dump_shows_every_byte_of_a_plan_with_a_changed_byte(
        choices in prop::collection::vec(any::<u8>(), CHOICES),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (init, steps) = plan(&mut Unstructured::new(&choices)).unwrap();
        let mut bytes = stream(&init, &steps).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        prop_assert_eq!(shown_bytes(&annotate(&bytes)), bytes);
    }
}

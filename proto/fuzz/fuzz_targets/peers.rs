//! Our reader against netlink-packet-core's on the same bytes: the same messages and attributes, or both refuse.
//!
//! Known differences, and the only ones:
//! - an attribute's number: theirs is without the two bits that netlink(7) calls NESTED and NET_BYTEORDER and tells
//!   them apart by; libcontainer's numbers (27281 = 0x6a91) use one of them as part of the number, and so do we.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netlink_packet_core::{NLA_F_NESTED, NLA_F_NET_BYTEORDER, NetlinkBuffer, NlaBuffer, NlasIterator};
use skeg_proto::Message;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    loop {
        match (Message::split(rest), NetlinkBuffer::new_checked(rest)) {
            (Ok((ours, after)), Ok(theirs)) => {
                assert_eq!(ours.kind, theirs.message_type());
                assert_eq!(ours.flags, theirs.flags());
                assert_eq!(ours.seq, theirs.sequence_number());
                assert_eq!(ours.payload, theirs.payload());
                attributes(&ours);
                let padded = (theirs.length() as usize).next_multiple_of(4).min(rest.len());
                assert_eq!(after, &rest[padded..]);
                rest = after;
            }
            (Err(_), Err(_)) => return,
            (ours, theirs) => panic!("one refuses: ours {ours:?}, theirs {theirs:?}"),
        }
    }
});

fn attributes(message: &Message<'_>) {
    let mut theirs = NlasIterator::new(message.payload);
    for ours in message.attributes() {
        match (ours, theirs.next()) {
            (Ok((number, payload)), Some(Ok(theirs))) => {
                assert_eq!(number, whole_number(&theirs));
                assert_eq!(payload, theirs.value());
            }
            (Err(_), Some(Err(_))) => {}
            (ours, theirs) => panic!("one refuses: ours {ours:?}, theirs {theirs:?}"),
        }
    }
    assert!(theirs.next().is_none());
}

/// The 16 bits on the wire.
fn whole_number(attribute: &NlaBuffer<&[u8]>) -> u16 {
    let nested = if attribute.nested_flag() { NLA_F_NESTED } else { 0 };
    let order = if attribute.network_byte_order_flag() { NLA_F_NET_BYTEORDER } else { 0 };
    attribute.kind() | nested | order
}

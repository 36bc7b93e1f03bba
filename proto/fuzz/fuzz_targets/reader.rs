//! Any bytes into everything that reads a peer's bytes: no panic, no overflow, no endless loop.

#![no_main]

#[path = "../../tests/wire/generate.rs"]
#[allow(dead_code)]
mod generate;
#[path = "../../tests/wire/raw.rs"]
#[allow(dead_code)]
mod raw;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use skeg_proto::sync::{ToNsexec, ToRuntime};
use skeg_proto::{Init, Message, Step, Stream};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = ToRuntime::read(bytes) {
        assert_eq!(ToRuntime::read(&frame.frame()), Ok(frame));
    }
    if let Ok(frame) = ToNsexec::read(bytes) {
        assert_eq!(ToNsexec::read(&frame.frame()), Ok(frame));
    }
    whole(bytes);
    // The same bytes as the contents of a stream whose lengths fit.
    if let Ok(framed) = generate::framed(&mut Unstructured::new(bytes)) {
        whole(&framed);
    }
    // Short ones only: a dump is a hundred times as slow as a reader.
    if bytes.len() <= 256 {
        let lines = skeg_proto::write::annotate(bytes).lines().count();
        assert!(lines >= bytes.len().div_ceil(16));
    }
});

fn whole(bytes: &[u8]) {
    messages(bytes);
    if let Ok(stream) = Stream::read(bytes) {
        // A validated stream has all its steps, to Exec, which stands last.
        let last = stream.steps().last().map(|(_, step)| step);
        assert!(matches!(last, Some(Step::Exec { .. })), "{last:?}");
    }
}

/// Every message alone: what the stream refuses for its order is read too.
fn messages(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok((message, after)) = Message::split(rest) {
        assert!(after.len() < rest.len());
        rest = after;
        let _ = Init::read(&message);
        let attributes = message.attributes().count();
        assert!(attributes <= message.payload.len().div_ceil(4));
        match Step::read(&message) {
            Ok(Step::Argv { args, .. }) => assert_eq!(args.count(), args.iter().count()),
            Ok(Step::Groups { gids, .. }) => assert_eq!(gids.len(), gids.iter().count()),
            _ => {}
        }
    }
}

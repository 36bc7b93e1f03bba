//! nsexec's whole input path, up to its first syscall: any bytes are refused, or become a plan whose every string,
//! list and number can be reached.

#![no_main]

#[path = "../../tests/wire/generate.rs"]
#[allow(dead_code)]
mod generate;
#[path = "../../tests/wire/raw.rs"]
#[allow(dead_code)]
mod raw;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use skeg_proto::step::StepBuf;

fuzz_target!(|bytes: &[u8]| {
    input(bytes);
    // The same bytes as the contents of a stream whose lengths fit.
    if let Ok(framed) = generate::framed(&mut Unstructured::new(bytes)) {
        input(&framed);
    }
});

fn input(bytes: &[u8]) {
    let Ok(stream) = nsexec::input::parse(bytes) else { return };
    for (_, step) in stream.steps() {
        // To own a step is to follow every pointer that a syscall would be given.
        let owned = StepBuf::from(step);
        assert_eq!(owned.kind(), step.kind());
    }
}

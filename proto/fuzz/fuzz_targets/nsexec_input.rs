//! nsexec's whole input path, up to its first syscall: any bytes are refused or become a plan that can be executed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skeg_proto::{Step, Stream};

fuzz_target!(|bytes: &[u8]| {
    let Ok(stream) = Stream::read(bytes) else { return };
    for (_, step) in stream.steps() {
        look_at(&step);
    }
});

/// Touches what a syscall would: every byte that a pointer into the stream reaches.
fn look_at(step: &Step<'_>) {
    let text = format!("{step:?}");
    assert!(!text.is_empty());
}

//! Any plan, written and read, is the same plan; written once more, the same bytes.

#![no_main]

#[path = "../../tests/wire/generate.rs"]
#[allow(dead_code)]
mod generate;
#[path = "../../tests/wire/raw.rs"]
#[allow(dead_code)]
mod raw;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use skeg_proto::Stream;
use skeg_proto::step::StepBuf;
use skeg_proto::write::stream;

fuzz_target!(|choices: &[u8]| {
    let Ok((init, steps)) = generate::plan(&mut Unstructured::new(choices)) else { return };
    let bytes = stream(&init, &steps).expect("a small plan is written");

    let read = Stream::read(&bytes).expect("what is written is read");
    let back: Vec<StepBuf> = read.steps().map(|(_, step)| step.into()).collect();
    assert_eq!(back, steps);
    assert_eq!(read.init.uid_map, init.uid_map.as_deref());
    assert_eq!(read.init.setgroups, init.setgroups.unwrap_or(false));

    assert_eq!(stream(&init, &back).expect("it was written before"), bytes);
});

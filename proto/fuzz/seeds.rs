//! Writes the seed corpora of the fuzz targets: `cargo run -p skeg-proto --example seeds`.
//!
//! Real streams: each INIT that runc wrote with the shortest plan after it, one plan with every step of the table,
//! and the frames. Few and small: the fuzzer finds the rest.

#[path = "../tests/wire/generate.rs"]
#[allow(dead_code)]
mod generate;
#[path = "../tests/wire/raw.rs"]
#[allow(dead_code)]
mod raw;

use arbitrary::Unstructured;
use skeg_proto::step::{StepBuf, TABLE};
use skeg_proto::sync::{ToNsexec, ToRuntime};
use skeg_proto::write::{InitBuf, stream};
use skeg_proto::{Failure, Op, Stage};
use std::fs;
use std::path::Path;

type Seed = (String, Vec<u8>);

const FEW: [&str; 2] = ["every_step", "rootless_mapping_tools"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR"));
    // What the generator makes plans, and framed nonsense, of.
    let choices = vec![("choices".into(), choices(2048)), ("fewer_choices".into(), choices(300))];
    let streams = [runc(&proto.join("tests/golden"))?, vec![("every_step".into(), every_step()?)]].concat();
    write(proto, "reader", &[&streams[..], &frames(), &choices].concat())?;
    // The others find the same paths from the two that differ most.
    let few: Vec<Seed> = streams.into_iter().filter(|(name, _)| FEW.contains(&name.as_str())).collect();
    write(proto, "peers", &few)?;
    write(proto, "nsexec_input", &[&few[..], &choices].concat())?;
    write(proto, "roundtrip", &choices)?;
    Ok(())
}

fn write(proto: &Path, target: &str, seeds: &[Seed]) -> std::io::Result<()> {
    let directory = proto.join("fuzz/corpus").join(target);
    fs::create_dir_all(&directory)?;
    seeds.iter().try_for_each(|(name, bytes)| fs::write(directory.join(name), bytes))
}

/// The captured messages, by the names of their files.
fn runc(directory: &Path) -> Result<Vec<Seed>, Box<dyn std::error::Error>> {
    let mut seeds = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "hex") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
        let mut bytes = Vec::new();
        for pair in digits.as_bytes().chunks(2) {
            bytes.push(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
        }
        let rest = [raw::version(), raw::clone(), raw::ready(), raw::exec(), raw::done()];
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        seeds.push((name, [bytes, rest.concat()].concat()));
    }
    Ok(seeds)
}

/// A plan with each step of the table once, in an order that is accepted.
fn every_step() -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let choices = choices(16 * 1024);
    let mut u = Unstructured::new(&choices);
    let mut step = |name: &str| generate::step(&mut u, generate::row(name));
    let mut steps: Vec<StepBuf> = vec![step("Join")?, step("Cgroup")?, step("RaiseLimit")?, step("Clone")?];
    for row in TABLE.iter().filter(|row| !generate::is_fixed(row.name)) {
        steps.push(step(row.name)?);
    }
    steps.extend([step("Ready")?, step("Exec")?]);
    Ok(stream(&InitBuf::default(), &steps)?)
}

fn frames() -> Vec<Seed> {
    let failure = Failure { stage: Stage::Setup, step: 7, op: Op::MoveMount, errno: 2, detail: 1 };
    vec![
        ("frame_created".into(), ToRuntime::Created { pid: 77 }.frame().to_vec()),
        ("frame_failed".into(), ToRuntime::Failed(failure).frame().to_vec()),
        ("frame_start".into(), ToNsexec::Start.frame().to_vec()),
    ]
}

/// Bytes that are the same on every run: a linear congruential generator (Knuth's MMIX).
fn choices(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

//! Arguments worth trying: what stands at, and just beside, the values that a profile compares with.

use std::collections::BTreeSet;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompArg};

use crate::names::Names;
use crate::random::Random;

/// The numbers of calls whose arguments matter, on the architecture with this index.
pub fn conditional(profile: &LinuxSeccomp, arch: usize, all: &Names) -> BTreeSet<u32> {
    let calls = profile.syscalls().iter().flatten();
    let with_args = calls.filter(|call| call.args().as_ref().is_some_and(|args| !args.is_empty()));
    let names = with_args.flat_map(|call| call.names());
    let numbers = names.filter_map(|name| all.numbers(name, arch)).flatten();
    // socketcall(2) and ipc(2) look at an argument even if the profile does not.
    numbers.copied().chain([102, 117, 4102, 4117]).collect()
}

fn interesting(arg: &LinuxSeccompArg) -> BTreeSet<u64> {
    let (value, two) = (arg.value(), arg.value_two().unwrap_or(0));
    let near = |value: u64| [value.wrapping_sub(1), value, value.wrapping_add(1)];
    let bases = [value, two, two & value, two | !value, value ^ (1 << 32), value & 0xffff_ffff];
    bases.into_iter().flat_map(near).chain([0, 1 << 32, u64::MAX]).collect()
}

/// Arguments to try where none matters.
pub fn plain() -> Vec<[u64; 6]> {
    vec![[0; 6], [u64::MAX; 6]]
}

/// Arguments to try where there are conditions.
pub fn samples<'a>(conditions: impl Iterator<Item = &'a LinuxSeccompArg>) -> Vec<[u64; 6]> {
    let mut pools: [BTreeSet<u64>; 6] = Default::default();
    for arg in conditions {
        pools[arg.index()].extend(interesting(arg));
    }
    // Which call, for socketcall(2) and ipc(2).
    pools[0].extend(1..25);
    let pools: Vec<Vec<u64>> =
        pools.into_iter().map(|pool| pool.into_iter().chain([0, 3]).collect()).collect();
    let mut samples = plain();
    for (index, pool) in pools.iter().enumerate() {
        for value in pool {
            let mut args = [3; 6];
            args[index] = *value;
            samples.push(args);
        }
    }
    let mut random = Random::new(1);
    for _ in 0..60 {
        samples.push(std::array::from_fn(|index| *random.pick(&pools[index])));
    }
    samples
}

//! What a profile says, without any cleverness: for the calls where libseccomp can't be trusted.
//!
//! When several rules with conditions speak of one call, libseccomp (2.5.4) merges them into a tree, and may come from
//! one branch into the next with the wrong half of an argument in the accumulator, so that it compares nonsense. There
//! a filter is right if it does what one of the matching rules says, or the default if none matches.

use std::collections::{BTreeMap, BTreeSet};

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompOperator};

use crate::libseccomp;

/// All rules about one number.
#[derive(Default)]
pub struct Rules {
    rules: Vec<(Vec<LinuxSeccompArg>, u32)>,
    default: u32,
    wide: bool,
}

impl Rules {
    /// Whether `decided` is right although libseccomp decides otherwise.
    pub fn excuse(&self, decided: u32, args: &[u64; 6]) -> bool {
        if self.rules.len() < 2 || self.rules.iter().any(|(conditions, _)| conditions.is_empty()) {
            return false;
        }
        let mut matching = self
            .rules
            .iter()
            .filter(|(conditions, _)| conditions.iter().all(|condition| self.met(condition, args)));
        match matching.clone().next() {
            None => decided == self.default,
            Some(_) => matching.any(|(_, action)| *action == decided),
        }
    }

    fn met(&self, condition: &LinuxSeccompArg, args: &[u64; 6]) -> bool {
        let bits = |value: u64| if self.wide { value } else { value & 0xffff_ffff };
        let (arg, value) = (bits(args[condition.index()]), bits(condition.value()));
        match condition.op() {
            LinuxSeccompOperator::ScmpCmpNe => arg != value,
            LinuxSeccompOperator::ScmpCmpLt => arg < value,
            LinuxSeccompOperator::ScmpCmpLe => arg <= value,
            LinuxSeccompOperator::ScmpCmpEq => arg == value,
            LinuxSeccompOperator::ScmpCmpGe => arg >= value,
            LinuxSeccompOperator::ScmpCmpGt => arg > value,
            LinuxSeccompOperator::ScmpCmpMaskedEq => {
                arg & value == condition.value_two().unwrap_or(0) & value
            }
        }
    }
}

/// The rules of `profile` about each number of an architecture, which has the index `index` in `numbers`.
pub fn rules(
    profile: &LinuxSeccomp,
    index: usize,
    arch: Arch,
    numbers: &BTreeMap<String, Vec<BTreeSet<u32>>>,
) -> BTreeMap<u32, Rules> {
    let default = profile.default_action().as_u32(profile.default_errno_ret());
    let wide = arch as u32 & 0x8000_0000 != 0;
    let mut all: BTreeMap<u32, Rules> = BTreeMap::new();
    for call in profile.syscalls().iter().flatten() {
        let action = call.action().as_u32(call.errno_ret());
        if action == default {
            continue;
        }
        for name in call.names() {
            for number in numbers.get(name).into_iter().flat_map(|numbers| &numbers[index]) {
                let rules = all.entry(*number).or_insert_with(|| Rules { rules: Vec::new(), default, wide });
                let which = libseccomp::multiplexed(arch, name).filter(|(other, _)| other == number);
                rules.rules.extend(alternatives(libseccomp::alternatives(call), which, wide, action));
            }
        }
    }
    all
}

fn alternatives(
    alternatives: Vec<Vec<LinuxSeccompArg>>,
    which: Option<(u32, u64)>,
    wide: bool,
    action: u32,
) -> impl Iterator<Item = (Vec<LinuxSeccompArg>, u32)> {
    alternatives.into_iter().map(move |mut conditions| {
        if let Some((_, which)) = which {
            conditions.retain(|condition| condition.index() != 0);
            let call = LinuxSeccompArgBuilder::default().index(0_usize).value(which);
            conditions.push(call.op(LinuxSeccompOperator::ScmpCmpEq).build().unwrap());
        }
        let bits = if wide { u64::MAX } else { 0xffff_ffff };
        let masked = LinuxSeccompOperator::ScmpCmpMaskedEq;
        conditions.retain(|condition| condition.op() != masked || condition.value() & bits != 0);
        (conditions, action)
    })
}

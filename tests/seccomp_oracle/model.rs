//! What a profile says, rule by rule and without any cleverness: a third opinion beside the two compilers.
//!
//! It is exact but for one thing: of several rules with conditions that are all met, each may be the one that holds. That
//! is also where libseccomp can't be trusted: when several rules with conditions speak of one call, it (2.5.4) merges
//! them into a tree, and may come from one branch into the next with the wrong half of an argument in the accumulator,
//! so that it compares nonsense.

use std::collections::{BTreeMap, BTreeSet};

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompOperator,
};

use crate::interpreter::Call;
use crate::libseccomp;
use crate::names::Names;
use crate::{X32_BIT, audit};

const KILL_THREAD: u32 = 0;
const ENOSYS: u32 = 0x0005_0026;

/// The rules about one number.
#[derive(Default)]
struct Rules(Vec<(Vec<LinuxSeccompArg>, u32)>);

/// A profile for some architectures.
pub struct Model {
    archs: Vec<(Arch, BTreeMap<u32, Rules>)>,
    default: u32,
    stub: Stub,
}

impl Model {
    pub fn new(profile: &LinuxSeccomp, archs: &[Arch], names: &Names) -> Self {
        let rules =
            archs.iter().enumerate().map(|(index, arch)| (*arch, rules(profile, index, *arch, names)));
        Self {
            archs: rules.collect(),
            default: profile.default_action().as_u32(profile.default_errno_ret()),
            stub: Stub::new(profile, archs, names),
        }
    }

    /// Whether a filter may decide so.
    pub fn allows(&self, decided: u32, call: &Call) -> bool {
        if self.stub.decides(call) {
            return decided == ENOSYS;
        }
        let Some((arch, rules)) = self.section(call) else { return decided == KILL_THREAD };
        match rules.get(&call.nr) {
            None => decided == self.default,
            Some(rules) => rules.allow(decided, &call.args, is_wide(*arch), self.default),
        }
    }

    /// Whether `ENOSYS` is answered by what runc puts before libseccomp's filter.
    pub fn stub_decides(&self, call: &Call) -> bool {
        self.stub.decides(call)
    }

    /// Whether libseccomp has to merge rules for this call.
    pub fn is_merged(&self, call: &Call) -> bool {
        let rules = self.section(call).and_then(|(_, rules)| rules.get(&call.nr));
        rules.is_some_and(|Rules(rules)| {
            rules.len() > 1 && rules.iter().all(|(conditions, _)| !conditions.is_empty())
        })
    }

    /// All conditions of the rules about a call.
    pub fn conditions(&self, call: &Call) -> impl Iterator<Item = &LinuxSeccompArg> {
        let rules = self.section(call).and_then(|(_, rules)| rules.get(&call.nr));
        rules.into_iter().flat_map(|Rules(rules)| rules).flat_map(|(conditions, _)| conditions)
    }

    /// The architecture of a call; x32 is x86_64 with large numbers, of which only -1 belongs to both: it is what a tracer
    /// makes of a call that it wants skipped.
    fn section(&self, call: &Call) -> Option<&(Arch, BTreeMap<u32, Rules>)> {
        let of_call = |arch: Arch| {
            let x32 = arch == Arch::ScmpArchX32;
            let shared = arch == Arch::ScmpArchX86_64 || x32;
            let fits = !shared || x32 == (call.nr >= X32_BIT) || call.nr == u32::MAX;
            audit(arch) == call.arch && fits
        };
        self.archs.iter().find(|(arch, _)| of_call(*arch))
    }
}

/// What runc puts before libseccomp's filter: `ENOSYS` for calls newer than the profile.
struct Stub {
    enabled: bool,
    highest: BTreeMap<(u32, bool), u32>,
}

impl Stub {
    fn new(profile: &LinuxSeccomp, archs: &[Arch], names: &Names) -> Self {
        let permissive = [
            LinuxSeccompAction::ScmpActAllow,
            LinuxSeccompAction::ScmpActLog,
            LinuxSeccompAction::ScmpActTrace,
        ];
        let highest = archs.iter().enumerate().filter_map(|(index, arch)| {
            Some(((audit(*arch), *arch == Arch::ScmpArchX32), names.highest(index)?))
        });
        Self { enabled: !permissive.contains(&profile.default_action()), highest: highest.collect() }
    }

    fn decides(&self, call: &Call) -> bool {
        let x86_64 = call.arch == Arch::ScmpArchX86_64 as u32;
        let Some(highest) = self.highest.get(&(call.arch, x86_64 && call.nr & X32_BIT != 0)) else {
            return false;
        };
        let s390x = call.arch == Arch::ScmpArchS390x as u32;
        self.enabled && (call.nr > *highest || (s390x && call.nr == 0))
    }
}

impl Rules {
    fn allow(&self, decided: u32, args: &[u64; 6], wide: bool, default: u32) -> bool {
        let Self(rules) = self;
        if let Some((_, action)) = rules.iter().find(|(conditions, _)| conditions.is_empty()) {
            return decided == *action;
        }
        let holds = |conditions: &[LinuxSeccompArg]| conditions.iter().all(|one| met(one, args, wide));
        let mut holding = rules.iter().filter(|(conditions, _)| holds(conditions)).peekable();
        match holding.peek() {
            None => decided == default,
            Some(_) => holding.any(|(_, action)| *action == decided),
        }
    }
}

/// All 64 bits of an argument count. Not for n32, although its registers have as many.
fn is_wide(arch: Arch) -> bool {
    arch as u32 & 0x8000_0000 != 0 && !matches!(arch, Arch::ScmpArchMips64n32 | Arch::ScmpArchMipsel64n32)
}

fn met(condition: &LinuxSeccompArg, args: &[u64; 6], wide: bool) -> bool {
    let bits = |value: u64| if wide { value } else { value & 0xffff_ffff };
    let (arg, value) = (bits(args[condition.index()]), bits(condition.value()));
    match condition.op() {
        LinuxSeccompOperator::ScmpCmpNe => arg != value,
        LinuxSeccompOperator::ScmpCmpLt => arg < value,
        LinuxSeccompOperator::ScmpCmpLe => arg <= value,
        LinuxSeccompOperator::ScmpCmpEq => arg == value,
        LinuxSeccompOperator::ScmpCmpGe => arg >= value,
        LinuxSeccompOperator::ScmpCmpGt => arg > value,
        LinuxSeccompOperator::ScmpCmpMaskedEq => arg & value == condition.value_two().unwrap_or(0) & value,
    }
}

/// The rules of `profile` about each number of an architecture, which has the index `index` in `names`.
fn rules(profile: &LinuxSeccomp, index: usize, arch: Arch, names: &Names) -> BTreeMap<u32, Rules> {
    let default = profile.default_action().as_u32(profile.default_errno_ret());
    let mut all: BTreeMap<u32, Rules> = BTreeMap::new();
    let nothing = BTreeSet::new();
    for call in profile.syscalls().iter().flatten() {
        let action = call.action().as_u32(call.errno_ret());
        if action == default {
            continue;
        }
        for name in call.names() {
            for number in names.numbers(name, index).unwrap_or(&nothing) {
                let which = libseccomp::multiplexed(arch, name).filter(|(other, _)| other == number);
                let rules = alternatives(libseccomp::alternatives(call), which, is_wide(arch), action);
                all.entry(*number).or_default().0.extend(rules);
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

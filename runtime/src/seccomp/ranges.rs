//! What a filter decides, per architecture, as ranges of numbers with the same outcome.

use std::collections::BTreeMap;

use super::Error;
use super::abi::{Abi, X32_BIT};
use super::decision::{Case, Conflict, Decision};
use super::rules::{Compare, Condition, ERRNO, KILL_THREAD, Profile, Rule};

/// What happens to a call once its number is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// `SECCOMP_RET_*`.
    Return(u32),
    /// The first alternative all of whose conditions are met, else the default action.
    Arguments {
        /// Whether all 64 bits of an argument count.
        wide: bool,
        cases: Vec<(Vec<Condition>, u32)>,
    },
}

/// The numbers from `first` up to the next range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u32,
    pub(super) outcome: Outcome,
}

/// The ABIs that share an `AUDIT_ARCH_*`: one, or x86_64 and x32.
pub(super) struct Section {
    pub(super) audit: u32,
    pub(super) abis: Vec<Abi>,
}

/// The value that makes a new system call look like one that the kernel does not have.
const ENOSYS: u32 = ERRNO | 38;

// Names that socketcall(2) and ipc(2) also stand for, with the number that they have there: linux/net.h (SYS_*) and
// linux/ipc.h.
const SOCKETCALL: [(&str, u64); 20] = [
    ("socket", 1),
    ("bind", 2),
    ("connect", 3),
    ("listen", 4),
    ("accept", 5),
    ("getsockname", 6),
    ("getpeername", 7),
    ("socketpair", 8),
    ("send", 9),
    ("recv", 10),
    ("sendto", 11),
    ("recvfrom", 12),
    ("shutdown", 13),
    ("setsockopt", 14),
    ("getsockopt", 15),
    ("sendmsg", 16),
    ("recvmsg", 17),
    ("accept4", 18),
    ("recvmmsg", 19),
    ("sendmmsg", 20),
];
const IPC: [(&str, u64); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

/// What a name stands for.
#[derive(Clone, Copy, Default)]
struct Numbers {
    /// The call itself.
    direct: Option<u32>,
    /// socketcall(2) or ipc(2), and what its first argument must be.
    multiplexed: Option<(u32, u64)>,
}

impl Numbers {
    fn highest(&self) -> Option<u32> {
        self.direct.max(self.multiplexed.map(|(number, _)| number))
    }
}

/// The ranges of all numbers, from 0 to `u32::MAX`, for one section.
pub(super) fn ranges(profile: &Profile<'_>, section: &Section) -> Result<Vec<Range>, Error> {
    let mut calls = BTreeMap::new();
    let mut background = Background::new(profile, section);
    for abi in &section.abis {
        let numbers = numbers(profile, abi);
        for rule in &profile.rules {
            add(profile, abi, &numbers, rule, &mut calls)?;
        }
        let highest = numbers.iter().filter_map(Numbers::highest).max();
        if profile.unknown_is_enosys
            && let Some(highest) = highest
        {
            background.newest(abi, highest);
        }
    }
    Ok(merge(&background, calls))
}

/// What the profile's names stand for in this ABI.
fn numbers(profile: &Profile<'_>, abi: &Abi) -> Vec<Numbers> {
    let mut numbers = vec![Numbers::default(); profile.name_count()];
    let mut entry = |name: &str, set: &dyn Fn(&mut Numbers)| {
        profile.name(name).and_then(|index| numbers.get_mut(index)).map(set)
    };
    abi.each_call(&mut |name, number| {
        entry(name, &|numbers| numbers.direct = Some(number));
    });
    if let Some(multiplexers) = abi.multiplexers {
        let socket = SOCKETCALL.iter().map(|call| (multiplexers.socketcall, call));
        let ipc = IPC.iter().map(|call| (multiplexers.ipc, call));
        for (number, (name, which)) in socket.chain(ipc) {
            entry(name, &|numbers| numbers.multiplexed = Some((number, *which)));
        }
    }
    numbers
}

/// Adds what `rule` says in this ABI.
fn add(
    profile: &Profile<'_>,
    abi: &Abi,
    numbers: &[Numbers],
    rule: &Rule,
    calls: &mut BTreeMap<u32, (bool, Decision)>,
) -> Result<(), Error> {
    let mut add = |name: usize, number: u32, conditions: &[Condition]| {
        let case = Case::new(conditions, rule.action, rule.entry, abi.wide);
        let added = match calls.get_mut(&number) {
            Some((_, decision)) => decision.add(case),
            None => {
                calls.insert(number, (abi.wide, Decision::new(case)));
                Ok(())
            }
        };
        added.map_err(|Conflict(earlier)| Error::Conflict {
            entry: rule.entry,
            earlier,
            name: profile.name_of(name).to_owned(),
        })
    };
    for &name in &rule.names {
        let stands_for = numbers.get(name).copied().unwrap_or_default();
        if let Some((number, which)) = stands_for.multiplexed {
            add(name, number, &multiplexed(&rule.conditions, which))?;
        }
        if let Some(number) = stands_for.direct {
            add(name, number, &rule.conditions)?;
        }
    }
    Ok(())
}

/// The conditions on a call that comes through socketcall(2) or ipc(2). Its arguments are behind a pointer there, where
/// no filter sees them: like libseccomp, the first condition gives way to the check of which call it is.
fn multiplexed(conditions: &[Condition], which: u64) -> Vec<Condition> {
    let call = Condition { arg: 0, compare: Compare::Equal, holds: true, mask: u64::MAX, value: which };
    [call].into_iter().chain(conditions.iter().filter(|condition| condition.arg != 0).copied()).collect()
}

/// What happens to the numbers that no rule speaks of.
struct Background {
    audit: u32,
    default_action: u32,
    /// Whether calls with, and without, the x32 bit belong to an architecture of the profile.
    native: bool,
    x32: bool,
    /// The highest number that the profile names, without and with the x32 bit.
    highest: [Option<u32>; 2],
}

impl Background {
    fn new(profile: &Profile<'_>, section: &Section) -> Self {
        let is_x32 = |abi: &Abi| abi.arch == oci_spec::runtime::Arch::ScmpArchX32;
        Self {
            audit: section.audit,
            default_action: profile.default_action,
            native: !section.abis.iter().all(is_x32),
            x32: section.abis.iter().any(is_x32),
            highest: [None, None],
        }
    }

    /// Calls above `highest` are newer than the profile.
    fn newest(&mut self, abi: &Abi, highest: u32) {
        let [native, x32] = &mut self.highest;
        *(if abi.arch == oci_spec::runtime::Arch::ScmpArchX32 { x32 } else { native }) = Some(highest);
    }

    /// The numbers at which the action may change.
    fn steps(&self) -> Vec<u32> {
        let quarters = [0, X32_BIT, 2 * X32_BIT, 3 * X32_BIT, u32::MAX];
        // 1: after the number that s390 uses for numbers that do not fit.
        quarters
            .into_iter()
            .chain([1])
            .chain(self.highest.into_iter().flatten().filter_map(|number| number.checked_add(1)))
            .collect()
    }

    /// `SECCOMP_RET_*` for a number. The order of the questions is that of runc: its ENOSYS stub comes before
    /// libseccomp's filter.
    fn action(&self, number: u32) -> u32 {
        use oci_spec::runtime::Arch;
        let x86_64 = self.audit == Arch::ScmpArchX86_64 as u32;
        let [native, x32] = self.highest;
        let highest = if x86_64 && number & X32_BIT != 0 { x32 } else { native };
        if highest.is_some_and(|highest| number > highest) {
            return ENOSYS;
        }
        // A number too large for the instruction arrives as 0 if the kernel does not know it. setup(2), which it
        // used to be, has been gone for decades.
        if highest.is_some() && number == 0 && self.audit == Arch::ScmpArchS390x as u32 {
            return ENOSYS;
        }
        let foreign = match (x86_64, self.native, self.x32) {
            // -1 is what a tracer makes of a call that it wants skipped: seccomp(2).
            (true, true, false) => number >= X32_BIT && number != u32::MAX,
            (true, false, true) => number < X32_BIT,
            _ => false,
        };
        if foreign { KILL_THREAD } else { self.default_action }
    }
}

/// Lays the calls over the background and joins neighbours that have the same outcome.
fn merge(background: &Background, calls: BTreeMap<u32, (bool, Decision)>) -> Vec<Range> {
    let mut outcomes: BTreeMap<u32, Outcome> = BTreeMap::new();
    for step in background.steps() {
        outcomes.insert(step, Outcome::Return(background.action(step)));
    }
    // After each call the background goes on, unless the next number is a call as well.
    for after in calls.keys().filter_map(|number| number.checked_add(1)) {
        outcomes.insert(after, Outcome::Return(background.action(after)));
    }
    for (number, (wide, decision)) in calls {
        let outcome = match decision {
            Decision::Always(action) => Outcome::Return(action),
            Decision::First(cases) => Outcome::Arguments {
                wide,
                cases: cases.into_iter().map(|case| (case.conditions, case.action)).collect(),
            },
        };
        outcomes.insert(number, outcome);
    }
    let mut ranges: Vec<Range> = Vec::with_capacity(outcomes.len());
    for (first, outcome) in outcomes {
        if ranges.last().is_none_or(|last| last.outcome != outcome) {
            ranges.push(Range { first, outcome });
        }
    }
    ranges
}

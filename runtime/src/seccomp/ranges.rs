//! What a filter decides, per architecture, as ranges of numbers with the same outcome.

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

/// A rule about a number.
struct Call<'a> {
    number: u32,
    /// Index in [`Profile::names`], for error messages.
    name: usize,
    rule: &'a Rule,
    /// What the first argument must be, if the number is that of socketcall(2) or ipc(2).
    which: Option<u64>,
}

/// The ranges of all numbers, from 0 to `u32::MAX`, for one section.
pub(super) fn ranges(profile: &Profile<'_>, section: &Section) -> Result<Vec<Range>, Error> {
    let mut background = Background::new(profile, section);
    let mut outcomes = Vec::with_capacity(profile.name_count() * section.abis.len());
    for abi in &section.abis {
        let numbers = numbers(profile, abi);
        let calls = calls(profile, &numbers);
        for about_one in calls.chunk_by(|a, b| a.number == b.number) {
            if let Some(outcome) = outcome(profile, abi, about_one)? {
                outcomes.push(outcome);
            }
        }
        let highest = numbers.iter().filter_map(Numbers::highest).max();
        if profile.unknown_is_enosys
            && let Some(highest) = highest
        {
            background.newest(abi, highest);
        }
    }
    outcomes.sort_unstable_by_key(|range| range.first);
    Ok(merge(&background, outcomes))
}

/// The rules by number, those about one number in the profile's order.
fn calls<'a>(profile: &'a Profile<'_>, numbers: &[Numbers]) -> Vec<Call<'a>> {
    let mut calls = Vec::with_capacity(numbers.len());
    for rule in &profile.rules {
        for &name in &rule.names {
            let stands_for = numbers.get(name).copied().unwrap_or_default();
            if let Some((number, which)) = stands_for.multiplexed {
                calls.push(Call { number, name, rule, which: Some(which) });
            }
            if let Some(number) = stands_for.direct {
                calls.push(Call { number, name, rule, which: None });
            }
        }
    }
    calls.sort_by_key(|call| call.number);
    calls
}

/// What the rules about one number come to.
fn outcome(profile: &Profile<'_>, abi: &Abi, calls: &[Call<'_>]) -> Result<Option<Range>, Error> {
    let mut decision: Option<Decision> = None;
    for &Call { name, rule, which, .. } in calls {
        let case = match which {
            None => Case::new(&rule.conditions, rule.action, rule.entry, abi.wide),
            Some(which) => {
                Case::new(&multiplexed(&rule.conditions, which), rule.action, rule.entry, abi.wide)
            }
        };
        match &mut decision {
            None => decision = Some(Decision::new(case)),
            Some(decision) => decision.add(case).map_err(|Conflict(earlier)| Error::Conflict {
                entry: rule.entry,
                earlier,
                name: profile.name_of(name),
            })?,
        }
    }
    let first = calls.first().map(|call| call.number);
    Ok(first.zip(decision).map(|(first, decision)| {
        let outcome = match decision {
            Decision::Always(action) => Outcome::Return(action),
            Decision::First(cases) => Outcome::Arguments {
                wide: abi.wide,
                cases: cases.into_iter().map(|case| (case.conditions, case.action)).collect(),
            },
        };
        Range { first, outcome }
    }))
}

/// What the profile's names stand for in this ABI.
fn numbers(profile: &Profile<'_>, abi: &Abi) -> Vec<Numbers> {
    let mut numbers = vec![Numbers::default(); profile.name_count()];
    let mut entry = |name: &[u8], set: &dyn Fn(&mut Numbers)| {
        profile.name(name).and_then(|index| numbers.get_mut(index)).map(set)
    };
    abi.each_call(&mut |name, number| {
        entry(name, &|numbers| numbers.direct = Some(number));
    });
    if let Some(multiplexers) = abi.multiplexers {
        let socket = SOCKETCALL.iter().map(|call| (multiplexers.socketcall, call));
        let ipc = IPC.iter().map(|call| (multiplexers.ipc, call));
        for (number, (name, which)) in socket.chain(ipc) {
            entry(name.as_bytes(), &|numbers| numbers.multiplexed = Some((number, *which)));
        }
    }
    numbers
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

    /// The numbers at which the action may change, in order.
    fn steps(&self) -> Vec<u32> {
        // 1: after the number that s390 uses for numbers that do not fit.
        let mut steps = vec![0, 1, X32_BIT, 2 * X32_BIT, 3 * X32_BIT, u32::MAX];
        steps.extend(self.highest.into_iter().flatten().filter_map(|number| number.checked_add(1)));
        steps.sort_unstable();
        steps
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

/// Lays the calls, which are single numbers in order, over the background, and joins neighbours that have the same
/// outcome.
fn merge(background: &Background, calls: Vec<Range>) -> Vec<Range> {
    let steps = background.steps();
    let mut ranges: Vec<Range> = Vec::with_capacity(calls.len() + steps.len());
    let mut push = |range: Range| {
        if ranges.last().is_none_or(|last| last.outcome != range.outcome) {
            ranges.push(range);
        }
    };
    let fill = |first: u32, end: Option<u32>, push: &mut dyn FnMut(Range)| {
        let before_end = |number: u32| end.is_none_or(|end| number < end);
        let inside = steps.iter().copied().filter(|step| *step > first && before_end(*step));
        for first in [first].into_iter().filter(|first| before_end(*first)).chain(inside) {
            push(Range { first, outcome: Outcome::Return(background.action(first)) });
        }
    };
    // The first number that has no outcome yet.
    let mut next = Some(0);
    for call in calls {
        if let Some(next) = next.filter(|next| *next < call.first) {
            fill(next, Some(call.first), &mut push);
        }
        next = call.first.checked_add(1);
        push(call);
    }
    if let Some(next) = next {
        fill(next, None, &mut push);
    }
    ranges
}

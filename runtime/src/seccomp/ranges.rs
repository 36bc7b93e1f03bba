//! What a filter decides, per architecture, as ranges of numbers with the same outcome.

use oci_spec::runtime::Arch;

use super::Error;
use super::abi::{Abi, X32_BIT, each_x32_own, x32_number};
use super::decision::{Case, Conflict, Decision};
use super::name::Name;
use super::rules::{Compare, Condition, ERRNO, KILL_THREAD, Profile, Rule};

/// What happens to a call once its number is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// The different outcomes of a filter: a handful, at hundreds of numbers.
#[derive(Default)]
pub(super) struct Outcomes(Vec<Outcome>);

/// One of [`Outcomes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Which(u32);

impl Outcomes {
    fn which(&mut self, outcome: Outcome) -> Which {
        let known = self.0.iter().position(|other| *other == outcome);
        let at = known.unwrap_or_else(|| {
            self.0.push(outcome);
            self.0.len() - 1
        });
        Which(at as u32)
    }

    fn returning(&mut self, action: u32) -> Which {
        let known = self.0.iter().position(|other| matches!(other, Outcome::Return(same) if *same == action));
        known.map_or_else(|| self.which(Outcome::Return(action)), |at| Which(at as u32))
    }

    pub(super) fn get(&self, which: Which) -> Option<&Outcome> {
        self.0.get(which.0 as usize)
    }
}

/// The numbers from `first` up to the next range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u32,
    pub(super) outcome: Which,
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

/// A rule about a number.
struct Call<'a> {
    rule: &'a Rule,
    /// Index in [`Profile::names`], for error messages.
    name: u32,
    /// What the first argument must be, if the number is that of socketcall(2) or ipc(2).
    which: Option<u64>,
}

/// The ranges of all numbers, from 0 to `u32::MAX`, for one section.
pub(super) fn ranges(
    profile: &Profile<'_>,
    section: &Section,
    outcomes: &mut Outcomes,
) -> Result<Vec<Range>, Error> {
    let mut background = Background::new(profile, section);
    let mut named: Vec<(&Abi, Vec<Named>)> = Vec::with_capacity(section.abis.len());
    for abi in &section.abis {
        let x86_64 = named.iter().find(|(other, _)| other.arch == Arch::ScmpArchX86_64);
        let numbers = match x86_64 {
            Some((_, x86_64)) if abi.arch == Arch::ScmpArchX32 => named_in_x32(profile, x86_64),
            _ => self::named(profile, abi),
        };
        named.push((abi, numbers));
    }
    if profile.unknown_is_enosys {
        for (abi, highest) in named.iter().filter_map(|(abi, named)| Some((abi, named.last()?.number))) {
            background.newest(abi, highest);
        }
    }
    named.sort_by_key(|(_, named)| named.first().map(|first| first.number));
    let mut merged = Merged::over(&background, outcomes);
    for (abi, named) in &named {
        for &Named { number, name } in named {
            // Nearly all calls: nothing to weigh.
            if let Some(action) = name.and_then(|name| profile.always(name)) {
                let outcome = merged.outcomes.returning(action);
                merged.push(number, outcome);
                continue;
            }
            let outcome = match name {
                Some(name) => {
                    outcome(profile, abi, profile.rules_of(name).map(|rule| Call { rule, name, which: None }))
                }
                None => outcome(profile, abi, multiplexed(profile, abi, number)),
            };
            if let Some(outcome) = outcome? {
                let outcome = merged.outcomes.which(outcome);
                merged.push(number, outcome);
            }
        }
    }
    Ok(merged.finish())
}

/// A number that the profile speaks of.
struct Named {
    number: u32,
    /// The call's own, as its index in [`Profile::names`]; none for socketcall(2) and ipc(2), which have many.
    name: Option<u32>,
}

/// The numbers of an ABI that the profile speaks of, in order.
fn named(profile: &Profile<'_>, abi: &Abi) -> Vec<Named> {
    let mut named = Vec::with_capacity(profile.name_count());
    abi.each_call(&mut |name, number| {
        if abi.multiplexers.is_some_and(|multiplexers| multiplexers.has(number)) {
            if !meanings(profile, abi, number).is_empty() {
                named.push(Named { number, name: None });
            }
        } else if let Some(name) = profile.name(name) {
            named.push(Named { number, name: Some(name) });
        }
    });
    sort_by_key(&mut named, |named| named.number);
    named
}

/// The same for x32, beside x86_64, whose calls need not be looked up again.
fn named_in_x32(profile: &Profile<'_>, x86_64: &[Named]) -> Vec<Named> {
    let same = x86_64.iter().filter_map(|named| Some(Named { number: x32_number(named.number)?, ..*named }));
    let mut named: Vec<Named> = same.collect();
    each_x32_own(&mut |name, number| {
        named.extend(profile.name(name).map(|name| Named { number, name: Some(name) }));
    });
    sort_by_key(&mut named, |named| named.number);
    named
}

/// Sorts what mostly is in order already: the code that need not be executed need not be there.
fn sort_by_key<T, K: Ord>(list: &mut [T], key: impl Fn(&T) -> K) {
    if !list.is_sorted_by_key(&key) {
        list.sort_by_key(key);
    }
}

/// What the rules about one number come to.
fn outcome<'a>(
    profile: &Profile<'_>,
    abi: &Abi,
    calls: impl IntoIterator<Item = Call<'a>>,
) -> Result<Option<Outcome>, Error> {
    let mut decision: Option<Decision> = None;
    for Call { name, rule, which } in calls {
        let case = match which {
            None => Case::new(&rule.conditions, rule.action, rule.entry, abi.wide),
            Some(which) => {
                Case::new(&conditions_behind(&rule.conditions, which), rule.action, rule.entry, abi.wide)
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
    Ok(decision.map(|decision| match decision {
        Decision::Always(action) => Outcome::Return(action),
        Decision::First(cases) => Outcome::Arguments {
            wide: abi.wide,
            cases: cases.into_iter().map(|case| (case.conditions, case.action)).collect(),
        },
    }))
}

/// The names of the profile that stand for socketcall(2) or ipc(2), as indices, and what the first argument must be.
fn meanings(profile: &Profile<'_>, abi: &Abi, number: u32) -> Vec<(u32, Option<u64>)> {
    let is_ipc = abi.multiplexers.is_some_and(|multiplexers| multiplexers.ipc == number);
    let (itself, others): (_, &[(&str, u64)]) =
        if is_ipc { ("ipc", &IPC) } else { ("socketcall", &SOCKETCALL) };
    let others = others.iter().map(|(name, which)| (*name, Some(*which)));
    let names = [(itself, None)].into_iter().chain(others);
    names.filter_map(|(name, which)| Some((profile.name(Name::new(name.as_bytes()))?, which))).collect()
}

/// The rules about socketcall(2) or ipc(2), in the profile's order.
fn multiplexed<'a>(profile: &'a Profile<'_>, abi: &Abi, number: u32) -> Vec<Call<'a>> {
    let calls = meanings(profile, abi, number)
        .into_iter()
        .flat_map(|(name, which)| profile.rules_of(name).map(move |rule| Call { rule, name, which }));
    let mut calls: Vec<Call<'_>> = calls.collect();
    sort_by_key(&mut calls, |call| call.rule.entry);
    calls
}

/// The conditions on a call that comes through socketcall(2) or ipc(2). Its arguments are behind a pointer there, where
/// no filter sees them: like libseccomp, the first condition gives way to the check of which call it is.
fn conditions_behind(conditions: &[Condition], which: u64) -> Vec<Condition> {
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
        let is_x32 = |abi: &Abi| abi.arch == Arch::ScmpArchX32;
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
        *(if abi.arch == Arch::ScmpArchX32 { x32 } else { native }) = Some(highest);
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

/// The calls, which are single numbers in order, laid over the background; neighbours that have the same outcome are one
/// range.
struct Merged<'a> {
    background: &'a Background,
    outcomes: &'a mut Outcomes,
    steps: Vec<u32>,
    ranges: Vec<Range>,
    /// The first number that has no outcome yet; none after the last one.
    next: Option<u32>,
}

impl<'a> Merged<'a> {
    fn over(background: &'a Background, outcomes: &'a mut Outcomes) -> Self {
        Self { background, outcomes, steps: background.steps(), ranges: Vec::new(), next: Some(0) }
    }

    /// The next number with an outcome of its own.
    fn push(&mut self, number: u32, outcome: Which) {
        self.fill(Some(number));
        self.next = number.checked_add(1);
        self.add(number, outcome);
    }

    fn finish(mut self) -> Vec<Range> {
        self.fill(None);
        self.ranges
    }

    /// The background from the next number up to `end`.
    fn fill(&mut self, end: Option<u32>) {
        let before_end = |number: u32| end.is_none_or(|end| number < end);
        let Some(next) = self.next.filter(|next| before_end(*next)) else { return };
        self.add_background(next);
        for at in 0..self.steps.len() {
            if let Some(&step) = self.steps.get(at).filter(|step| **step > next && before_end(**step)) {
                self.add_background(step);
            }
        }
    }

    fn add_background(&mut self, first: u32) {
        let outcome = self.outcomes.returning(self.background.action(first));
        self.add(first, outcome);
    }

    fn add(&mut self, first: u32, outcome: Which) {
        if self.ranges.last().is_none_or(|last| last.outcome != outcome) {
            self.ranges.push(Range { first, outcome });
        }
    }
}

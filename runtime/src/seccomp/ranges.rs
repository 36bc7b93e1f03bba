//! What a filter decides, per architecture, as ranges of numbers with the same outcome.

use oci_spec::runtime::Arch;

use super::Error;
use super::abi::{Abi, X32_BIT};
use super::calls::Syscall;
use super::decision::{Case, Conflict, Decision};
use super::program::MAX_INSTRUCTIONS;
use super::rules::{Compare, Condition, ERRNO, KILL_THREAD, Profile, Rule};

/// What happens to a call once its number is known.
#[derive(Debug, PartialEq, Eq)]
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
pub(super) struct Which(u16);

impl Outcomes {
    fn which(&mut self, outcome: Outcome) -> Result<Which, Error> {
        let known = self.0.iter().position(|other| *other == outcome);
        known.map_or_else(|| self.add(outcome), |at| Ok(Which(at as u16)))
    }

    fn returning(&mut self, action: u32) -> Result<Which, Error> {
        let known = self.0.iter().position(|other| matches!(other, Outcome::Return(same) if *same == action));
        known.map_or_else(|| self.add(Outcome::Return(action)), |at| Ok(Which(at as u16)))
    }

    fn add(&mut self, outcome: Outcome) -> Result<Which, Error> {
        let at = self.0.len();
        // Each takes an instruction at least.
        if at >= MAX_INSTRUCTIONS {
            return Err(Error::TooLong { length: at + 1 });
        }
        self.0.push(outcome);
        Ok(Which(at as u16))
    }

    pub(super) fn get(&self, which: Which) -> Option<&Outcome> {
        self.0.get(usize::from(which.0))
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
    /// In the order of their numbers.
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

/// The ranges of all numbers, from 0 to `u32::MAX`, for each section.
pub(super) fn ranges(
    profile: &Profile,
    sections: &[Section],
    outcomes: &mut Outcomes,
) -> Result<Vec<Vec<Range>>, Error> {
    let all = named(profile, sections.iter().flat_map(|section| &section.abis), outcomes)?;
    let mut rest = all.as_slice();
    let of_section = |section: &Section| {
        let (named, others) = rest.split_at(section.abis.len());
        rest = others;
        merged(profile, section, named, outcomes)
    };
    sections.iter().map(of_section).collect()
}

/// The numbers of an ABI that the profile knows.
struct Named<'a> {
    abi: &'a Abi,
    /// From the first on: no architecture has so many in a row.
    dense: [Option<Said>; 640],
    /// Those that are further away, in order: arm has some.
    beyond: Vec<(u32, Said)>,
}

/// What a profile says about a number.
#[derive(Clone, Copy)]
enum Said {
    /// What it says about all that it does not know.
    NothingElse,
    Outcome(Which),
}

impl Named<'_> {
    fn set(&mut self, number: u32, said: Said) {
        match self.dense.get_mut((number - self.abi.numbers.first) as usize) {
            Some(entry) => *entry = Some(said),
            None => self.beyond.push((number, said)),
        }
    }

    /// All of them, in order.
    fn numbers(&self) -> impl Iterator<Item = (u32, Said)> {
        let dense = (self.abi.numbers.first..).zip(&self.dense);
        dense.filter_map(|(number, said)| Some((number, (*said)?))).chain(self.beyond.iter().copied())
    }
}

/// Looks every call of the profile up, once for all ABIs.
fn named<'a>(
    profile: &Profile,
    abis: impl Iterator<Item = &'a Abi>,
    outcomes: &mut Outcomes,
) -> Result<Vec<Named<'a>>, Error> {
    let mut all: Vec<Named<'a>> =
        abis.map(|abi| Named { abi, dense: [None; _], beyond: Vec::new() }).collect();
    let said = |outcome: Option<Which>| outcome.map_or(Said::NothingElse, Said::Outcome);
    for call in profile.named() {
        // Nearly all calls: nothing to weigh.
        let always = profile.always(call).map(|action| outcomes.returning(action)).transpose()?;
        for named in &mut all {
            let Some(number) = named.abi.numbers.of(call) else { continue };
            let outcome = match always {
                Some(_) => always,
                None => {
                    let rules = profile.rules_of(call).map(|rule| Applied { rule, call, which: None });
                    outcome(named.abi, rules, outcomes)?
                }
            };
            named.set(number, said(outcome));
        }
    }
    for named in &mut all {
        named.beyond.sort_unstable_by_key(|(number, _)| *number);
        for number in named.abi.multiplexers.iter().flat_map(|both| [both.socketcall, both.ipc]) {
            if let Some(rules) = multiplexed(profile, named.abi, number) {
                named.set(number, said(outcome(named.abi, rules, outcomes)?));
            }
        }
    }
    Ok(all)
}

/// The ranges of a section, whose ABIs are `named`.
fn merged(
    profile: &Profile,
    section: &Section,
    named: &[Named<'_>],
    outcomes: &mut Outcomes,
) -> Result<Vec<Range>, Error> {
    let mut background = Background::new(profile, section);
    if profile.unknown_is_enosys {
        for named in named {
            if let Some((highest, _)) = named.numbers().last() {
                background.newest(named.abi, highest);
            }
        }
    }
    let mut merged = Merged::over(&background, outcomes);
    for named in named {
        for (number, said) in named.numbers() {
            if let Said::Outcome(outcome) = said {
                merged.push(number, outcome)?;
            }
        }
    }
    merged.finish()
}

/// A rule about a number.
struct Applied<'a> {
    rule: &'a Rule,
    call: Syscall,
    /// What the first argument must be, if the number is that of socketcall(2) or ipc(2).
    which: Option<u64>,
}

/// What the rules about one number come to.
fn outcome<'a>(
    abi: &Abi,
    rules: impl IntoIterator<Item = Applied<'a>>,
    outcomes: &mut Outcomes,
) -> Result<Option<Which>, Error> {
    let mut decision: Option<Decision> = None;
    for Applied { call, rule, which } in rules {
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
                name: call.name().to_owned(),
            })?,
        }
    }
    let outcome = decision.map(|decision| match decision {
        Decision::Always(action) => Outcome::Return(action),
        Decision::First(cases) => Outcome::Arguments {
            wide: abi.wide,
            cases: cases.into_iter().map(|case| (case.conditions, case.action)).collect(),
        },
    });
    outcome.map(|outcome| outcomes.which(outcome)).transpose()
}

/// The rules about socketcall(2) or ipc(2), in the profile's order. None if the profile knows neither it nor anything that
/// comes through it.
fn multiplexed<'a>(profile: &'a Profile, abi: &Abi, number: u32) -> Option<Vec<Applied<'a>>> {
    let is_ipc = abi.multiplexers.is_some_and(|multiplexers| multiplexers.ipc == number);
    let (itself, others): (_, &[(&str, u64)]) =
        if is_ipc { ("ipc", &IPC) } else { ("socketcall", &SOCKETCALL) };
    let others = others.iter().map(|(name, which)| (*name, Some(*which)));
    let all = [(itself, None)].into_iter().chain(others);
    let calls = all.filter_map(|(name, which)| Some((Syscall::named(name)?, which)));
    let mut known = calls.filter(|(call, _)| profile.knows(*call)).peekable();
    known.peek()?;
    let rules =
        known.flat_map(|(call, which)| profile.rules_of(call).map(move |rule| Applied { rule, call, which }));
    let mut rules: Vec<Applied<'_>> = rules.collect();
    // Mostly they are: the code that need not be executed need not be there.
    if !rules.is_sorted_by_key(|applied| applied.rule.entry) {
        rules.sort_by_key(|applied| applied.rule.entry);
    }
    Some(rules)
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
    fn new(profile: &Profile, section: &Section) -> Self {
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
    fn push(&mut self, number: u32, outcome: Which) -> Result<(), Error> {
        if self.next != Some(number) {
            self.fill(Some(number))?;
        }
        self.next = number.checked_add(1);
        self.add(number, outcome);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Range>, Error> {
        self.fill(None)?;
        Ok(self.ranges)
    }

    /// The background from the next number up to `end`.
    fn fill(&mut self, end: Option<u32>) -> Result<(), Error> {
        let before_end = |number: u32| end.is_none_or(|end| number < end);
        let Some(next) = self.next.filter(|next| before_end(*next)) else { return Ok(()) };
        self.add_background(next)?;
        for at in 0..self.steps.len() {
            if let Some(&step) = self.steps.get(at).filter(|step| **step > next && before_end(**step)) {
                self.add_background(step)?;
            }
        }
        Ok(())
    }

    fn add_background(&mut self, first: u32) -> Result<(), Error> {
        let outcome = self.outcomes.returning(self.background.action(first))?;
        self.add(first, outcome);
        Ok(())
    }

    fn add(&mut self, first: u32, outcome: Which) {
        if self.ranges.last().is_none_or(|last| last.outcome != outcome) {
            self.ranges.push(Range { first, outcome });
        }
    }
}

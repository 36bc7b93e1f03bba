//! Ranges to BPF: which architecture, then a binary search for the number, then the arguments.

use super::program::{Label, Program, Target, Test};
use super::ranges::{Outcome, Outcomes, Range, Which};
use super::rules::{Compare, Condition, KILL_THREAD};

// Offsets in struct seccomp_data (linux/seccomp.h).
const NR: u32 = 0;
const ARCH: u32 = 4;
const ARGS: u32 = 16;

/// A half of an argument.
#[derive(Clone, Copy)]
enum Half {
    Low,
    High,
}

pub(super) struct Emitter<'a> {
    program: Program,
    big_endian: bool,
    default_action: u32,
    outcomes: &'a Outcomes,
    /// The code of outcomes that depend on arguments: the same one may occur at many numbers.
    written: Vec<(Which, Label)>,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(default_action: u32, big_endian: bool, outcomes: &'a Outcomes) -> Self {
        Self { program: Program::default(), big_endian, default_action, outcomes, written: Vec::new() }
    }

    /// The whole program: `sections` are the `AUDIT_ARCH_*` with their ranges, the most likely one first.
    pub(super) fn emit(mut self, sections: &[(u32, Vec<Range>)]) -> Program {
        // As libseccomp: a call of an architecture that the profile does not have is killed.
        let mut next = Target::Return(KILL_THREAD);
        for (audit, ranges) in sections.iter().rev() {
            let tree = self.search(&leaves(ranges));
            self.program.go(tree);
            let tree = self.program.load(NR);
            next = Target::At(self.program.branch(Test::Equal, *audit, Target::At(tree), next));
        }
        self.program.go(next);
        self.program.load(ARCH);
        self.program
    }

    /// Finds the number, which is in the accumulator, among the leaves.
    fn search(&mut self, leaves: &[Leaf<'_>]) -> Target {
        let (below, above) = match leaves {
            [] => return Target::Return(self.default_action),
            [leaf] => return self.leaf(leaf),
            _ => leaves.split_at(middle(leaves)),
        };
        let first = above.first().map_or(0, |leaf| leaf.background.first);
        let above = self.search(above);
        let below = self.search(below);
        Target::At(self.program.branch(Test::GreaterOrEqual, first, above, below))
    }

    fn leaf(&mut self, leaf: &Leaf<'_>) -> Target {
        // All of them before the comparisons, so that nothing stands between these.
        for range in leaf.singles() {
            self.outcome(range.outcome);
        }
        let mut next = self.outcome(leaf.background.outcome);
        for range in leaf.singles().rev() {
            let outcome = self.outcome(range.outcome);
            next = Target::At(self.program.branch(Test::Equal, range.first, outcome, next));
        }
        next
    }

    fn outcome(&mut self, which: Which) -> Target {
        let (wide, cases) = match self.outcomes.get(which) {
            Some(Outcome::Arguments { wide, cases }) => (*wide, cases),
            Some(Outcome::Return(action)) => return Target::Return(*action),
            None => return Target::Return(self.default_action),
        };
        if let Some((_, label)) = self.written.iter().find(|(written, _)| *written == which) {
            return Target::At(*label);
        }
        let mut next = Target::Return(self.default_action);
        for (conditions, action) in cases.iter().rev() {
            let otherwise = next;
            next = Target::Return(*action);
            for condition in conditions.iter().rev() {
                next = self.condition(condition, wide, next, otherwise);
            }
        }
        if let Target::At(label) = next {
            self.written.push((which, label));
        }
        next
    }

    fn condition(&mut self, condition: &Condition, wide: bool, met: Target, not_met: Target) -> Target {
        let (yes, no) = if condition.holds { (met, not_met) } else { (not_met, met) };
        match condition.compare {
            Compare::Equal | Compare::MaskedEqual => self.equal(condition, wide, yes, no),
            Compare::Greater => self.greater(condition, Test::Greater, wide, yes, no),
            Compare::GreaterOrEqual => self.greater(condition, Test::GreaterOrEqual, wide, yes, no),
        }
    }

    fn equal(&mut self, condition: &Condition, wide: bool, yes: Target, no: Target) -> Target {
        let Condition { arg, mask, value, .. } = *condition;
        let mut next = yes;
        for (half, mask, value) in
            [(Half::Low, mask as u32, value as u32), (Half::High, (mask >> 32) as u32, (value >> 32) as u32)]
        {
            if mask == 0 || (matches!(half, Half::High) && !wide) {
                continue;
            }
            let offset = self.offset(arg, half);
            if mask == u32::MAX {
                let (yes, no) = self.past_loads(offset, next, no);
                self.program.branch(Test::Equal, value, yes, no);
            } else {
                self.program.branch(Test::Equal, value, next, no);
                self.program.and(mask);
            }
            next = Target::At(self.program.load(offset));
        }
        next
    }

    fn greater(&mut self, condition: &Condition, test: Test, wide: bool, yes: Target, no: Target) -> Target {
        let Condition { arg, value, .. } = *condition;
        let offset = self.offset(arg, Half::Low);
        let (if_low, if_not_low) = self.past_loads(offset, yes, no);
        self.program.branch(test, value as u32, if_low, if_not_low);
        let low = self.program.load(offset);
        if !wide {
            return Target::At(low);
        }
        let offset = self.offset(arg, Half::High);
        let high_value = (value >> 32) as u32;
        let (yes, no) = self.past_loads(offset, yes, no);
        if high_value == 0 {
            // What is not equal to 0 is greater.
            self.program.branch(Test::Equal, 0, Target::At(low), yes);
        } else {
            let not_greater = self.program.branch(Test::Equal, high_value, Target::At(low), no);
            self.program.branch(Test::Greater, high_value, yes, Target::At(not_greater));
        }
        Target::At(self.program.load(offset))
    }

    /// The targets, for a jump that is taken while the accumulator holds the word at `offset`.
    fn past_loads(&self, offset: u32, yes: Target, no: Target) -> (Target, Target) {
        (self.program.past_load(yes, offset), self.program.past_load(no, offset))
    }

    fn offset(&self, arg: u32, half: Half) -> u32 {
        let second = matches!(half, Half::High) != self.big_endian;
        ARGS + 8 * arg + if second { 4 } else { 0 }
    }
}

/// How many single numbers a leaf tells apart from its background. One more costs each number of the background a
/// comparison, and saves the tree two.
const SINGLES: usize = 3;

/// What one branch of the tree ends in: a range that is interrupted by single numbers.
struct Leaf<'a> {
    background: &'a Range,
    /// Single numbers and the background, in turn.
    interruptions: &'a [Range],
    /// How many system calls there are in it.
    calls: u32,
}

impl Leaf<'_> {
    fn singles(&self) -> impl DoubleEndedIterator<Item = &Range> {
        self.interruptions.iter().step_by(2)
    }
}

/// Groups the ranges into the leaves of the tree.
fn leaves(ranges: &[Range]) -> Vec<Leaf<'_>> {
    let mut leaves = Vec::with_capacity(ranges.len());
    let mut rest = ranges;
    while let Some((background, others)) = rest.split_first() {
        let mut length = 0;
        while let Some([only, after, ..]) = others.get(length..)
            && length < 2 * SINGLES
            && after.outcome == background.outcome
            && only.first.checked_add(1) == Some(after.first)
        {
            length += 2;
        }
        let (interruptions, others) = others.split_at(length);
        let end = others.first().map_or(u32::MAX, |next| next.first);
        leaves.push(Leaf { background, interruptions, calls: calls(background.first, end) });
        rest = others;
    }
    leaves
}

/// How many system calls there are between two numbers, by and large: most architectures have some five hundred.
fn calls(first: u32, end: u32) -> u32 {
    const MOST: u32 = 512;
    1 + end.min(MOST).saturating_sub(first)
}

/// Where to divide the leaves, so that about as many calls are on either side.
///
/// Calls rather than leaves, because when a filter is loaded, the kernel looks for each of them once.
fn middle(leaves: &[Leaf<'_>]) -> usize {
    let all: u32 = leaves.iter().map(|leaf| leaf.calls).sum();
    let (mut below, mut at) = (0, 0);
    // The leaf in the middle is taken along if more than half of it is below.
    while let Some(leaf) = leaves.get(at)
        && 2 * below + leaf.calls <= all
    {
        below += leaf.calls;
        at += 1;
    }
    at.clamp(1, leaves.len() - 1)
}

//! Ranges to BPF: which architecture, then a binary search for the number, then the arguments.

use std::collections::BTreeMap;

use super::program::{Label, Program, Target, Test};
use super::ranges::{Outcome, Range};
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

pub(super) struct Emitter {
    program: Program,
    big_endian: bool,
    default_action: u32,
    /// The code of outcomes that depend on arguments: the same one may occur at many numbers.
    written: BTreeMap<Outcome, Label>,
}

impl Emitter {
    pub(super) fn new(default_action: u32, big_endian: bool) -> Self {
        Self { program: Program::default(), big_endian, default_action, written: BTreeMap::new() }
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
    fn search(&mut self, leaves: &[&[Range]]) -> Target {
        let (below, above) = match leaves {
            [] => return Target::Return(self.default_action),
            [leaf] => return self.leaf(leaf),
            _ => leaves.split_at(leaves.len() / 2),
        };
        let first = above.first().and_then(|leaf| leaf.first()).map_or(0, |range| range.first);
        let above = self.search(above);
        let below = self.search(below);
        Target::At(self.program.branch(Test::GreaterOrEqual, first, above, below))
    }

    fn leaf(&mut self, leaf: &[Range]) -> Target {
        match leaf {
            [others, one, ..] => {
                let (first, others, one) =
                    (one.first, self.outcome(&others.outcome), self.outcome(&one.outcome));
                Target::At(self.program.branch(Test::Equal, first, one, others))
            }
            [range] => self.outcome(&range.outcome),
            [] => Target::Return(self.default_action),
        }
    }

    fn outcome(&mut self, outcome: &Outcome) -> Target {
        let (wide, cases) = match outcome {
            Outcome::Return(action) => return Target::Return(*action),
            Outcome::Arguments { wide, cases } => (*wide, cases),
        };
        if let Some(&label) = self.written.get(outcome) {
            return Target::At(label);
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
            self.written.insert(outcome.clone(), label);
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

/// Groups the ranges into the leaves of the tree: one range, or three of which the middle is a single number and the
/// others have the same outcome, which one comparison tells apart.
fn leaves(ranges: &[Range]) -> Vec<&[Range]> {
    let mut leaves = Vec::with_capacity(ranges.len());
    let mut rest = ranges;
    while !rest.is_empty() {
        let length = match rest {
            [before, only, after, ..]
                if before.outcome == after.outcome && only.first.checked_add(1) == Some(after.first) =>
            {
                3
            }
            _ => 1,
        };
        let (leaf, others) = rest.split_at(length);
        leaves.push(leaf);
        rest = others;
    }
    leaves
}

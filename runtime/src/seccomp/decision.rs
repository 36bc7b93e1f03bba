//! What a filter decides about one system call of one architecture, when several rules speak of it.
//!
//! This follows libseccomp, by which everyone has written and tried their profiles:
//! - a rule without conditions beats all that have some, and the first one beats later ones;
//! - among rules with conditions the profile's order counts for little: the higher argument goes first, then equality,
//!   upper bounds and lower bounds, and the narrower bound goes before the wider;
//! - a rule that only adds conditions to an earlier one says nothing new; one that takes conditions away replaces it;
//! - where that would change the decision, the profile contradicts itself, and that is an error.

use std::cmp::Reverse;

use super::rules::{Compare, Condition};

/// What to do if all conditions are met.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) conditions: Vec<Condition>,
    /// `SECCOMP_RET_*`.
    pub(super) action: u32,
    /// Index in `syscalls`: for error messages.
    entry: usize,
}

/// What a filter decides about one system call.
#[derive(Debug)]
pub(super) enum Decision {
    /// `SECCOMP_RET_*`, whatever the arguments are.
    Always(u32),
    /// The first case that is met, else the default action.
    First(Vec<Case>),
}

/// The index in `syscalls` of an entry that says otherwise about the same calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conflict(pub(super) usize);

impl Case {
    /// `wide`: whether all 64 bits of an argument count.
    pub(super) fn new(conditions: &[Condition], action: u32, entry: usize, wide: bool) -> Self {
        let bits = if wide { u64::MAX } else { u64::from(u32::MAX) };
        let conditions = conditions
            .iter()
            .map(|condition| Condition {
                mask: condition.mask & bits,
                value: condition.value & bits,
                ..*condition
            })
            // No bit to compare: met by all calls.
            .filter(|condition| condition.mask != 0)
            .collect();
        Self { conditions, action, entry }
    }

    /// Cases are tried in this order.
    fn rank(&self) -> Vec<impl Ord + use<>> {
        self.conditions
            .iter()
            .map(|condition| {
                let (kind, value) = match (condition.compare, condition.holds) {
                    (Compare::Equal | Compare::MaskedEqual, _) => (0, !condition.value),
                    (_, false) => (1, condition.value),
                    (_, true) => (2, !condition.value),
                };
                (Reverse(condition.arg), kind, value)
            })
            .collect()
    }
}

impl Decision {
    /// The decision of the first rule about a system call.
    pub(super) fn new(case: Case) -> Self {
        match case.conditions.is_empty() {
            true => Decision::Always(case.action),
            false => Decision::First(vec![case]),
        }
    }

    /// Adds the next rule about it.
    pub(super) fn add(&mut self, case: Case) -> Result<(), Conflict> {
        let Decision::First(cases) = self else { return Ok(()) };
        if case.conditions.is_empty() {
            *self = Decision::Always(case.action);
            return Ok(());
        }
        if let Some(same) = cases.iter().find(|other| case.conditions == other.conditions) {
            return if same.action == case.action { Ok(()) } else { Err(Conflict(same.entry)) };
        }
        if cases.iter().any(|other| case.conditions.starts_with(&other.conditions)) {
            return Ok(());
        }
        let narrower = |other: &Case| other.conditions.starts_with(&case.conditions);
        if let Some(other) = cases.iter().find(|other| narrower(other) && other.action != case.action) {
            return Err(Conflict(other.entry));
        }
        cases.retain(|other| !narrower(other));
        let rank = case.rank();
        let at = cases.partition_point(|other| other.rank() <= rank);
        cases.insert(at, case);
        Ok(())
    }
}

//! Where another runtime is known to do otherwise: the table in suite/peers.txt.

use crate::host::{self, Maker};

/// One row.
pub struct Limit {
    /// `module::test`.
    pub test: &'static str,
    /// The first version that has it no longer.
    pub before: Option<Vec<u32>>,
    /// What it does instead.
    pub reason: &'static str,
}

/// The table; the limits of runc are the only ones so far.
pub fn limits() -> impl Iterator<Item = Limit> {
    let rows = include_str!("../suite/peers.txt").lines();
    rows.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|row| {
        let (place, reason) = row.split_once(": ").unwrap_or_else(|| panic!("{row}: no reason"));
        let (test, peer) = place.split_once(' ').unwrap_or_else(|| panic!("{row}: no runtime"));
        let before = match peer.strip_prefix("runc") {
            Some("") => None,
            Some(bound) => Some(host::numbers(bound.strip_prefix('<').expect("runc<VERSION"))),
            None => panic!("{row}: whose limit?"),
        };
        Limit { test, before, reason }
    })
}

/// Why the runtime under test can't pass a test, if that is known. `SKEG_TEST_LIMITS=try` has it try nevertheless, to
/// find out which rows are still true.
pub fn limit(test: &str) -> Option<String> {
    let applies = |limit: &Limit| limit.before.as_ref().is_none_or(|before| host::version() < *before);
    if host::maker() != Maker::Runc || std::env::var("SKEG_TEST_LIMITS").is_ok_and(|value| value == "try") {
        return None;
    }
    let limit = limits().find(|limit| limit.test == test && applies(limit))?;
    Some(format!("known limit of runc: {}", limit.reason))
}

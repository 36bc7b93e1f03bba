//! Where another runtime is known to do otherwise: the table in suite/peers.txt.

use crate::host::{self, Maker};

/// One row.
pub struct Limit {
    /// `module::test`.
    pub test: &'static str,
    /// Which versions have it.
    pub versions: Versions,
    /// What it does instead.
    pub reason: &'static str,
}

/// Versions of a runtime.
pub enum Versions {
    /// Every one that has been tried.
    All,
    /// Those before this one.
    Before(Vec<u32>),
    /// Those after this one.
    After(Vec<u32>),
}

impl Versions {
    fn parse(text: &str) -> Self {
        match (text.strip_prefix('<'), text.strip_prefix('>')) {
            (Some(bound), _) => Self::Before(host::numbers(bound)),
            (_, Some(bound)) => Self::After(host::numbers(bound)),
            _ if text.is_empty() => Self::All,
            _ => panic!("{text}: <VERSION or >VERSION"),
        }
    }

    fn contain(&self, version: &[u32]) -> bool {
        match self {
            Self::All => true,
            Self::Before(bound) => version < bound.as_slice(),
            Self::After(bound) => version > bound.as_slice(),
        }
    }
}

/// The table; the limits of runc are the only ones so far.
pub fn limits() -> impl Iterator<Item = Limit> {
    let rows = include_str!("../suite/peers.txt").lines();
    rows.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|row| {
        let (place, reason) = row.split_once(": ").unwrap_or_else(|| panic!("{row}: no reason"));
        let (test, peer) = place.split_once(' ').unwrap_or_else(|| panic!("{row}: no runtime"));
        let versions = peer.strip_prefix("runc").unwrap_or_else(|| panic!("{row}: whose limit?"));
        Limit { test, versions: Versions::parse(versions), reason }
    })
}

/// Why the runtime under test can't pass a test, if that is known. `SKEG_TEST_LIMITS=try` has it try nevertheless, to
/// find out which rows are still true.
pub fn limit(test: &str) -> Option<String> {
    let applies = |limit: &Limit| limit.versions.contain(&host::version());
    if host::maker() != Maker::Runc || std::env::var("SKEG_TEST_LIMITS").is_ok_and(|value| value == "try") {
        return None;
    }
    let limit = limits().find(|limit| limit.test == test && applies(limit))?;
    Some(format!("known limit of runc: {}", limit.reason))
}

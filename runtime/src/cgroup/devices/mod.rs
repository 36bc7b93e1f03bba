//! `linux.resources.devices`: which device nodes the container may open and make. The rules are checked once here;
//! v1 takes them as text, v2 as a BPF program.

mod program;
mod v1;
mod v2;

pub use program::program;
#[cfg(test)]
pub use v1::{Change, changes};

pub(super) use v1::apply as apply_v1;
pub(super) use v2::apply as apply_v2;

use super::error::{Error, Result};
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

/// A kind of device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A block device.
    Block,
    /// A character device.
    Char,
}

/// What a rule is about, in the bits of `struct bpf_cgroup_dev_ctx` (`BPF_DEVCG_ACC_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access(u32);

impl Access {
    /// mknod(2).
    pub const MKNOD: Self = Self(1);
    /// open(2) for reading.
    pub const READ: Self = Self(2);
    /// open(2) for writing.
    pub const WRITE: Self = Self(4);
    /// All of them.
    pub const ALL: Self = Self(7);

    /// The kernel's bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    #[cfg(test)]
    pub(super) fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// What is in this and not in `other`.
    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn parse(text: &str) -> Option<Self> {
        let bits = text.chars().try_fold(0, |bits, letter| match letter {
            'r' => Some(bits | Self::READ.0),
            'w' => Some(bits | Self::WRITE.0),
            'm' => Some(bits | Self::MKNOD.0),
            _ => None,
        });
        bits.map(Self).filter(|access| !access.is_empty())
    }
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (bit, letter) in [(Self::READ, "r"), (Self::WRITE, "w"), (Self::MKNOD, "m")] {
            if self.overlaps(bit) {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

/// The device nodes that a rule matches. `None` matches every number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nodes {
    /// Block or character devices.
    pub kind: Kind,
    /// The driver.
    pub major: Option<u32>,
    /// The device.
    pub minor: Option<u32>,
}

/// One checked rule. The last rule that says something about a node and an access decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Type `a` without numbers: every earlier rule is void.
    All {
        /// Allow or deny.
        allow: bool,
    },
    /// Some nodes, some accesses.
    Some {
        /// Allow or deny.
        allow: bool,
        /// Which nodes.
        nodes: Nodes,
        /// Which accesses.
        access: Access,
    },
}

/// What every container may do, whatever its config.json says (runc's list, and the spec's default devices): make
/// any node, and use the harmless ones.
const ALWAYS: [(Kind, Option<u32>, Option<u32>, Access); 11] = [
    (Kind::Char, None, None, Access::MKNOD),
    (Kind::Block, None, None, Access::MKNOD),
    (Kind::Char, Some(1), Some(3), Access::ALL),    // null
    (Kind::Char, Some(1), Some(8), Access::ALL),    // random
    (Kind::Char, Some(1), Some(7), Access::ALL),    // full
    (Kind::Char, Some(5), Some(0), Access::ALL),    // tty
    (Kind::Char, Some(1), Some(5), Access::ALL),    // zero
    (Kind::Char, Some(1), Some(9), Access::ALL),    // urandom
    (Kind::Char, Some(136), None, Access::ALL),     // pts
    (Kind::Char, Some(5), Some(2), Access::ALL),    // ptmx
    (Kind::Char, Some(10), Some(200), Access::ALL), // net/tun
];

/// The rules of config.json, checked, and after them those that hold for every container. Where no rule says
/// anything, the access is denied.
pub fn rules(config: &[LinuxDeviceCgroup]) -> Result<Vec<Rule>> {
    let mut rules = Vec::with_capacity(config.len() + ALWAYS.len());
    for (index, rule) in config.iter().enumerate() {
        let setting = format!("linux.resources.devices[{index}]");
        add(rule, &setting, &mut rules)?;
    }
    rules.extend(ALWAYS.map(|(kind, major, minor, access)| Rule::Some {
        allow: true,
        nodes: Nodes { kind, major, minor },
        access,
    }));
    Ok(rules)
}

/// Whether the rules forbid nothing.
pub fn allows_all(rules: &[Rule]) -> bool {
    let last = rules.iter().rposition(|rule| matches!(rule, Rule::All { allow: true }));
    let after = last.and_then(|last| rules.get(last..));
    after.is_some_and(|rules| rules.iter().all(Rule::allow))
}

impl Rule {
    fn allow(&self) -> bool {
        match self {
            Self::All { allow } | Self::Some { allow, .. } => *allow,
        }
    }
}

fn add(rule: &LinuxDeviceCgroup, setting: &str, rules: &mut Vec<Rule>) -> Result<()> {
    let text = rule.access().as_deref().unwrap_or_default();
    if text.is_empty() {
        return Err(Error::setting(format!("{setting}.access"), "device access cannot be empty"));
    }
    let access = Access::parse(text).ok_or_else(|| {
        Error::setting(format!("{setting}.access"), format!("unknown device access {text:?}"))
    })?;
    let major = number(rule.major(), &format!("{setting}.major"))?;
    let minor = number(rule.minor(), &format!("{setting}.minor"))?;
    let allow = rule.allow();
    let kinds: &[Kind] = match rule.typ().unwrap_or_default() {
        LinuxDeviceType::C | LinuxDeviceType::U => &[Kind::Char],
        LinuxDeviceType::B => &[Kind::Block],
        LinuxDeviceType::A if major.is_none() && minor.is_none() && access == Access::ALL => {
            rules.push(Rule::All { allow });
            return Ok(());
        }
        // v1 would take this for "everything" and never look at the rest of the rule.
        LinuxDeviceType::A => &[Kind::Char, Kind::Block],
        LinuxDeviceType::P => {
            return Err(Error::setting(
                format!("{setting}.type"),
                "a FIFO is not a device that can be restricted",
            ));
        }
    };
    rules.extend(kinds.iter().map(|kind| Rule::Some {
        allow,
        nodes: Nodes { kind: *kind, major, minor },
        access,
    }));
    Ok(())
}

/// A negative number is runc's "any".
fn number(value: Option<i64>, setting: &str) -> Result<Option<u32>> {
    let Some(value) = value.filter(|value| *value >= 0) else { return Ok(None) };
    let number = u32::try_from(value);
    number.map(Some).map_err(|_| Error::setting(setting, format!("invalid device number {value}")))
}

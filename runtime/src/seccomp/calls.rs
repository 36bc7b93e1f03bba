//! The system calls that are known: their names, and their numbers for each ABI. syscall_tables.rs makes the tables.

use super::hash::hash;

include!(concat!(env!("OUT_DIR"), "/syscalls.rs"));

/// A system call, whatever number it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syscall(u16);

/// The numbers of an ABI.
pub(super) struct Numbers {
    /// Where they start.
    pub(super) first: u32,
    /// `u32::MAX` for the calls that it does not have.
    by_call: [u32; CALLS],
}

impl Syscall {
    /// The call of this name, if there is one anywhere.
    pub(super) fn named(name: &str) -> Option<Self> {
        let mut at = hash(name.as_bytes()) as usize;
        loop {
            let call = Self(SLOTS[at % SLOTS.len()].checked_sub(1)?);
            if call.name_bytes() == name.as_bytes() {
                return Some(call);
            }
            at += 1;
        }
    }

    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..CALLS as u16).map(Self)
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        str::from_utf8(self.name_bytes()).unwrap_or_default()
    }

    fn name_bytes(self) -> &'static [u8] {
        let place = |index: usize| BEGINS.get(index).map(|at| usize::from(*at));
        let (begin, end) = (place(self.index()), place(self.index() + 1));
        begin.zip(end).and_then(|(begin, end)| NAMES.get(begin..end)).unwrap_or_default()
    }

    /// Below [`CALLS`].
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl Numbers {
    /// The number of a call, if the ABI has it.
    pub(super) fn of(&self, call: Syscall) -> Option<u32> {
        self.by_call.get(call.index()).copied().filter(|number| *number != u32::MAX)
    }
}

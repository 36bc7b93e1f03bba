//! Names of system calls, with their hashes: each of an architecture's is looked up among a profile's at every start, so
//! those of the tables are hashed by the compiler.

use hashbrown::HashTable;

/// The name of a system call.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) bytes: &'a [u8],
    hash: u32,
}

impl<'a> Name<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, hash: hash(bytes) }
    }

    /// Of a table that has the hash already.
    pub(super) const fn hashed(bytes: &'a [u8], hash: u32) -> Self {
        Self { bytes, hash }
    }
}

/// FNV-1a. That who writes a profile could make it slow to compile is no attack: they can write a long one.
pub(super) const fn hash(bytes: &[u8]) -> u32 {
    let (mut hash, mut at) = (0x811c_9dc5_u32, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}

/// Names with their numbers in the order of their first appearance.
#[derive(Default)]
pub(super) struct Index<'a> {
    names: Vec<&'a [u8]>,
    table: HashTable<usize>,
}

impl<'a> Index<'a> {
    pub(super) fn reserve(&mut self, count: usize) {
        self.names.reserve(count);
        self.table.reserve(count, |_| 0);
    }

    /// The name's number, a new one if it is new.
    pub(super) fn number(&mut self, name: Name<'a>) -> usize {
        if let Some(known) = self.find(name) {
            return known;
        }
        let (number, names) = (self.names.len(), &mut self.names);
        names.push(name.bytes);
        self.table.insert_unique(spread(name.hash), number, |&number| spread(hash(names[number])));
        number
    }

    /// The number of a name that is there.
    pub(super) fn find(&self, name: Name<'_>) -> Option<usize> {
        self.table.find(spread(name.hash), |&number| self.names[number] == name.bytes).copied()
    }

    /// The name with this number.
    pub(super) fn name(&self, number: usize) -> Option<&'a [u8]> {
        self.names.get(number).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }
}

/// The table wants different hashes to differ at both ends.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

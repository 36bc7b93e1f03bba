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

/// Mixes the length with the first and the last eight bytes, which tell the names of system calls apart. Others meet in
/// one place of a table, which is slow and no mistake. That who writes a profile could want that is no attack: they can
/// write a long one.
pub(super) const fn hash(bytes: &[u8]) -> u32 {
    let (first, last) = match (bytes.first_chunk(), bytes.last_chunk(), bytes) {
        (Some(first), Some(last), _) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        (_, _, short) => {
            let (mut word, mut at) = (0, 0);
            while at < short.len() {
                word = word << 8 | short[at] as u64;
                at += 1;
            }
            (word, 0)
        }
    };
    let mixed = (first ^ bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ last;
    (mixed.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 32) as u32
}

/// Names with their numbers in the order of their first appearance.
#[derive(Default)]
pub(super) struct Index<'a> {
    names: Vec<&'a [u8]>,
    table: HashTable<u32>,
}

impl<'a> Index<'a> {
    pub(super) fn reserve(&mut self, count: usize) {
        self.names.reserve(count);
        self.table.reserve(count, |_| 0);
    }

    /// The name's number, a new one if it is new.
    pub(super) fn number(&mut self, name: Name<'a>) -> u32 {
        if let Some(known) = self.find(name) {
            return known;
        }
        let (number, names) = (self.names.len() as u32, &mut self.names);
        names.push(name.bytes);
        self.table.insert_unique(spread(name.hash), number, |&number| spread(hash(names[number as usize])));
        number
    }

    /// The number of a name that is there.
    pub(super) fn find(&self, name: Name<'_>) -> Option<u32> {
        self.table.find(spread(name.hash), |&number| self.names[number as usize] == name.bytes).copied()
    }

    /// The name with this number.
    pub(super) fn name(&self, number: u32) -> Option<&'a [u8]> {
        self.names.get(number as usize).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }
}

/// The table wants different hashes to differ at both ends.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

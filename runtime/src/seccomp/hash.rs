//! The hash of a system call's name: the same for build.rs, which makes the table.

/// Mixes the length with the first and the last eight bytes, which tell the names of system calls apart. What is as long and
/// begins and ends alike is compared, which takes time and is no mistake.
pub fn hash(name: &[u8]) -> u32 {
    let (first, last) = match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (name.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0),
    };
    let mixed = (first ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ last;
    (mixed.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 32) as u32
}

//! The functions on memory that the compiler calls, for x86_64. musl's compare byte by byte, and copy by an instruction that
//! takes longer to begin than most of our copies take in all: names of a dozen bytes.
//!
//! No loop here copies: the compiler would know it, and make it a call of these functions.

use std::arch::asm;
use std::arch::x86_64::__m128i;
use std::cmp::Ordering;
use std::ffi::c_int;

/// memcpy(3).
///
/// # Safety
/// As the man page says.
#[cfg_attr(not(debug_assertions), unsafe(no_mangle))] // The name is C's.
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe {
        if !copied_at_once(to, from, length) {
            forwards(to, from, length);
        }
    }
    to
}

/// memmove(3).
///
/// # Safety
/// As the man page says.
#[cfg_attr(not(debug_assertions), unsafe(no_mangle))] // The name is C's.
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller's promise. What would be written before it is read is copied from its end.
    unsafe {
        if !copied_at_once(to, from, length) {
            match to.addr().wrapping_sub(from.addr()) < length {
                true => backwards(to, from, length),
                false => forwards(to, from, length),
            }
        }
    }
    to
}

/// memcmp(3).
///
/// # Safety
/// As the man page says.
#[cfg_attr(not(debug_assertions), unsafe(no_mangle))] // The name is C's.
pub unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, length: usize) -> c_int {
    // SAFETY: the caller's promise; each read is of bytes before `length`.
    let order = unsafe {
        match length {
            0 => Ordering::Equal,
            1 => (*one).cmp(&*other),
            2..4 => {
                ends::<u16>(one, length).map(u16::from_be).cmp(&ends::<u16>(other, length).map(u16::from_be))
            }
            4..8 => {
                ends::<u32>(one, length).map(u32::from_be).cmp(&ends::<u32>(other, length).map(u32::from_be))
            }
            _ => words(one, other, length),
        }
    };
    order as c_int
}

/// bcmp(3), which the compiler calls where only equality counts.
///
/// # Safety
/// As the man page says.
#[cfg_attr(not(debug_assertions), unsafe(no_mangle))] // The name is C's.
pub unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, length: usize) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { memcmp(one, other, length) }
}

/// The value at any address.
///
/// # Safety
/// It can be read.
#[inline(always)]
unsafe fn load<T: Copy>(from: *const u8) -> T {
    // SAFETY: the caller's promise.
    unsafe { from.cast::<T>().read_unaligned() }
}

/// The first and the last `T` of `length` bytes, which they cover if there are no more than two.
///
/// # Safety
/// There is at least one, and all can be read.
#[inline(always)]
unsafe fn ends<T: Copy>(from: *const u8, length: usize) -> [T; 2] {
    // SAFETY: the caller's promise.
    unsafe { [load(from), load(from.add(length - size_of::<T>()))] }
}

/// Copies what fits into registers: everything is read before anything is written. False where it is too much.
///
/// # Safety
/// So many bytes can be read and written.
#[inline(always)]
unsafe fn copied_at_once(to: *mut u8, from: *const u8, length: usize) -> bool {
    /// # Safety
    /// As above, and there are one `T` to two.
    #[inline(always)]
    unsafe fn copy<T: Copy>(to: *mut u8, from: *const u8, length: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let [first, last] = ends::<T>(from, length);
            to.cast::<T>().write_unaligned(first);
            to.add(length - size_of::<T>()).cast::<T>().write_unaligned(last);
        }
    }
    // SAFETY: the caller's promise; each arm has the lengths of its type.
    unsafe {
        match length {
            0 => {}
            1 => *to = *from,
            2..4 => copy::<u16>(to, from, length),
            4..8 => copy::<u32>(to, from, length),
            8..16 => copy::<u64>(to, from, length),
            16..32 => copy::<__m128i>(to, from, length),
            32..64 => copy::<[__m128i; 2]>(to, from, length),
            64..128 => copy::<[__m128i; 4]>(to, from, length),
            _ => return false,
        }
    }
    true
}

/// # Safety
/// So many bytes can be read and written, and `to` does not begin within them.
#[inline(always)]
unsafe fn forwards(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: the caller's promise; the direction is the one that the ABI guarantees.
    unsafe {
        asm!("rep movsb", inout("rcx") length => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
}

/// # Safety
/// So many bytes can be read and written, and there is at least one.
unsafe fn backwards(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: the caller's promise; the direction is turned back.
    unsafe {
        asm!("std", "rep movsb", "cld", inout("rcx") length => _, inout("rdi") to.add(length - 1) => _,
            inout("rsi") from.add(length - 1) => _, options(nostack));
    }
}

/// Compares by words, of which the last one may overlap with the one before it.
///
/// # Safety
/// So many bytes can be read from both, and there is at least a word.
#[inline(always)]
unsafe fn words(one: *const u8, other: *const u8, length: usize) -> Ordering {
    const WORD: usize = size_of::<u64>();
    let mut at = 0;
    loop {
        // SAFETY: the caller's promise; the word ends at `length` or before.
        let (left, right) = unsafe { (load::<u64>(one.add(at)), load::<u64>(other.add(at))) };
        if left != right {
            return u64::from_be(left).cmp(&u64::from_be(right));
        }
        if at + WORD >= length {
            return Ordering::Equal;
        }
        at = (at + WORD).min(length - WORD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths around every boundary, and some beyond.
    const LENGTHS: std::ops::Range<usize> = 0..300;

    fn numbered() -> Vec<u8> {
        (0..700_u32).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn copies_are_whole_and_no_more() {
        for length in LENGTHS {
            let (from, mut to) = (numbered(), vec![0xff; 320]);
            // SAFETY: both are long enough.
            unsafe { memcpy(to.as_mut_ptr().add(5), from.as_ptr().add(3), length) };
            let expected = [&[0xff; 5], &from[3..3 + length], &vec![0xff; 315 - length]].concat();
            assert!(to == expected, "{length} bytes");
        }
    }

    #[test]
    fn what_overlaps_is_moved_whole() {
        for length in LENGTHS {
            for to in [0, 1, 7, 8, 63, 64, 65, 150, 200, 399] {
                let (mut moved, mut expected) = (numbered(), numbered());
                expected.copy_within(64..64 + length, to);
                // SAFETY: 700 bytes are enough.
                unsafe { memmove(moved.as_mut_ptr().add(to), moved.as_ptr().add(64), length) };
                assert!(moved == expected, "{length} bytes to {to}");
            }
        }
    }

    #[test]
    fn the_first_difference_decides() {
        for length in LENGTHS {
            let one = numbered();
            // SAFETY: both are long enough.
            let compare = |one: &[u8], other: &[u8]| unsafe { memcmp(one.as_ptr(), other.as_ptr(), length) };
            assert_eq!(compare(&one, &numbered()), 0, "{length} bytes");
            for at in 0..length + 2 {
                let mut other = numbered();
                other[at] = other[at].wrapping_add(1);
                // What follows says the opposite.
                other[at + 1] = other[at + 1].wrapping_sub(1);
                let order = if at < length { one[at].cmp(&other[at]) } else { Ordering::Equal };
                assert_eq!(compare(&one, &other), order as c_int, "{length} bytes, other at {at}");
                // SAFETY: as above.
                let differ = unsafe { bcmp(one.as_ptr(), other.as_ptr(), length) } != 0;
                assert_eq!(differ, order.is_ne());
            }
        }
    }
}

//! Memory that the kernel hands out. There is no allocator: what is mapped here lives until the exec.

use super::{Errno, Result};
use core::ffi::{CStr, c_char, c_void};
use core::sync::atomic::AtomicU32;
use rustix::mm::{Advice, MapFlags, ProtFlags};

/// `void *mmap(NULL, size_t length, ...)`: private, anonymous memory, mmap(2).
fn anonymous(len: usize, flags: MapFlags) -> Result<*mut c_void> {
    // SAFETY: a new mapping at an address of the kernel's choice touches no memory in use.
    unsafe {
        rustix::mm::mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, flags)
    }
}

/// A mapping of `len` zeroed bytes.
pub fn bytes(len: usize) -> Result<&'static mut [u8]> {
    let start = anonymous(len, MapFlags::PRIVATE | MapFlags::NORESERVE)?;
    // SAFETY: `len` bytes, mapped, zeroed by the kernel, never unmapped, and known to nobody else.
    Ok(unsafe { core::slice::from_raw_parts_mut(start.cast(), len) })
}

/// The same for many bytes, of which only what is touched costs memory.
pub fn sparse_bytes(len: usize) -> Result<&'static mut [u8]> {
    let bytes = bytes(len)?;
    // SAFETY: exactly this mapping; the advice does not change what it holds.
    match unsafe { rustix::mm::madvise(bytes.as_mut_ptr().cast(), len, Advice::LinuxNoHugepage) } {
        // A kernel without huge pages does not know the advice. With them the first byte would cost 2 MiB.
        Ok(()) | Err(Errno::INVAL) => Ok(bytes),
        Err(errno) => Err(errno),
    }
}

/// Zeroed bytes that are given away piece by piece, and never come back.
pub struct Arena {
    rest: &'static mut [u8],
}

impl Arena {
    /// `rest` is zero.
    pub fn new(rest: &'static mut [u8]) -> Self {
        Self { rest }
    }

    /// The next `len` zeroed bytes, aligned as a pointer; of a mapping of their own where they do not fit.
    pub fn bytes(&mut self, len: usize) -> Result<&'static mut [u8]> {
        let padding = self.rest.as_ptr().align_offset(align_of::<*const c_char>());
        let end = padding.checked_add(len).ok_or(Errno::OVERFLOW)?;
        if end > self.rest.len() {
            return bytes(len);
        }
        let (piece, rest) = core::mem::take(&mut self.rest).split_at_mut_checked(end).ok_or(Errno::NOMEM)?;
        self.rest = rest;
        piece.get_mut(padding..).ok_or(Errno::NOMEM)
    }
}

/// A NULL-terminated array of pointers to strings, as execve(2) takes it.
#[derive(Clone, Copy)]
pub struct Pointers<'a>(&'a [*const c_char]);

impl<'a> Pointers<'a> {
    /// Takes an array for `count` strings and fills it.
    pub fn of(arena: &mut Arena, strings: impl Iterator<Item = &'a CStr>, count: usize) -> Result<Self> {
        let slots = count.checked_add(1).ok_or(Errno::OVERFLOW)?;
        let len = slots.checked_mul(size_of::<*const c_char>()).ok_or(Errno::OVERFLOW)?;
        let start = arena.bytes(len)?.as_mut_ptr();
        // SAFETY: `len` bytes, aligned as the arena promises, known to nobody else; zero bytes are NULL pointers.
        let slots = unsafe { core::slice::from_raw_parts_mut(start.cast::<*const c_char>(), slots) };
        // The last slot is not among those that are filled: it stays NULL.
        for (slot, string) in slots.iter_mut().zip(strings.take(count)) {
            *slot = string.as_ptr();
        }
        Ok(Self(slots))
    }

    /// The array.
    pub fn as_ptr(&self) -> *const *const c_char {
        self.0.as_ptr()
    }
}

/// A number that this process shares with its children.
pub fn shared_number() -> Result<&'static AtomicU32> {
    let start = anonymous(size_of::<AtomicU32>(), MapFlags::SHARED)?;
    // SAFETY: mapped, aligned to a page, zeroed, never unmapped; every process accesses it atomically.
    Ok(unsafe { &*start.cast::<AtomicU32>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_end_with_null() {
        let strings = [c"a", c"b"];
        let pointers = Pointers::of(&mut Arena::new(&mut []), strings.into_iter(), 2).unwrap();
        assert_eq!(pointers.0, [strings[0].as_ptr(), strings[1].as_ptr(), core::ptr::null()]);
    }

    #[test]
    fn pointers_end_with_null_where_there_are_more_strings_than_said() {
        let strings = [c"a", c"b"];
        let pointers = Pointers::of(&mut Arena::new(&mut []), strings.into_iter(), 1).unwrap();
        assert_eq!(pointers.0, [strings[0].as_ptr(), core::ptr::null()]);
    }

    #[test]
    fn no_strings_are_one_null() {
        let mut arena = Arena::new(bytes(100).unwrap());
        assert_eq!(Pointers::of(&mut arena, core::iter::empty(), 0).unwrap().0, [core::ptr::null()]);
    }

    #[test]
    fn pieces_of_an_arena_are_aligned_and_apart() {
        let mut arena = Arena::new(&mut bytes(100).unwrap()[1..]);
        let (first, second) = (arena.bytes(3).unwrap(), arena.bytes(8).unwrap());
        assert_eq!((first.len(), second.len()), (3, 8));
        assert_eq!((first.as_ptr() as usize % 8, second.as_ptr() as usize % 8), (0, 0));
        assert!(first.as_ptr_range().end <= second.as_ptr());
    }

    #[test]
    fn an_arena_that_is_too_small_maps_more() {
        assert_eq!(Arena::new(bytes(100).unwrap()).bytes(200).unwrap().len(), 200);
    }

    #[test]
    fn bytes_are_zero() {
        assert!(bytes(10_000).unwrap().iter().all(|byte| *byte == 0));
    }
}

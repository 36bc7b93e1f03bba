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

/// A NULL-terminated array of pointers to strings, as execve(2) takes it.
#[derive(Clone, Copy)]
pub struct Pointers<'a>(&'a [*const c_char]);

impl<'a> Pointers<'a> {
    /// Maps an array for `count` strings and fills it.
    pub fn of(strings: impl Iterator<Item = &'a CStr>, count: usize) -> Result<Self> {
        let slots = count.checked_add(1).ok_or(Errno::OVERFLOW)?;
        let len = slots.checked_mul(size_of::<*const c_char>()).ok_or(Errno::OVERFLOW)?;
        let start = anonymous(len, MapFlags::PRIVATE)?;
        // SAFETY: mapped, aligned to a page, never unmapped, known to nobody else; zero bytes are NULL pointers.
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
        let pointers = Pointers::of(strings.into_iter(), 2).unwrap();
        assert_eq!(pointers.0, [strings[0].as_ptr(), strings[1].as_ptr(), core::ptr::null()]);
    }

    #[test]
    fn pointers_end_with_null_where_there_are_more_strings_than_said() {
        let strings = [c"a", c"b"];
        let pointers = Pointers::of(strings.into_iter(), 1).unwrap();
        assert_eq!(pointers.0, [strings[0].as_ptr(), core::ptr::null()]);
    }

    #[test]
    fn no_strings_are_one_null() {
        assert_eq!(Pointers::of(core::iter::empty(), 0).unwrap().0, [core::ptr::null()]);
    }

    #[test]
    fn bytes_are_zero() {
        assert!(bytes(10_000).unwrap().iter().all(|byte| *byte == 0));
    }
}
